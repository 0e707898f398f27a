package boltqueue_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/local/boltqueue"
	"entrasync/shared/queue"
)

func TestConfig(t *testing.T) {
	db := openDB(t, newPath(t))
	openQueue(t, db, boltqueue.Config{Name: "dead"})
	for _, test := range []struct {
		name   string
		config boltqueue.Config
		want   fault.Kind
	}{
		{"defaults", boltqueue.Config{Name: "defaults"}, ""},
		{"longest name", boltqueue.Config{Name: strings.Repeat("q", 80)}, ""},
		{"everything", boltqueue.Config{Name: "users-live_1.x", Visibility: queue.MaxVisibility, MaxReceives: 1000, DeadLetter: "dead",
			Delay: 15 * time.Minute, Retention: time.Minute}, ""},
		{"the same again", boltqueue.Config{Name: "defaults", Visibility: 30 * time.Second, Retention: 14 * 24 * time.Hour}, ""},
		{"otherwise again", boltqueue.Config{Name: "defaults", Visibility: time.Second}, fault.Conflict},
		{"no name", boltqueue.Config{}, fault.Invalid},
		{"name too long", boltqueue.Config{Name: strings.Repeat("q", 81)}, fault.Invalid},
		{"name with a slash", boltqueue.Config{Name: "a/b"}, fault.Invalid},
		{"negative visibility", boltqueue.Config{Name: "q", Visibility: -1}, fault.Invalid},
		{"visibility too long", boltqueue.Config{Name: "q", Visibility: queue.MaxVisibility + 1}, fault.Invalid},
		{"negative delay", boltqueue.Config{Name: "q", Delay: -1}, fault.Invalid},
		{"delay too long", boltqueue.Config{Name: "q", Delay: 15*time.Minute + 1}, fault.Invalid},
		{"retention too short", boltqueue.Config{Name: "q", Retention: time.Minute - 1}, fault.Invalid},
		{"retention too long", boltqueue.Config{Name: "q", Retention: 14*24*time.Hour + 1}, fault.Invalid},
		{"its own dead-letter queue", boltqueue.Config{Name: "q", DeadLetter: "q", MaxReceives: 1}, fault.Invalid},
		{"dead-letter queue not open", boltqueue.Config{Name: "q", DeadLetter: "other", MaxReceives: 1}, fault.Invalid},
		{"dead-letter queue without receives", boltqueue.Config{Name: "q", DeadLetter: "dead"}, fault.Invalid},
		{"too many receives", boltqueue.Config{Name: "q", DeadLetter: "dead", MaxReceives: 1001}, fault.Invalid},
		{"receives without dead-letter queue", boltqueue.Config{Name: "q", MaxReceives: 1}, fault.Invalid},
	} {
		if _, err := db.Queue(test.config); fault.KindOf(err) != test.want {
			t.Errorf("%s: got %v, want kind %q", test.name, err, test.want)
		}
	}
}

// The oldest messages of all groups are received first, and a batch may have all messages of
// one group.
func TestOldestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := openQueue(t, openDB(t, newPath(t)), boltqueue.Config{Name: "q"})
		for i := range 24 {
			send(t, q, message(fmt.Sprint("g", i%3), fmt.Sprint(i)))
		}
		receive(t, q, "0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
		receive(t, q)
		time.Sleep(30 * time.Second)
		receive(t, q, "0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
	})
}

// A visibility timeout or delay ends at its time, not before.
func TestVisibilityMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := openQueue(t, openDB(t, newPath(t)), boltqueue.Config{Name: "q", Visibility: 10 * time.Second})
		send(t, q, message("g", "a"))
		receive(t, q, "a")
		time.Sleep(10*time.Second - 1)
		receive(t, q)
		time.Sleep(time.Nanosecond)
		receive(t, q, "a")
	})
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := openQueue(t, openDB(t, newPath(t)), boltqueue.Config{Name: "q", Delay: 5 * time.Second})
		send(t, q, message("g", "a"))
		time.Sleep(2 * time.Second)
		send(t, q, message("g", "b"), message("h", "c"))
		receive(t, q)
		start := time.Now()
		got, err := q.Receive(bg, 10, time.Minute)
		if err != nil || !slices.Equal(bodiesOf(got), []string{"a"}) || time.Since(start) != 3*time.Second {
			t.Fatalf("received %q, %v after %s, want a after 3 s", bodiesOf(got), err, time.Since(start))
		}
		got, err = q.Receive(bg, 10, time.Minute)
		if err != nil || !slices.Equal(bodiesOf(got), []string{"c"}) || time.Since(start) != 5*time.Second {
			t.Fatalf("received %q, %v after %s, want c after 5 s", bodiesOf(got), err, time.Since(start))
		}
	})
}

