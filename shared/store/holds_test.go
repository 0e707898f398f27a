package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

const guarded = directory.ID("org-main")

// held stores an open hold with so many people, and returns it and what is in it.
func held(t *testing.T, s *store.Store, people int) (store.Hold, []store.HeldItem) {
	t.Helper()
	now := time.Now().UTC()
	known, err := s.Guard(t.Context(), guarded, plan.Removals, "")
	if err != nil {
		t.Fatal(err)
	}
	hold := store.Hold{ID: "hold", Directory: guarded, Kind: plan.Removals, Status: store.HoldOpen, Since: now}
	known.Count.Open = hold.ID
	var all []store.HeldItem
	for n := 0; n < people; {
		change := store.GuardChange{Known: known, Hold: &hold, Counts: n == 0}
		for ; n < people && len(change.Items) < store.MaxHeld; n++ {
			hold.Count++
			change.Items = append(change.Items, store.HeldItem{Hold: hold.ID, Directory: guarded, Kind: plan.Removals, User: directory.UserID(fmt.Sprintf("user%04d", n))})
		}
		if err := s.KeepGuard(t.Context(), change, now); err != nil {
			t.Fatal(err)
		}
		hold.Version++
		all = append(all, change.Items...)
	}
	return hold, all
}

// Many are dropped at once, each only once, and the hold is over with the last.
func TestAHoldIsOverWithTheLastOfIt(t *testing.T) {
	s := open(t)
	_, all := held(t, s, 250)
	var dropping sync.WaitGroup
	for i := range 4 { // several workers, each with some that another one drops, too
		dropping.Go(func() {
			if err := s.DropHeld(t.Context(), all[i*50:i*50+100]...); err != nil {
				t.Error(err)
			}
		})
	}
	dropping.Wait()
	hold, err := s.Hold(t.Context(), guarded, "hold")
	if err != nil || hold.Count != 0 || hold.Status != store.HoldOver {
		t.Errorf("the hold is %+v, %v; want it over with nobody in it", hold, err)
	}
	open, err := s.OpenHolds(t.Context(), guarded)
	if err != nil || len(open) != 0 {
		t.Errorf("%+v are open, %v; want none", open, err)
	}
}

// Whoever joins a hold while it is decided is in the set that was decided, or is not in it.
func TestNobodyJoinsADecidedHold(t *testing.T) {
	s := open(t)
	hold, _ := held(t, s, 3)
	late := hold
	late.Count++
	change := store.GuardChange{Hold: &late, Items: []store.HeldItem{{Hold: hold.ID, Directory: guarded, Kind: plan.Removals, User: "late"}}}
	decided, err := s.DecideHold(t.Context(), guarded, hold.ID, store.HoldApproved, func(h *store.Hold) { h.By = "Ada" })
	if err != nil || decided.Count != 3 || decided.Passes == 0 {
		t.Fatalf("the decided hold is %+v, %v; want three in it, for whom tasks are to be sent", decided, err)
	}
	if err := s.KeepGuard(t.Context(), change, time.Now()); !fault.Is(err, fault.Changed) {
		t.Errorf("whoever joins a hold that was decided gets %v, want that it has changed", err)
	}
	if _, err := s.DecideHold(t.Context(), guarded, "none", store.HoldApproved, func(*store.Hold) {}); !fault.Is(err, fault.NotFound) {
		t.Errorf("the decision about a hold that is not there is %v, want not found", err)
	}
}

// Linked are who has an account, who had one until the window began, and who is about to have
// one; the count stops early.
func TestLinkedUsersAreCounted(t *testing.T) {
	s := open(t)
	put := func(user string, edit func(*directory.Link)) {
		t.Helper()
		link := directory.NewLink(guarded, directory.UserID(user))
		edit(&link)
		if err := s.Record(t.Context(), store.Recording{Link: link})[0]; err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1200 {
		put(fmt.Sprintf("user%04d", i), func(l *directory.Link) { l.EntraID = "account" })
	}
	put("pending", func(*directory.Link) {})
	put("gone", func(l *directory.Link) { l.EntraID, l.Freed = "account", true })
	put("just gone", func(l *directory.Link) { l.EntraID, l.Freed = "account", true })
	now := time.Now().Unix()
	counted := plan.Counted{"just gone": now, "about to come": now, "account:of nobody": now, "user0007": now}
	if n, err := s.LinkedUsers(t.Context(), guarded, counted, 0); err != nil || n != 1202 {
		t.Errorf("%d are linked, %v; want 1202", n, err)
	}
	if n, err := s.LinkedUsers(t.Context(), guarded, counted, 40); err != nil || n < 40 || n > 600 {
		t.Errorf("%d are counted until 40 are found, %v; want no more than a page", n, err)
	}
}
