// Package repeated logs events that may come any number of times, such as requests
// that strangers send. It logs the first at once, and once a minute how many followed,
// until a minute has none. So they are seen in the log and do not fill it.
package repeated

import (
	"sync"
	"time"
)

// every is how often the number of further events is logged.
const every = time.Minute

// Log logs events by their sort. There must be few sorts, and strangers must not be able
// to choose them, because each has lines of its own. The zero value is ready to use.
//
// On Lambda each process logs its own events, and a frozen process logs when it runs
// again.
type Log[Sort comparable] struct {
	mu   sync.Mutex
	open map[Sort]*minute
}

// minute counts the events that are not logged yet.
type minute struct {
	say   func(count int) // that of the last event
	count int
}

// Note logs an event, or counts it. say logs count events of the sort, the last of which
// is this one; it may be called later, from another goroutine.
func (l *Log[Sort]) Note(sort Sort, say func(count int)) {
	if l.first(sort, say) {
		say(1)
	}
}

// first reports whether an event is the first of its sort for a minute; if not, it
// counts the event.
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

// end logs how many events the last minute had, and begins another minute. After a
// minute without events the next event is a first one.
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
