package jumpcloudtest

import (
	"encoding/json"
	"time"
)

// actor makes a change.
type actor struct {
	initiatedBy Fields // nil for automatic events
	method      string // auth_method of the events
}

// The actors, besides the users themselves.
var (
	byAPI     = actor{Fields{"id": assumedAdminID, "type": "admin", "email": assumedAdminEmail}, "api key"}
	byPortal  = actor{Fields{"id": assumedAdminID, "type": "admin", "email": assumedAdminEmail}, "session"}
	automatic = actor{nil, "other"}
)

// tx is one change: the replaced objects, so that it can be undone, and the events to
// emit. The simulator's lock guards it.
type tx struct {
	s           *Simulator
	now         time.Time
	actor       actor
	correlation Fields // of the events, for bulk jobs
	records     []record
	undo        []record
	events      []feedEvent
	after       []func() // called after the change is written
}

// record is one stored object in the journal; without Object it was removed.
type record struct {
	Kind   kind   `json:"kind"`
	ID     string `json:"id"`
	Object Fields `json:"object,omitempty"`
}

// change makes a complete change or none: when do fails, or the journal cannot be
// written, nothing is changed. Otherwise the change is in the journal, its events are
// in the feed and their deliveries have started.
func (s *Simulator) change(by actor, do func(*tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	tx := &tx{s: s, now: time.Now().UTC(), actor: by}
	err := do(tx)
	if err == nil {
		err = tx.write()
	}
	if err != nil {
		for i := len(tx.undo) - 1; i >= 0; i-- {
			s.store.put(tx.undo[i].Kind, tx.undo[i].ID, tx.undo[i].Object)
		}
		return err
	}
	s.showLate(tx)
	for _, event := range tx.events {
		s.feed = append(s.feed, event)
		s.counters.Events++
		s.notify(event)
	}
	for _, step := range tx.after {
		step()
	}
	return nil
}

// read calls do with the objects under the lock.
func (s *Simulator) read(do func(*store)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(s.store)
}

// object is one stored object, nil if there is none. Stored objects are never changed,
// so it may be read without the lock; it must not be returned to callers outside of the
// package.
func (s *Simulator) object(k kind, id string) (found Fields) {
	s.read(func(store *store) { found = store.get(k, id) })
	return found
}

// objects are the stored objects of a kind in order of their ids.
func (s *Simulator) objects(k kind) (found []Fields) {
	s.read(func(store *store) { found = store.all(k) })
	return found
}

// newID makes an id for a new object.
func (tx *tx) newID() string { return tx.s.ids.next(tx.now) }

// get is an object as it is within the change, nil if there is none.
func (tx *tx) get(k kind, id string) Fields { return tx.s.store.get(k, id) }

// put replaces an object; nil removes it. It stores a copy with the types of JSON, so
// that equal objects compare equal.
func (tx *tx) put(k kind, id string, object Fields) {
	if object != nil {
		object = copyOf(object)
	}
	before := tx.s.store.put(k, id, object)
	tx.undo = append(tx.undo, record{k, id, before})
	tx.records = append(tx.records, record{k, id, object})
}

// write appends the change to the journal as one line, so that an incomplete line loses
// all of the change.
func (tx *tx) write() error {
	if tx.s.journal == nil || len(tx.records)+len(tx.events) == 0 {
		return nil
	}
	records := tx.records
	for _, event := range tx.events {
		records = append(records, event.record())
	}
	line, err := tx.s.journalLine(records)
	if err != nil {
		return err
	}
	if _, err := tx.s.journal.Write(line); err != nil {
		tx.s.broken = err // the file may end with an incomplete line now
		return err
	}
	return nil
}

// journalLine encodes records, secrets sealed.
func (s *Simulator) journalLine(records []record) ([]byte, error) {
	out := make([]record, len(records))
	for i, r := range records {
		if r.Kind == kindSecret && r.Object != nil {
			sealed, err := s.seal(r.Object)
			if err != nil {
				return nil, err
			}
			r.Object = Fields{"sealed": sealed}
		}
		out[i] = r
	}
	line, err := json.Marshal(out)
	return append(line, '\n'), err
}
