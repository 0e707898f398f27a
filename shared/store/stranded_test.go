package store_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// A stranded message is listed where it belongs, the last one first, stays as it was first
// stored, and is kept for 14 days.
func TestStrandedMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, now := open(t), time.Now().UTC()
		one, two := directory.NewID(organization, "one"), directory.NewID(organization, "two")
		add := func(id string, organization directory.OrganizationID, dir directory.ID, at time.Time) store.Stranded {
			t.Helper()
			m, err := s.AddStranded(t.Context(), store.Stranded{ID: id, Organization: organization, Directory: dir, Lane: store.UsersLive, Body: []byte("body of " + id), At: at})
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		a, b := add("a", organization, one, now), add("b", organization, one, now)
		c := add("c", organization, two, now)
		event := add("d", organization, "", now)
		malformed := add("e", "", "", now)
		if again := add("a", organization, one, now.Add(time.Hour)); !again.At.Equal(a.At) {
			t.Errorf("stored again at %s, want the first time %s", again.At, a.At)
		}
		for _, tc := range []struct {
			filter store.StrandedFilter
			want   []store.Stranded
		}{
			{store.StrandedFilter{Organization: organization, Directory: one}, []store.Stranded{b, a}},
			{store.StrandedFilter{Directory: one}, []store.Stranded{b, a}},
			{store.StrandedFilter{Organization: organization}, []store.Stranded{event, c, b, a}},
			{store.StrandedFilter{}, []store.Stranded{malformed, event, c, b, a}},
			{store.StrandedFilter{Lane: store.UsersLive}, []store.Stranded{malformed, event, c, b, a}},
			{store.StrandedFilter{Lane: store.UsersBulk}, []store.Stranded{}},
			{store.StrandedFilter{Organization: "another"}, []store.Stranded{}},
		} {
			got := []store.Stranded{}
			for cursor := ""; ; {
				page, err := s.StrandedMessages(t.Context(), tc.filter, 2, cursor)
				if err != nil {
					t.Fatal(err)
				}
				if got, cursor = append(got, page.Items...), page.Cursor; cursor == "" {
					break
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("of %+v: want-, got+ %s", tc.filter, diff)
			}
		}
		for _, m := range []store.Stranded{a, event, malformed} {
			if got, err := s.FindStranded(t.Context(), m.ID); err != nil || !cmp.Equal(got, m) {
				t.Errorf("found %+v, %v, want %+v", got, err, m)
			}
		}
		if got, err := s.FindStranded(t.Context(), "z"); !fault.Is(err, fault.NotFound) {
			t.Errorf("found %+v, %v, want a fault of kind %s", got, err, fault.NotFound)
		}
		if got, err := s.StrandedMessage(t.Context(), organization, one, "a"); err != nil || got.ID != "a" {
			t.Errorf("read: %+v, %v, want a", got, err)
		}
		if err := s.RemoveStranded(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if _, err := s.StrandedMessage(t.Context(), organization, one, "a"); !fault.Is(err, fault.NotFound) {
			t.Errorf("removed: %v, want a fault of kind %s", err, fault.NotFound)
		}
		time.Sleep(14*24*time.Hour + time.Second)
		if got, err := s.StrandedMessages(t.Context(), store.StrandedFilter{Directory: one}, 10, ""); err != nil || len(got.Items) > 0 {
			t.Errorf("after 14 days: %+v, %v, want none", got.Items, err)
		}
	})
}

// The common part of a link is changed for a user and for a group.
func TestChangeStanding(t *testing.T) {
	s, id := open(t), directory.NewID(organization, "one")
	if err := s.Connect(t.Context(), id, "u1", directory.Direct, time.Now().UTC()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ConnectGroup(t.Context(), id, "g1", directory.Direct, time.Now().UTC()); err != nil {
		t.Fatal(err)
	}
	park := func(l directory.Standing) directory.Standing {
		l.Status = directory.Parked
		return l
	}
	for _, subject := range []plan.Subject{{Kind: "user", ID: "u1"}, {Kind: "group", ID: "g1"}} {
		if err := s.ChangeStanding(t.Context(), id, subject, park); err != nil {
			t.Errorf("%s: %v", subject.Kind, err)
		}
	}
	user, userErr := s.User(t.Context(), organization, "u1")
	group, groupErr := s.Group(t.Context(), organization, "g1")
	link, _ := user.Link(id)
	groupLink, _ := group.Link(id)
	if userErr != nil || groupErr != nil || link.Status != directory.Parked || groupLink.Status != directory.Parked {
		t.Errorf("links %+v, %+v, %v, %v, want both parked", link, groupLink, userErr, groupErr)
	}
	for _, kind := range []string{"user", "group"} {
		if err := s.ChangeStanding(t.Context(), id, plan.Subject{Kind: kind, ID: "nobody"}, park); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s without a link: %v, want a fault of kind %s", kind, err, fault.NotFound)
		}
	}
}

// The link of somebody who is expected is there once, with its check, and is removed unless
// it was changed meanwhile.
func TestExpected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		park := func(l directory.Standing) directory.Standing { l.Status = directory.Parked; return l }
		for _, kind := range []string{plan.OfUser, plan.OfGroup} {
			id := directory.NewID(organization, kind)
			subject := plan.Subject{Kind: kind, ID: "64a1b2c3d4e5f60718293a4b"}
			for range 2 { // equal the second time: nothing is written
				if err := s.AddExpected(t.Context(), id, subject, park); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Hour)
			if page, err := s.Unfinished(t.Context(), id, 0, ""); err != nil || len(page.Items) != 1 || page.Items[0].Kind != store.DueCheck {
				t.Errorf("%s: got %+v, %v; want one check", kind, page.Items, err)
			}
			if err := s.RemoveExpected(t.Context(), id, subject, 2); !fault.Is(err, fault.Changed) {
				t.Errorf("%s: got %v for another version, want %s", kind, err, fault.Changed)
			}
			if err := s.RemoveExpected(t.Context(), id, subject, 1); err != nil {
				t.Errorf("%s: got %v for the version that was read, want none", kind, err)
			}
			if err := s.ChangeStanding(t.Context(), id, subject, park); !fault.Is(err, fault.NotFound) {
				t.Errorf("%s: got %v, want no link any more", kind, err)
			}
		}
	})
}
