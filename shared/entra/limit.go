package entra

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"entrasync/shared/plan"
)

// Graph limits writes most: to so many units in each window for one application in one
// tenant, as a token bucket (Microsoft Graph documentation, throttling limits of the
// identity and access service). A refused request counts as well, so an application
// that keeps sending gets less than the quota.
const (
	quotaUnits  = 3000
	quotaWindow = 150 * time.Second
	// unitMembers is the number of added members that cost one unit (said by Microsoft
	// to an integrator; the published table says one for all).
	unitMembers = 3
	// keptForUrgent are the units of a full bucket that a first sync may not use.
	// They also absorb the writes of other programs in the tenant, which would
	// otherwise lead to refusals at once.
	keptForUrgent = 300
	// longestQueue is the longest time that a worker waits for its turn. Beyond that
	// its tasks had better wait in their queue.
	longestQueue = 30 * time.Second
)

// How several processes share the quota, in units a second (assumed): when Graph says
// that it is used up, each process halves its rate, at most once in slowPause, and from
// then on raises it a little every second.
const (
	fullRate    = quotaUnits / (float64(quotaWindow) / float64(time.Second))
	slowestRate = 0.5
	speedUp     = 0.05
	slowPause   = 10 * time.Second
)

// limiter keeps the writes of this client within the quota of its tenant. It counts the
// bucket as Graph does: who takes more units than there are waits until they have come
// in.
//
// An urgent action may use the complete bucket; any other leaves keptForUrgent in it.
// So a suspension in the middle of a first sync finds units and is sent at once.
//
// It counts the writes of this process only. It notices other processes and programs
// when Graph refuses a write: then nothing here writes for as long as Graph says, and
// more slowly after that.
type limiter struct {
	mu     sync.Mutex
	tokens float64 // at the time below; negative: promised already
	rate   float64 // at which they come in
	at     time.Time
	closed time.Time // until then Graph wants no writes
	slowed time.Time // when the rate was last halved
}

// fill adds the units that came in until now. A new bucket is full.
func (l *limiter) fill() {
	now := time.Now()
	if l.at.IsZero() {
		l.tokens, l.rate, l.at = quotaUnits, fullRate, now
	}
	since := now.Sub(l.at).Seconds()
	l.tokens = min(l.tokens+since*l.rate, quotaUnits)
	l.rate = min(l.rate+since*speedUp, fullRate)
	l.at = now
}

// take takes units and returns how long to wait before they may be used. If that is
// longer than most, it takes nothing.
func (l *limiter) take(units int, urgent bool, most time.Duration) (wait time.Duration, ok bool) {
	if units == 0 {
		return 0, true
	}
	need := float64(units)
	if !urgent {
		need += keptForUrgent
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fill()
	wait = time.Duration(max(need-l.tokens, 0) / l.rate * float64(time.Second))
	wait = max(wait, l.closed.Sub(l.at))
	if wait > most {
		return wait, false
	}
	l.tokens -= float64(units)
	return wait, true
}

// note records which requests Graph throttled. If that was because of the limit of
// writes in the tenant, the bucket is empty, whatever we counted.
func (l *limiter) note(throttled []request, answers map[string]response) {
	refused, wait := false, time.Duration(0)
	for _, r := range throttled {
		header := answers[r.ID].header()
		if strings.Contains(header.Get(throttleScope), writeScope) {
			refused, wait = true, max(wait, min(retryAfter(header, time.Now()), quotaWindow))
		}
	}
	if !refused {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fill()
	if l.at.Sub(l.slowed) >= slowPause {
		l.rate, l.slowed = max(l.rate/2, slowestRate), l.at
	}
	if until := l.at.Add(wait); until.After(l.closed) {
		l.closed = until
	}
	l.tokens = min(l.tokens, keptForUrgent-wait.Seconds()*l.rate)
}

// throttleScope is the header in which Graph names the limit that was reached, as
// scope, limit, application and tenant between slashes. writeScope is the part of it
// for the limit of writes (Microsoft Graph documentation, throttling).
const (
	throttleScope = "x-ms-throttle-scope"
	writeScope    = "/Write/"
)

// await waits until requests may be sent. If that would take longer than longestQueue
// or than there is time, it returns at once how long it would take.
func (l *limiter) await(ctx context.Context, requests []request) (wait time.Duration, ok bool) {
	units, most := 0, longestQueue
	for _, r := range requests {
		units += r.units()
	}
	if deadline, set := ctx.Deadline(); set {
		most = min(most, max(time.Until(deadline)-spareTime, 0))
	}
	urgent := slices.ContainsFunc(requests, func(r request) bool { return r.urgent })
	if wait, ok = l.take(units, urgent, most); !ok {
		return wait, false
	}
	return wait, sleep(ctx, wait)
}

// units are the units that a request costs.
func (r request) units() int {
	if r.Method == http.MethodGet {
		return 0
	}
	return max(1, (r.binds+unitMembers-1)/unitMembers)
}

// putOff answers requests that were not sent because the quota is used up, as Graph
// would have answered them.
func putOff(chunk []request, wait time.Duration, answers map[string]response) {
	for _, r := range chunk {
		answers[r.ID] = postponed(r, wait)
	}
}

// postponed is that answer to one request.
func postponed(r request, wait time.Duration) response {
	return response{ID: r.ID, Status: http.StatusTooManyRequests,
		Headers: map[string]string{"Retry-After": strconv.FormatFloat(wait.Seconds(), 'f', 3, 64)}}
}

// isUrgent reports whether an action must not wait behind a first sync: it takes access
// away, or it changes an existing object because of an event in JumpCloud. A first sync
// creates objects and fills them.
func isUrgent(action plan.Action) bool {
	switch action.Type {
	case plan.Deprovision, plan.EndSessions, plan.RemoveMembers, plan.SetPassword:
		return true
	case plan.JoinDomain: // the account may be outside of its domain until then
		return true
	case plan.Update, plan.Enable, plan.RenameGroup:
		return action.Cause.Event
	default:
		return false
	}
}
