package resync

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/longwork"
)

const (
	// groupsAtOnce is how many groups are compared between two checkpoints, and listsAtOnce
	// how many of their lists are read side by side.
	groupsAtOnce, listsAtOnce = 20, 4
	// listTime is how long a list is read on before the lease is extended.
	listTime = longwork.StepTime - 20*time.Second
)

// lists are the lists of members of the groups that are compared now, as far as this worker
// has read them. The zero value has none.
type lists[L any] struct {
	mu   sync.Mutex
	kept map[directory.GroupID]L
	done map[directory.GroupID]bool
}

// of is the list of a group, and whether this worker has begun it.
func (l *lists[L]) of(id directory.GroupID) (list L, begun bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list, begun = l.kept[id]
	return list, begun
}

// keep keeps how far a list was read.
func (l *lists[L]) keep(id directory.GroupID, list L) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kept == nil {
		l.kept = map[directory.GroupID]L{}
	}
	l.kept[id] = list
}

// end says that groups were compared: their lists are not needed any more.
func (l *lists[L]) end(ids []directory.GroupID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		l.done = map[directory.GroupID]bool{}
	}
	for _, id := range ids {
		delete(l.kept, id)
		l.done[id] = true
	}
}

// left are those of some groups that were not compared yet. Without any, the lists are ready
// for other groups.
func (l *lists[L]) left(ids []directory.GroupID) []directory.GroupID {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := slices.DeleteFunc(slices.Clone(ids), func(id directory.GroupID) bool { return l.done[id] })
	if len(left) == 0 {
		l.kept, l.done = nil, nil
	}
	return left
}

// judged are groups that were compared, and those of them that differ.
type judged struct{ compared, differ []directory.GroupID }

// sideBySide compares groups, some side by side. one reads the list of a group on, and says
// whether it is compared and differs.
func sideBySide(ctx context.Context, ids []directory.GroupID, one func(context.Context, directory.GroupID) (differs, over bool, err error)) (judged, error) {
	reading, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	differs, over, failed := make([]bool, len(ids)), make([]bool, len(ids)), make([]error, len(ids))
	longwork.Some(len(ids), listsAtOnce, func(i int) {
		differs[i], over[i], failed[i] = one(reading, ids[i])
	})
	var all judged
	for i, id := range ids {
		if over[i] && failed[i] == nil {
			all.compared = append(all.compared, id)
		}
		if over[i] && failed[i] == nil && differs[i] {
			all.differ = append(all.differ, id)
		}
	}
	return all, errors.Join(failed...)
}
