package jumpcloud

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"entrasync/shared/fault"
)

// ProbeKey implements reconcile.JumpCloud: it lists one user. The organization itself needs
// other rights than its users (assumed), and those are what the work on users needs.
//
// For every key that is valid and its organization this succeeds: one without users has an
// empty list. So a refusal as not found or as not valid is not about a user, but about the
// organization (jumpcloud.md 3.2: one that is not known 404, another one's 400).
func (c *Client) ProbeKey(ctx context.Context) error {
	what := call{op: "jumpcloud.probe", subject: string(c.organization), method: http.MethodGet, url: c.api + "/systemusers?limit=1&fields=_id"}
	_, err := c.do(ctx, what)
	if !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Invalid) {
		return err
	}
	return &fault.Error{Op: what.op, Subject: what.subject, Kind: fault.Unauthorized, Err: err, Message: fmt.Sprintf(
		"JumpCloud does not find the organization %s with the key that it has here: see that the id and the region are right, and PATCH the organization with a key of its own", c.organization)}
}

// AnyGroup is a read that shows whether the key may read groups, in the form of
// [Refused.Read].
const AnyGroup = "/v2/usergroups?limit=1"

// ProbeRead implements reconcile.JumpCloud: it reads once more what [Refused] says. A
// refusal names the scope that the key needs for it.
func (c *Client) ProbeRead(ctx context.Context, read string) error {
	_, err := c.do(ctx, call{op: "jumpcloud.probe", subject: read, method: http.MethodGet, url: c.api + read})
	if err == nil {
		return nil
	}
	return needing(ScopeOf(read), err)
}

// Refused is the cause of a fault: JumpCloud does not allow the key to read something.
type Refused struct {
	Read string // what was to be read: path and query after the address of the API
	said error
}

// Error is what JumpCloud said.
func (r *Refused) Error() string { return r.said.Error() }

// Unwrap returns what JumpCloud said.
func (r *Refused) Unwrap() error { return r.said }

// refusal gives a refusal of the key what was to be read.
func (c *Client) refusal(r *http.Request, status int, said error) error {
	read, ours := strings.CutPrefix(r.URL.String(), c.api)
	if r.Method != http.MethodGet || status != http.StatusForbidden || !ours {
		return said
	}
	return &Refused{Read: read, said: said}
}

// ScopeOf is the scope that a key needs for a read of [Refused] (JumpCloud API documentation,
// x-scopes).
func ScopeOf(read string) string {
	path, _, _ := strings.Cut(read, "?")
	switch {
	case strings.HasSuffix(path, "/associations"):
		return "associations.readonly"
	case strings.HasSuffix(path, "/membership"), strings.HasSuffix(path, "/users"), strings.Contains(path, "/systemusers"):
		return "users.readonly"
	case strings.HasSuffix(path, "/memberof"), strings.Contains(path, "groups"):
		return "groups.readonly"
	default:
		return "directories.readonly"
	}
}
