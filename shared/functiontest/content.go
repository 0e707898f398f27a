package functiontest

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"entrasync/shared/fault"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/local/localtest"
	"entrasync/shared/store"
)

// Content is everything that a table has.
func Content(t localtest.T, table *bolttable.Table) (all []store.Item) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var content bytes.Buffer
	must(table.WriteTo(context.Background(), &content))
	path := filepath.Join(localtest.Folder(t), "copy.db")
	must(os.WriteFile(path, content.Bytes(), 0o600))
	db, err := bbolt.Open(path, 0o600, nil)
	must(err)
	var keys []store.Key
	must(db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("items")).ForEach(func(key, _ []byte) error {
			end := 2 + int(binary.BigEndian.Uint16(key))
			keys = append(keys, store.Key{PK: string(key[2:end]), SK: string(key[end:])})
			return nil
		})
	}))
	must(db.Close())
	for _, key := range keys {
		item, err := table.Get(context.Background(), key)
		if fault.Is(err, fault.NotFound) { // it has expired
			continue
		}
		must(err)
		all = append(all, item)
	}
	return all
}
