package store_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
	if changed, err := s.SetMemberships(t.Context(), one, "g1", now, joins...); err != nil || len(changed.Changed) != 60 {
		t.Fatalf("%d changed, %v, want 60 changed", len(changed.Changed), err)
	}
	if changed, err := s.SetMemberships(t.Context(), one, "g1", now, joins...); err != nil || len(changed.Changed) != 0 {
		t.Errorf("again: %d changed, %v, want 0 changed", len(changed.Changed), err)
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
	if changed, err := s.SetMemberships(t.Context(), one, "g1", now, leaves...); err != nil || len(changed.Changed) != 60 {
		t.Errorf("left: %d changed, %v, want 60 changed", len(changed.Changed), err)
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

// A list that was begun before a user left does not bring the user back; one that was
// begun later does, and so does whoever reads the user alone. What ended only because
// the group is connected no more says nothing of who is in it.
func TestAListThatIsOlderThanALeave(t *testing.T) {
	s := open(t)
	one := directory.NewID(organization, "one")
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	set := func(at time.Time, change store.Membership) store.Memberships {
		t.Helper()
		change.User = "u1"
		all, err := s.SetMemberships(t.Context(), one, "g1", at, change)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	in := func(since time.Time) store.Membership { return store.Membership{In: true, Since: since} }
	leave := func(why directory.Reason) store.Membership { return store.Membership{Why: why} }
	set(noon, in(noon))
	set(noon.Add(time.Minute), leave(directory.LeftGroup))
	for name, since := range map[string]time.Time{"before": noon, "just before": noon.Add(time.Minute - 1)} {
		got := set(noon.Add(2*time.Minute), in(since))
		if want := (store.Memberships{Overtaken: []directory.UserID{"u1"}}); !cmp.Equal(got, want) {
			t.Errorf("begun %s: %+v, want %+v", name, got, want)
		}
	}
	joined := store.Memberships{Changed: []directory.UserID{"u1"}}
	if got := set(noon.Add(3*time.Minute), in(noon.Add(time.Minute))); !cmp.Equal(got, joined) {
		t.Errorf("begun later: %+v, want %+v", got, joined)
	}
	set(noon.Add(4*time.Minute), leave(directory.GroupDisconnected))
	if got := set(noon.Add(5*time.Minute), in(noon.Add(3*time.Minute))); !cmp.Equal(got, joined) {
		t.Errorf("connected again: %+v, want %+v", got, joined)
	}
	set(noon.Add(6*time.Minute), leave(directory.LeftGroup))
	if got := set(noon.Add(7*time.Minute), in(time.Time{})); !cmp.Equal(got, joined) {
		t.Errorf("read alone: %+v, want %+v", got, joined)
	}
	for _, path := range []directory.Path{directory.Source, "group:g2"} {
		if err := s.Connect(t.Context(), one, "u1", path, noon); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Disconnect(t.Context(), one, "u1", path, directory.Disconnected); err != nil {
			t.Fatal(err)
		}
		now := time.Now().UTC()
		for _, since := range []time.Time{now.Add(-time.Minute), now.Add(time.Minute)} { // the second one connects
			want := since.Before(now)
			if got, err := s.ConnectRead(t.Context(), one, "u1", path, now, since); got != want || err != nil {
				t.Errorf("%s, begun %s from now: overtaken is %t, %v; want %t", path, since.Sub(now), got, err, want)
			}
		}
	}
}

// Many writers at the paths of the same users: none is lost.
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
			if changed, err := s.SetMemberships(t.Context(), one, directory.GroupID(fmt.Sprintf("g%d", g)), time.Now().UTC(), joins...); err != nil || len(changed.Changed) != 30 {
				t.Errorf("group %d: %d changed, %v, want 30 changed", g, len(changed.Changed), err)
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

// When a user left is kept also if the user was not in the group: a read that began before
// brings nobody in.
func TestWhoLeftIsNotBroughtInByAnOlderRead(t *testing.T) {
	s, noon := open(t), time.Now().UTC().Truncate(time.Hour)
	one := directory.NewID(organization, "one")
	set := func(m store.Membership) store.Memberships {
		m.User = "u1"
		changed, err := s.SetMemberships(t.Context(), one, "g1", noon.Add(5*time.Minute), m)
		if err != nil {
			t.Fatal(err)
		}
		return changed
	}
	if got := set(store.Membership{Why: directory.LeftGroup, Left: noon}); !cmp.Equal(got, store.Memberships{}) {
		t.Errorf("who was not in it left: %+v, want no change", got)
	}
	for since, want := range map[time.Duration]store.Memberships{-time.Second: {Overtaken: []directory.UserID{"u1"}}, 0: {Changed: []directory.UserID{"u1"}}} {
		if got := set(store.Membership{In: true, Since: noon.Add(since)}); !cmp.Equal(got, want) {
			t.Errorf("in as of %s after that: %+v, want %+v", since, got, want)
		}
		set(store.Membership{Why: directory.LeftGroup, Left: noon})
	}
	if got := set(store.Membership{In: true, Since: noon.Add(time.Second)}); len(got.Changed) != 1 {
		t.Errorf("came back later: %+v, want the user changed", got)
	}
	if user, err := s.User(t.Context(), organization, "u1"); err != nil || len(user.Paths(one)) != 1 {
		t.Errorf("the paths are %v, %v; want one", user.Paths(one), err)
	}
}

// So it is with groups and users of the connection source. A group that is not connected is
// none, although it is kept when it left.
func TestWhatLeftTheSourceIsNotConnectedByAnOlderRead(t *testing.T) {
	s, noon := open(t), time.Now().UTC().Truncate(time.Second)
	one := directory.NewID(organization, "one")
	for range 2 { // the second time it was connected before
		if _, err := s.LeaveGroup(t.Context(), one, "g1", directory.Source, noon); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Leave(t.Context(), one, "u1", directory.Source, directory.Disconnected, noon); err != nil {
			t.Fatal(err)
		}
		group, err := s.Group(t.Context(), organization, "g1")
		if err != nil || group.Connected(one) || len(group.Connections) > 0 {
			t.Errorf("the group has %+v, %v; want no connection", group.Connections, err)
		}
		for _, since := range []time.Time{noon.Add(-time.Second), noon} { // the second one connects
			want := since.Before(noon)
			isNew, overtaken, err := s.ConnectGroupRead(t.Context(), one, "g1", directory.Source, noon, since)
			if overtaken != want || isNew == want || err != nil {
				t.Errorf("the group, %s after that: new %t, overtaken %t, %v; want %t and %t", since.Sub(noon), isNew, overtaken, err, !want, want)
			}
			if overtaken, err := s.ConnectRead(t.Context(), one, "u1", directory.Source, noon, since); overtaken != want || err != nil {
				t.Errorf("the user, %s after that: overtaken %t, %v; want %t", since.Sub(noon), overtaken, err, want)
			}
		}
	}
	list, err := s.GroupConnections(t.Context(), one, 0, "")
	if err != nil || len(list.Items) != 1 || list.Items[0].CreatedAt != noon {
		t.Errorf("the connections are %+v, %v; want one made at %s", list.Items, err, noon)
	}
}
