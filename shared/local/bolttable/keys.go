package bolttable

import (
	"bytes"
	"encoding/binary"

	"entrasync/shared/store"
)

// The keys of the three buckets. They sort byte by byte, so that the keys of a partition
// follow each other in the order of its sort keys:
//
//	items    length of pk, pk, sk
//	index    length of index pk, index pk, index sk escaped and ended, items key
//	expires  Unix seconds, items key
//
// The length (two bytes) before a partition key separates partitions whatever bytes they
// contain. An index sort key is followed by the items key. So it ends with a pair of bytes
// that sorts before any longer sort key, and its own zero bytes are escaped.
var (
	escapedZero = []byte{0x00, 0xff}
	sortKeyEnd  = []byte{0x00, 0x01}
)

// partition is the prefix of the keys of a partition.
func partition(pk string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(pk))), pk...)
}

// itemKey is the key of an item in the bucket of items.
func itemKey(k store.Key) []byte { return append(partition(k.PK), k.SK...) }

// parseItemKey is the inverse of itemKey.
func parseItemKey(key []byte) (store.Key, bool) {
	if len(key) < 2 {
		return store.Key{}, false
	}
	size := int(binary.BigEndian.Uint16(key))
	if len(key) < 2+size {
		return store.Key{}, false
	}
	return store.Key{PK: string(key[2 : 2+size]), SK: string(key[2+size:])}, true
}

// indexPrefix is the prefix of the keys of index entries with an index sort key that begins
// with prefix.
func indexPrefix(pk, prefix string) []byte {
	return append(partition(pk), bytes.ReplaceAll([]byte(prefix), []byte{0}, escapedZero)...)
}

// indexKey is the key of an item's entry in the index.
func indexKey(item store.Item, key []byte) []byte {
	entry := append(indexPrefix(item.IndexPK, item.IndexSK), sortKeyEnd...)
	return append(entry, key...)
}

// expiryKey is the key of an item's entry among those that expire.
func expiryKey(expires int64, key []byte) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(expires)), key...)
}
