package world_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
)

// slowly makes every page of lists whose path ends so take a while, and calls between
// before the second page of the next list is served, once.
type slowly struct {
	suffix  string
	page    time.Duration
	armed   atomic.Bool
	pages   atomic.Int32
	between func()
}

func (s *slowly) before(r *http.Request) error {
	if !strings.HasSuffix(r.URL.Path, s.suffix) {
		return nil
	}
	time.Sleep(s.page)
	if s.armed.Load() && s.pages.Add(1) == 2 {
		s.between()
	}
	return nil
}

// A list of members that is read slowly, while one member leaves and another joins,
// undoes neither: who left stays out, also when the list that was read first shows
// them, and nobody who never moved is disabled because pages shifted.
func TestASlowListOfMembersUndoesNoEvent(t *testing.T) {
	t.Run("of a group that is managed", func(t *testing.T) { testSlowListOfMembers(t, true) })
	t.Run("of a group that only connects", func(t *testing.T) { testSlowListOfMembers(t, false) })
}

func testSlowListOfMembers(t *testing.T, managed bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		slow := &slowly{suffix: "/membership", page: time.Second}
		o := newCompany(t, 399, world.Config{Latency: 10 * time.Millisecond, Before: slow.before, Settings: func(s *directory.Settings) { s.ManageGroups = managed }})
		leaver := slices.Sorted(slices.Values(o.people))[3] // on the first page
		leaverName := o.names[slices.Index(o.people, leaver)]
		joiner := o.Hire("joiner")
		slow.between = func() {
			o.Must(o.JumpCloud.RemoveMember(string(o.group), string(leaver)))
			o.Must(o.JumpCloud.AddMember(string(o.group), string(joiner)))
		}
		slow.armed.Store(true)
		o.SyncGroup(o.group)
		gone := o.Until("the leaver is disabled", 10*time.Second, func() bool { return !o.Enabled(leaverName) })
		for start := time.Now(); time.Since(start) < 15*time.Minute; time.Sleep(500 * time.Millisecond) {
			if o.Enabled(leaverName) {
				t.Fatalf("disabled after %s, enabled again %s later", gone, time.Since(start))
			}
			if n := o.disabled(); n != 1 {
				t.Fatalf("%d are disabled %s later, want only the one who left", n, time.Since(start))
			}
		}
		o.Settle(time.Hour)
		if !o.Enabled("joiner") {
			t.Error("who joined has no account that opens")
		}
		if got := len(o.Members("Staff")); managed && got != 399 {
			t.Errorf("%d members in Entra, want 399", got)
		}
	})
}

// So it is with the list of the connection source.
func TestASlowListOfTheConnectionSourceUndoesNoEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowly{suffix: "/associations", page: time.Second}
		w := world.New(t, world.Config{Latency: 10 * time.Millisecond, Before: slow.before})
		source, err := w.JumpCloud.CreateDirectory("M365")
		w.Must(err)
		people, names := []directory.UserID{}, []string{}
		for i := range 250 {
			names = append(names, fmt.Sprintf("user%03d", i))
			people = append(people, w.Hire(names[i]))
			w.Must(w.JumpCloud.Associate(string(people[i]), source))
		}
		w.Settings(w.Directory, func(s *directory.Settings) {
			s.ConnectionSource = directory.ConnectionSource{Type: directory.Office365Source, ID: source}
		})
		w.SyncSource()
		w.Settle(time.Hour)
		for _, name := range names {
			if !w.Enabled(name) {
				t.Fatalf("%s is not enabled at the start", name)
			}
		}
		leaver := slices.Sorted(slices.Values(people))[3]
		name := names[slices.Index(people, leaver)]
		joiner := w.Hire("joiner")
		slow.between = func() {
			w.Must(w.JumpCloud.Dissociate(string(leaver), source))
			w.Must(w.JumpCloud.Associate(string(joiner), source))
		}
		slow.armed.Store(true)
		w.SyncSource()
		gone := w.Until("the leaver is disabled", 10*time.Second, func() bool { return !w.Enabled(name) })
		for start := time.Now(); time.Since(start) < 15*time.Minute; time.Sleep(500 * time.Millisecond) {
			if w.Enabled(name) {
				t.Fatalf("disabled after %s, enabled again %s later", gone, time.Since(start))
			}
		}
		w.Settle(time.Hour)
		if !w.Enabled("joiner") {
			t.Error("who joined has no account that opens")
		}
	})
}
