package jumpcloud

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// User reads one user. A user that does not exist is a fault of kind NotFound;
// so is an id that JumpCloud refuses as malformed, because no user can have it.
func (c *Client) User(ctx context.Context, id directory.UserID) (directory.User, error) {
	what := call{op: "jumpcloud.read user", subject: string(id), method: http.MethodGet,
		url: c.api + "/systemusers/" + url.PathEscape(string(id))}
	if id == "" || id == "." || id == ".." { // these would name the list, not a user
		return directory.User{}, &fault.Error{Op: what.op, Kind: fault.NotFound, Subject: what.subject, Message: "not the id of a JumpCloud user"}
	}
	got, err := c.do(ctx, what)
	if err != nil {
		if problem := fault.Of(err); problem.Kind == fault.Invalid && !isObjectID(string(id)) {
			problem.Kind = fault.NotFound
		}
		return directory.User{}, err
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

// Users reads the users with the ids. A user that is not in the map does not
// exist: JumpCloud said so about that id alone, because being absent from a list
// proves nothing. Any other failure fails the whole call.
func (c *Client) Users(ctx context.Context, ids []directory.UserID) (map[directory.UserID]directory.User, error) {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	found := make(map[directory.UserID]directory.User, len(ids))
	var listable []directory.UserID
	for _, id := range ids {
		if isObjectID(string(id)) { // anything else could break out of the filter
			listable = append(listable, id)
		}
	}
	if len(listable) > 1 {
		for chunk := range slices.Chunk(listable, pageSize) {
			if err := c.listUsers(ctx, chunk, found); err != nil {
				return nil, err
			}
		}
	}
	missing := slices.DeleteFunc(ids, func(id directory.UserID) bool {
		_, ok := found[id]
		return ok
	})
	if err := c.readUsers(ctx, missing, found); err != nil {
		return nil, err
	}
	return found, nil
}

// listUsers puts into found those of the ids that one filtered list returns. The
// URL stays under 3 kB. A list refused as invalid finds nobody, since the
// filter may not be supported; users that were not asked for are ignored.
func (c *Client) listUsers(ctx context.Context, ids []directory.UserID, found map[directory.UserID]directory.User) error {
	var filter strings.Builder
	for i, id := range ids {
		if i > 0 {
			filter.WriteByte('|')
		}
		filter.WriteString(string(id))
	}
	users, _, err := c.userPage(ctx, url.Values{"filter": {"_id:$in:" + filter.String()}}, 0)
	if fault.Is(err, fault.Invalid) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, user := range users {
		if _, asked := slices.BinarySearch(ids, user.ID); asked {
			found[user.ID] = user
		}
	}
	return nil
}

// readUsers reads each of the ids by itself, a few at once, and puts those that
// exist into found.
func (c *Client) readUsers(ctx context.Context, ids []directory.UserID, found map[directory.UserID]directory.User) error {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	for _, id := range ids {
		group.Go(func() error {
			user, err := c.User(ctx, id)
			if fault.Is(err, fault.NotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			found[id] = user
			return nil
		})
	}
	return group.Wait()
}

// EachUser calls fn with every user of the organization, in order of their ids.
// A user who is created or deleted meanwhile may be missed or, at most by
// JumpCloud's doing, come twice; do not conclude from an absence. An error of fn
// ends the walk and is returned as it is.
func (c *Client) EachUser(ctx context.Context, fn func(directory.User) error) error {
	for skip := 0; ; {
		users, page, err := c.userPage(ctx, url.Values{}, skip)
		if err != nil {
			return err
		}
		for _, user := range users {
			if err := fn(user); err != nil {
				return err
			}
		}
		skip += page.length
		if page.length == 0 || page.last(skip) {
			return nil
		}
	}
}

// pageInfo says how much a list page held and how much the list holds.
type pageInfo struct{ length, total int }

// last reports whether the list ends after skip elements: by its total or, if it
// has none, by a page that is not full.
func (p pageInfo) last(skip int) bool {
	if p.total > 0 {
		return skip >= p.total
	}
	return p.length < pageSize
}

// userPage reads one page of the list of users, sorted by id: JumpCloud's API
// best practices ask for a unique sort field when paging or filtering.
func (c *Client) userPage(ctx context.Context, query url.Values, skip int) ([]directory.User, pageInfo, error) {
	query.Set("limit", strconv.Itoa(pageSize))
	query.Set("skip", strconv.Itoa(skip))
	query.Set("sort", "_id")
	what := call{op: "jumpcloud.list users", method: http.MethodGet, url: c.api + "/systemusers?" + query.Encode()}
	got, err := c.do(ctx, what)
	if err != nil {
		return nil, pageInfo{}, err
	}
	var list struct {
		Results    []json.RawMessage `json:"results"`
		TotalCount json.RawMessage   `json:"totalCount"`
	}
	if err := decode(what, got.body, &list); err != nil {
		return nil, pageInfo{}, err
	}
	info := pageInfo{length: len(list.Results)}
	total := object{"n": list.TotalCount}.text("n")
	_, _ = fmt.Sscan(total, &info.total) // no total is the same as 0
	if list.Results == nil && total != "0" {
		return nil, pageInfo{}, &fault.Error{Op: what.op, Kind: fault.Transient, Message: "JumpCloud's list of users has no results"}
	}
	var users []directory.User
	for _, raw := range list.Results {
		if user, ok := userOf(objectOf(raw)); ok {
			users = append(users, user)
		}
	}
	return users, info, nil
}

// isObjectID reports whether id has the form of JumpCloud's ids, 24 hex digits.
func isObjectID(id string) bool {
	return len(id) == 24 && strings.Trim(id, "0123456789abcdefABCDEF") == ""
}
