package boltqueue

import (
	"context"

	"go.etcd.io/bbolt"
)

// Corrupt changes a byte of a stored message, as a bad disk would.
func (db *DB) Corrupt(queue string, number uint64) error {
	return db.file.Update(context.Background(), func(tx *bbolt.Tx) error {
		b := db.opened()[queue].buckets(tx)
		data := append([]byte(nil), b.messages.Get(seqKey(number))...)
		data[len(data)-1] ^= 1
		return b.messages.Put(seqKey(number), data)
	}, nil)
}
