package resync

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/reconcile"
)

// comparePresent compares the members of a page of our groups as Entra has them with the
// recorded ones. A list of all groups shows no members, so it is done after one; changes show
// them.
func (r *run) comparePresent(ctx context.Context) (ended bool, err error) {
	began := time.Now().UTC()
	page, err := r.Store.GroupLinksThat(ctx, r.dir.ID, "", "", groupsAtOnce, r.place.Entra.Cursor)
	if err != nil {
		return false, err
	}
	at := map[directory.GroupID]directory.EntraID{}
	var ids []directory.GroupID
	for _, l := range page.Items {
		if l.Status == directory.Synced && l.EntraID != "" && !l.Freed && r.dir.Settings.ManageGroups {
			at[l.Group], ids = l.EntraID, append(ids, l.Group)
		}
	}
	all, err := sideBySide(ctx, r.present.left(ids), func(reading context.Context, id directory.GroupID) (differs, over bool, err error) {
		return r.presentDiffers(ctx, reading, id, at[id])
	})
	if err != nil {
		return false, err
	}
	if err := r.countDrift(ctx, r.driftOf(all.differ), began); err != nil {
		return false, err
	}
	r.present.end(all.compared)
	if r.place.Entra.Long = r.present.left(ids); len(r.place.Entra.Long) > 0 {
		return false, nil
	}
	r.place.Entra.Cursor = page.Cursor
	return page.Cursor == "", nil
}

// driftOf are groups that differ, as a judge of Entra returns them.
func (r *run) driftOf(groups []directory.GroupID) reconcile.DriftFound {
	found := reconcile.DriftFound{Groups: groups}
	if !r.dir.Settings.RepairDrift {
		found.Reported = len(groups)
	}
	return found
}

// presentDiffers reads the members of a group on, and has them judged when the list is
// complete. A group that is gone is found by the list of groups.
func (r *run) presentDiffers(ctx, reading context.Context, id directory.GroupID, group directory.EntraID) (differs, over bool, err error) {
	list, begun := r.present.of(id)
	if !begun && slices.Contains(r.place.Entra.Long, id) {
		task := reconcile.GroupTask{Directory: r.dir.ID, Group: id, Cause: r.cause(), Compare: true}
		return true, true, reconcile.Enqueue(ctx, r.Groups, task)
	}
	list, err = r.entra.ListMembersOf(reading, group, list)
	r.present.keep(id, list)
	switch {
	case fault.Is(err, fault.NotFound):
		return false, true, nil
	case err != nil || !list.Complete:
		return false, false, err
	}
	found, err := r.Drift.Members(ctx, r.dir, id, list.Accounts)
	return len(found.Groups) > 0, err == nil, err
}
