package store_test

import (
	"slices"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// one is a directory.
const one = directory.ID(organization + "-one")

// What is known of the excluded group begins anew with every other group that the settings
// name, in the transaction that stores them; another setting changes nothing.
func TestAnExclusionBeginsWithTheSettings(t *testing.T) {
	s := open(t)
	put := func(group directory.GroupID) {
		t.Helper()
		d, err := s.Directory(t.Context(), one)
		if fault.Is(err, fault.NotFound) {
			d, err = directory.Directory{ID: one, Organization: one.Organization()}, nil
		}
		if err != nil {
			t.Fatal(err)
		}
		among, err := s.Neighbours(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		left, err := s.Rollout(t.Context(), one, store.Selection{})
		if err != nil {
			t.Fatal(err)
		}
		left = left.Begin(one, plan.Cause{}, false)
		left.ExcludedBefore, left.ExcludedNow = d.Settings.Exclude.Group, group
		d.Settings.Exclude.Group = group
		if _, err := s.PutDirectoryAmong(t.Context(), d, &left, among); err != nil {
			t.Fatal(err)
		}
	}
	listed := func(group directory.GroupID) (store.Exclusion, bool) {
		t.Helper()
		e, err := s.Exclusion(t.Context(), one, group)
		if err != nil {
			t.Fatal(err)
		}
		return e, e.Known()
	}
	put("g1")
	stale, known := listed("g1")
	if known || stale.Version == 0 {
		t.Fatalf("%+v, want one that is not known", stale)
	}
	fresh := stale
	fresh.ListedAt = time.Now().UTC()
	if err := s.PutExclusion(t.Context(), fresh); err != nil {
		t.Fatal(err)
	}
	put("g1")
	if _, known := listed("g1"); !known {
		t.Error("the same group is not known any more")
	}
	put("g2")
	put("g1")
	if _, known := listed("g1"); known {
		t.Error("the group is known, although the settings named another one meanwhile")
	}
	fresh.Version = stale.Version + 1
	fresh.ListedAt = time.Now().UTC()
	if again, _ := listed("g1"); again.Version != fresh.Version { // a list that was begun before is not stored
		if err := s.PutExclusion(t.Context(), fresh); !fault.Is(err, fault.Changed) {
			t.Errorf("%v, want %s", err, fault.Changed)
		}
	}
	if g, err := s.Group(t.Context(), one.Organization(), "g2"); err != nil || len(g.Excludes) != 0 {
		t.Errorf("%+v, %v, want that nobody excludes g2", g, err)
	}
}

func TestExcludedMembers(t *testing.T) {
	s := open(t)
	const group = directory.GroupID("g1")
	if _, err := s.PutDirectory(t.Context(), directory.Directory{ID: one, Settings: directory.Settings{Exclude: directory.Exclude{Group: group}}}); err != nil {
		t.Fatal(err)
	}
	if err := s.PutExcluded(t.Context(), one, group, "ann", "bob"); err != nil {
		t.Fatal(err)
	}
	if err := s.NoteKept(t.Context(), one, group, "sales", "ann", "nobody"); err != nil {
		t.Fatal(err)
	}
	if err := s.PutExcluded(t.Context(), one, group, "ann"); err != nil { // keeps what was noted
		t.Fatal(err)
	}
	for _, guess := range []directory.GroupID{"", group, "g2"} {
		now, err := s.ReadExcluded(t.Context(), one, guess, []directory.UserID{"ann", "cat"})
		if err != nil || !now.Members["ann"] || now.Members["cat"] || now.Group != group || now.Exclusion.Known() {
			t.Errorf("expecting %q: %+v, %v, want ann in %s, not known", guess, now, err, group)
		}
	}
	kept, err := s.RemoveExcluded(t.Context(), one, group, "ann")
	if err != nil || !slices.Equal(kept, []directory.GroupID{"sales"}) {
		t.Errorf("%v, %v, want sales", kept, err)
	}
	if marks, err := s.Marks(t.Context(), one, "sales"); err != nil || len(marks) != 1 || marks[0].User != "ann" {
		t.Errorf("marks %+v, %v, want ann", marks, err)
	}
	if kept, err := s.RemoveExcluded(t.Context(), one, group, "ann"); err != nil || len(kept) != 0 {
		t.Errorf("once more: %v, %v, want nothing", kept, err)
	}
	if members, err := s.ExcludedMembers(t.Context(), one, group); err != nil || !slices.Equal(members, []directory.UserID{"bob"}) {
		t.Errorf("%v, %v, want bob", members, err)
	}
}
