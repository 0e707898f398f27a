package jumpcloud

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// The methods of this file read objects in another way than the rest of the client.
// They are for a caller who got the answer that an object does not exist and wants a
// second one.

// IsUserFound reports whether JumpCloud's search finds a user, or, where the search
// does not support such a query, its list.
func (c *Client) IsUserFound(ctx context.Context, id directory.UserID) (bool, error) {
	if !isObjectID(string(id)) {
		return false, nil
	}
	found, err := c.searchUser(ctx, id)
	if !fault.Is(err, fault.Invalid) {
		return found, err
	}
	users, err := c.userPage(ctx, url.Values{"filter": {"_id:$eq:" + string(id)}})
	for _, user := range users {
		if user.ID == id {
			return true, nil
		}
	}
	return false, err
}

// searchUser searches for a user. A search that returns other users does not support
// the query: a fault of kind Invalid.
func (c *Client) searchUser(ctx context.Context, id directory.UserID) (bool, error) {
	const op = "jumpcloud.search user"
	body, err := json.Marshal(map[string]any{
		"filter": map[string]any{"and": []any{map[string]any{"_id": id}}}, "fields": "_id username", "limit": 1, "skip": 0})
	if err != nil {
		return false, fault.Wrap(err, fault.Internal, op)
	}
	what := call{op: op, subject: string(id), method: http.MethodPost, url: c.api + "/search/systemusers", body: body}
	p, err := c.wrappedList(ctx, what)
	if err != nil {
		return false, err
	}
	users := usersOn(p)
	if slices.ContainsFunc(users, func(u directory.User) bool { return u.ID != id }) {
		return false, &fault.Error{Op: op, Kind: fault.Invalid, Subject: string(id), Message: "JumpCloud's search gives others than those searched"}
	}
	return len(users) > 0, nil
}

// errFound ends a walk that has found the object.
var errFound = errors.New("found")

// IsGroupFound reports whether JumpCloud's list of groups of every kind has a user
// group.
func (c *Client) IsGroupFound(ctx context.Context, id directory.GroupID) (bool, error) {
	what := call{op: "jumpcloud.list groups", subject: string(id), url: c.api + "/v2/groups"}
	err := c.eachPage(ctx, what, url.Values{"sort": {"id"}}, (*Client).bareList, func(_ int, p page) error {
		for _, raw := range p.elements {
			if objectOf(raw).text("id") == string(id) {
				return errFound
			}
		}
		return nil
	})
	if errors.Is(err, errFound) {
		return true, nil
	}
	return false, err
}
