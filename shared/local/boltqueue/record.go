package boltqueue

import (
	"encoding/binary"
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"entrasync/shared/local/boltfile"
)

// The buckets of one queue.
const (
	messagesBucket  = "messages"   // sequence number: record
	receivesBucket  = "receives"   // sequence number: count
	dedupBucket     = "dedup"      // de-duplication id: end of its window
	dedupEndsBucket = "dedup ends" // end of the window and de-duplication id: nothing
	damagedBucket   = "damaged"    // sequence number: damaged record
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

// insert stores a record after all others and returns its sequence number.
func (b buckets) insert(r record) (uint64, error) {
	seq, err := b.messages.NextSequence()
	if err != nil {
		return 0, err
	}
	return seq, b.messages.Put(seqKey(seq), r.encode(seqKey(seq)))
}

// delete removes a message; it is no error if there is none.
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
	source string // in a dead-letter queue: the queue that it was moved from, "" for none
	body   []byte
}

// errRecord is the error of a record that is not as it was written. It is not a fault: it
// may come after other writes of the same change, and then the complete transaction must
// fail.
var errRecord = errors.New("a stored message is damaged, or was written by a newer version of entrasync")

func (r record) encode(key []byte) []byte {
	data := boltfile.NewRecord(32 + len(r.id) + len(r.group) + len(r.dedup) + len(r.source) + len(r.body))
	data = binary.AppendVarint(data, r.keptAt.UnixNano())
	data = binary.AppendVarint(data, r.sentAt.UnixNano())
	for _, s := range []string{r.id, r.group, r.dedup, r.source} {
		data = boltfile.AppendText(data, s)
	}
	return boltfile.Seal(key, append(data, r.body...))
}

// decode reads a record. The record does not share memory with data.
func decode(key, data []byte) (record, error) {
	r, err := decodeHeader(key, data)
	r.body = append([]byte(nil), r.body...)
	return r, err
}

// decodeHeader reads a record. Its body shares memory with data.
func decodeHeader(key, data []byte) (record, error) {
	var r record
	rest, ok := boltfile.Content(key, data)
	if !ok {
		return record{}, errRecord
	}
	for _, at := range []*time.Time{&r.keptAt, &r.sentAt} {
		var nanos int64
		if nanos, rest, ok = boltfile.Number(rest); !ok {
			return record{}, errRecord
		}
		*at = time.Unix(0, nanos).UTC()
	}
	for _, s := range []*string{&r.id, &r.group, &r.dedup, &r.source} {
		if *s, rest, ok = boltfile.Text(rest); !ok {
			return record{}, errRecord
		}
	}
	r.body = rest
	return r, nil
}

// encode writes a count. Older versions of entrasync do not read the time of the last
// receive.
func (c count) encode() []byte {
	data := binary.AppendVarint(binary.AppendVarint(nil, int64(c.receives)), c.first.UnixNano())
	if c.last.IsZero() {
		return data
	}
	return binary.AppendVarint(data, c.last.UnixNano())
}

// decodeCount reads a count; without data it is zero.
func decodeCount(data []byte) (count, error) {
	if len(data) == 0 {
		return count{}, nil
	}
	receives, rest, ok := boltfile.Number(data)
	if !ok {
		return count{}, errRecord
	}
	first, rest, ok := boltfile.Number(rest)
	if !ok {
		return count{}, errRecord
	}
	c := count{receives: int(receives), first: time.Unix(0, first).UTC()}
	if last, _, has := boltfile.Number(rest); has {
		c.last = time.Unix(0, last).UTC()
	}
	return c, nil
}

func seqKey(seq uint64) []byte       { return binary.BigEndian.AppendUint64(nil, seq) }
func parseSeq(key []byte) uint64     { return binary.BigEndian.Uint64(key) }
func timeKey(at time.Time) []byte    { return seqKey(uint64(at.UnixNano())) }
func parseTime(key []byte) time.Time { return time.Unix(0, int64(parseSeq(key))) }
