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
	items, later := map[plan.HoldKind][]store.HeldItem{}, map[plan.HoldKind][]string{}
	for _, l := range others {
		kind := plan.KindOf(l.Reason)
		later[kind] = append(later[kind], store.HeldItem{User: l.User}.Person())
	}
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
		if _, err := p.guard(ctx, question{dir: dir, kind: kind, items: items[kind], others: later[kind], together: true, announces: true}); err != nil {
			return err
		}
	}
	return nil
}

// announceEnd announces the end of the memberships of a group: who has no other path to the
// directory or to another one on the tenant is about to lose access. If there is no time to
// find all of them and those who were found are not too many, the guard judges them one by one.
func (b *groupBatch) announceEnd(ctx context.Context, g *group, members []directory.UserID, why directory.Reason) error {
	guard, enough := b.dir.Settings.Guard, groupWriteLimit+readLimit
	if guard.Off() || len(members) <= guard.Minimum {
		return nil
	}
	if b.Plans { // its attempts are shorter, and write nothing
		enough = readLimit / 3
	}
	var leavers []Leaver
	for some := range slices.Chunk(members, memberChunk) {
		if !deadline.Allows(ctx, enough) {
			break
		}
		records, err := b.Store.ReadUsers(ctx, b.dir.ID, some)
		if err != nil {
			return err
		}
		for _, id := range some {
			if known := records.Users[id]; onlyBy(known, records, g.attempt.Group.Path()) {
				leavers = append(leavers, Leaver{User: id, Reason: why})
			}
		}
	}
	return b.Announce(ctx, b.dir, g.cause, leavers)
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
