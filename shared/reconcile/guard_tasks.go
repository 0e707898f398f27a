package reconcile

import (
	"context"
	"time"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// HeldTasks sends the tasks for what is in a hold: after it was approved or rejected, for
// everything, and of an open one for those to whom no attempt came although their cause was
// announced. Each attempt finds out what its person still asks for, and drops what nobody
// does. After an approval it reads all paths by which the person may be connected: the cause may
// have been taken back, and nobody has noted yet who is a member again.
type HeldTasks struct {
	Store *store.Store
	// Users and Groups are the lanes.
	Users, Groups queue.Sender
}

// Few reports whether so few actions are in a hold that their tasks may be urgent.
func Few(h store.Hold) bool { return h.Count <= plan.FewObjects }

const (
	// heldPage is for how many items one page of tasks is sent.
	heldPage = 500
	// heldLimit is how long such a page may take (assumed).
	heldLimit = 5 * time.Second
)

// Send sends the tasks, as many as there is time for, and notes that in the hold; sent says
// that these were all. What it did not send the sweep sends. A task may come twice.
func (t HeldTasks) Send(ctx context.Context, h store.Hold) (sent bool, err error) {
	cause := plan.Cause{Type: HeldCause, ID: h.ID, At: time.Now().UTC(), Many: !Few(h)}
	groups := map[directory.GroupID]bool{}
	for cursor, first := "", true; first || cursor != ""; first = false {
		if !first && !deadline.Allows(ctx, heldLimit) {
			return false, nil
		}
		page, err := t.Store.HeldItems(ctx, h.ID, heldPage, cursor)
		if err != nil {
			return false, err
		}
		if err := t.send(ctx, h, cause, page.Items, groups); err != nil {
			return false, fault.Wrap(err, fault.Transient, "reconcile.send held")
		}
		cursor = page.Cursor
	}
	return true, t.Store.SentHeld(ctx, h)
}

// send sends the tasks for a page of items, of each group one.
func (t HeldTasks) send(ctx context.Context, h store.Hold, cause plan.Cause, items []store.HeldItem, groups map[directory.GroupID]bool) error {
	var ofUsers []Task
	var ofGroups []GroupTask
	approved := h.Status == store.HoldApproved
	for _, item := range items {
		switch {
		case h.Status == store.HoldOpen && !item.Announced:
		case item.Group == "":
			ofUsers = append(ofUsers, Task{Directory: h.Directory, User: item.User, Cause: cause, Held: true, Memberships: approved, Source: approved})
		case !groups[item.Group]:
			groups[item.Group] = true
			ofGroups = append(ofGroups, GroupTask{Directory: h.Directory, Group: item.Group, Cause: cause, Held: true, AllMembers: approved, Source: approved})
		}
	}
	if err := Enqueue(ctx, t.Users, ofUsers...); err != nil {
		return err
	}
	return Enqueue(ctx, t.Groups, ofGroups...)
}
