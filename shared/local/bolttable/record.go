package bolttable

import (
	"encoding/binary"
	"errors"
	"time"

	"entrasync/shared/local/boltfile"
	"entrasync/shared/store"
)

// errRecord is the error of a record that is not as it was written.
var errRecord = errors.New("the record is damaged, or was written by a newer version of entrasync")

// encode writes the fields that are not in the key: version, expiry, the two index keys
// with their lengths, and the value.
func encode(key []byte, item store.Item) []byte {
	record := boltfile.NewRecord(32 + len(item.IndexPK) + len(item.IndexSK) + len(item.Value))
	record = binary.AppendVarint(record, item.Version)
	record = binary.AppendVarint(record, item.Expires)
	record = boltfile.AppendText(boltfile.AppendText(record, item.IndexPK), item.IndexSK)
	return boltfile.Seal(key, append(record, item.Value...))
}

// decode is the inverse of encode. It returns errRecord if the record is not as it was
// written. The item does not share memory with the record.
func decode(key, record []byte) (store.Item, error) {
	var item store.Item
	var ok bool
	if item.Key, ok = parseItemKey(key); !ok {
		return store.Item{}, errRecord
	}
	rest, ok := boltfile.Content(key, record)
	if !ok {
		return store.Item{}, errRecord
	}
	for _, number := range []*int64{&item.Version, &item.Expires} {
		if *number, rest, ok = boltfile.Number(rest); !ok {
			return store.Item{}, errRecord
		}
	}
	for _, s := range []*string{&item.IndexPK, &item.IndexSK} {
		if *s, rest, ok = boltfile.Text(rest); !ok {
			return store.Item{}, errRecord
		}
	}
	item.Value = append([]byte(nil), rest...)
	return item, nil
}

// expired reports whether the item has expired and so counts as absent.
func expired(item store.Item, now time.Time) bool {
	return item.Expires != 0 && item.Expires <= now.Unix()
}
