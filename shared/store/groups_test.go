package store_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/store"
)

func TestGroupHoldsConnectionsAndLinks(t *testing.T) {
	s := open(t)
	one, two := directory.NewID(organization, "one"), directory.NewID(organization, "two")
	for _, id := range []directory.ID{one, two, one} {
		if _, err := s.ConnectGroup(t.Context(), id, "g1", directory.Direct, time.Now().UTC()); err != nil {
			t.Fatal(err)
		}
	}
	if changed, err := s.ConnectGroup(t.Context(), one, "g1", directory.Source, time.Now().UTC()); err != nil || !changed {
		t.Errorf("a second path: %v, %v, want changed true", changed, err)
	}
	if was, err := s.DisconnectGroup(t.Context(), one, "g1", directory.Source); err != nil || !was {
		t.Errorf("without it: %v, %v, want was true", was, err)
	}
	if err := s.PutWithin(t.Context(), store.Within{Directory: one, Outer: "g1", Inner: "g2"}); err != nil {
		t.Fatal(err)
	}
	group, err := s.Group(t.Context(), organization, "g1")
	if err != nil || len(group.Connections) != 2 || len(group.Links) != 2 || !group.Connected(one) {
		t.Errorf("%+v, %v", group, err)
	}
	if inner, err := s.Group(t.Context(), organization, "g2"); err != nil || len(inner.Within) != 1 || inner.Within[0].Outer != "g1" {
		t.Errorf("inner: %+v, %v, want 1 Within, Outer \"g1\"", inner, err)
	}
	for want := range 2 {
		if was, err := s.DisconnectGroup(t.Context(), one, "g1", ""); was != (want == 0) || err != nil {
			t.Errorf("disconnected: %v, %v", was, err)
		}
	}
	if _, err := s.PutDirectory(t.Context(), directory.Directory{ID: one}); err != nil {
		t.Fatal(err)
	}
	records, err := s.ReadGroups(t.Context(), one, []directory.GroupID{"g1", "g3"})
	known := records.Groups["g1"]
	if link, found := known.Link(one); err != nil || !found || link.Status != directory.Pending || known.Connected(one) {
		t.Errorf("records: %+v, %v", records, err)
	}
	if listed, err := s.GroupConnections(t.Context(), two, 0, ""); err != nil || len(listed.Items) != 1 {
		t.Errorf("listed: %+v, %v, want 1 Items", listed, err)
	}
}

func TestMembershipsChangeWithPaths(t *testing.T) {
	s := open(t)
	one := directory.NewID(organization, "one")
	var joins, leaves []store.Membership
	for i := range 60 {
		user := directory.UserID(fmt.Sprintf("u%02d", i))
		joins = append(joins, store.Membership{User: user, In: true})
		leaves = append(leaves, store.Membership{User: user, Why: directory.LeftGroup})
	}
	now := time.Now().UTC()
	if changed, err := s.SetMemberships(t.Context(), one, "g1", now, joins...); err != nil || len(changed) != 60 {
		t.Fatalf("%d changed, %v, want 60 changed", len(changed), err)
	}
	if changed, err := s.SetMemberships(t.Context(), one, "g1", now, joins...); err != nil || len(changed) != 0 {
		t.Errorf("again: %d changed, %v, want 0 changed", len(changed), err)
	}
	user, err := s.User(t.Context(), organization, "u07")
	if link, found := user.Link(one); err != nil || !found || link.Status != directory.Pending || !slices.Equal(user.Paths(one), []directory.Path{"group:g1"}) {
		t.Errorf("%+v, %v", user, err)
	}
	marks, err := s.Marks(t.Context(), one, "g1")
	if err != nil || len(marks) != 60 {
		t.Fatalf("%d marked, %v, want 60 marks", len(marks), err)
	}
	if err := s.MarkDirty(t.Context(), store.Mark{Directory: one, Group: "g1", User: "u07"}); err != nil {
		t.Fatal(err)
	}
	if err := s.ClearMarks(t.Context(), marks...); err != nil {
		t.Fatal(err)
	}
	if left, err := s.Marks(t.Context(), one, "g1"); err != nil || len(left) != 1 || left[0].User != "u07" {
		t.Errorf("marked again meanwhile: %+v, %v, want 1 left, User \"u07\"", left, err)
	}
	members, err := s.AllMembers(t.Context(), one, "g1")
	if err != nil || len(members) != 60 || !members[0].Wanted {
		t.Fatalf("%d members, %v, want 60 members, Wanted true", len(members), err)
	}
	stale := members[3]
	members[3].Applied = "e3"
	if err := s.PutMembers(t.Context(), members...); err != nil {
		t.Fatal(err)
	}
	if changed, err := s.SetMemberships(t.Context(), one, "g1", now, leaves...); err != nil || len(changed) != 60 {
		t.Errorf("left: %d changed, %v, want 60 changed", len(changed), err)
	}
	// A user who left while we added the member in Entra stays unwanted, and the record
	// says that the member is in Entra.
	late := members[4]
	stale.Applied, late.Applied = "e3 again", "e4"
	stale.Problem = &directory.Obstacle{Reason: directory.MemberRefused}
	if err := s.PutMembers(t.Context(), stale, late); err != nil {
		t.Fatal(err)
	}
	some, err := s.SomeMembers(t.Context(), one, "g1", []directory.UserID{"u03", "u04", "nobody"})
	if err != nil || len(some) != 2 || some[0].Applied != "e3 again" || some[0].Wanted || some[0].Problem != nil || some[1].Applied != "e4" || some[1].Wanted {
		t.Errorf("%+v, %v, want 2 some, Applied \"e3 again\", Wanted false, no Problem, Applied \"e4\", Wanted false", some, err)
	}
	user, err = s.User(t.Context(), organization, "u07")
	if err != nil || len(user.Paths(one)) != 0 || user.Ended(one) != directory.LeftGroup {
		t.Errorf("%+v, %v, want 0 one, one %v", user, err, directory.LeftGroup)
	}
	if err := s.ForgetMembers(t.Context(), one, "g1", true); err != nil {
		t.Fatal(err)
	}
	if left, err := s.AllMembers(t.Context(), one, "g1"); err != nil || len(left) != 2 || left[0].User != "u03" {
		t.Errorf("in Entra: %+v, %v, want 2 left, User \"u03\"", left, err)
	}
	if err := s.ForgetMembers(t.Context(), one, "g1", false); err != nil {
		t.Fatal(err)
	}
	if left, err := s.AllMembers(t.Context(), one, "g1"); err != nil || len(left) != 0 {
		t.Errorf("forgotten: %+v, %v, want 0 left", left, err)
	}
}

// Many writers change the paths of the same users: no change is lost.
func TestMembershipsOfManyGroupsAtOnce(t *testing.T) {
	s := open(t)
	one := directory.NewID(organization, "one")
	var joins []store.Membership
	for i := range 30 {
		joins = append(joins, store.Membership{User: directory.UserID(fmt.Sprintf("u%02d", i)), In: true})
	}
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			if changed, err := s.SetMemberships(t.Context(), one, directory.GroupID(fmt.Sprintf("g%d", g)), time.Now().UTC(), joins...); err != nil || len(changed) != 30 {
				t.Errorf("group %d: %d changed, %v, want 30 changed", g, len(changed), err)
			}
		})
	}
	all.Wait()
	for _, j := range joins {
		user, err := s.User(t.Context(), organization, j.User)
		if err != nil || len(user.Paths(one)) != 4 {
			t.Errorf("%s: %v, %v, want 4 one", j.User, user.Paths(one), err)
		}
	}
}
