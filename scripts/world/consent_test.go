package world_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/entra/entratest"
)

// consents has an administrator of the tenant accept what the API asks for, and opens where
// Entra leads the browser back to.
func consents(w *world.World) (status int, page string) {
	answered, body := w.Ask("POST", "/v1/directories/"+string(w.Directory.ID)+"/authorize", "")
	var invitation struct {
		ConsentURL string `json:"consentUrl"`
	}
	w.Must(json.Unmarshal(body, &invitation))
	if answered != http.StatusOK {
		return answered, string(body)
	}
	r, err := http.NewRequest(http.MethodPost, invitation.ConsentURL, strings.NewReader(url.Values{"decision": {entratest.ConsentAccept}}.Encode()))
	w.Must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := entratest.Transport(w.Entra).RoundTrip(r)
	w.Must(err)
	back, err := response.Location()
	w.Must(err)
	status, opened := w.Browse(back.String())
	return status, string(opened)
}

// Consent that spreads slowly makes the directory active by itself, and who was connected
// meanwhile gets an account. The callback says that it takes a while.
func TestConsentThatSpreadsSlowly(t *testing.T) {
	for name, lag := range map[string]struct{ signIn, roles time.Duration }{
		"the sign-in":       {10 * time.Minute, 10 * time.Minute},
		"the permissions":   {0, 20 * time.Minute},
		"both, for a while": {20 * time.Minute, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := world.New(t, world.Config{Latency: 10 * time.Millisecond})
				w.Must(w.Entra.SetApp(entratest.DefaultApp().ClientID, func(a *entratest.App) {
					a.Tenants, a.Requires = []string{"another"}, entratest.RecommendedRoles
				}))
				dir := w.Directory
				dir.Status, dir.Reason, dir.Message, dir.TenantObject = directory.PendingAuthorization, directory.NotConsented, "give consent", ""
				_, err := w.Store.PutDirectory(t.Context(), dir)
				w.Must(err)
				ann := w.Hire("ann")
				w.Connect(ann)
				if status := w.API("PATCH", "/v1/directories/"+string(dir.ID), "{}"); status != http.StatusOK {
					t.Fatalf("PATCH: %d, want 200", status)
				}
				time.Sleep(5 * time.Minute)
				w.Entra.Set(func(b *entratest.Behaviour) { b.ConsentSignIn, b.ConsentRoles = lag.signIn, lag.roles })
				given := time.Now()
				if status, page := consents(w); status != http.StatusAccepted || !strings.Contains(page, "becomes active by itself") {
					t.Errorf("%d %s, want 202 and that it becomes active by itself", status, page)
				}
				active := func() bool {
					now, err := w.Store.Directory(t.Context(), dir.ID)
					w.Must(err)
					return now.Status == directory.Active && !now.IsSuspended()
				}
				longest := max(lag.signIn, lag.roles)
				time.Sleep(longest - time.Since(given) - time.Second)
				if active() {
					t.Error("active before the consent has spread, want it to wait")
				}
				w.Until("the directory is active", 2*time.Minute, active)
				w.Until("ann is in sync", 2*time.Minute, func() bool { return w.Link(ann).Status == directory.Synced })
				now, err := w.Store.Directory(t.Context(), dir.ID)
				w.Must(err)
				if now.Granted == nil || len(now.Granted.Permissions) != len(entratest.RecommendedRoles) || now.Reason != "" {
					t.Errorf("granted %+v, reason %q; want all that was granted and no reason", now.Granted, now.Reason)
				}
			})
		})
	}
}

// Consent that is lost is seen at the first refused token. When it is given again with the
// callback, everything is as before and what changed meanwhile is written.
func TestConsentThatIsGivenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowded(t, 6)
		before := c.dir()
		c.app(func(a *entratest.App) { a.Tenants = []string{"another"} })
		c.titles("Lead")
		c.Until("it is seen that consent is lost", time.Minute, func() bool { s := c.dir().Suspended; return s != nil && s.Reason == directory.NotConsented })
		if status, page := consents(c.World); status != http.StatusOK {
			t.Errorf("%d %s, want 200", status, page)
		}
		c.Until("everybody has the title", 2*time.Minute, func() bool { return c.haveTitle("Lead") })
		after := c.dir()
		if diff := cmp.Diff(before.Settings, after.Settings); diff != "" || after.IsSuspended() || after.TenantObject != before.TenantObject {
			t.Errorf("%+v: %s, want it as before", after, diff)
		}
	})
}

// The permissions that are said to be the least for the defaults are enough for groups.
func TestTheLeastPermissionsAreEnoughForGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowded(t, 6)
		c.app(func(a *entratest.App) {
			a.Roles = nil
			for _, p := range entra.Needed(c.dir().Settings) {
				if !p.Optional {
					a.Roles = append(a.Roles, p.Name)
				}
			}
		})
		eve := c.Hire("eve")
		group := c.Group("Team 9", eve, c.people[0])
		c.ConnectGroups(group)
		c.Must(c.JumpCloud.RemoveMember(string(c.groups[0]), string(c.people[0])))
		c.Must(c.JumpCloud.AddMember(string(c.groups[1]), string(c.people[0])))
		c.titles("Lead")
		c.Settle(30 * time.Minute)
		if !c.haveTitle("Lead") || c.GroupLink(group).Status != directory.Synced || c.dir().IsSuspended() || len(c.dir().PartlySuspended) > 0 {
			t.Errorf("%+v, %+v; want all in sync", c.GroupLink(group), c.dir())
		}
		if got := c.Members("Team 9"); len(got) != 2 {
			t.Errorf("members %v, want two", got)
		}
	})
}
