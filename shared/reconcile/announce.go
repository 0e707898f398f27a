package reconcile

import (
	"context"
	"slices"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// A cause that takes access from many is announced before the first of them gets a task: if it
// is too much for the guard, the hold is open by then and has everybody, and not only those
// who come after the limit.

// Leaver is somebody who is about to lose access, and why.
type Leaver struct {
	User   directory.UserID
	Reason directory.Reason
	// LetIn says that somebody else enabled the account, so that our records say that it is
	// disabled.
	LetIn bool
}

// Announce announces who is about to lose access in a directory by one cause. Those who have
// none to lose, as our records say, are left out. It begins or joins holds; it counts nobody.
func (p Parts) Announce(ctx context.Context, dir directory.Directory, cause plan.Cause, leavers []Leaver) error {
	return p.AnnounceSome(ctx, dir, cause, leavers, nil)
}

// AnnounceSome announces some of those who are about to lose access by one cause. others are
// those who are announced later: they count already now.
func (p Parts) AnnounceSome(ctx context.Context, dir directory.Directory, cause plan.Cause, some, others []Leaver) error {
	if dir.Settings.Guard.Off() {
		return nil
	}
	letIn := map[directory.UserID]bool{}
	for _, l := range some {
		letIn[l.User] = l.LetIn
	}
	items := map[plan.HoldKind][]store.HeldItem{}
	of := make(map[directory.UserID]directory.Reason, len(some))
	users := make([]directory.UserID, len(some))
	for i, l := range some {
		of[l.User], users[i] = l.Reason, l.User
	}
	err := p.Store.EachLink(ctx, dir.ID, users, func(link directory.Link) {
		if link.State != directory.Enabled && !letIn[link.User] {
			return
		}
		reason := of[link.User]
		kind := plan.KindOf(reason)
		items[kind] = append(items[kind], store.HeldItem{User: link.User, Account: link.EntraID, Name: string(link.UPN), Action: plan.Deprovision, Reason: reason, Cause: cause})
	})
	if err != nil {
		return err
	}
	for _, kind := range plan.HoldKinds() {
		if len(items[kind]) == 0 {
			continue
		}
		later, err := p.undecided(ctx, dir, kind, others)
		if err != nil {
			return err
		}
		if _, err := p.announce(ctx, question{dir: dir, kind: kind, items: items[kind], others: later}); err != nil {
			return err
		}
	}
	return nil
}

// undecided are those of some leavers who are a case of a kind: not who waits, was rejected or
// is approved.
func (p Parts) undecided(ctx context.Context, dir directory.Directory, kind plan.HoldKind, leavers []Leaver) ([]string, error) {
	q := question{dir: dir, kind: kind, announces: true}
	for _, l := range leavers {
		if plan.KindOf(l.Reason) == kind {
			q.items = append(q.items, store.HeldItem{User: l.User, Reason: l.Reason})
		}
	}
	people, err := undecidedIn(ctx, p.inParts(q))
	return slices.Concat(people...), err
}

// announce asks the guard about what is about to happen; held says that it waits in a hold.
func (p Parts) announce(ctx context.Context, q question) (held bool, err error) {
	if len(q.items) == 0 {
		return false, nil
	}
	q.together, q.announces = true, true
	verdicts, err := p.guard(ctx, q)
	return slices.ContainsFunc(verdicts, func(v verdict) bool { return v.hold != nil && !v.rejected() }), err
}

// announceEnd announces the end of the memberships of a group: who has no other path to the
// directory or to another one on the tenant is about to lose access. It returns whose
// memberships may end now: nobody's, until all were read or a hold has begun. What there is no
// time for is left to the next attempt, so that nobody is judged alone.
func (b *groupBatch) announceEnd(ctx context.Context, g *group, members []directory.UserID, why directory.Reason) ([]directory.UserID, error) {
	guard := b.dir.Settings.Guard
	if guard.Off() || g.link.Ending == nil && len(members) <= guard.Minimum {
		g.link.Ending = nil
		return members, nil
	}
	place := directory.Ending{}
	if g.link.Ending != nil {
		place = *g.link.Ending
	}
	left := slices.DeleteFunc(slices.Clone(members), func(id directory.UserID) bool { return id <= place.After })
	slices.Sort(left)
	read, items, err := b.findAlone(ctx, g, left, why)
	if err != nil {
		return nil, err
	}
	held, err := b.announce(ctx, question{dir: b.dir, kind: plan.Removals, items: items, expected: place.Alone, more: len(read) < len(left)})
	switch {
	case err != nil:
		return nil, err
	case held: // those of earlier attempts join it next
		g.link.Ending = nil
		return read, nil
	case len(read) == len(left):
		g.link.Ending = nil
		return members, nil
	}
	g.link.Ending = &directory.Ending{After: read[len(read)-1], Alone: place.Alone + len(items)}
	return nil, nil
}

// findAlone reads as many members of a group that ends as there is time for. items is what would
// wait of those who have no other path, and an account to lose.
func (b *groupBatch) findAlone(ctx context.Context, g *group, members []directory.UserID, why directory.Reason) (read []directory.UserID, items []store.HeldItem, err error) {
	enough := groupWriteLimit + readLimit
	if b.Plans { // its attempts are shorter, and write nothing
		enough = readLimit / 3
	}
	for some := range slices.Chunk(members, memberChunk) {
		if len(read) > 0 && !deadline.Allows(ctx, enough) {
			break
		}
		records, err := b.Store.ReadUsers(ctx, b.dir.ID, some)
		if err != nil {
			return nil, nil, err
		}
		for _, id := range some {
			known := records.Users[id]
			link, _ := known.Link(b.dir.ID)
			if link.State == directory.Enabled && onlyBy(known, records, g.attempt.Group.Path()) {
				items = append(items, store.HeldItem{User: id, Account: link.EntraID, Name: string(link.UPN), Action: plan.Deprovision, Reason: why, Cause: g.cause})
			}
		}
		read = append(read, some...)
	}
	return read, items, nil
}

// onlyBy reports whether a user is connected by one path only, in all of the tenant.
func onlyBy(known store.User, records store.UserRecords, path directory.Path) bool {
	for _, sibling := range records.Siblings {
		if len(known.Paths(sibling.ID)) > 0 {
			return false
		}
	}
	paths := known.Paths(records.Directory.ID)
	return len(paths) == 1 && paths[0] == path
}
