package fanout

import (
	"slices"
	"sync"
	"time"

	"entrasync/shared/jumpcloud"
	"entrasync/shared/plan"
)

// crowdWindow is how long an event counts towards a crowd (assumed).
const crowdWindow = time.Minute

// crowds notices crowds: one cause of which JumpCloud sends many events. A script that removes
// the members of a group one by one, for example, makes an event of each of them. Once
// [plan.FewObjects] such events came within crowdWindow, the tasks of the next ones wait in
// the bulk lanes, so that an unrelated suspension does not wait for them.
//
// It counts what this process sees, so each of several lets the first few through. A task
// leads to the same end state in either lane, so this only decides what waits.
type crowds struct {
	mu sync.Mutex
	// last are the times of the last [plan.FewObjects] events of each kind, oldest first.
	last map[string][]time.Time
}

// mostCrowds is how many kinds of events are kept before the old ones are dropped.
const mostCrowds = 1000

// in counts an event of some kind, and reports whether it belongs to a crowd.
func (c *crowds) in(kind string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		c.last = map[string][]time.Time{}
	}
	if len(c.last) >= mostCrowds {
		c.forget(now)
	}
	times, is := c.last[kind], false
	if len(times) == plan.FewObjects {
		is = now.Sub(times[0]) < crowdWindow
		times = slices.Delete(times, 0, 1)
	}
	c.last[kind] = append(times, now)
	return is
}

// forget drops the kinds of which no event came for so long that it cannot count any more.
func (c *crowds) forget(now time.Time) {
	for kind, times := range c.last {
		if now.Sub(times[len(times)-1]) >= crowdWindow {
			delete(c.last, kind)
		}
	}
}

// crowdKind is the kind of a change: changes of one kind may have one cause. "" is for changes
// of users themselves, such as suspensions, deletions, passwords and attributes: each is as
// urgent as the next, however many come.
func crowdKind(change jumpcloud.Change) string {
	event, in := change.Event, string(change.Organization)+"/"
	source, isSource := event.Source()
	groups := event.Groups()
	switch {
	case isSource:
		return in + string(source.Type) + "/" + source.ID
	case event.Membership() && len(groups) > 0:
		return in + "group/" + string(groups[0])
	default:
		return ""
	}
}
