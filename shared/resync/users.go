package resync

import (
	"context"
	"maps"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// usersAtOnce is how many users are compared at once, as many as one request finds.
const usersAtOnce = 100

// usersPlace is where the comparison of users goes on. Both lists are in the order of ids: a
// page of JumpCloud's users, and all links up to the last of them.
type usersPlace struct {
	List   directory.ListPlace `json:"list,omitzero"`
	Passed directory.UserID    `json:"passed,omitempty"` // links up to this one were compared
	Cursor string              `json:"cursor,omitempty"` // of the page of links that begins before it
}

// stepUsers compares a page of JumpCloud's users with our links. Links whose users the list
// does not show are compared with a second read, which asks for them by id; whom that does not
// show either gets a task that makes sure. So a list that ends early takes nothing from anybody.
func (r *run) stepUsers(ctx context.Context) (ended bool, err error) {
	if err := r.readBlockers(ctx); err != nil {
		return false, err
	}
	began := time.Now().UTC()
	p := r.place.Users
	if p.List.End { // what is left are links behind the last user
		return r.compareRest(ctx, began)
	}
	users, next, err := r.jumpcloud.UserPage(ctx, p.List)
	if err != nil {
		return false, err
	}
	found := make(map[directory.UserID]*directory.User, len(users))
	last := p.Passed
	for i, u := range users {
		found[u.ID] = &users[i]
		last = max(last, u.ID)
	}
	links, cursor, all, err := r.linksUpTo(ctx, p, last)
	if err != nil {
		return false, err
	}
	if err := r.compareUsers(ctx, began, append(links, unsorted(users, p.Passed)...), found); err != nil {
		return false, err
	}
	r.place.Users.Cursor = cursor
	if !all { // the same page again, for the links that are left
		r.place.Users.Passed = links[len(links)-1]
		return false, nil
	}
	r.place.Users.List, r.place.Users.Passed = next, last
	r.job.Done, r.job.Total = max(next.Elements, r.job.Done), next.Total
	return false, nil
}

// unsorted are users of a page that should have come earlier in a sorted list.
func unsorted(users []directory.User, passed directory.UserID) []directory.UserID {
	var early []directory.UserID
	for _, u := range users {
		if u.ID <= passed {
			early = append(early, u.ID)
		}
	}
	return early
}

// linksUpTo are the users of our links behind the place, up to one of them, and the cursor of
// the page of links where the next ones are. all says that these are all: JumpCloud's list may
// leave out very many.
func (r *run) linksUpTo(ctx context.Context, p usersPlace, last directory.UserID) (users []directory.UserID, cursor string, all bool, err error) {
	for cursor = p.Cursor; ; {
		page, err := r.linkPage(ctx, cursor)
		if err != nil {
			return nil, "", false, err
		}
		for _, user := range page.users {
			if user > last {
				return users, cursor, true, nil
			}
			if user > p.Passed {
				users = append(users, user)
			}
		}
		switch {
		case page.next == "":
			return users, cursor, true, nil
		case len(users) >= linksPage:
			return users, cursor, false, nil
		}
		cursor = page.next
	}
}

// linkPage are the users of a page of links. The page is kept: it has the links of several
// pages of JumpCloud's users.
func (r *run) linkPage(ctx context.Context, cursor string) (linkPage, error) {
	if kept := r.links; kept.read && kept.cursor == cursor {
		return kept, nil
	}
	list, err := r.Store.Links(ctx, r.dir.ID, linksPage, cursor)
	if fault.Is(err, fault.Invalid) && cursor != "" { // the cursor of another version: from the begin
		return r.linkPage(ctx, "")
	}
	if err != nil {
		return linkPage{}, err
	}
	r.links = linkPage{read: true, cursor: cursor, next: list.Cursor}
	for _, l := range list.Items {
		r.links.users = append(r.links.users, l.User)
	}
	return r.links, nil
}

// linkPage are the users of a page of links, in the order of their ids.
type linkPage struct {
	read         bool
	cursor, next string
	users        []directory.UserID
}

// compareRest compares the links behind the last user of JumpCloud's list.
func (r *run) compareRest(ctx context.Context, began time.Time) (ended bool, err error) {
	p := r.place.Users
	page, err := r.linkPage(ctx, p.Cursor)
	if err != nil {
		return false, err
	}
	users := slices.DeleteFunc(slices.Clone(page.users), func(u directory.UserID) bool { return u <= p.Passed })
	if len(users) > usersAtOnce {
		users = users[:usersAtOnce]
	}
	if err := r.compareUsers(ctx, began, users, nil); err != nil {
		return false, err
	}
	switch {
	case len(users) > 0:
		r.place.Users.Passed = users[len(users)-1]
	case page.next == "":
		return true, r.Store.ForgetShown(ctx, r.job.ID, store.TrackedBlockers)
	default:
		r.place.Users.Cursor = page.next
	}
	return false, nil
}

// compareUsers sends tasks for those of some users who differ. found is what JumpCloud's list
// shows; the others are read by their ids.
func (r *run) compareUsers(ctx context.Context, began time.Time, users []directory.UserID, found map[directory.UserID]*directory.User) error {
	users = slices.Sorted(slices.Values(users))
	for chunk := range slices.Chunk(slices.Compact(users), usersAtOnce) {
		if err := r.compareSome(ctx, began, chunk, found); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) compareSome(ctx context.Context, began time.Time, users []directory.UserID, found map[directory.UserID]*directory.User) error {
	known := maps.Clone(found)
	if known == nil {
		known = map[directory.UserID]*directory.User{}
	}
	unseen := slices.DeleteFunc(slices.Clone(users), func(u directory.UserID) bool { return known[u] != nil })
	if len(unseen) > 0 {
		again, err := r.jumpcloud.ListUsers(ctx, unseen)
		if err != nil {
			return err
		}
		for id, user := range again {
			known[id] = &user
		}
	}
	records, err := r.Store.ReadUsers(ctx, r.dir.ID, users)
	if err != nil {
		return err
	}
	review := reconcile.Review{Records: records, Unchanged: r.unchanged}
	var shown []directory.User
	for _, id := range users {
		if u := known[id]; u != nil {
			shown = append(shown, *u)
		}
	}
	if managers := reconcile.ManagersOf(r.dir.Settings, shown); len(managers) > 0 {
		if review.Managers, err = r.Store.Accounts(ctx, r.dir.ID, managers); err != nil {
			return err
		}
	}
	var all []differing
	for _, id := range users {
		if review.Differs(id, known[id], began) {
			link, _ := records.Users[id].Link(r.dir.ID)
			all = append(all, differing{user: id, standing: link.Standing, takes: review.TakesAccess(id, known[id])})
		}
	}
	return r.sendUsers(ctx, began, all)
}
