package world_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
)

// A person leaves, with all that follows from JumpCloud's events, and a new user has the same
// e-mail. The new one waits, also when asked to be tried again and after a night, until an
// administrator confirms through the API that both are the same person.
func TestARehireWaitsForTheAdministrator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world.New(t, world.Config{Latency: 50 * time.Millisecond, Resync: true})
		old := w.HireAs("ann", "ann.lee@"+world.Domain)
		w.Connect(old)
		w.Settle(10 * time.Minute)
		account := w.Link(old).EntraID
		w.Must(w.JumpCloud.DeleteUser(string(old)))
		w.Settle(10 * time.Minute)
		next := w.HireAs("ann.again", "ann.lee@"+world.Domain)
		w.Connect(next)
		w.Settle(10 * time.Minute)
		path := "/v1/directories/" + string(w.Directory.ID) + "/users/" + string(next)
		waits := func(when string) {
			t.Helper()
			link := w.Link(next)
			if link.Status != directory.Parked || link.Reason != directory.FormerOwned || w.Enabled("ann.lee") || link.Former == nil || link.Former.Owner.Username != "ann" {
				t.Errorf("%s: got %+v, the account enabled %t, want parked as %s after ann, the account disabled", when, link, w.Enabled("ann.lee"), directory.FormerOwned)
			}
		}
		waits("hired")
		w.API(http.MethodPost, path+"/sync", "")
		w.Settle(10 * time.Minute)
		waits("asked to be tried again")
		time.Sleep(25 * time.Hour)
		w.Settle(time.Hour)
		waits("after a night")
		if status, answer := w.Ask(http.MethodPost, path+"/take-over", `{"by":"chief","entraId":"`+string(account)+`"}`); status != http.StatusAccepted {
			t.Fatalf("the confirmation: got %d %s, want 202", status, answer)
		}
		w.Until("the account is taken over", time.Minute, func() bool { return w.Enabled("ann.lee") })
		w.Settle(10 * time.Minute)
		if link := w.Link(next); link.Status != directory.Synced || link.EntraID != account || link.Confirmed != nil || len(w.Accounts()) != 1 {
			t.Errorf("confirmed: got %+v and %d accounts, want synced with the account %s alone", link, len(w.Accounts()), account)
		}
		if status, answer := w.Ask(http.MethodPost, path+"/take-over", ""); status != http.StatusConflict {
			t.Errorf("a second confirmation: got %d %s, want 409", status, answer)
		}
		_, events := w.Ask(http.MethodGet, "/v1/events?user="+string(next), "")
		if n := strings.Count(string(events), `"username":"chief"`); n < 2 {
			t.Errorf("%d events name the administrator, want the confirmation and the take-over: %s", n, events)
		}
	})
}
