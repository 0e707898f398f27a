package resync

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/reconcile"
)

// membersPage is how many recorded members are read at once.
const membersPage = 500

// membersPlace is where the comparison of groups goes on.
type membersPlace struct {
	Cursor string `json:"cursor,omitempty"` // of the connected groups
	// Source says that all groups were compared: the connection source is left.
	Source bool `json:"source,omitempty"`
	// Long are groups, and the source as "", whose lists a worker did not read to their ends.
	// The next one leaves them to tasks, which keep their place in them.
	Long []directory.GroupID `json:"long,omitempty"`
}

// stepMembers compares a page of connected groups with JumpCloud.
func (r *run) stepMembers(ctx context.Context) (ended bool, err error) {
	began := time.Now().UTC()
	if r.place.Members.Source {
		return r.stepSource(ctx, began)
	}
	if r.names == nil {
		if err := r.readNames(ctx); err != nil {
			return false, err
		}
	}
	page, err := r.Store.GroupConnections(ctx, r.dir.ID, groupsAtOnce, r.place.Members.Cursor)
	if err != nil {
		return false, err
	}
	ids := make([]directory.GroupID, len(page.Items))
	for i, c := range page.Items {
		ids[i] = c.Group
	}
	if r.place.Members.Long, err = r.compareGroups(ctx, began, ids); err != nil || len(r.place.Members.Long) > 0 {
		return false, err
	}
	r.job.Done += len(ids)
	if r.place.Members.Cursor = page.Cursor; page.Cursor == "" {
		r.place.Members.Source = true
	}
	return false, nil
}

// readNames reads the names of all groups, and counts the connected ones.
func (r *run) readNames(ctx context.Context) error {
	names := map[directory.GroupID]string{}
	for at := (directory.ListPlace{}); !at.End; {
		groups, next, err := r.jumpcloud.GroupPage(ctx, at)
		if err != nil {
			return err
		}
		for _, g := range groups {
			names[g.ID] = g.Name
		}
		at = next
	}
	r.job.Total = 0
	for cursor := ""; ; {
		page, err := r.Store.GroupConnections(ctx, r.dir.ID, linksPage, cursor)
		if err != nil {
			return err
		}
		r.job.Total += len(page.Items)
		if cursor = page.Cursor; cursor == "" {
			break
		}
	}
	r.names = names
	return nil
}

// compareGroups compares groups, and returns those whose lists are to be read on in the next
// step.
func (r *run) compareGroups(ctx context.Context, began time.Time, ids []directory.GroupID) (left []directory.GroupID, err error) {
	left = r.members.left(ids)
	if len(left) == 0 {
		return nil, nil
	}
	records, err := r.Store.ReadGroups(ctx, r.dir.ID, left)
	if err != nil {
		return nil, err
	}
	all, err := sideBySide(ctx, left, func(reading context.Context, id directory.GroupID) (differs, over bool, err error) {
		link, _ := records.Groups[id].Link(r.dir.ID)
		if link.Status == directory.Pending {
			return reconcile.IsForgotten(link.Standing, records.Groups[id].Since(r.dir.ID), began), true, nil
		}
		return r.compareGroup(ctx, reading, link, id)
	})
	if err != nil {
		return nil, err
	}
	differ := make([]differing, len(all.differ))
	for i, id := range all.differ {
		link, _ := records.Groups[id].Link(r.dir.ID)
		differ[i] = differing{group: id, standing: link.Standing}
	}
	if err := r.sendGroups(ctx, began, differ); err != nil {
		return nil, err
	}
	r.members.end(all.compared)
	return r.members.left(ids), nil
}

// compareGroup compares one group; over says that it is compared.
func (r *run) compareGroup(ctx, reading context.Context, link directory.GroupLink, id directory.GroupID) (differs, over bool, err error) {
	if id == r.dir.Settings.Exclude.Group && link.Reason == directory.Excluded {
		return false, true, nil // it has a task of its own
	}
	if link.Status != directory.Synced || link.Unread() || link.Name != r.names[id] {
		return true, true, nil // parked: processed again; without a name: JumpCloud does not show it
	}
	list, begun := r.members.of(id)
	if !begun && slices.Contains(r.place.Members.Long, id) {
		return true, true, nil
	}
	list, err = r.jumpcloud.ListMembers(reading, id, list)
	r.members.keep(id, list)
	switch {
	case fault.Is(err, fault.NotFound):
		return true, true, nil
	case err != nil || !list.Complete:
		return false, false, err
	}
	differs, err = r.membersDiffer(ctx, id, list)
	return differs, err == nil, err
}

// membersDiffer compares the recorded members of a group with a complete list. A member who
// should be in the group in Entra and is not differs too, if there is an account.
func (r *run) membersDiffer(ctx context.Context, id directory.GroupID, list directory.MemberList) (bool, error) {
	slices.Sort(list.Users)
	left := slices.Compact(list.Users) // in the order in which members are recorded
	for cursor := ""; ; {
		page, err := r.Store.Members(ctx, r.dir.ID, id, membersPage, cursor)
		if err != nil {
			return false, err
		}
		var waiting []directory.UserID
		for _, m := range page.Items {
			switch {
			case !m.Wanted && (m.Applied == "" || !r.dir.Settings.ManageGroups):
				continue
			case !m.Wanted, len(left) == 0, left[0] != m.User:
				return true, nil
			}
			left = left[1:]
			if m.Applied == "" && r.dir.Settings.ManageGroups {
				waiting = append(waiting, m.User)
			}
		}
		if len(waiting) > 0 {
			if accounts, err := r.Store.Accounts(ctx, r.dir.ID, waiting); err != nil || len(accounts) > 0 {
				return err == nil, err
			}
		}
		if cursor = page.Cursor; cursor == "" {
			return len(left) > 0, nil
		}
	}
}
