package jumpcloudtest

import (
	"slices"
	"time"
)

// Reads that lag behind events: a change is made at once, as its events say, and
// reads of the API show it only after the lag of its kind. Instead of a second
// copy of everything there is the list of the changes that are not shown yet: a
// read takes them back, looks, and makes them again.

// lateChange is one stored object that was replaced and is still shown as before.
type lateChange struct {
	what          readKind
	before, after record
	shown         time.Time // from when on reads show it
}

// readKind is what has a lag of its own.
type readKind int

const (
	promptly readKind = iota
	userReads
	groupReads
	membershipReads
	associationReads
)

// readKindOf is the lag that a change falls under.
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

// showLate notes what a change replaced for as long as reads do not show it. What
// is of one kind is shown in the order in which it was done, also when the lag
// was shortened meanwhile. The caller holds the lock.
func (s *Simulator) showLate(tx *tx) {
	s.forgetShown(tx.now)
	for i, after := range tx.records {
		before := tx.undo[i]
		told := after
		if told.Object == nil {
			told = before
		}
		what := readKindOf(told)
		shown := tx.now.Add(s.behaviour.lag(what))
		if last := s.lastShown(what); last.After(shown) {
			shown = last
		}
		if what != promptly && shown.After(tx.now) {
			s.late = append(s.late, lateChange{what, before, after, shown})
		}
	}
}

// lastShown is when the latest change of a kind is shown that is not yet.
func (s *Simulator) lastShown(what readKind) time.Time {
	for i := len(s.late) - 1; i >= 0; i-- {
		if s.late[i].what == what {
			return s.late[i].shown
		}
	}
	return time.Time{}
}

// forgetShown drops what reads show by now.
func (s *Simulator) forgetShown(now time.Time) {
	s.late = slices.DeleteFunc(s.late, func(c lateChange) bool { return !c.shown.After(now) })
}

// shown looks at the objects as reads of the API show them at this moment.
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

// shownObject is one object as reads show it, nil if there is none. It is not for
// changing.
func (s *Simulator) shownObject(k kind, id string) (found Fields) {
	s.shown(func(store *store) { found = store.get(k, id) })
	return found
}

// shownObjects is the objects of a kind as reads show them, in order of their
// ids; with ids, only those.
func (s *Simulator) shownObjects(k kind, ids []string) (found []Fields) {
	s.shown(func(store *store) { found = store.some(k, ids) })
	return found
}
