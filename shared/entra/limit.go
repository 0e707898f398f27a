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

// Writes are what Graph has least of: so many units in such a window for one
// application in one tenant, as a bucket of tokens (Microsoft Graph documentation,
// throttling limits of the identity and access service). A request that is refused
// counts as well, so that whoever goes on asking gets less than the quota.
const (
	quotaUnits  = 3000
	quotaWindow = 150 * time.Second
	// unitMembers is for how many members that a request adds one unit is counted
	// (said by Microsoft to an integrator; the published table says one for all).
	unitMembers = 3
	// keptForPressing is what of a full bucket is not for a first sync. It also
	// keeps what others write in the tenant from leading to refusals at once.
	keptForPressing = 300
	// longestQueue is how long a worker waits for its turn. Beyond that its tasks
	// are better off in their queue.
	longestQueue = 30 * time.Second
)

// How several processes come to share the quota, in units a second (assumed): when
// Graph says that it is used up, each takes half as fast, but not more often than
// every slowPause, and from then on a little faster every second.
const (
	fullRate    = quotaUnits / (float64(quotaWindow) / float64(time.Second))
	slowestRate = 0.5
	speedUp     = 0.05
	slowPause   = 10 * time.Second
)

// limiter keeps the writes of this client within the quota of its tenant: it holds
// the bucket as Graph does, and who takes out more than is there waits until that
// has come in.
//
// What presses takes from the whole bucket, anything else leaves keptForPressing in
// it. So a suspension in the middle of a first sync finds tokens and goes at once.
//
// It counts what this process writes. Of other processes, and other programs, it
// learns by their effect: when Graph refuses a write nobody here writes for as long
// as Graph says, and then slower.
type limiter struct {
	mu     sync.Mutex
	tokens float64 // at the time; below zero what was promised already
	rate   float64 // at which they come in
	at     time.Time
	closed time.Time // until when Graph wants no writes
	slowed time.Time
}

// fill brings the bucket up to now. It is full when it is first used.
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

// take takes units out and returns how long to wait before they may be used. If
// that is longer than most, nothing is taken.
func (l *limiter) take(units int, pressing bool, most time.Duration) (wait time.Duration, ok bool) {
	if units == 0 {
		return 0, true
	}
	need := float64(units)
	if !pressing {
		need += keptForPressing
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

// note learns from requests that Graph throttled, if that was for the writes in the
// tenant: whatever we thought was in the bucket, it is empty.
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
	l.tokens = min(l.tokens, keptForPressing-wait.Seconds()*l.rate)
}

// The header by which Graph says which limit was reached, as scope, limit,
// application and tenant between slashes, and what it holds for that of the writes
// (Microsoft Graph documentation, throttling).
const (
	throttleScope = "x-ms-throttle-scope"
	writeScope    = "/Write/"
)

// await waits until requests may be sent. If it would have to wait longer than is
// worth it or than there is time, it says at once how long that is.
func (l *limiter) await(ctx context.Context, requests []request) (wait time.Duration, ok bool) {
	units, most := 0, longestQueue
	for _, r := range requests {
		units += r.units()
	}
	if deadline, set := ctx.Deadline(); set {
		most = min(most, max(time.Until(deadline)-spareTime, 0))
	}
	pressing := slices.ContainsFunc(requests, func(r request) bool { return r.pressing })
	if wait, ok = l.take(units, pressing, most); !ok {
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

// putOff is the answer to requests that were not sent for want of quota, as Graph
// would have given it.
func putOff(chunk []request, wait time.Duration, answers map[string]response) {
	for _, r := range chunk {
		answers[r.ID] = postponed(r, wait)
	}
}

// postponed is that answer to one of them.
func postponed(r request, wait time.Duration) response {
	return response{ID: r.ID, Status: http.StatusTooManyRequests,
		Headers: map[string]string{"Retry-After": strconv.FormatFloat(wait.Seconds(), 'f', 3, 64)}}
}

// presses reports whether an action is not to wait behind a first sync: it takes
// access away, or it is a change to what is there already that happened in JumpCloud
// just now. A first sync creates and fills.
func presses(action plan.Action) bool {
	switch action.Type {
	case plan.Deprovision, plan.EndSessions, plan.RemoveMembers, plan.SetPassword:
		return true
	case plan.JoinDomain: // the account may be aside until then
		return true
	case plan.Update, plan.Enable, plan.RenameGroup:
		return action.Cause.Event
	default:
		return false
	}
}
