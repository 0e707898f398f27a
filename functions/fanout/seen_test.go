package fanout_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// seen are the ids of the events of an organization that the catch-up leaves out, one list
// for each record.
func (f *fixture) seen(id directory.OrganizationID) [][]string {
	f.t.Helper()
	var ids [][]string
	err := f.records.SeenSince(f.t.Context(), id, jumpcloud.ByWebhook.String(), time.Now().Add(-time.Minute), time.Now(), func(s store.Seen) {
		slices.Sort(s.IDs)
		ids = append(ids, s.IDs)
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return ids
}

// One record of a batch and an organization says which events were fanned out, also of those
// that concern nobody: but not those that the catch-up found, which it stores itself, and not
// a vague one, which is not the only one with its id.
func TestWhichEventsWereSeen(t *testing.T) {
	f := newFixture(t)
	event := func(id, kind string, edit func(*jumpcloud.Change)) jumpcloud.Change {
		c := change(kind, ann)
		c.Event.ID = id
		edit(&c)
		return c
	}
	const other = directory.OrganizationID("5f0c1e2d3a4b5c6d7e8f9999")
	f.handle(
		event("update", "user_update", func(*jumpcloud.Change) {}),
		event("login", "admin_login_attempt", func(*jumpcloud.Change) {}),
		event("elsewhere", "user_update", func(c *jumpcloud.Change) { c.Organization = other }),
		event("found", "user_update", func(c *jumpcloud.Change) { c.Via = jumpcloud.ByCatchUp }),
		event("vague", "user_update", func(c *jumpcloud.Change) { c.Event.Vague = true }),
	)
	if diff := cmp.Diff([][]string{{"login", "update"}}, f.seen(organization)); diff != "" {
		t.Errorf("the events that were seen (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]string{{"elsewhere"}}, f.seen(other)); diff != "" {
		t.Errorf("the events that were seen elsewhere (-want +got):\n%s", diff)
	}
	if last, err := f.records.LastSeen(t.Context(), organization, jumpcloud.ByWebhook.String()); err != nil || time.Since(last) > time.Minute {
		t.Errorf("the last webhook came at %s, %v; want now", last, err)
	}
}

// full is a queue that takes nothing.
type full struct{}

// Send implements queue.Sender.
func (full) Send(context.Context, ...queue.Message) error {
	return fault.New(fault.Transient, "full", "the queue takes nothing")
}

// An event is not seen as long as its tasks are not in their queues.
func TestAnEventWhoseTasksAreNotSentIsNotSeen(t *testing.T) {
	f := newFixture(t)
	f.handler.Lanes.UsersLive = full{}
	devices := groupChange("group_update", engineering)
	devices.Event.ID = "devices"
	update := change("user_update", ann)
	update.Event.ID = "update"
	f.handle(update, devices)
	if diff := cmp.Diff([][]string{{"devices"}}, f.seen(organization)); diff != "" {
		t.Errorf("the events that were seen (-want +got):\n%s", diff)
	}
}
