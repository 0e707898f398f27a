package world_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
)

// killer kills workers at requests to outside systems, with a panic, and loses the messages
// that they had.
type killer struct {
	mu     sync.Mutex
	random *rand.Rand
	left   int  // how many workers are to be killed
	loses  bool // the messages of those that are killed
	killed int
	lost   int
}

// before kills the worker at every other request.
func (k *killer) before(r *http.Request) error {
	k.mu.Lock()
	dies := k.left > 0 && r.URL.Host != functiontest.LoginHost && k.random.IntN(2) == 0
	if dies {
		k.left--
		k.killed++
	}
	k.mu.Unlock()
	if dies {
		panic("killed at " + r.Method + " " + r.URL.Path)
	}
	return nil
}

// queue is a queue that loses the messages of workers that were killed.
func (k *killer) queue(_ string, q queue.Queue) queue.Queue {
	return &losing{Queue: q, killer: k, taken: map[string]string{}}
}

// losing is a queue that loses a message when it comes again although nobody postponed it:
// the worker that had it was killed.
type losing struct {
	queue.Queue
	killer *killer
	mu     sync.Mutex
	taken  map[string]string // the ids of messages that a worker has, by their receipts
}

func (l *losing) Receive(ctx context.Context, limit int, wait time.Duration) ([]queue.Received, error) {
	batch, err := l.Queue.Receive(ctx, limit, wait)
	var kept []queue.Received
	for _, m := range batch {
		if l.orphaned(m) {
			if err := l.Queue.Delete(context.WithoutCancel(ctx), m.Receipt); err != nil {
				return nil, err
			}
			continue
		}
		kept = append(kept, m)
	}
	return kept, err
}

// orphaned notes who has a message now, and reports whether it is to be lost.
func (l *losing) orphaned(m queue.Received) bool {
	l.killer.mu.Lock()
	defer l.killer.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for receipt, id := range l.taken {
		if id == m.ID {
			delete(l.taken, receipt)
			if l.killer.loses {
				l.killer.lost++
				return true
			}
		}
	}
	l.taken[m.Receipt] = m.ID
	return false
}

func (l *losing) Delete(ctx context.Context, receipts ...string) error {
	l.mu.Lock()
	for _, receipt := range receipts {
		delete(l.taken, receipt)
	}
	l.mu.Unlock()
	return l.Queue.Delete(ctx, receipts...)
}

func (l *losing) Postpone(ctx context.Context, receipt string, d time.Duration) error {
	l.mu.Lock()
	delete(l.taken, receipt)
	l.mu.Unlock()
	return l.Queue.Postpone(ctx, receipt, d)
}

// Workers die at any request, up to 30 times while people are connected, while they change,
// and while they are disconnected, and most of their messages are lost: the sweep finds
// everybody, and ends all that was begun.
func TestTheSweepFindsWhatDiedAndWasLost(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testSweep(t, seed) })
		})
	}
}

const (
	deaths = 30
	// sweeping is how long workers may die, and how long the sweep has then: longer than the
	// longest wait between two of its tasks.
	sweeping = 24 * time.Hour
)

func testSweep(t *testing.T, seed uint64) {
	t.Helper()
	k := &killer{random: rand.New(rand.NewPCG(seed, 0))}
	w := world.New(t, world.Config{Latency: 20 * time.Millisecond, Apart: true, Before: k.before, Queue: k.queue})
	var direct, members []directory.UserID
	var directNames, memberNames []string
	for i := range 12 {
		directNames = append(directNames, fmt.Sprintf("direct%02d", i))
		direct = append(direct, w.Hire(directNames[i]))
		memberNames = append(memberNames, fmt.Sprintf("member%02d", i))
		members = append(members, w.Hire(memberNames[i]))
	}
	group := w.Group("Staff", members...)
	w.Settle(time.Hour)

	k.kill(deaths, true)
	w.Connect(direct...)
	w.ConnectGroups(group)
	phase(t, w, k, "connecting with lost messages")
	for _, name := range slices.Concat(directNames, memberNames) {
		if !w.Enabled(name) {
			t.Errorf("%s is connected and has no enabled account", name)
		}
	}
	if got := w.Members("Staff"); !slices.Equal(got, memberNames) {
		t.Errorf("the group has the members %v, want %v", got, memberNames)
	}

	// An event that is lost before anything was begun is found by no mark: these come again.
	k.kill(deaths, false)
	for _, id := range slices.Concat(direct, members) {
		w.Must(w.JumpCloud.UpdateUser(string(id), jumpcloudtest.Fields{"lastname": "Ray"}))
	}
	phase(t, w, k, "changing")
	for _, name := range slices.Concat(directNames, memberNames) {
		if account, _ := w.Account(name); account.Text("surname") != "Ray" {
			t.Errorf("%s has the surname %q, want Ray", name, account.Text("surname"))
		}
	}

	k.kill(deaths, true)
	for _, id := range direct {
		_, err := w.Store.Disconnect(t.Context(), w.Directory.ID, id, directory.Direct, directory.Disconnected)
		w.Must(err)
		w.EnqueueUser(id, false)
	}
	w.DisconnectGroup(group)
	phase(t, w, k, "disconnecting with lost messages")
	for _, name := range slices.Concat(directNames, memberNames) {
		if w.Enabled(name) {
			t.Errorf("%s is disconnected and enabled", name)
		}
	}
	if k.killed < deaths || k.lost < deaths {
		t.Errorf("%d workers were killed and %d messages lost, want at least %d of each", k.killed, k.lost, deaths)
	}
}

// kill kills so many workers from now on.
func (k *killer) kill(workers int, loses bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left, k.loses = workers, loses
}

// phase waits until the sweep has found what was lost, and checks that nothing is open.
func phase(t *testing.T, w *world.World, k *killer, what string) {
	t.Helper()
	time.Sleep(sweeping)
	k.mu.Lock()
	t.Logf("%s: %d workers were killed and %d messages lost so far", what, k.killed, k.lost)
	k.left = 0
	k.mu.Unlock()
	time.Sleep(sweeping)
	w.Settle(time.Hour)
	actions, err := w.Store.Actions(t.Context(), w.Directory.ID, 0, "")
	w.Must(err)
	for _, a := range actions.Items {
		if a.Status == plan.Started {
			t.Errorf("%s: the action %s %s of %s has never ended", what, a.ID, a.Type, a.Subject.Name)
		}
	}
	links, err := w.Store.Links(t.Context(), w.Directory.ID, 0, "")
	w.Must(err)
	for _, l := range links.Items {
		if len(l.OpenActions) > 0 || l.Status == directory.Pending {
			t.Errorf("%s: the link of %s is %s (%s) with the open actions %v", what, l.UPN, l.Status, l.Reason, l.OpenActions)
		}
	}
	groups, err := w.Store.GroupLinksThat(t.Context(), w.Directory.ID, "", "", 100, "")
	w.Must(err)
	for _, l := range groups.Items {
		marks, err := w.Store.Marks(t.Context(), w.Directory.ID, l.Group)
		w.Must(err)
		if len(l.OpenActions) > 0 || l.Status == directory.Pending || l.NotifyPending || len(marks) > 0 {
			t.Errorf("%s: the link of %s is %s (%s) with the open actions %v and %d marks, users to notify %t", what, l.Name, l.Status, l.Reason, l.OpenActions, len(marks), l.NotifyPending)
		}
	}
	if left, err := w.Store.Unfinished(t.Context(), w.Directory.ID, 0, ""); err != nil || len(left.Items) > 0 {
		t.Errorf("%s: got %d unfinished records, %v; want none", what, len(left.Items), err)
	}
}
