package world_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
)

// The directory through which a leaver had an account is deactivated, and with it everything that is
// known of the leaver. In a new directory on the tenant the account still says by its immutable id
// whose it was: somebody new with the same e-mail waits until an administrator has confirmed it.
func TestARehireIsAskedForAfterADeactivation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world.New(t, world.Config{Latency: 50 * time.Millisecond, Resync: true})
		tenant := string(w.Directory.Tenant)
		deactivate := func(id, name string) {
			t.Helper()
			if status, answer := w.Ask(http.MethodDelete, "/v1/directories/"+id+"?name="+name, ""); status != http.StatusAccepted {
				t.Fatalf("deactivate %s: got %d %s, want 202", name, status, answer)
			}
			w.Settle(time.Hour)
		}
		create := func(name string) string {
			t.Helper()
			status, answer := w.Ask(http.MethodPost, "/v1/directories", fmt.Sprintf(`{"name":%q,"organizationId":%q,"tenantId":%q}`, name, w.Organization(), tenant))
			var made struct {
				ID string `json:"id"`
			}
			if err := json.Unmarshal(answer, &made); err != nil || status != http.StatusCreated {
				t.Fatalf("create %s: got %d %s, want 201", name, status, answer)
			}
			return made.ID
		}
		connect := func(id string, user directory.UserID) {
			t.Helper()
			w.API(http.MethodPut, "/v1/directories/"+id+"/connections/users/"+string(user), "")
			w.Settle(time.Hour)
		}
		deactivate(string(w.Directory.ID), w.Directory.Name)
		one := create("one")
		old := w.HireAs("ann", "ann.lee@"+world.Domain)
		connect(one, old)
		bob := w.HireAs("bob", "bob.lee@"+world.Domain)
		connect(one, bob)
		account, _ := w.Account("ann.lee")
		w.Must(w.JumpCloud.DeleteUser(string(old)))
		w.Settle(time.Hour)
		deactivate(one, "one")

		two := create("two")
		next := w.HireAs("ann.again", "ann.lee@"+world.Domain)
		connect(two, next)
		connect(two, bob)
		see := func(user directory.UserID) string {
			t.Helper()
			_, answer := w.Ask(http.MethodGet, "/v1/directories/"+two+"/users/"+string(user), "")
			return string(answer)
		}
		got := see(next)
		for _, says := range []string{`"parked"`, `"former_owner"`, account.ID, string(old), "/take-over"} {
			if !strings.Contains(got, says) {
				t.Errorf("the new user: got %s, want it to have %s", got, says)
			}
		}
		if after, _ := w.Account("ann.lee"); after.AccountEnabled || after.Text("onPremisesImmutableId") != string(old) {
			t.Errorf("the leaver's account: got %+v, want it disabled, with the id of %s", after, old)
		}
		if got := see(bob); !strings.Contains(got, `"synced"`) {
			t.Errorf("who kept the JumpCloud id: got %s, want the account again at once", got)
		}
		if status, answer := w.Ask(http.MethodPost, "/v1/directories/"+two+"/users/"+string(next)+"/take-over", `{"by":"chief","entraId":"`+account.ID+`"}`); status != http.StatusAccepted {
			t.Fatalf("the confirmation: got %d %s, want 202", status, answer)
		}
		w.Settle(time.Hour)
		if got := see(next); !strings.Contains(got, `"synced"`) || !strings.Contains(got, account.ID) || !w.Enabled("ann.lee") {
			t.Errorf("confirmed: got %s, enabled %t, want synced with the account %s, enabled", got, w.Enabled("ann.lee"), account.ID)
		}
	})
}