func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := newPath(t)
		q := openQueue(t, openDB(t, path), boltqueue.Config{Name: "q", Retention: time.Hour})
		send(t, q, message("g", "a"), message("g", "b"))
		time.Sleep(30 * time.Minute)
		send(t, q, message("g", "c"), message("h", "d"))
		time.Sleep(30 * time.Minute)
		if depth, err := q.Depth(bg); err != nil || depth.Visible != 2 {
			t.Fatalf("depth is %+v, %v, want 2 visible", depth, err)
		}
		receive(t, q, "c", "d")
		q = openQueue(t, openDB(t, copyFile(t, path)), boltqueue.Config{Name: "q", Retention: time.Hour})
		if entries, err := q.Peek(bg, 10); err != nil || len(entries) != 2 {
			t.Fatalf("after a restart: %+v, %v, want 2 messages", entries, err)
		}
	})
}

// A queue is busy while a receiver works on a message or a message is due soon, and not with
// messages that were postponed for longer.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := openQueue(t, openDB(t, newPath(t)), boltqueue.Config{Name: "q", Visibility: time.Hour})
		busy := func(when string, want bool) {
			t.Helper()
			if got, err := q.Busy(bg, 30*time.Second); err != nil || got != want {
				t.Fatalf("%s: busy %t, %v, want %t", when, got, err, want)
			}
		}
		busy("empty", false)
		send(t, q, message("g", "a"))
		busy("sent", true)
		got := receive(t, q, "a")
		busy("received", true)
		if err := q.Postpone(bg, got[0].Receipt, time.Minute); err != nil {
			t.Fatal(err)
		}
		busy("postponed for a minute", false)
		time.Sleep(31 * time.Second)
		busy("due soon", true)
		time.Sleep(time.Minute)
		busy("due", true)
		receive(t, q, "a")
		busy("received again", true)
	})
}

// A message in flight belongs to its receiver until the visibility timeout ends, also past
// its retention.
func TestRetentionInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := boltqueue.Config{Name: "q", Retention: time.Minute, Visibility: time.Hour}
		q := openQueue(t, openDB(t, newPath(t)), config)
		send(t, q, message("g", "a"), message("h", "b"))
		got := receive(t, q, "a", "b")
		time.Sleep(2 * time.Minute)
		if depth, err := q.Depth(bg); err != nil || depth.InFlight != 2 {
			t.Fatalf("depth is %+v, %v, want 2 in flight", depth, err)
		}
		if err := q.Delete(bg, got[0].Receipt); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if depth, err := q.Depth(bg); err != nil || depth != (queue.Depth{}) {
			t.Fatalf("depth is %+v, %v, want nothing", depth, err)
		}
	})
}

// fading is a context that is cancelled after its first check: between the call and its
// commit.
type fading struct {
	context.Context
	checked bool
}

func (f *fading) Err() error {
	if f.checked {
		return context.Canceled
	}
	f.checked = true
	return nil
}

// A commit that does not happen leaves everything as it was.
func TestFailedCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openDB(t, newPath(t))
		dead := openQueue(t, db, boltqueue.Config{Name: "dead"})
		q := openQueue(t, db, boltqueue.Config{Name: "q", MaxReceives: 2, DeadLetter: "dead"})
		if err := q.Send(&fading{Context: bg}, message("g", "a")); !fault.Is(err, fault.Transient) {
			t.Fatalf("send: got %v, want a fault of kind transient", err)
		}
		receive(t, q)
		send(t, q, message("g", "a"), message("h", "b"))
		if _, err := q.Receive(&fading{Context: bg}, 10, 0); !fault.Is(err, fault.Transient) {
			t.Fatalf("receive: got %v, want a fault of kind transient", err)
		}
		got := receive(t, q, "a", "b")
		if got[0].ReceiveCount != 1 {
			t.Fatalf("after a receive that failed: count %d, want 1", got[0].ReceiveCount)
		}
		if err := q.Delete(&fading{Context: bg}, got[0].Receipt); !fault.Is(err, fault.Transient) {
			t.Fatalf("delete: got %v, want a fault of kind transient", err)
		}
		if err := q.Delete(bg, got[0].Receipt); err != nil { // its receipt is still valid
			t.Fatal(err)
		}
		if depth, err := q.Depth(bg); err != nil || depth != (queue.Depth{InFlight: 1}) {
			t.Fatalf("depth is %+v, %v, want 1 in flight", depth, err)
		}
		time.Sleep(time.Minute)
		receive(t, q, "b")
		time.Sleep(time.Minute)
		if _, err := q.Receive(&fading{Context: bg}, 10, 0); !fault.Is(err, fault.Transient) {
			t.Fatalf("receive of a dead message: got %v, want a fault of kind transient", err)
		}
		receive(t, dead)
		receive(t, q)
		if _, err := dead.Redrive(&fading{Context: bg}); !fault.Is(err, fault.Transient) {
			t.Fatalf("redrive: got %v, want a fault of kind transient", err)
		}
		receive(t, dead, "b")
	})
}

func TestPeekAndRedrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := newPath(t)
		db := openDB(t, path)
		dead := openQueue(t, db, boltqueue.Config{Name: "dead"})
		config := boltqueue.Config{Name: "q", MaxReceives: 1, DeadLetter: "dead"}
		q := openQueue(t, db, config)
		send(t, q, message("g", "a"), message("g", "b"), message("h", "c"))
		sent := time.Now()
		receive(t, q, "a", "b", "c")
		entries, err := q.Peek(bg, 2)
		if err != nil || len(entries) != 2 || string(entries[1].Body) != "b" || !entries[1].InFlight || entries[1].Receipt != "" {
			t.Fatalf("peek of the queue: %+v, %v, want 2, the second in flight", entries, err)
		}
		time.Sleep(time.Minute)
		receive(t, q)
		send(t, dead, message("x", "sent-here"))
		entries, err = dead.Peek(bg, 10)
		if err != nil || len(entries) != 4 {
			t.Fatalf("peek of the dead letters: %+v, %v, want 4", entries, err)
		}
		if e := entries[0]; string(e.Body) != "a" || e.Source != "q" || e.InFlight || e.ReceiveCount != 1 ||
			!e.SentAt.Equal(sent) || e.GroupID != "g" || e.DedupID != "a" {
			t.Fatalf("the first dead letter is %+v, want a of q with count 1", e)
		}

		// With the source not open nothing is lost.
		other := openDB(t, copyFile(t, path))
		orphans := openQueue(t, other, boltqueue.Config{Name: "dead"})
		if n, err := orphans.Redrive(bg); n != 0 || !fault.Is(err, fault.NotFound) {
			t.Fatalf("redrive to a queue that is not open: got %d, %v, want 0 and kind %s", n, err, fault.NotFound)
		}
		entries, err = orphans.Peek(bg, 1)
		if err != nil || len(entries) != 1 || entries[0].ReceiveCount != 1 || entries[0].Source != "q" {
			t.Fatalf("a dead letter after a restart: %+v, %v, want one of q with count 1", entries, err)
		}
		receive(t, orphans, "a", "b", "c", "sent-here")
		if depth, err := openQueue(t, other, config).Depth(bg); err != nil || depth != (queue.Depth{}) {
			t.Fatalf("after a restart the queue that they came from has depth %+v, %v, want 0", depth, err)
		}

		send(t, q, message("g", "waiting"))
		if n, err := dead.Redrive(bg); n != 3 || err != nil {
			t.Fatalf("redrive: got %d, %v, want 3", n, err)
		}
		receive(t, dead, "sent-here")
		got := receive(t, q, "waiting", "a", "b", "c")
		if got[1].ReceiveCount != 1 || !got[1].SentAt.Equal(sent) {
			t.Fatalf("a redriven message is %+v, want count 1 and sent at %s", got[1], sent)
		}
	})
}

func TestRedriveMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openDB(t, newPath(t))
		dead := openQueue(t, db, boltqueue.Config{Name: "dead"})
		q := openQueue(t, db, boltqueue.Config{Name: "q", MaxReceives: 1, DeadLetter: "dead"})
		const count = 250
		for i := range count {
			send(t, q, message(fmt.Sprint("g", i), fmt.Sprint(i)))
		}
		for range count / queue.MaxBatch {
			if got, err := q.Receive(bg, queue.MaxBatch, 0); err != nil || len(got) != queue.MaxBatch {
				t.Fatalf("received %d, %v, want %d", len(got), err, queue.MaxBatch)
			}
		}
		time.Sleep(time.Minute)
		receive(t, q) // one receive moves all of them
		if n, err := dead.Redrive(bg); n != count || err != nil {
			t.Fatalf("redrive: got %d, %v, want %d", n, err, count)
		}
		receive(t, q, "0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
		if depth, err := dead.Depth(bg); err != nil || depth != (queue.Depth{}) {
			t.Fatalf("depth of the dead letters: %+v, %v, want 0", depth, err)
		}
	})
}

// De-duplication ids are removed after their window.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := newPath(t)
		db, err := boltqueue.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		q := openQueue(t, db, boltqueue.Config{Name: "q"})
		for i := range 300 {
			send(t, q, message("g", fmt.Sprint(i)))
			time.Sleep(3 * time.Second)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		// One was sent every 3 s, so 100 are within the window of 5 min.
		for _, bucket := range []string{"dedup", "dedup ends"} {
			if n := countKeys(t, path, "queues", "q", bucket); n > 102 {
				t.Errorf("%d keys in bucket %s, want those of 5 minutes", n, bucket)
			}
		}
	})
}

// A receive with many groups takes the oldest messages, in whatever order the groups were
// released.
func TestManyGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := openQueue(t, openDB(t, newPath(t)), boltqueue.Config{Name: "q"})
		var want []string
		for i := range 200 {
			want = append(want, fmt.Sprint(i))
			send(t, q, message(fmt.Sprint("g", i), want[i]))
		}
		var all []queue.Received
		for range 20 {
			got, err := q.Receive(bg, 10, 0)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, got...)
		}
		if !slices.Equal(bodiesOf(all), want) {
			t.Fatalf("received %q, want %q", bodiesOf(all), want)
		}
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, m := range all {
			if err := q.Postpone(bg, m.Receipt, 0); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 20 {
			receive(t, q, want[10*i:10*i+10]...)
		}
	})
}
