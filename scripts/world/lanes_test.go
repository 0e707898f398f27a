package world_test

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/store"
)

// soon is how long a task may wait for another one, without the time of its requests.
const soon = 2 * time.Second

// A small new group is complete as soon as its members have their accounts.
func TestANewGroupOfThreeStandsAtOnce(t *testing.T) {
	for _, latency := range []time.Duration{10, 50, 100, 200, 400} {
		synctest.Test(t, func(t *testing.T) {
			w := world.New(t, world.Config{Latency: latency * time.Millisecond})
			group := w.Group("Design", w.Hire("ann"), w.Hire("bob"), w.Hire("cid"))
			w.Settle(time.Minute)
			w.ConnectGroups(group)
			took := w.Until("the group has its members", 2*time.Minute, func() bool { return slices.Equal(w.Members("Design"), []string{"ann", "bob", "cid"}) })
			if most := soon + 20*latency*time.Millisecond; took > most {
				t.Errorf("latency %d ms: the group stood after %s, want %s at most", latency, took, most)
			}
			w.Settle(5 * time.Minute)
		})
	}
}

// A member who leaves while the other lane writes the group is removed as soon as that is
// done.
func TestALeaveAfterAJoinDoesNotWait(t *testing.T) {
	for after := time.Duration(0); after <= 600; after += 50 {
		synctest.Test(t, func(t *testing.T) {
			const latency = 100 * time.Millisecond
			w := world.New(t, world.Config{Latency: latency})
			ann, bob := w.Hire("ann"), w.Hire("bob")
			group := w.Group("Design", ann)
			w.ConnectGroups(group)
			w.Settle(5 * time.Minute)
			w.Must(w.JumpCloud.AddMember(string(group), string(bob)))
			time.Sleep(after * time.Millisecond)
			w.Must(w.JumpCloud.RemoveMember(string(group), string(ann)))
			took := w.Until("one came and one went", 2*time.Minute, func() bool { return slices.Equal(w.Members("Design"), []string{"bob"}) && !w.Enabled("ann") })
			if most := soon + 20*latency; took > most {
				t.Errorf("%d ms after a join, a leave took %s, want %s at most", after, took, most)
			}
			w.Settle(5 * time.Minute)
		})
	}
}

// A worker that dies while it writes a group leaves its lease behind, which ends within
// seconds.
func TestAWorkerThatDiesDoesNotKeepTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lease = 6 * time.Second
		w := world.New(t, world.Config{Latency: 100 * time.Millisecond})
		ann, bob := w.Hire("ann"), w.Hire("bob")
		group := w.Group("Design", ann)
		w.ConnectGroups(group)
		w.Settle(5 * time.Minute)
		_, err := w.Store.TakeLease(t.Context(), store.Lease{Directory: w.Directory.ID, Group: group, Holder: "died", Until: time.Now().UTC().Add(lease)}, time.Now())
		w.Must(err)
		w.Must(w.JumpCloud.AddMember(string(group), string(bob)))
		took := w.Until("bob is a member", 2*time.Minute, func() bool { return slices.Equal(w.Members("Design"), []string{"ann", "bob"}) })
		if took < lease || took > lease+soon+time.Second {
			t.Errorf("a join took %s, want as long as the lease, %s, and not much more", took, lease)
		}
		w.Settle(5 * time.Minute)
	})
}

// A worker that writes a group for long keeps its lease, and frees it when it is done.
func TestASlowWorkerKeepsTheGroupAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at, most int
		var mu sync.Mutex
		w := world.New(t, world.Config{Latency: 100 * time.Millisecond, Before: func(r *http.Request) error {
			if !strings.HasSuffix(r.URL.Path, "/$batch") || !writesMembers(r) {
				return nil
			}
			mu.Lock()
			at++
			most = max(most, at)
			mu.Unlock()
			time.Sleep(20 * time.Second) // several times as long as a lease
			mu.Lock()
			at--
			mu.Unlock()
			return nil
		}})
		ann, bob, cid := w.Hire("ann"), w.Hire("bob"), w.Hire("cid")
		group := w.Group("Design", ann)
		w.ConnectGroups(group)
		w.Settle(5 * time.Minute)
		w.Must(w.JumpCloud.AddMember(string(group), string(bob)))
		time.Sleep(2 * time.Second)
		w.Must(w.JumpCloud.AddMember(string(group), string(cid)))
		w.Until("all are members", 5*time.Minute, func() bool { return slices.Equal(w.Members("Design"), []string{"ann", "bob", "cid"}) })
		w.Settle(5 * time.Minute)
		if most != 1 {
			t.Errorf("%d workers wrote to the group at a time, want 1", most)
		}
	})
}

// writesMembers reports whether a batch writes members of a group.
func writesMembers(r *http.Request) bool {
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return err == nil && (bytes.Contains(body, []byte("members@odata.bind")) || bytes.Contains(body, []byte("members/$ref")))
}
