package jumpcloud

import (
	"context"
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

// Users reads the users with the ids and says of which it could not. A user that
// is in neither answer does not exist: JumpCloud said so about that id alone,
// because being absent from a list proves nothing, and its list could be read,
// because a wrong address or something in between answers 404 to everything.
func (c *Client) Users(ctx context.Context, ids []directory.UserID) (found map[directory.UserID]directory.User, failed map[directory.UserID]error) {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	r := &reading{client: c, found: map[directory.UserID]directory.User{}, failed: map[directory.UserID]error{}}
	r.list(ctx, ids)
	r.each(ctx, ids)
	r.confirm(ctx)
	return r.found, r.failed
}

// reading is the reading of some users.
type reading struct {
	client *Client
	mu     sync.Mutex
	found  map[directory.UserID]directory.User
	failed map[directory.UserID]error
	absent []directory.UserID // that JumpCloud says do not exist
	listed bool               // whether JumpCloud's list could be read
}

// list reads users by filtered lists, which saves requests when there are
// several. When JumpCloud cannot be read, none of them is asked for again.
func (r *reading) list(ctx context.Context, ids []directory.UserID) {
	listable := slices.DeleteFunc(slices.Clone(ids), func(id directory.UserID) bool {
		return !isObjectID(string(id)) // anything else could break out of the filter
	})
	if len(listable) < 2 {
		return
	}
	for chunk := range slices.Chunk(listable, pageSize) {
		supported, err := r.client.listUsers(ctx, chunk, r.found)
		if err != nil {
			for _, id := range chunk {
				r.failed[id] = err
			}
			continue
		}
		r.listed = r.listed || supported
	}
}

// each reads by itself every user that is not settled yet, a few at once.
func (r *reading) each(ctx context.Context, ids []directory.UserID) {
	unsettled := slices.DeleteFunc(slices.Clone(ids), func(id directory.UserID) bool {
		_, known := r.found[id]
		return known || r.failed[id] != nil
	})
	var group errgroup.Group
	group.SetLimit(parallelReads)
	for _, id := range unsettled {
		group.Go(func() error {
			user, err := r.client.User(ctx, id)
			r.mu.Lock()
			defer r.mu.Unlock()
			switch {
			case fault.Is(err, fault.NotFound):
				r.absent = append(r.absent, id)
			case err != nil:
				r.failed[id] = err
			default:
				r.found[id] = user
			}
			return nil
		})
	}
	_ = group.Wait() // no read gives an error to the group
}

// confirm believes an absence only if the list of users can be read.
func (r *reading) confirm(ctx context.Context) {
	if len(r.absent) == 0 || r.listed {
		return
	}
	_, err := r.client.userPage(ctx, url.Values{"fields": {"_id"}})
	if err == nil {
		return
	}
	for _, id := range r.absent {
		r.failed[id] = &fault.Error{Op: "jumpcloud.read users", Kind: fault.Transient, Subject: string(id), Err: err,
			Message: "JumpCloud answers that the user does not exist, and its list of users cannot be read either: check its address and what is in between"}
	}
}

// listUsers puts into found those of the ids that one filtered list returns. The
// URL stays under 3 kB. A list refused as invalid finds nobody, since the
// filter may not be supported; users that were not asked for are ignored.
func (c *Client) listUsers(ctx context.Context, ids []directory.UserID, found map[directory.UserID]directory.User) (supported bool, err error) {
	var filter strings.Builder
	for i, id := range ids {
		if i > 0 {
			filter.WriteByte('|')
		}
		filter.WriteString(string(id))
	}
	users, err := c.userPage(ctx, url.Values{"filter": {"_id:$in:" + filter.String()}})
	if fault.Is(err, fault.Invalid) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, user := range users {
		if _, asked := slices.BinarySearch(ids, user.ID); asked {
			found[user.ID] = user
		}
	}
	return true, nil
}

// EachUser calls fn with every user of the organization, in order of their ids.
// A user who is created or deleted meanwhile may be missed or, at most by
// JumpCloud's doing, come twice; do not conclude from an absence. An error of fn
// ends the walk and is returned as it is.
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

// usersOn is the users on a page. What is none of them is passed over.
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
