package resync

import (
	"context"
	"maps"
	"slices"
	"sync"
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
	var judging sync.Mutex // of found
	found := reconcile.DriftFound{Strangers: map[directory.GroupID][]directory.EntraID{}}
	all, err := sideBySide(ctx, r.present.left(ids), func(reading context.Context, id directory.GroupID) (differs, over bool, err error) {
		one, over, err := r.presentDiffers(ctx, reading, id, at[id])
		judging.Lock()
		defer judging.Unlock()
		maps.Copy(found.Strangers, one.Strangers)
		return len(one.Groups) > 0, over, err
	})
	if err != nil {
		return false, err
	}
	if found.Groups = all.differ; !r.dir.Settings.RepairDrift {
		found.Reported = len(found.Groups)
	}
	if err := r.countDrift(ctx, found, began); err != nil {
		return false, err
	}
	r.present.end(all.compared)
	if r.place.Entra.Long = r.present.left(ids); len(r.place.Entra.Long) > 0 {
		return false, nil
	}
	r.place.Entra.Cursor = page.Cursor
	return page.Cursor == "", nil
}

// presentDiffers reads the members of a group on, and has them judged when the list is
// complete. A group that is gone is found by the list of groups.
func (r *run) presentDiffers(ctx, reading context.Context, id directory.GroupID, group directory.EntraID) (found reconcile.DriftFound, over bool, err error) {
	list, begun := r.present.of(id)
	if !begun && slices.Contains(r.place.Entra.Long, id) {
		task := reconcile.GroupTask{Directory: r.dir.ID, Group: id, Cause: r.cause(), Compare: true}
		return reconcile.DriftFound{Groups: []directory.GroupID{id}}, true, reconcile.Enqueue(ctx, r.Groups, task)
	}
	list, err = r.entra.ListMembersOf(reading, group, list)
	r.present.keep(id, list)
	switch {
	case fault.Is(err, fault.NotFound):
		return found, true, nil
	case err != nil || !list.Complete:
		return found, false, err
	}
	found, err = r.Drift.Members(ctx, r.dir, id, list.Accounts)
	return found, err == nil, err
}
