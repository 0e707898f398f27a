package boltqueue_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"entrasync/shared/local/boltqueue"
	"entrasync/shared/queue"
)

// countKeys counts in a bucket of a closed file.
func countKeys(t testing.TB, path string, names ...string) (n int) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(names[0]))
		for _, name := range names[1:] {
			b = b.Bucket([]byte(name))
		}
		return b.ForEach(func(_, _ []byte) error { n++; return nil })
	})
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return n
}

// stopwatch collects how long calls of one sort took.
type stopwatch struct {
	mu   sync.Mutex
	took []time.Duration
}

func (s *stopwatch) time(call func() error) error {
	start := time.Now()
	err := call()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took = append(s.took, time.Since(start))
	return err
}

func (s *stopwatch) report(b *testing.B, name string) {
	slices.Sort(s.took)
	b.ReportMetric(float64(s.took[len(s.took)/2].Microseconds()), name+"-p50-µs")
	b.ReportMetric(float64(s.took[len(s.took)*99/100].Microseconds()), name+"-p99-µs")
}

// BenchmarkMessage sends, receives and deletes messages of 1 KB, each in a group
// of its own, by one worker and by fifty.
func BenchmarkMessage(b *testing.B) {
	for _, workers := range []int{1, 50} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			q := openQueue(b, openDB(b, newPath(b)), boltqueue.Config{Name: "q"})
			body := make([]byte, 1024)
			for i := range body {
				body[i] = 'b'
			}
			var next atomic.Int64
			var sends, receives, deletes stopwatch
			var group sync.WaitGroup
			b.ResetTimer()
			for range workers {
				group.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						id := fmt.Sprint(n)
						err := sends.time(func() error {
							return q.Send(bg, queue.Message{Body: body, GroupID: id, DedupID: id})
						})
						var got []queue.Received
						err = errors.Join(err, receives.time(func() (err error) {
							got, err = q.Receive(bg, 1, time.Second)
							return err
						}))
						if err != nil || len(got) != 1 {
							b.Errorf("%d messages, %v", len(got), err)
							return
						}
						if err := deletes.time(func() error { return q.Delete(bg, got[0].Receipt) }); err != nil {
							b.Error(err)
						}
					}
				})
			}
			group.Wait()
			sends.report(b, "send")
			receives.report(b, "receive")
			deletes.report(b, "delete")
		})
	}
}

// BenchmarkReceiveManyGroups receives and deletes batches of ten while ten
// thousand messages wait in as many groups; what is taken out is sent again.
func BenchmarkReceiveManyGroups(b *testing.B) {
	for _, groups := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("groups=%d", groups), func(b *testing.B) {
			q := openQueue(b, openDB(b, newPath(b)), boltqueue.Config{Name: "q"})
			sent := 0
			sendTen := func() {
				var batch []queue.Message
				for range queue.MaxBatch {
					batch = append(batch, message(fmt.Sprint("g", sent%groups), fmt.Sprint(sent)))
					sent++
				}
				send(b, q, batch...)
			}
			for sent < groups {
				sendTen()
			}
			var receives, deletes stopwatch
			for b.Loop() {
				var got []queue.Received
				err := receives.time(func() (err error) {
					got, err = q.Receive(bg, queue.MaxBatch, 0)
					return err
				})
				if err != nil || len(got) != queue.MaxBatch {
					b.Fatalf("%d messages, %v", len(got), err)
				}
				var receipts []string
				for _, m := range got {
					receipts = append(receipts, m.Receipt)
				}
				if err := deletes.time(func() error { return q.Delete(bg, receipts...) }); err != nil {
					b.Fatal(err)
				}
				sendTen()
			}
			receives.report(b, "receive")
			deletes.report(b, "delete")
		})
	}
}
