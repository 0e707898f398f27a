package entratest

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The published limits (Microsoft Graph documentation, throttling limits,
// identity and access service, 2025): token buckets for one app in one tenant,
// for a tenant with all its apps and for an app in all its tenants.
const (
	writesPerTenantApp, writeWindow       = 3000, 150 * time.Second
	writesPerTenant, tenantWriteWindow    = 18000, 300 * time.Second
	writesPerApp, appWriteWindow          = 35000, 300 * time.Second
	unitsPerApp, appUnitWindow            = 150000, 20 * time.Second
	unitsSmall, unitsMedium, unitsLarge   = 3500, 5000, 8000
	unitWindow                            = 10 * time.Second
	usersOfSmall, usersOfMedium           = 50, 500 // fewer than the first: small; up to the second: medium
	throttleHeaderFrom, throttleHeaderMax = 0.8, 1.8
)

// meterResult is the cost of a call.
type meterResult struct {
	metered bool
	units   int
	writes  int
	used    float64 // fraction of the fullest limit, above 1 when over it
	refused bool
}

// describe adds the headers that state the client's usage.
func (m meterResult) describe(header http.Header) {
	if !m.metered {
		return
	}
	header.Set("x-ms-resource-unit", strconv.Itoa(m.units))
	if m.used > throttleHeaderFrom {
		header.Set("x-ms-throttle-limit-percentage", strconv.FormatFloat(min(m.used, throttleHeaderMax), 'f', 2, 64))
	}
}

// quotas holds the buckets.
type quotas struct {
	mu      sync.Mutex
	buckets map[string]*bucket
}

func newQuotas() *quotas { return &quotas{buckets: map[string]*bucket{}} }

// bucket is one token bucket.
type bucket struct {
	tokens, capacity float64
	at               time.Time
}

// limit is one limit that applies to a call.
type limit struct {
	key, scope, kind string // scope and kind as x-ms-throttle-scope writes them
	information      string
	capacity         int
	window           time.Duration
	cost             int
}

// meterCall takes the cost of the call from the buckets, or refuses the call.
func (c *call) meterCall() *graphError {
	if c.op != nil && c.op.free {
		return nil
	}
	c.meter = meterResult{metered: true, units: c.units(), writes: c.writeUnits()}
	if c.behaviour.Quota.Off {
		return nil
	}
	c.tenant.mu.RLock()
	users := c.tenant.users
	c.tenant.mu.RUnlock()
	low := strings.EqualFold(c.header.Get("x-ms-throttle-priority"), "low")
	hit, wait := c.sim.quotas.take(c.limits(users), c.now, low, c.behaviour.Quota.StartEmpty, &c.meter.used)
	if hit == nil {
		return nil
	}
	c.meter.refused = true
	return c.throttled(*hit, wait)
}

// units is the cost of the call in resource units (Microsoft Graph documentation,
// identity and access service limits).
func (c *call) units() int {
	if c.op == nil || c.op.write {
		return 1
	}
	units := max(c.op.units, 1)
	if c.query.Has("$select") {
		units--
		if c.op.selectSaves > 0 {
			units -= c.op.selectSaves - 1
		}
	}
	if c.query.Has("$expand") {
		units++
	}
	if top, err := strconv.Atoi(c.query.Get("$top")); err == nil && top < 20 {
		units--
	}
	return max(units, 1)
}

// writeUnits is the cost of the call in write units: 1, and one for every three members
// that it binds (said by Microsoft to an integrator; the published table says 1).
func (c *call) writeUnits() int {
	if c.op == nil || !c.op.write {
		return 0
	}
	bound := 0
	for _, name := range []string{"members@odata.bind", "owners@odata.bind"} {
		references, _ := c.body[name].([]any)
		bound += len(references)
	}
	if c.behaviour.Quota.BindCostOne || bound == 0 {
		return 1
	}
	return int(math.Ceil(float64(bound) / 3))
}

func (c *call) limits(users int) []limit {
	q := c.behaviour.Quota
	units, writes, window := q.Units, q.Writes, q.WriteWindow
	if units == 0 {
		units = unitsOfSize(users)
	}
	if writes == 0 {
		writes = writesPerTenantApp
	}
	if window == 0 {
		window = writeWindow
	}
	app, tenant := c.app.ClientID, c.tenant.ID
	out := []limit{
		{"units/" + app + "/" + tenant, "Tenant_Application", "ReadWrite", "ResourceUnitLimitExceeded", units, unitWindow, c.meter.units},
		{"units/" + app, "Application", "ReadWrite", "ResourceUnitLimitExceeded", unitsPerApp, appUnitWindow, c.meter.units},
	}
	if c.meter.writes == 0 {
		return out
	}
	return append(out,
		limit{"writes/" + app + "/" + tenant, "Tenant_Application", "Write", "WriteLimitExceeded", writes, window, c.meter.writes},
		limit{"writes//" + tenant, "Tenant", "Write", "WriteLimitExceeded", writesPerTenant, tenantWriteWindow, c.meter.writes},
		limit{"writes/" + app, "Application", "Write", "WriteLimitExceeded", writesPerApp, appWriteWindow, c.meter.writes},
	)
}

// unitsOfSize is the quota of resource units for the size of the tenant.
func unitsOfSize(users int) int {
	switch {
	case users < usersOfSmall:
		return unitsSmall
	case users <= usersOfMedium:
		return unitsMedium
	default:
		return unitsLarge
	}
}

// take takes the cost from every bucket, or returns the limit that refuses and the time
// to wait. A refused call is charged too, down to a floor: a client that does not wait
// waits longer.
func (q *quotas) take(limits []limit, now time.Time, low, startEmpty bool, used *float64) (*limit, time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var hit *limit
	var wait time.Duration
	for i, l := range limits {
		b := q.bucket(l, now, startEmpty)
		missing := float64(l.cost) - b.tokens
		if low {
			missing += lowPriorityReserve * b.capacity
		}
		if missing > 1e-9 { // below a billionth it is rounding
			needed := time.Duration(missing / b.capacity * float64(l.window))
			if hit == nil || needed > wait {
				hit, wait = &limits[i], needed
			}
		}
	}
	for _, l := range limits {
		b := q.buckets[l.key]
		b.tokens -= float64(l.cost)
		if hit != nil {
			b.tokens = max(b.tokens, min(-refusedDebtFloor*b.capacity, b.tokens+float64(l.cost)))
		}
		*used = max(*used, (b.capacity-b.tokens)/b.capacity)
	}
	return hit, wait
}

// bucket is the bucket of a limit, filled up to now.
func (q *quotas) bucket(l limit, now time.Time, startEmpty bool) *bucket {
	capacity := float64(l.capacity)
	b := q.buckets[l.key]
	if b == nil {
		b = &bucket{tokens: capacity, capacity: capacity, at: now}
		if startEmpty {
			b.tokens = 0
		}
		q.buckets[l.key] = b
	}
	if b.capacity != capacity { // the tenant grew or the quota was changed
		b.tokens += capacity - b.capacity
		b.capacity = capacity
	}
	if elapsed := now.Sub(b.at); elapsed > 0 {
		b.tokens = min(capacity, b.tokens+capacity*float64(elapsed)/float64(l.window))
		b.at = now
	}
	return b
}

// throttled is the 429.
func (c *call) throttled(l limit, wait time.Duration) *graphError {
	e := refuse(http.StatusTooManyRequests, "TooManyRequests", "Please retry again later.")
	e.inner = map[string]any{"code": "429", "message": "Please retry after", "status": "429"}
	e.header = http.Header{}
	e.header.Set("x-ms-throttle-scope", fmt.Sprintf("%s/%s/%s/%s", l.scope, l.kind, c.app.ClientID, c.tenant.ID))
	e.header.Set("x-ms-throttle-information", l.information)
	if value := retryAfter(c.behaviour.RetryAfter, wait, c.now); value != "" {
		e.header.Set("Retry-After", value)
	}
	return e
}

// retryAfter writes a time to wait; "" for the form without a header.
func retryAfter(form RetryAfterForm, wait time.Duration, now time.Time) string {
	switch form {
	case RetryAfterAbsent:
		return ""
	case RetryAfterDecimal:
		return strconv.FormatFloat(math.Ceil(wait.Seconds()*1000)/1000, 'f', 3, 64)
	case RetryAfterTwo:
		seconds := max(2, int(math.Ceil(wait.Seconds())))
		return fmt.Sprintf("%d,%d", max(1, seconds/4), seconds)
	case RetryAfterDate:
		// a date has whole seconds only: round up, or the client is early
		return now.Add(wait + time.Second - 1).UTC().Truncate(time.Second).Format(http.TimeFormat)
	default:
		return strconv.Itoa(max(1, int(math.Ceil(wait.Seconds()))))
	}
}
