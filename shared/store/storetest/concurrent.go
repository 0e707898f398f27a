package storetest

import (
	"encoding/binary"
	"sync"
	"testing"

	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// testConcurrentIncrements starts writers that each read a number, add one and write it
// with the version they read. Exactly one writer writes each version, so no
// acknowledged write is lost.
func testConcurrentIncrements(t *testing.T, table store.Table) {
	const writers, each = 8, 15
	key := store.Key{PK: unique("increments"), SK: "counter"}
	mustPut(t, table, store.Item{Key: key, Value: binary.BigEndian.AppendUint64(nil, 0)}, store.Absent)
	var mu sync.Mutex
	winners := map[int64]int{}
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for done := 0; done < each; {
				item, err := table.Get(bg, key)
				if err != nil {
					t.Error(err)
					return
				}
				item.Value = binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(item.Value)+1)
				version, err := table.Put(bg, item, store.IfVersion(item.Version))
				switch {
				case err == nil:
					mu.Lock()
					winners[version]++
					mu.Unlock()
					done++
				case fault.KindOf(err).Decide() != fault.Retry:
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	item, err := table.Get(bg, key)
	if err != nil {
		t.Fatal(err)
	}
	if got := binary.BigEndian.Uint64(item.Value); got != writers*each || item.Version != writers*each+1 {
		t.Fatalf("counted to %d at version %d, want %d increments", got, item.Version, writers*each)
	}
	for version := int64(2); version <= writers*each+1; version++ {
		if winners[version] != 1 {
			t.Fatalf("version %d was written %d times", version, winners[version])
		}
	}
}

// testConcurrentTransactions moves units between two items. Their sum never changes,
// whichever writer loses.
func testConcurrentTransactions(t *testing.T, table store.Table) {
	const writers, each, units = 6, 10, 100
	pk := unique("transfers")
	from, to := store.Key{PK: pk, SK: "a"}, store.Key{PK: pk, SK: "b"}
	mustPut(t, table, store.Item{Key: from, Value: []byte{units}}, store.Absent)
	mustPut(t, table, store.Item{Key: to, Value: []byte{0}}, store.Absent)
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for done := 0; done < each; {
				page, err := table.Query(bg, store.Query{PK: pk})
				if err != nil || len(page.Items) != 2 {
					t.Errorf("query: %v, %v", page, err)
					return
				}
				a, b := page.Items[0], page.Items[1]
				a.Value[0]--
				b.Value[0]++
				err = table.Transact(bg, []store.Write{
					{Item: a, If: store.IfVersion(a.Version)}, {Item: b, If: store.IfVersion(b.Version)}})
				if err == nil {
					done++
				} else if fault.KindOf(err).Decide() != fault.Retry {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	wantItem(t, table, store.Item{Key: from, Value: []byte{units - writers*each}, Version: writers*each + 1})
	wantItem(t, table, store.Item{Key: to, Value: []byte{writers * each}, Version: writers*each + 1})
}
