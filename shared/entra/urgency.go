package entra

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"time"

	"entrasync/shared/plan"
)

// urgency says which writes go first when the quota is short.
type urgency int

const (
	// bulk is the work on many objects, such as a first sync or the removal of a large
	// group.
	bulk urgency = iota
	// live is what one event or one request of an administrator asks for.
	live
	// urgent is a write for one person or a few that takes access away or changes an
	// object because of an event, and every password.
	urgent
)

// reserves are the units of a full bucket that each kind of write leaves to the more
// urgent ones. They also absorb the writes of other programs in the tenant, which would
// otherwise lead to refusals at once.
var reserves = map[urgency]float64{bulk: 300, live: 150, urgent: 0}

// longestWait is the longest time that a worker waits for its turn. Beyond that its tasks
// had better wait in their queue. A worker of the live lane does not wait long, because
// tasks that need no quota, or that of another tenant, wait behind it.
func (u urgency) longestWait() time.Duration {
	if u == bulk {
		return 30 * time.Second
	}
	return patience
}

// urgencyOf is how urgent an action is.
func urgencyOf(action plan.Action) urgency {
	add, remove := memberChange(action)
	if action.Cause.Many || len(add)+len(remove) > plan.FewObjects {
		return bulk
	}
	switch action.Type {
	case plan.Deprovision, plan.EndSessions, plan.RemoveMembers, plan.SetPassword:
		return urgent
	case plan.JoinDomain: // the account may be outside of its domain until then
		return urgent
	case plan.Update, plan.Enable, plan.RenameGroup:
		if action.Cause.Event {
			return urgent
		}
	}
	if action.Cause.Event || action.Cause.Requested {
		return live
	}
	return bulk
}

// priorityHeader says to Graph which writes to refuse first when the quota is short. It does
// not change the quota (Microsoft Graph documentation, throttling limits of the identity
// and access service).
const priorityHeader = "x-ms-throttle-priority"

// priorities are the values of the header; a write without one is normal.
var priorities = map[urgency]string{bulk: "low", urgent: "high"}

// prioritized is a request with the header for its urgency. Reads have a quota of their
// own, for which nobody waits.
func (r request) prioritized() request {
	priority := priorities[r.urgency]
	if r.Method == http.MethodGet || priority == "" {
		return r
	}
	headers := map[string]string{priorityHeader: priority}
	maps.Copy(headers, r.Headers)
	r.Headers = headers
	return r
}

// urgentFirst sorts requests by urgency, and keeps the order of equally urgent ones.
func urgentFirst(requests []request) []request {
	return slices.SortedStableFunc(slices.Values(requests), func(a, b request) int { return cmp.Compare(b.urgency, a.urgency) })
}

// least is how urgent the least urgent write among sorted requests is; a read does not
// count.
func least(requests []request) urgency {
	for _, r := range slices.Backward(requests) {
		if r.units() > 0 {
			return r.urgency
		}
	}
	return urgent
}

// apart returns those of sorted requests that are as urgent as the first, and the others.
func apart(requests []request) (first, others []request) {
	n := 1
	for n < len(requests) && requests[n].urgency == requests[0].urgency {
		n++
	}
	return requests[:n:n], requests[n:]
}
