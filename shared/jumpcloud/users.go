package jumpcloud

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// User reads one user. A user that does not exist is a fault of kind NotFound; so is an
// id that JumpCloud refuses as malformed, because no user can have it. A user counts as
// missing only if JumpCloud says so for that id alone, because an absence from a list
// proves nothing, and if its list of users can be read, because a wrong address, or a
// proxy in between, answers 404 to everything.
func (c *Client) User(ctx context.Context, id directory.UserID) (directory.User, error) {
	what := call{op: "jumpcloud.read user", subject: string(id), method: http.MethodGet,
		url: c.api + families[typeUser].one + url.PathEscape(string(id))}
	if id == "" || id == "." || id == ".." { // these would name the list, not a user
		return directory.User{}, impossibleID(what.op, typeUser, string(id))
	}
	got, err := c.do(ctx, what)
	if err != nil {
		if problem := fault.Of(err); problem.Kind == fault.Invalid && !isObjectID(string(id)) {
			problem.Kind = fault.NotFound
		}
		return directory.User{}, c.ifListed(ctx, err, typeUser, string(id))
	}
	var o object
	if err := decode(what, got.body, &o); err != nil {
		return directory.User{}, err
	}
	user, ok := userOf(o)
	if !ok || user.ID != id {
		return directory.User{}, &fault.Error{Op: what.op, Kind: fault.Transient, Subject: what.subject,
			Message: "JumpCloud answered with something that is not the user asked for"}
	}
	return user, nil
}

// ListUsers reads several users by filtered lists, which saves requests. A user that is
// not found may still exist: read it with [Client.User].
func (c *Client) ListUsers(ctx context.Context, ids []directory.UserID) (map[directory.UserID]directory.User, error) {
	listable := slices.DeleteFunc(slices.Clone(ids), func(id directory.UserID) bool {
		return !isObjectID(string(id)) // anything else could break out of the filter
	})
	slices.Sort(listable)
	listable = slices.Compact(listable)
	found := map[directory.UserID]directory.User{}
	if len(listable) < 2 {
		return found, nil
	}
	for chunk := range slices.Chunk(listable, pageSize) {
		if err := c.listUsers(ctx, chunk, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// listUsers adds to found the users that one filtered list returns. The URL is shorter
// than 3 kB. A list that JumpCloud refuses as invalid finds nobody, because the filter
// may not be supported; users that were not requested are ignored.
func (c *Client) listUsers(ctx context.Context, ids []directory.UserID, found map[directory.UserID]directory.User) error {
	var filter strings.Builder
	for i, id := range ids {
		if i > 0 {
			filter.WriteByte('|')
		}
		filter.WriteString(string(id))
	}
	users, err := c.userPage(ctx, url.Values{"filter": {"_id:$in:" + filter.String()}})
	if fault.Is(err, fault.Invalid) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, user := range users {
		if _, requested := slices.BinarySearch(ids, user.ID); requested {
			found[user.ID] = user
		}
	}
	return nil
}

// EachUser calls fn with every user of the organization, in order of their ids. A user
// who is created or deleted meanwhile may be missed, or come twice if JumpCloud repeats
// it; do not conclude anything from an absence. An error of fn ends the walk and is
// returned unchanged.
func (c *Client) EachUser(ctx context.Context, fn func(directory.User) error) error {
	what := call{op: opListUsers, url: c.api + "/systemusers"}
	return c.eachPage(ctx, what, url.Values{"sort": {"_id"}}, (*Client).wrappedList, func(_ int, p page) error {
		for _, user := range usersOn(p) {
			if err := fn(user); err != nil {
				return err
			}
		}
		return nil
	})
}

const opListUsers = "jumpcloud.list users"

// userPage reads the first page of the list of users, sorted by id: JumpCloud's
// API best practices ask for a unique sort field when paging or filtering.
func (c *Client) userPage(ctx context.Context, query url.Values) ([]directory.User, error) {
	query.Set("limit", strconv.Itoa(pageSize))
	query.Set("sort", "_id")
	p, err := c.wrappedList(ctx, call{op: opListUsers, method: http.MethodGet, url: c.api + "/systemusers?" + query.Encode()})
	return usersOn(p), err
}

// usersOn are the users on a page. Other elements are skipped.
func usersOn(p page) []directory.User {
	var users []directory.User
	for _, raw := range p.elements {
		if user, ok := userOf(objectOf(raw)); ok {
			users = append(users, user)
		}
	}
	return users
}

// isObjectID reports whether id has the form of JumpCloud's ids, 24 hex digits.
func isObjectID(id string) bool {
	return len(id) == 24 && strings.Trim(id, "0123456789abcdefABCDEF") == ""
}
