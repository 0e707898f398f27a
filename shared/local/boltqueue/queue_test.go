package boltqueue_test

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"

	"entrasync/shared/local/boltqueue"
	"entrasync/shared/queue"
	"entrasync/shared/queue/queuetest"
)

var bg = context.Background()

// openDB opens a file that is closed at the end of the test.
func openDB(t testing.TB, path string) *boltqueue.DB {
	t.Helper()
	db, err := boltqueue.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func openQueue(t testing.TB, db *boltqueue.DB, config boltqueue.Config) *boltqueue.Queue {
	t.Helper()
	q, err := db.Queue(config)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "queues.db") }

func TestConformance(t *testing.T) {
	queuetest.TestQueue(t, queuetest.Subject{
		Run: func(t *testing.T, test func(*testing.T)) { synctest.Test(t, test) },
		Open: func(t *testing.T, o queuetest.Options) (q, dead queue.Queue) {
			db := openDB(t, newPath(t))
			config := boltqueue.Config{Name: "q", Visibility: o.Visibility}
			if o.MaxReceives > 0 {
				config.MaxReceives, config.DeadLetter = o.MaxReceives, "q-dead"
				dead = openQueue(t, db, boltqueue.Config{Name: "q-dead", Visibility: o.Visibility})
			}
			return openQueue(t, db, config), dead
		},
	})
}
