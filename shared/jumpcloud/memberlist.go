package jumpcloud

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// pageTime is how much time must be left before one more page of a long list is read: the
// time limit of a request, and some to keep the place.
const pageTime = attemptTimeout + 2*time.Second

// ListMembers reads on where a list of members ended: until it is complete, or until there
// is no time for another page. It reads at least one page. The zero list begins a new one.
// With a fault it returns what it found so far, and the next call reads on from there;
// NotFound says that there is no such group.
//
// The rules are those of [Client.GroupMembers]: a list that changed while it was read is
// read again until one walk shows no change, or two in a row found the same users.
func (c *Client) ListMembers(ctx context.Context, id directory.GroupID, from directory.MemberList) (directory.MemberList, error) {
	const op = "jumpcloud.list members"
	if !isObjectID(string(id)) {
		return from, impossibleID(op, typeUserGroup, string(id))
	}
	w := newMemberWalk(from)
	what := call{op: op, subject: string(id), url: c.api + "/v2/usergroups/" + string(id) + "/membership", method: "GET"}
	if err := c.readOn(ctx, what, w); err != nil {
		return w.list, c.unlessThere(ctx, err, typeUserGroup, string(id))
	}
	if !w.list.Complete {
		return w.list, nil
	}
	for _, nested := range w.list.Nested {
		users, within, err := c.GroupMembers(ctx, nested)
		w.take(users)
		w.list.Within = append(w.list.Within, within...)
		if err != nil && !fault.Is(err, fault.NotFound) { // deleted meanwhile
			w.list.Complete = false
			return w.list, err
		}
	}
	w.list.Within = slices.DeleteFunc(w.list.Within, func(inner directory.GroupID) bool { return inner == id })
	slices.Sort(w.list.Within)
	w.list.Within = slices.Compact(w.list.Within)
	return w.list, nil
}

// memberWalk is a walk through a list of members.
type memberWalk struct {
	query url.Values // of every page
	list  directory.MemberList
	seen  map[string]bool // what the current walk found
	first string          // the first element of the page before
}

// newMemberWalk goes on with a list.
func newMemberWalk(list directory.MemberList) *memberWalk {
	if list.Began.IsZero() {
		list.Began = time.Now().UTC()
	}
	w := &memberWalk{query: url.Values{}, list: list, seen: make(map[string]bool, list.Total)}
	for _, user := range list.Users {
		w.seen[string(user)] = true
	}
	for _, group := range list.Nested {
		w.seen[string(group)] = true
	}
	return w
}

// readOn reads pages until the list is complete, or until there is no time for another one.
func (c *Client) readOn(ctx context.Context, what call, w *memberWalk) error {
	for read := 0; !w.list.Complete && (read == 0 || deadline.Allows(ctx, pageTime)); read++ {
		if err := c.readMembers(ctx, what, w); err != nil {
			return err
		}
	}
	return nil
}

// readMembers reads the next page.
func (c *Client) readMembers(ctx context.Context, what call, w *memberWalk) error {
	query := maps.Clone(w.query)
	query.Set("limit", strconv.Itoa(pageSize))
	query.Set("skip", strconv.Itoa(w.list.Pages*pageSize))
	if !w.list.Unsorted {
		query.Set("sort", graphSort)
	}
	address := what.url
	what.url = address + "?" + query.Encode()
	p, err := c.bareList(ctx, what)
	if fault.Is(err, fault.Invalid) && !w.list.Unsorted {
		w.again()
		w.list.Unsorted = true
		what.url = address
		return c.readMembers(ctx, what, w)
	}
	if err != nil {
		return err
	}
	before := w.first
	if w.first = firstName(p.elements); w.first != "" && w.first == before || w.list.Pages == maxPages {
		w.again()
		return unexpected(what, "JumpCloud gives the same page of a list again and again")
	}
	w.add(p)
	if p.total > 0 && max(w.list.Elements, w.list.Pages*pageSize) < p.total || p.total == 0 && len(p.elements) > 0 {
		return nil
	}
	return w.end(what)
}

// add takes the elements of a page.
func (w *memberWalk) add(p page) {
	w.list.Moved = w.list.Moved || w.list.Pages > 0 && p.total != w.list.Total
	w.list.Total, w.list.Pages, w.list.Elements = p.total, w.list.Pages+1, w.list.Elements+len(p.elements)
	for _, raw := range p.elements {
		each := nodeOf(objectOf(raw))
		if each.ID == "" || each.Type == "" {
			continue
		}
		w.list.Moved = w.list.Moved || w.seen[each.ID]
		for _, group := range each.through {
			w.inside(directory.GroupID(group))
		}
		switch {
		case isPerson(each.Type):
			w.take([]directory.UserID{directory.UserID(each.ID)})
		case each.Type == typeUserGroup && !w.seen[each.ID]:
			w.seen[each.ID] = true
			w.list.Nested = append(w.list.Nested, directory.GroupID(each.ID))
			w.inside(directory.GroupID(each.ID))
		}
	}
}

// inside notes a group inside the group.
func (w *memberWalk) inside(id directory.GroupID) {
	if !slices.Contains(w.list.Within, id) {
		w.list.Within = append(w.list.Within, id)
	}
}

// take notes users, each once.
func (w *memberWalk) take(users []directory.UserID) {
	for _, user := range users {
		if !w.seen[string(user)] {
			w.seen[string(user)] = true
			w.list.Users = append(w.list.Users, user)
		}
	}
}

// end ends a walk. If the list changed meanwhile, another one begins.
func (w *memberWalk) end(what call) error {
	if !w.list.Moved {
		w.list.Complete = true
		return nil
	}
	found := slices.Clone(w.list.Users)
	slices.Sort(found)
	sum := sha256.New()
	for _, user := range found {
		sum.Write([]byte(user + "\n"))
	}
	digest := hex.EncodeToString(sum.Sum(nil))
	if w.list.Walks > 0 && w.list.Digest == digest {
		w.list.Complete = true
		return nil
	}
	walks := w.list.Walks + 1
	w.again()
	if walks == maxWalks {
		return unexpected(what, "JumpCloud's list changes while it is read")
	}
	w.list.Walks, w.list.Digest = walks, digest
	return nil
}

// again begins the list again. Its users are listed as of the time when it began first.
func (w *memberWalk) again() {
	w.list = directory.MemberList{Began: w.list.Began, Unsorted: w.list.Unsorted}
	w.seen, w.first = map[string]bool{}, ""
}
