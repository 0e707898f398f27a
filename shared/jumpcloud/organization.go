package jumpcloud

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// Organization reads the organization of the key: its id and display name; the other
// fields are ours and stay empty. It checks that address, key and organization fit
// together: NotFound or Forbidden when the key is another organization's, Unauthorized
// when the key is not accepted.
//
// The routes below /organizations take no x-org-id (JumpCloud API
// documentation), so none is sent.
func (c *Client) Organization(ctx context.Context) (directory.Organization, error) {
	what := call{op: "jumpcloud.read organization", subject: string(c.organization), method: http.MethodGet, noOrg: true,
		url: c.api + "/organizations?limit=2"}
	if c.organization != "" {
		what.url = c.api + "/organizations/" + url.PathEscape(string(c.organization))
	}
	got, err := c.do(ctx, what)
	if err != nil {
		return directory.Organization{}, err
	}
	var o object
	if err := decode(what, got.body, &o); err != nil {
		return directory.Organization{}, err
	}
	if c.organization == "" {
		if o, err = onlyOne(what, o["results"]); err != nil {
			return directory.Organization{}, err
		}
	}
	id := o.text("_id")
	if id == "" {
		id = o.text("id")
	}
	if id == "" || c.organization != "" && id != string(c.organization) {
		return directory.Organization{}, &fault.Error{Op: what.op, Subject: what.subject, Kind: fault.Transient,
			Message: "JumpCloud answered with something that is not the organization asked for"}
	}
	return directory.Organization{ID: directory.OrganizationID(id), Name: o.text("displayName")}, nil
}

// onlyOne is the only organization of a list. With a key for several, the administrator
// must name the organization.
func onlyOne(what call, results json.RawMessage) (object, error) {
	organizations := object{"results": results}.objects("results")
	if len(organizations) != 1 {
		return nil, &fault.Error{Op: what.op, Kind: fault.Invalid,
			Message: "the key does not belong to exactly one JumpCloud organization; name the organization"}
	}
	return organizations[0], nil
}
