package boltqueue_test

import (
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/local/boltqueue"
	"entrasync/shared/queue"
)

// crashLoop starts a process every tenth of a second, which receives and dies, and returns
// how often the message was received within a time.
func crashLoop(t *testing.T, path string, within time.Duration) (receives int) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < within; {
		db, err := boltqueue.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		openQueue(t, db, boltqueue.Config{Name: "q-dead"})
		q := openQueue(t, db, boltqueue.Config{Name: "q", MaxReceives: 20, DeadLetter: "q-dead", Visibility: 6 * time.Minute})
		got, err := q.Receive(bg, queue.MaxBatch, 0)
		if err != nil {
			t.Fatal(err)
		}
		receives += len(got)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	return receives
}

// A process that dies with every receive does not use up the receives of a message within
// seconds, and a restart alone delays nothing.
func TestReceivesWithoutAnAnswerAreSpacedOut(t *testing.T) {
	for _, tc := range []struct {
		within time.Duration
		want   int // receives after 0, 0.1 s, and then 1, 2, 4 … s
	}{{50 * time.Millisecond, 1}, {900 * time.Millisecond, 2}, {5 * time.Second, 4}, {time.Minute, 7}} {
		synctest.Test(t, func(t *testing.T) {
			path := newPath(t)
			db, err := boltqueue.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			openQueue(t, db, boltqueue.Config{Name: "q-dead"})
			send(t, openQueue(t, db, boltqueue.Config{Name: "q", MaxReceives: 20, DeadLetter: "q-dead", Visibility: 6 * time.Minute}), message("g", "a"))
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if got := crashLoop(t, path, tc.within); got != tc.want {
				t.Errorf("within %s the message was received %d times, want %d", tc.within, got, tc.want)
			}
		})
	}
}

// A message that waits after a restart keeps the later ones of its group waiting, as one in
// flight does, and others come. It comes itself when its time is over.
func TestASpacedMessageKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := newPath(t)
		config := boltqueue.Config{Name: "q", MaxReceives: 20, DeadLetter: "q-dead"}
		db := openDB(t, path)
		openQueue(t, db, boltqueue.Config{Name: "q-dead"})
		q := openQueue(t, db, config)
		send(t, q, message("g", "a"))
		for range 3 {
			m := receive(t, q, "a")[0]
			if err := q.Postpone(bg, m.Receipt, 0); err != nil {
				t.Fatal(err)
			}
		}
		again := openDB(t, copyFile(t, path))
		openQueue(t, again, boltqueue.Config{Name: "q-dead"})
		q = openQueue(t, again, config)
		send(t, q, message("g", "b"), message("h", "c"))
		receive(t, q, "c")
		if busy, err := q.Busy(bg, time.Second); err != nil || !busy { // with c
			t.Errorf("busy %t, %v, want true", busy, err)
		}
		time.Sleep(2 * time.Second)
		if m := receive(t, q, "a", "b")[0]; m.ReceiveCount != 4 {
			t.Errorf("received %d times, want 4", m.ReceiveCount)
		}
	})
}
