package users_test

import (
	"net/http"
	"testing"

	"entrasync/shared/directory"
)

// Two lanes write one account at the same time, and the write with the older state
// reaches Entra last: the next attempt writes the account again.
func TestOvertakenByTheOtherLane(t *testing.T) {
	for _, first := range []directory.AccountState{directory.Enabled, directory.Disabled} {
		t.Run("is to be "+string(first), func(t *testing.T) {
			f := newFixture(t)
			ann := f.person("ann")
			f.run(ann)
			end := func() { f.must(f.jumpcloud.SuspendUser(string(ann))) }
			back := func() { f.must(f.jumpcloud.ActivateUser(string(ann))) }
			if first == directory.Disabled {
				end()
				f.run(ann)
				end, back = back, func() { f.must(f.jumpcloud.DeleteUser(string(ann))) }
			}
			f.before = func(*http.Request) {
				f.before = nil
				back()
				f.run(ann)
			}
			end()
			if again := f.run(ann); again != 1 {
				t.Fatalf("%d come again, want 1", again)
			}
			f.run(ann)
			link := f.link(ann)
			account := f.account("ann@contoso.example")
			if want := first == directory.Enabled; account.AccountEnabled != want || link.State != first || link.Freed == want || len(link.OpenActions) > 0 {
				t.Errorf("enabled is %v, link %+v, want AccountEnabled %v, State %v, Freed not %v, 0 OpenActions", account.AccountEnabled, link, want, first, want)
			}
		})
	}
}
