package boltqueue_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"entrasync/shared/local/boltqueue"
	"entrasync/shared/queue"
)

// change changes the buckets of the queue q in a closed file.
func change(t *testing.T, path string, work func(q *bbolt.Bucket) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return work(tx.Bucket([]byte("queues")).Bucket([]byte("q"))) })
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// numberKey is the key of a message.
func numberKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// flip changes one byte of the second message's body.
func flip(q *bbolt.Bucket) error {
	messages := q.Bucket([]byte("messages"))
	data := append([]byte(nil), messages.Get(numberKey(2))...)
	data[len(data)-1] ^= 1
	return messages.Put(numberKey(2), data)
}

// corrupt changes a message of an open queue.
func corrupt(t *testing.T, db *boltqueue.DB, queue string, number uint64) {
	t.Helper()
	if err := db.Corrupt(queue, number); err != nil {
		t.Fatal(err)
	}
}

// A damaged message is set aside and reported, and the other messages are received.
func TestADamagedMessageIsSetAside(t *testing.T) {
	for name, damage := range map[string]func(*bbolt.Bucket) error{
		"a byte of its body": flip,
		"it is empty":        func(q *bbolt.Bucket) error { return q.Bucket([]byte("messages")).Put(numberKey(2), nil) },
		"it is another one": func(q *bbolt.Bucket) error {
			messages := q.Bucket([]byte("messages"))
			return messages.Put(numberKey(2), append([]byte(nil), messages.Get(numberKey(1))...))
		},
		"of a later version": func(q *bbolt.Bucket) error {
			return q.Bucket([]byte("messages")).Put(numberKey(2), []byte{99, 0, 0, 0, 0, 0})
		},
		"its count": func(q *bbolt.Bucket) error { return q.Bucket([]byte("receives")).Put(numberKey(2), []byte{0x80}) },
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			db, err := boltqueue.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			q, err := db.Queue(boltqueue.Config{Name: "q"})
			if err != nil {
				t.Fatal(err)
			}
			send(t, q, message("g", "a"), message("g", "b"), message("g", "c"))
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			change(t, path, damage)
			for range 2 { // it is set aside once, and stays so
				if db, err = boltqueue.Open(path); err != nil {
					t.Fatal(err)
				}
				var reported []string
				db.OnDamage(func(queue string, number uint64) { reported = append(reported, fmt.Sprint(queue, " ", number)) })
				if q, err = db.Queue(boltqueue.Config{Name: "q"}); err != nil {
					t.Fatal(err)
				}
				receive(t, q, "a", "c")
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				if n := countKeys(t, path, "queues", "q", "damaged"); n != 1 {
					t.Errorf("%d messages are set aside, want 1", n)
				}
				if len(reported) > 1 || (len(reported) == 1 && reported[0] != "q 2") {
					t.Errorf("reported %v, want only q 2", reported)
				}
			}
		})
	}
}

// A message that is damaged while it waits is set aside by the receive that reads it.
func TestAMessageThatGoesBadIsSetAside(t *testing.T) {
	path := newPath(t)
	db := openDB(t, path)
	var reported []string
	db.OnDamage(func(queue string, number uint64) { reported = append(reported, fmt.Sprint(queue, " ", number)) })
	q := openQueue(t, db, boltqueue.Config{Name: "q", Visibility: time.Second})
	send(t, q, message("g", "a"), message("g", "b"), message("g", "c"))
	corrupt(t, db, "q", 2)
	got := receive(t, q, "a", "c")
	if diff := cmp.Diff([]string{"q 2"}, reported); diff != "" {
		t.Error(diff)
	}
	if err := q.Delete(bg, got[0].Receipt, got[1].Receipt); err != nil {
		t.Error(err)
	}
	if depth, err := q.Depth(bg); err != nil || depth != (queue.Depth{}) {
		t.Errorf("got depth %+v, %v, want 0", depth, err)
	}
}

// A message that is damaged before it is moved to the dead-letter queue, or back, is set
// aside too.
func TestADeadLetterThatGoesBadIsSetAside(t *testing.T) {
	db := openDB(t, newPath(t))
	var reported []string
	db.OnDamage(func(queue string, number uint64) { reported = append(reported, fmt.Sprint(queue, " ", number)) })
	dead := openQueue(t, db, boltqueue.Config{Name: "dead"})
	q := openQueue(t, db, boltqueue.Config{Name: "q", MaxReceives: 1, DeadLetter: "dead"})
	send(t, q, message("a", "a"), message("b", "b"), message("c", "c"))
	for _, m := range receive(t, q, "a", "b", "c") {
		if err := q.Postpone(bg, m.Receipt, 0); err != nil {
			t.Fatal(err)
		}
	}
	corrupt(t, db, "q", 2)
	receive(t, q) // moves the rest to the dead letters
	if depth, err := dead.Depth(bg); err != nil || depth.Visible != 2 {
		t.Fatalf("got dead letters %+v, %v, want 2 visible", depth, err)
	}
	corrupt(t, db, "dead", 1)
	if moved, err := dead.Redrive(bg); err != nil || moved != 1 {
		t.Errorf("moved %d, %v, want 1", moved, err)
	}
	receive(t, q, "c")
	if diff := cmp.Diff([]string{"q 2", "dead 1"}, reported); diff != "" {
		t.Error(diff)
	}
}

// Messages of a version without checksums are received.
func TestMessagesWithoutChecksumAreReceived(t *testing.T) {
	path := newPath(t)
	db, err := boltqueue.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Queue(boltqueue.Config{Name: "q"}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	change(t, path, func(q *bbolt.Bucket) error {
		now := time.Now().UnixNano()
		record := binary.AppendVarint(binary.AppendVarint([]byte{1}, now), now)
		for _, s := range []string{"id", "group", "dedup", ""} {
			record = append(append(record, byte(len(s))), s...)
		}
		messages := q.Bucket([]byte("messages"))
		number, err := messages.NextSequence()
		return errors.Join(err, messages.Put(numberKey(number), append(record, "body"...)))
	})
	receive(t, openQueue(t, openDB(t, path), boltqueue.Config{Name: "q"}), "body")
}
