package admin_test

import (
	"errors"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/store"
)

// One read of a directory says how it is and what that is made of; the list has the same
// without counts.
func TestTheHealthOfADirectory(t *testing.T) {
	f := newFixture(t)
	id := directory.ID(f.directory("{}"))
	path := "/v1/directories/" + string(id)
	if _, got := f.call("GET", path, ""); dig(got, "health", "status") != "ok" || dig(got, "health", "authorized") != true || dig(got, "health", "nextResyncAt") == nil ||
		dig(got, "health", "counts", "users", "total") != 0.0 {
		t.Errorf("a new directory: %v, want ok, authorized, nobody and the next resync", dig(got, "health"))
	}

	link := directory.NewLink(id, "5f0000000000000000000009")
	link.Status, link.Reason = directory.Parked, directory.UPNConflict
	now := time.Now().UTC()
	if err := errors.Join(append(f.records.Record(t.Context(), store.Recording{Link: link}),
		f.records.NoteThrottled(t.Context(), store.Throttled{Tenant: "contoso.example", At: now, Until: now.Add(time.Minute)}))...); err != nil {
		t.Fatal(err)
	}
	before, err := f.records.CatchUp(t.Context(), organization)
	if err != nil {
		t.Fatal(err)
	}
	before.LastRunAt, before.LastFoundAt, before.Trouble = now, now, &store.FeedTrouble{Reason: directory.InsightsForbidden, Message: "the key lacks the scope", Since: now}
	if _, err := f.records.PutCatchUp(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	_, got := f.call("GET", path, "")
	for _, each := range []struct {
		path []string
		want any
	}{
		{[]string{"health", "status"}, "attention"},
		{[]string{"health", "catchUp", "trouble", "remedy"}, directory.Remedy(directory.InsightsForbidden)},
		{[]string{"health", "counts", "users", "byStatus", "parked"}, 1.0},
		{[]string{"health", "counts", "users", "byReason", "upn_conflict"}, 1.0},
	} {
		if shown := dig(got, each.path...); shown != each.want {
			t.Errorf("%v: got %v, want %v", each.path, shown, each.want)
		}
	}
	_, list := f.call("GET", "/v1/directories", "")
	items, _ := list["items"].([]any)
	if len(items) != 1 {
		t.Fatalf("got %d directories, want 1", len(items))
	}
	first, _ := items[0].(map[string]any)
	if dig(first, "health", "status") != "attention" || dig(first, "health", "counts") != nil {
		t.Errorf("in the list: %v, want attention without counts", dig(first, "health"))
	}
}

// The next resync is a time to come: it is not shown while one is at work for longer than the
// time between two, or waits.
func TestTheNextResyncIsNotInThePast(t *testing.T) {
	f := newFixture(t)
	id := directory.ID(f.directory("{}"))
	dir, err := f.records.Directory(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	dir.CreatedAt = time.Now().UTC().Add(-100 * time.Hour)
	if _, err := f.records.PutDirectory(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if _, got := f.call("GET", "/v1/directories/"+string(id), ""); dig(got, "health", "nextResyncAt") != nil {
		t.Errorf("the next resync is due at %v, want none shown while it is overdue", dig(got, "health", "nextResyncAt"))
	}
}

// A catch-up that runs seldom is late only when it misses runs.
func TestTheCatchUpMayBeSeldom(t *testing.T) {
	f := newFixture(t)
	id := directory.ID(f.directory("{}"))
	record, err := f.records.CatchUp(t.Context(), organization)
	if err != nil {
		t.Fatal(err)
	}
	record.LastRunAt = time.Now().UTC().Add(-50 * time.Minute)
	if _, err := f.records.PutCatchUp(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	dir, err := f.records.Directory(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	dir.CreatedAt = time.Now().UTC().Add(-24 * time.Hour)
	if _, err := f.records.PutDirectory(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	for every, want := range map[time.Duration]string{0: "attention", time.Minute: "attention", 20 * time.Minute: "ok", time.Hour: "ok"} {
		f.api.CatchUpEvery = every
		f.serve(f.api)
		for _, path := range []string{"/v1/directories/" + string(id), "/v1/directories"} {
			_, got := f.call("GET", path, "")
			if items, _ := got["items"].([]any); len(items) == 1 {
				got, _ = items[0].(map[string]any)
			}
			if status := dig(got, "health", "status"); status != want {
				t.Errorf("%s, read every %s, 50 minutes ago: %v, want %s: %v", path, every, status, want, dig(got, "health", "points"))
			}
		}
	}
}
