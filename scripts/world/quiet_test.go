package world_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// A trouble of a whole directory is recognised although no event comes: by the resync or,
// if it is JumpCloud's key, by the catch-up.
func TestTroubleWhileNoEventComes(t *testing.T) {
	for name, trouble := range map[string]struct {
		config world.Config
		within time.Duration
		reason directory.Reason
		ill    func(*world.World)
	}{
		"consent is lost": {world.Config{Resync: true}, 25 * time.Hour, directory.NotConsented, func(w *world.World) {
			w.Must(w.Entra.SetApp(entratest.DefaultApp().ClientID, func(a *entratest.App) { a.Tenants = []string{"another"} }))
			w.Entra.RevokeTokens()
		}},
		"the key is refused, as the resync finds":   {world.Config{Resync: true}, 25 * time.Hour, directory.JumpCloudRefused, refuseKey},
		"the key is refused, as the catch-up finds": {world.Config{CatchUp: true}, 15 * time.Minute, directory.JumpCloudRefused, refuseKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				trouble.config.Latency = 10 * time.Millisecond
				w := world.New(t, trouble.config)
				w.Connect(w.Hire("ann"))
				time.Sleep(30 * time.Minute)
				trouble.ill(w)
				time.Sleep(trouble.within)
				dir, err := w.Store.Directory(t.Context(), w.Directory.ID)
				w.Must(err)
				if dir.Suspended == nil || dir.Suspended.Reason != trouble.reason || dir.Suspended.Message == "" {
					t.Fatalf("after %s: suspended %+v, want reason %q with a message", trouble.within, dir.Suspended, trouble.reason)
				}
				w.JumpCloud.Mend()
				w.Must(w.Entra.SetApp(entratest.DefaultApp().ClientID, func(a *entratest.App) { a.Tenants = nil }))
				time.Sleep(61 * time.Second)
				if dir, err = w.Store.Directory(t.Context(), w.Directory.ID); err != nil || dir.IsSuspended() {
					t.Errorf("a minute after the cure: suspended %+v (%v), want no suspension", dir.Suspended, err)
				}
			})
		})
	}
}

// refuseKey makes JumpCloud refuse the key of the organization.
func refuseKey(w *world.World) {
	w.JumpCloud.FailNext(jumpcloudtest.Fault{PathContains: "/", Status: http.StatusUnauthorized, Times: 1 << 20})
}
