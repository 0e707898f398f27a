package store_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// letGo stores a link that says that the account is freed, with the connection that began at a
// time, and gives up the claim.
func letGo(t *testing.T, s *store.Store, owner store.Owner, id directory.ID, since time.Time) {
	t.Helper()
	known, err := s.User(t.Context(), organization, owner.User)
	if err != nil {
		t.Fatal(err)
	}
	link, found := known.Link(id)
	if !found {
		link = directory.NewLink(id, owner.User)
	}
	link.EntraID, link.Freed, link.Since, link.Status = "e1", true, since, directory.Released
	if err := errors.Join(s.Record(t.Context(), store.Recording{Link: link})...); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Release(t.Context(), "contoso", "e1", owner, id); err != nil {
		t.Fatal(err)
	}
}

// The last of those who had an account is known, with the name and the time, and a claim of
// somebody else is refused until they may follow. A leaver who claims the account for a
// comparison does not move the time, and one who had it before somebody else does not count.
func TestTheFormerOwnerIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tenant, account = directory.TenantID("contoso"), directory.EntraID("e1")
		s := open(t)
		one, two := directory.NewID(organization, "one"), directory.NewID(organization, "two")
		ann, bob := store.Owner{Organization: organization, User: "u1", Username: "ann"}, store.Owner{Organization: organization, User: "u2", Username: "bob"}
		must := func(_ store.Owner, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		is := func(when string, user directory.UserID, name string, until time.Time) {
			t.Helper()
			got, err := s.FormerOwner(t.Context(), tenant, account)
			if err != nil || got == nil || got.User != user || got.Username != name || !got.Until.Equal(until) || got.Organization != organization {
				t.Errorf("%s: got %+v, %v, want %s (%s) until %s", when, got, err, name, user, until)
			}
		}
		if got, err := s.FormerOwner(t.Context(), tenant, account); got != nil || err != nil {
			t.Errorf("before anybody had it: got %+v, %v, want nobody", got, err)
		}
		must(s.Claim(t.Context(), tenant, account, ann, one))
		began, left := time.Now(), time.Now().Add(time.Hour)
		time.Sleep(time.Hour)
		letGo(t, s, store.Owner{Organization: organization, User: "u1"}, one, began) // the user is deleted, so the name is not known any more
		is("ann left", "u1", "ann", left)

		if _, had, err := s.ClaimAfter(t.Context(), store.Succession{}, tenant, account, bob, two); had == nil || had.User != "u1" || !fault.Is(err, fault.Conflict) || fault.Of(err).Reason != directory.FormerOwned {
			t.Errorf("bob claims: got %+v, %v, want a conflict with the former owner u1", had, err)
		}
		if _, err := s.Owner(t.Context(), tenant, account); !fault.Is(err, fault.NotFound) {
			t.Errorf("after a refused claim: got %v, want no owner", err)
		}
		time.Sleep(time.Hour)
		must(s.Claim(t.Context(), tenant, account, ann, one)) // for a comparison
		letGo(t, s, ann, one, began)
		is("ann was compared", "u1", "ann", left)

		_, _, err := s.ClaimAfter(t.Context(), store.Succession{May: func(o directory.FormerOwner) bool { return o.User == "u1" }}, tenant, account, bob, two)
		must(store.Owner{}, err)
		time.Sleep(time.Hour)
		letGo(t, s, bob, two, began)
		is("bob left", "u2", "bob", time.Now())
		letGo(t, s, ann, one, began) // a late task of ann's
		is("a late task of ann's", "u2", "bob", time.Now())
		if _, had, err := s.ClaimAfter(t.Context(), store.Succession{}, tenant, account, bob, two); had != nil || err != nil {
			t.Errorf("bob claims again: got %+v, %v, want the account", had, err)
		}
	})
}

// Who let the account go before that was recorded is known by the link that was released.
func TestAnEarlierReleaseIsRecordedLater(t *testing.T) {
	s := open(t)
	id := directory.NewID(organization, "one")
	ann := store.Owner{Organization: organization, User: "u1", Username: "ann"}
	letGo(t, s, ann, id, time.Time{}) // nobody claims the account any more
	if got, err := s.FormerOwner(t.Context(), "contoso", "e1"); err != nil || got == nil || got.User != "u1" {
		t.Errorf("got %+v, %v, want u1", got, err)
	}
}
