package bolttable_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"entrasync/shared/store"
)

// BenchmarkPut puts small items with one writer and with fifty, and reports the
// median and the 99th percentile of a put.
func BenchmarkPut(b *testing.B) {
	for _, writers := range []int{1, 50} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			table := open(b, filepath.Join(b.TempDir(), "table.db"))
			value := bytes.Repeat([]byte("v"), 500)
			var n atomic.Int64
			var mu sync.Mutex
			var took []time.Duration
			b.SetParallelism((writers + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
			put := func() {
				start := time.Now()
				i := n.Add(1)
				item := store.Item{Key: store.Key{PK: fmt.Sprint(i % 1000), SK: fmt.Sprint(i)}, Value: value, IndexPK: "i", IndexSK: fmt.Sprint(i)}
				if _, err := table.Put(bg, item, store.Absent); err != nil {
					b.Error(err)
				}
				mu.Lock()
				took = append(took, time.Since(start))
				mu.Unlock()
			}
			if writers == 1 {
				for b.Loop() {
					put()
				}
			} else {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						put()
					}
				})
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}

func BenchmarkGet(b *testing.B) {
	table := open(b, filepath.Join(b.TempDir(), "table.db"))
	for i := range 1000 {
		if _, err := table.Put(bg, store.Item{Key: store.Key{PK: "p", SK: fmt.Sprint(i)}, Value: make([]byte, 500)}, store.Any); err != nil {
			b.Fatal(err)
		}
	}
	for i := 0; b.Loop(); i++ {
		if _, err := table.Get(bg, store.Key{PK: "p", SK: fmt.Sprint(i % 1000)}); err != nil {
			b.Fatal(err)
		}
	}
}
