package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/store"
)

// recordAll stores the links of a directory: one user that stands for each given, and groups.
func recordAll(t *testing.T, s *store.Store, id directory.ID, links []directory.Link, groups []directory.GroupLink) {
	t.Helper()
	for i, link := range links {
		link.Directory, link.User = id, directory.UserID(fmt.Sprintf("%024x", i+1))
		if err := errors.Join(s.Record(t.Context(), store.Recording{Link: link})...); err != nil {
			t.Fatal(err)
		}
	}
	for i, link := range groups {
		link.Directory, link.Group = id, directory.GroupID(fmt.Sprintf("%024x", i+1))
		if err := errors.Join(s.Record(t.Context(), store.Recording{Group: &link})...); err != nil {
			t.Fatal(err)
		}
	}
}

// stands is a link that stands so.
func stands(status directory.LinkStatus, reason directory.Reason, problems ...directory.Reason) directory.Link {
	link := directory.Link{Standing: directory.Standing{Status: status, Reason: reason}}
	for _, p := range problems {
		link.Problems = append(link.Problems, directory.Problem{Reason: p})
	}
	return link
}

// Users and groups are counted by status, and by reason as a list with that reason shows them;
// what is pending has a time since when.
func TestCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, id := open(t), directory.NewID("5f0000000000000000000001", "main")
		began := time.Now().UTC()
		recordAll(t, s, id, []directory.Link{stands(directory.Synced, ""), stands(directory.Parked, directory.UPNConflict, directory.UPNConflict),
			stands(directory.Synced, "", directory.UPNConflict), stands(directory.Pending, "")}, nil)
		time.Sleep(time.Hour)
		recordAll(t, s, id, nil, []directory.GroupLink{{Standing: directory.Standing{Status: directory.Pending, Reason: directory.ThrottledReason}}})
		now := time.Now().UTC()
		got, complete, err := s.Count(t.Context(), id, 2, now)
		want := store.Counts{
			Directory: id, CountedAt: now, Pages: 2,
			Users: store.Tally{Total: 4, ByStatus: map[directory.LinkStatus]int{directory.Synced: 2, directory.Parked: 1, directory.Pending: 1},
				ByReason: map[directory.Reason]int{directory.UPNConflict: 2}, OldestPendingAt: began},
			Groups: store.Tally{Total: 1, ByStatus: map[directory.LinkStatus]int{directory.Pending: 1},
				ByReason: map[directory.Reason]int{directory.ThrottledReason: 1}, OldestPendingAt: now},
		}
		if diff := cmp.Diff(want, got); diff != "" || !complete || err != nil {
			t.Errorf("complete %t, %v, want all of it (-want +got):\n%s", complete, err, diff)
		}
		if _, complete, err := s.Count(t.Context(), id, 1, now); complete || err != nil {
			t.Errorf("with one page: got complete %t, %v; want that it was not enough for users and groups", complete, err)
		}
	})
}

// Since when something is pending is kept as long as it is, and forgotten when it is done.
func TestPendingSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, id := open(t), directory.NewID("5f0000000000000000000001", "main")
		const user = "5f0000000000000000000002"
		read := func() directory.Link {
			t.Helper()
			known, err := s.User(t.Context(), id.Organization(), user)
			if err != nil {
				t.Fatal(err)
			}
			link, _ := known.Link(id)
			return link
		}
		put := func(link directory.Link) directory.Link {
			t.Helper()
			if err := errors.Join(s.Record(t.Context(), store.Recording{Link: link})...); err != nil {
				t.Fatal(err)
			}
			return read()
		}
		began := time.Now().UTC()
		if err := s.Connect(t.Context(), id, user, directory.Direct, began); err != nil {
			t.Fatal(err)
		}
		link := read()
		time.Sleep(time.Minute)
		link.Reason = directory.ThrottledReason
		if link = put(link); !link.PendingSince.Equal(began) {
			t.Errorf("after a failed attempt it is pending since %s, want %s", link.PendingSince, began)
		}
		link.Status = directory.Synced
		if link = put(link); !link.PendingSince.IsZero() {
			t.Errorf("in sync it is pending since %s, want that nothing is", link.PendingSince)
		}
		time.Sleep(time.Minute)
		link.Status = directory.Pending
		if link = put(link); !link.PendingSince.Equal(time.Now()) {
			t.Errorf("pending again it is so since %s, want %s", link.PendingSince, time.Now())
		}
	})
}

// The last counts and when Graph asked to slow down are kept.
func TestCountsAndThrottlingAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, s := context.Background(), open(t)
		one, two := directory.NewID("5f0000000000000000000001", "main"), directory.NewID("5f0000000000000000000001", "other")
		counts := store.Counts{Directory: one, CountedAt: time.Now().UTC(), Users: store.Tally{Total: 7}}
		if err := s.PutCounts(ctx, counts); err != nil {
			t.Fatal(err)
		}
		got, err := s.CountsOf(ctx, one, two)
		if diff := cmp.Diff(map[directory.ID]store.Counts{one: counts}, got); diff != "" || err != nil {
			t.Errorf("%v, want the counts (-want +got):\n%s", err, diff)
		}
		now := time.Now().UTC()
		slow := store.Throttled{Tenant: "contoso.example", At: now, Until: now.Add(time.Minute)}
		within := slow
		within.At = within.At.Add(59 * time.Second)
		for _, each := range []store.Throttled{slow, within} {
			if err := s.NoteThrottled(ctx, each); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := s.Throttled(ctx, slow.Tenant); got != slow || err != nil {
			t.Errorf("got %+v, %v, want %+v", got, err, slow)
		}
		time.Sleep(8 * 24 * time.Hour)
		if got, err := s.Throttled(ctx, slow.Tenant); !got.At.IsZero() || err != nil {
			t.Errorf("a week later: got %+v, %v, want nothing", got, err)
		}
	})
}
