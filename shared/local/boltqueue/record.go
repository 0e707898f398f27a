package boltqueue

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"

	"go.etcd.io/bbolt"
)

// The buckets of one queue.
const (
	messagesBucket  = "messages"   // sequence number: record
	receivesBucket  = "receives"   // sequence number: count
	dedupBucket     = "dedup"      // de-duplication id: end of its window
	dedupEndsBucket = "dedup ends" // end of the window and de-duplication id: nothing
	damagedBucket   = "damaged"    // sequence number: what stood there instead of a record
)

// buckets are the buckets of one queue in one transaction.
type buckets struct{ messages, receives, dedup, dedupEnds, damaged *bbolt.Bucket }

func (q *Queue) buckets(tx *bbolt.Tx) buckets {
	own := tx.Bucket([]byte(queuesBucket)).Bucket([]byte(q.config.Name))
	return buckets{
		messages:  own.Bucket([]byte(messagesBucket)),
		receives:  own.Bucket([]byte(receivesBucket)),
		dedup:     own.Bucket([]byte(dedupBucket)),
		dedupEnds: own.Bucket([]byte(dedupEndsBucket)),
		damaged:   own.Bucket([]byte(damagedBucket)),
	}
}

// insert stores a record behind all others and returns its sequence number.
func (b buckets) insert(r record) (uint64, error) {
	seq, err := b.messages.NextSequence()
	if err != nil {
		return 0, err
	}
	return seq, b.messages.Put(seqKey(seq), r.encode(seqKey(seq)))
}

// delete removes a message; what is not there is no error.
func (b buckets) delete(seq uint64) error {
	if err := b.receives.Delete(seqKey(seq)); err != nil {
		return err
	}
	return b.messages.Delete(seqKey(seq))
}

// record is a message as it is stored.
type record struct {
	keptAt time.Time // when it came into this queue
	sentAt time.Time // when it was sent first
	id     string
	group  string
	dedup  string
	source string // the queue that it died in; "" if it did not
	body   []byte
}

// The first byte of every record says how it is laid out. Records of before the
// checksum are read as they are.
const (
	withoutChecksum = 1
	withChecksum    = 2
)

// checksumBytes is the length of the checksum, which follows the first byte. It is
// about the key as well.
const checksumBytes = 4

// castagnoli is the polynomial of the checksum: processors have an instruction for
// it.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the checksum of a record, from what follows it.
func checksum(key, rest []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, rest)
}

// errRecord says that a record is not what was written. It is not a fault, for it
// may come after other writes of the same change and must then fail the whole
// transaction.
var errRecord = errors.New("a stored message is damaged, or was written by a newer version of entrasync")

func (r record) encode(key []byte) []byte {
	data := make([]byte, 1+checksumBytes, 40+len(r.id)+len(r.group)+len(r.dedup)+len(r.source)+len(r.body))
	data[0] = withChecksum
	data = binary.AppendVarint(data, r.keptAt.UnixNano())
	data = binary.AppendVarint(data, r.sentAt.UnixNano())
	for _, s := range []string{r.id, r.group, r.dedup, r.source} {
		data = binary.AppendUvarint(data, uint64(len(s)))
		data = append(data, s...)
	}
	data = append(data, r.body...)
	binary.BigEndian.PutUint32(data[1:], checksum(key, data[1+checksumBytes:]))
	return data
}

// content is a record without format and checksum, if it is what was written.
func content(key, data []byte) ([]byte, bool) {
	switch {
	case len(data) > 0 && data[0] == withoutChecksum:
		return data[1:], true
	case len(data) > checksumBytes && data[0] == withChecksum:
		rest := data[1+checksumBytes:]
		return rest, binary.BigEndian.Uint32(data[1:]) == checksum(key, rest)
	default:
		return nil, false
	}
}

// decode reads a record into memory of its own.
func decode(key, data []byte) (record, error) {
	r, err := decodeHeader(key, data)
	r.body = append([]byte(nil), r.body...)
	return r, err
}

// decodeHeader reads a record whose body still is the bytes of data.
func decodeHeader(key, data []byte) (record, error) {
	var r record
	rest, ok := content(key, data)
	if !ok {
		return record{}, errRecord
	}
	for _, at := range []*time.Time{&r.keptAt, &r.sentAt} {
		nanos, size := binary.Varint(rest)
		if size <= 0 {
			return record{}, errRecord
		}
		*at, rest = time.Unix(0, nanos).UTC(), rest[size:]
	}
	for _, s := range []*string{&r.id, &r.group, &r.dedup, &r.source} {
		length, size := binary.Uvarint(rest)
		if size <= 0 || uint64(len(rest)-size) < length {
			return record{}, errRecord
		}
		*s, rest = string(rest[size:size+int(length)]), rest[size+int(length):]
	}
	r.body = rest
	return r, nil
}

func (c count) encode() []byte {
	return binary.AppendVarint(binary.AppendVarint(nil, int64(c.receives)), c.first.UnixNano())
}

// decodeCount reads a count; no data is none.
func decodeCount(data []byte) (count, error) {
	if len(data) == 0 {
		return count{}, nil
	}
	receives, size := binary.Varint(data)
	if size <= 0 {
		return count{}, errRecord
	}
	nanos, n := binary.Varint(data[size:])
	if n <= 0 {
		return count{}, errRecord
	}
	return count{receives: int(receives), first: time.Unix(0, nanos).UTC()}, nil
}

func seqKey(seq uint64) []byte       { return binary.BigEndian.AppendUint64(nil, seq) }
func parseSeq(key []byte) uint64     { return binary.BigEndian.Uint64(key) }
func timeKey(at time.Time) []byte    { return seqKey(uint64(at.UnixNano())) }
func parseTime(key []byte) time.Time { return time.Unix(0, int64(parseSeq(key))) }
