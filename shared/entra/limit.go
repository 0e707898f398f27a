package entra

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
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
// An urgent write may use the complete bucket; any other leaves its part of the reserves
// in it. So a suspension in the middle of a first sync finds units and is sent at once.
//
// It counts the writes of this process only. It notices other processes and programs
// when Graph refuses a write: then no write that is as urgent or less is sent here for as
// long as Graph says, and they are sent more slowly after that. A more urgent one is still
// sent, because Graph refuses those last.
type limiter struct {
	mu     sync.Mutex
	tokens float64 // at the time below; negative: promised already
	rate   float64 // at which they come in
	at     time.Time
	slowed time.Time // when the rate was last halved
	// closed says until when Graph wants no writes of each urgency.
	closed [urgent + 1]time.Time
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
func (l *limiter) take(units int, u urgency, most time.Duration) (wait time.Duration, ok bool) {
	if units == 0 {
		return 0, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fill()
	if wait = l.wait(units, u); wait > most {
		return wait, false
	}
	l.tokens -= float64(units)
	return wait, true
}

// note records which requests Graph throttled. If that was because of the limit of
// writes in the tenant, the bucket is empty, whatever we counted.
func (l *limiter) note(throttled []request, answers map[string]response) {
	refused, wait, u := false, time.Duration(0), bulk
	for _, r := range throttled {
		header := answers[r.ID].header()
		if strings.Contains(header.Get(throttleScope), writeScope) {
			refused, wait, u = true, max(wait, min(retryAfter(header, time.Now()), quotaWindow)), max(u, r.urgency)
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
	for each := range u + 1 {
		if until := l.at.Add(wait); until.After(l.closed[each]) {
			l.closed[each] = until
		}
	}
	left := reserves[u] - wait.Seconds()*l.rate
	if u < urgent {
		left = max(left, 0) // for the more urgent ones
	}
	l.tokens = min(l.tokens, left)
}

// throttleScope is the header in which Graph names the limit that was reached, as
// scope, limit, application and tenant between slashes. writeScope is the part of it
// for the limit of writes (Microsoft Graph documentation, throttling).
const (
	throttleScope = "x-ms-throttle-scope"
	writeScope    = "/Write/"
)

// free reports whether sorted requests may be sent without a wait.
func (l *limiter) free(requests []request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fill()
	units, u := unitsOf(requests), least(requests)
	return units == 0 || l.wait(units, u) <= 0
}

// wait is how long units are not there.
func (l *limiter) wait(units int, u urgency) time.Duration {
	missing := float64(units) + reserves[u] - l.tokens
	return max(time.Duration(max(missing, 0)/l.rate*float64(time.Second)), l.closed[u].Sub(l.at))
}

// await waits until sorted requests may be sent. If that would take longer than the least
// urgent may wait or than there is time, it returns at once how long it would take.
func (l *limiter) await(ctx context.Context, requests []request) (wait time.Duration, ok bool) {
	units, u := unitsOf(requests), least(requests)
	most := u.longestWait()
	if deadline, set := ctx.Deadline(); set {
		most = min(most, max(time.Until(deadline)-spareTime, 0))
	}
	if wait, ok = l.take(units, u, most); !ok {
		return wait, false
	}
	return wait, sleep(ctx, wait)
}

// unitsOf are the units that requests cost.
func unitsOf(requests []request) (units int) {
	for _, r := range requests {
		units += r.units()
	}
	return units
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
