// Package repeated tells the log of what may come any number of times, such as
// requests that strangers send: the first at once, and those that follow with their
// number once a minute, until a minute is quiet. So it is heard of and fills no log.
package repeated

import (
	"sync"
	"time"
)

// every is how often the log says how many there were since.
const every = time.Minute

// Log tells of what comes, by its sort. The sorts are to be few, and none of the
// strangers' choosing, as each has lines of its own. The zero value is ready to use.
//
// On Lambda each process says its own, and a frozen one when it runs again.
type Log[Sort comparable] struct {
	mu   sync.Mutex
	open map[Sort]*minute
}

// minute is what is not said yet.
type minute struct {
	say   func(count int) // of the last one
	count int
}

// Note tells of one, or counts it. say writes a line about so many of the sort, of
// which this one is the last; it may be called later, from another goroutine.
func (l *Log[Sort]) Note(sort Sort, say func(count int)) {
	if l.first(sort, say) {
		say(1)
	}
}

// first reports whether one is the first of its sort for a minute; if not, it is
// counted.
func (l *Log[Sort]) first(sort Sort, say func(int)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.open[sort]; m != nil {
		m.say = say
		m.count++
		return false
	}
	if l.open == nil {
		l.open = map[Sort]*minute{}
	}
	l.begin(sort)
	return true
}

// begin begins a minute. The caller holds the lock.
func (l *Log[Sort]) begin(sort Sort) {
	l.open[sort] = &minute{}
	time.AfterFunc(every, func() { l.end(sort) })
}

// end tells how many there were in the last minute, and begins another one; after a
// quiet minute the next one counts as the first.
func (l *Log[Sort]) end(sort Sort) {
	l.mu.Lock()
	m := *l.open[sort]
	if m.count == 0 {
		delete(l.open, sort)
	} else {
		l.begin(sort)
	}
	l.mu.Unlock()
	if m.count > 0 {
		m.say(m.count)
	}
}
