package jumpcloudtest

import (
	"slices"
	"time"
)

// Reads that lag behind events: a change is made at once, as its events say, but reads
// of the API show it only after the lag of its kind. There is no second copy of all
// objects, only a list of the changes that are not shown yet: a read undoes them, reads
// the objects, and redoes them.

// lateChange is one stored object that was replaced and is still shown as before.
type lateChange struct {
	what          readKind
	before, after record
	shown         time.Time // reads show it from then on
}

// readKind is a kind of reads with a lag of its own.
type readKind int

const (
	promptly readKind = iota
	userReads
	groupReads
	membershipReads
	associationReads
)

// readKindOf is the kind of reads whose lag applies to a change.
func readKindOf(r record) readKind {
	switch r.Kind {
	case kindUser:
		return userReads
	case kindGroup:
		return groupReads
	case kindEdge, kindMatch, kindGone:
		_, to := edgeEnds(r.Object)
		if rank[kind(to.Type)] == rank[kindDirectory] {
			return associationReads
		}
		return membershipReads
	default:
		return promptly
	}
}

func (b Behaviour) lag(what readKind) time.Duration {
	return map[readKind]time.Duration{userReads: b.UserReadLag, groupReads: b.GroupReadLag,
		membershipReads: b.MembershipReadLag, associationReads: b.AssociationReadLag}[what]
}

// showLate records the replaced objects until reads show the change. Changes of one
// kind are shown in the order in which they were made, even if the lag was shortened
// meanwhile. The caller holds the lock.
func (s *Simulator) showLate(tx *tx) {
	s.forgetShown(tx.now)
	for i, after := range tx.records {
		before := tx.undo[i]
		stored := after
		if stored.Object == nil {
			stored = before
		}
		what := readKindOf(stored)
		shown := tx.now.Add(s.behaviour.lag(what))
		if last := s.lastShown(what); last.After(shown) {
			shown = last
		}
		if what != promptly && shown.After(tx.now) {
			s.late = append(s.late, lateChange{what, before, after, shown})
		}
	}
}

// lastShown is the time when reads show the last pending change of a kind.
func (s *Simulator) lastShown(what readKind) time.Time {
	for i := len(s.late) - 1; i >= 0; i-- {
		if s.late[i].what == what {
			return s.late[i].shown
		}
	}
	return time.Time{}
}

// forgetShown drops the changes that reads show by now.
func (s *Simulator) forgetShown(now time.Time) {
	s.late = slices.DeleteFunc(s.late, func(c lateChange) bool { return !c.shown.After(now) })
}

// shown calls do with the objects as reads of the API show them at this moment.
func (s *Simulator) shown(do func(*store)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetShown(time.Now())
	for i := len(s.late) - 1; i >= 0; i-- {
		before := s.late[i].before
		s.store.put(before.Kind, before.ID, before.Object)
	}
	do(s.store)
	for _, c := range s.late {
		s.store.put(c.after.Kind, c.after.ID, c.after.Object)
	}
}

// shownObject is one object as reads show it, nil if there is none. It must not be
// changed.
func (s *Simulator) shownObject(k kind, id string) (found Fields) {
	s.shown(func(store *store) { found = store.get(k, id) })
	return found
}

// shownObjects are the objects of a kind as reads show them, in order of their ids.
func (s *Simulator) shownObjects(k kind) (found []Fields) {
	s.shown(func(store *store) { found = store.all(k) })
	return found
}
