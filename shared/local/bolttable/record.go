package bolttable

import (
	"encoding/binary"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// recordFormat is the first byte of every stored item, so that a later layout
// can be told from this one.
const recordFormat = 1

var errRecord = fault.New(fault.Internal, "bolttable.decode", "a stored item cannot be read: the file is damaged or was written by a newer version")

// encode lays out what is not in the key: format, version, expiry, the two
// index keys with their lengths, and the value.
func encode(item store.Item) []byte {
	record := make([]byte, 0, 24+len(item.IndexPK)+len(item.IndexSK)+len(item.Value))
	record = append(record, recordFormat)
	record = binary.AppendVarint(record, item.Version)
	record = binary.AppendVarint(record, item.Expires)
	for _, s := range []string{item.IndexPK, item.IndexSK} {
		record = binary.AppendUvarint(record, uint64(len(s)))
		record = append(record, s...)
	}
	return append(record, item.Value...)
}

// decode is the inverse of encode. What it returns does not share memory with
// the record.
func decode(key, record []byte) (store.Item, error) {
	var item store.Item
	var ok bool
	if item.Key, ok = parseItemKey(key); !ok || len(record) == 0 || record[0] != recordFormat {
		return store.Item{}, errRecord
	}
	rest := record[1:]
	for _, number := range []*int64{&item.Version, &item.Expires} {
		n, size := binary.Varint(rest)
		if size <= 0 {
			return store.Item{}, errRecord
		}
		*number, rest = n, rest[size:]
	}
	for _, s := range []*string{&item.IndexPK, &item.IndexSK} {
		length, size := binary.Uvarint(rest)
		if size <= 0 || uint64(len(rest)-size) < length {
			return store.Item{}, errRecord
		}
		*s, rest = string(rest[size:size+int(length)]), rest[size+int(length):]
	}
	item.Value = append([]byte(nil), rest...)
	return item, nil
}

// expired reports whether the item is as if absent.
func expired(item store.Item, now time.Time) bool {
	return item.Expires != 0 && item.Expires <= now.Unix()
}
