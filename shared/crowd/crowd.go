// Package crowd notices crowds: many events or requests that have one cause. A script that
// removes the members of a group one by one, for example, makes an event of each of them.
// What surpasses a few of one kind within a minute waits in the bulk lanes, so that an
// unrelated suspension does not wait for it.
//
// A counter counts what its process sees, so each of several processes lets the first few
// through. A task leads to the same end state in either lane, so this only decides what
// waits.
package crowd

import (
	"slices"
	"sync"
	"time"

	"entrasync/shared/plan"
)

// window is how long an event or a request counts towards a crowd (assumed).
const window = time.Minute

// How many of one kind are let through within a minute, so that what they make is done
// within seconds, also if each of four processes lets so many through.
const (
	// Few is for what concerns one user each and is likely to have one cause.
	Few = plan.FewObjects
	// FewOfAll is for what concerns one user each and may have several causes, such as all
	// memberships of an organization: somebody can still leave another group at once while
	// a script is about one. Each of four processes lets so many through, a removal costs
	// three write units, and once a first sync has used up the quota, the reserve for
	// urgent writes is 150 units and 20 a second. Measured with that: with 25 a suspension
	// takes half a second, with 30 sometimes half a minute.
	FewOfAll = Few + Few/4
	// FewGroups is for what concerns all members of a group each. The members of a group
	// that has at most Few are as urgent as the group itself.
	FewGroups = 3
)

// Kind is a kind of events or requests that may have one cause, such as those about the
// memberships in one group.
type Kind struct {
	Name string
	Most int // how many of them are let through within a minute
}

// Counter counts events or requests. The zero value is ready to use.
type Counter struct {
	mu sync.Mutex
	// last are the times of the last ones of each kind, oldest first.
	last map[string][]time.Time
}

// mostKinds is how many kinds are kept before the old ones are dropped.
const mostKinds = 1000

// Surplus counts an event or a request of some kinds, the narrowest first, and reports
// whether it belongs to a crowd of one of them. What belongs to a crowd of one kind does
// not count towards the next: a crowd in one group leaves the others alone.
func (c *Counter) Surplus(now time.Time, kinds ...Kind) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		c.last = map[string][]time.Time{}
	}
	if len(c.last) >= mostKinds {
		c.forget(now)
	}
	return slices.ContainsFunc(kinds, func(k Kind) bool { return c.count(k, now) })
}

// count counts an event or a request of one kind.
func (c *Counter) count(k Kind, now time.Time) (surplus bool) {
	times := c.last[k.Name]
	if len(times) == k.Most {
		surplus = now.Sub(times[0]) < window
		times = slices.Delete(times, 0, 1)
	}
	c.last[k.Name] = append(times, now)
	return surplus
}

// forget drops the kinds of which none came for so long that it cannot count any more.
func (c *Counter) forget(now time.Time) {
	for kind, times := range c.last {
		if now.Sub(times[len(times)-1]) >= window {
			delete(c.last, kind)
		}
	}
}
