package store_test

import (
	"slices"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// One person may be in doubt for several reasons, and counts once; a group counts as its people.
func TestEachPersonIsInDoubtOnce(t *testing.T) {
	s, now := open(t), time.Now().UTC()
	confirmed := plan.Absence{Since: now, Second: now}
	for _, d := range []store.Doubt{
		{What: store.UserExists, User: "ann", People: 1, Absence: confirmed},
		{What: store.UserInGroup, User: "ann", Group: "sales", People: 1, Absence: confirmed},
		{What: store.UserInGroup, User: "bob", Group: "sales", People: 1, Absence: plan.Absence{Since: now}},
		{What: store.GroupExists, Group: "crew", People: 4, Absence: confirmed},
		{What: store.UserSuspension, User: "cat", People: 1, Absence: plan.Absence{Since: now}},
	} {
		d.Directory = guarded
		if err := s.PutDoubt(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	for what, c := range map[string]struct {
		read   func() (store.People, error)
		users  []directory.UserID
		others int
	}{
		"in doubt":    {func() (store.People, error) { return s.PeopleInDoubt(t.Context(), guarded, now, 100) }, []directory.UserID{"ann", "bob"}, 4},
		"likely gone": {func() (store.People, error) { return s.PeopleLikelyGone(t.Context(), guarded, plan.Removals, now, 100) }, []directory.UserID{"ann"}, 4},
		"to suspend": {func() (store.People, error) {
			return s.PeopleLikelyGone(t.Context(), guarded, plan.Suspensions, now, 100)
		}, []directory.UserID{"cat"}, 0},
	} {
		got, err := c.read()
		slices.Sort(got.Users)
		if err != nil || !slices.Equal(got.Users, c.users) || got.Others != c.others || got.Number() != len(c.users)+c.others {
			t.Errorf("%s: got %+v, %v, want %v and %d others", what, got, err, c.users, c.others)
		}
	}
}
