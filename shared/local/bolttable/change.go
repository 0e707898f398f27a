package bolttable

import (
	"encoding/binary"
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"entrasync/shared/store"
)

// stored reads an item. The zero Item, of version 0, means that there is none, or that it
// has expired. A damaged item is a fault: treating it as absent could disable a user.
func stored(tx *bbolt.Tx, key store.Key, now time.Time) (store.Item, error) {
	k := itemKey(key)
	record := tx.Bucket([]byte(itemsBucket)).Get(k)
	if record == nil {
		return store.Item{}, nil
	}
	item, err := decode(k, record)
	if err != nil {
		return store.Item{}, damaged(key)
	}
	if expired(item, now) {
		return store.Item{}, nil
	}
	return item, nil
}

// apply does one write. The caller has checked its condition.
func apply(tx *bbolt.Tx, w store.Write, version int64) error {
	if w.Check {
		return nil
	}
	key := itemKey(w.Item.Key)
	if err := remove(tx, key); err != nil || w.Delete {
		return err
	}
	item := w.Item
	item.Version = version
	if item.IndexPK != "" {
		if err := tx.Bucket([]byte(indexBucket)).Put(indexKey(item, key), key); err != nil {
			return err
		}
	}
	if item.Expires != 0 {
		if err := tx.Bucket([]byte(expiresBucket)).Put(expiryKey(item.Expires, key), key); err != nil {
			return err
		}
	}
	return tx.Bucket([]byte(itemsBucket)).Put(key, encode(key, item))
}

// remove removes an item, expired or not, from all three buckets.
func remove(tx *bbolt.Tx, key []byte) error {
	items := tx.Bucket([]byte(itemsBucket))
	record := items.Get(key)
	if record == nil {
		return nil
	}
	old, err := decode(key, record)
	if err != nil {
		return err
	}
	if old.IndexPK != "" {
		if err := tx.Bucket([]byte(indexBucket)).Delete(indexKey(old, key)); err != nil {
			return err
		}
	}
	if old.Expires != 0 {
		if err := tx.Bucket([]byte(expiresBucket)).Delete(expiryKey(old.Expires, key)); err != nil {
			return err
		}
	}
	return items.Delete(key)
}

// sweep removes up to limit of the items that expired first. An item that cannot be read
// stays, because otherwise every write would fail.
func sweep(tx *bbolt.Tx, now time.Time, limit int) error {
	var keys [][]byte
	entries := tx.Bucket([]byte(expiresBucket)).Cursor()
	for entry, key := entries.First(); entry != nil && len(keys) < limit; entry, key = entries.Next() {
		if int64(binary.BigEndian.Uint64(entry)) > now.Unix() {
			break
		}
		keys = append(keys, append([]byte(nil), key...))
	}
	for _, key := range keys {
		if err := remove(tx, key); err != nil && !errors.Is(err, errRecord) {
			return err
		}
	}
	return nil
}
