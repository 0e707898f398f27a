package jumpcloud

import (
	"context"
	"net/http"
	"net/url"

	"entrasync/shared/directory"
)

// UserPage reads the page of the list of users at a place, in order of their ids, and returns
// the place after it. A user who is created or deleted meanwhile may be missed, or come twice;
// do not conclude anything from an absence.
func (c *Client) UserPage(ctx context.Context, at directory.ListPlace) ([]directory.User, directory.ListPlace, error) {
	what := call{op: opListUsers, method: http.MethodGet, url: c.api + families[typeUser].list}
	p, next, err := c.pageAt(ctx, what, url.Values{"sort": {"_id"}}, families[typeUser].read, at)
	return usersOn(p), next, err
}

// GroupPage reads the page of the list of user groups at a place, as UserPage does.
func (c *Client) GroupPage(ctx context.Context, at directory.ListPlace) ([]directory.Group, directory.ListPlace, error) {
	what := call{op: "jumpcloud.list groups", method: http.MethodGet, url: c.api + families[typeUserGroup].list}
	p, next, err := c.pageAt(ctx, what, url.Values{"sort": {graphSort}}, families[typeUserGroup].read, at)
	var groups []directory.Group
	for _, raw := range p.elements {
		o := objectOf(raw)
		if group := (directory.Group{ID: directory.GroupID(o.text("id")), Name: o.text("name")}); group.ID != "" && group.Name != "" {
			groups = append(groups, group)
		}
	}
	return groups, next, err
}
