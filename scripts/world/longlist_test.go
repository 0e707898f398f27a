package world_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/wiring"
	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// listed are people in a list of JumpCloud that connects them, and how one of them leaves it.
type listed struct {
	names []string
	ids   []directory.UserID
	leave func(directory.UserID) error
	ask   reconcile.Task // reads whether a user is in it
}

// Who leaves a list that takes longer than one attempt may read loses the access in the end,
// also when no event says so.
func TestWhoLeavesALongListIsDisabled(t *testing.T) {
	const many, page = 350, 5 * time.Second
	for name, connect := range map[string]func(*world.World, *listed){
		"of a group":               inGroup,
		"of the connection source": inSource,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slow := false
				w := world.New(t, world.Config{Silent: true, Latency: 100 * time.Millisecond, Before: func(r *http.Request) error {
					if !slow || r.URL.Query().Get("skip") == "" || !strings.Contains(r.URL.Path, "/usergroups/") && !strings.Contains(r.URL.Path, "/office365s/") {
						return nil
					}
					select {
					case <-time.After(page):
						return nil
					case <-r.Context().Done():
						return r.Context().Err()
					}
				}})
				l := &listed{}
				for i := range many {
					l.names = append(l.names, fmt.Sprintf("user%03d", i))
					l.ids = append(l.ids, w.Hire(l.names[i]))
				}
				connect(w, l)
				w.Settle(time.Hour)
				slow = true
				w.Must(l.leave(l.ids[0]))
				l.ask.Directory, l.ask.User, l.ask.Cause = w.Directory.ID, l.ids[0], plan.Cause{Type: "retried", At: time.Now().UTC()}
				w.Must(reconcile.Enqueue(t.Context(), w.Queues[wiring.UsersLive], l.ask))
				w.Until("the one who left is disabled", 10*time.Minute, func() bool { return !w.Enabled(l.names[0]) })
				for _, other := range l.names[1:] {
					if !w.Enabled(other) {
						t.Errorf("%s is disabled, want only the one who left", other)
					}
				}
			})
		})
	}
}

// inGroup puts people into a connected group.
func inGroup(w *world.World, l *listed) {
	group := w.Group("Staff", l.ids...)
	w.ConnectGroups(group)
	l.leave = func(id directory.UserID) error { return w.JumpCloud.RemoveMember(string(group), string(id)) }
	l.ask.Memberships = true
}

// inSource associates people with the connection source.
func inSource(w *world.World, l *listed) {
	source, err := w.JumpCloud.CreateDirectory("M365")
	w.Must(err)
	for _, id := range l.ids {
		w.Must(w.JumpCloud.Associate(string(id), source))
	}
	w.Settings(w.Directory, func(s *directory.Settings) {
		s.ConnectionSource = directory.ConnectionSource{Type: directory.Office365Source, ID: source}
	})
	w.SyncSource()
	l.leave = func(id directory.UserID) error { return w.JumpCloud.Dissociate(string(id), source) }
	l.ask.Source = true
}
