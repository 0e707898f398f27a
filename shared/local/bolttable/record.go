package bolttable

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"

	"entrasync/shared/store"
)

// The first byte of every stored item says how it is laid out. Items of before the
// checksum are read as they are, and get one when they are written again.
const (
	withoutChecksum = 1
	withChecksum    = 2
)

// checksumBytes is the length of the checksum, which follows the first byte. It is
// about the key as well, so that a record under another's key is noticed.
const checksumBytes = 4

// castagnoli is the polynomial of the checksum: processors have an instruction for
// it.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the checksum of a record, from what follows it.
func checksum(key, rest []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, rest)
}

// errRecord says that a record is not what was written.
var errRecord = errors.New("the record is damaged, or was written by a newer version of entrasync")

// encode lays out what is not in the key: format, checksum, version, expiry, the
// two index keys with their lengths, and the value.
func encode(key []byte, item store.Item) []byte {
	record := make([]byte, 1+checksumBytes, 32+len(item.IndexPK)+len(item.IndexSK)+len(item.Value))
	record[0] = withChecksum
	record = binary.AppendVarint(record, item.Version)
	record = binary.AppendVarint(record, item.Expires)
	for _, s := range []string{item.IndexPK, item.IndexSK} {
		record = binary.AppendUvarint(record, uint64(len(s)))
		record = append(record, s...)
	}
	record = append(record, item.Value...)
	binary.BigEndian.PutUint32(record[1:], checksum(key, record[1+checksumBytes:]))
	return record
}

// content is a record without format and checksum, if it is what was written.
func content(key, record []byte) ([]byte, bool) {
	switch {
	case len(record) > 0 && record[0] == withoutChecksum:
		return record[1:], true
	case len(record) > checksumBytes && record[0] == withChecksum:
		rest := record[1+checksumBytes:]
		return rest, binary.BigEndian.Uint32(record[1:]) == checksum(key, rest)
	default:
		return nil, false
	}
}

// decode is the inverse of encode; errRecord if the record is not what was written.
// What it returns does not share memory with the record.
func decode(key, record []byte) (store.Item, error) {
	var item store.Item
	var ok bool
	if item.Key, ok = parseItemKey(key); !ok {
		return store.Item{}, errRecord
	}
	rest, ok := content(key, record)
	if !ok {
		return store.Item{}, errRecord
	}
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
