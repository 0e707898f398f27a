package simulate

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"entrasync/shared/directory"
)

// How long an account may be in the wrong state after that changed which state is right.
//
// On a day with nothing worse than late, repeated and shuffled webhooks and reads that lag,
// the longest way is that of somebody who leaves: three reads at most, a minute apart.
// A process that dies delays its messages by the visibility timeout of their queue, six
// minutes, and other trouble by waits of up to a minute between tries.
const (
	calmBound  = 3 * time.Minute
	roughBound = time.Hour
)

// samples are what the samples of a day have shown.
type samples struct {
	since map[int]time.Time // when it last changed which state is right and why, by person
	want  map[int]right
	moved map[int]bool // whether it changed at all after the person first had the right state
	good  map[int]bool // whether the person had the right state since then
	wrong []string
}

// newSamples are those of a day that begins.
func newSamples() samples {
	return samples{since: map[int]time.Time{}, want: map[int]right{}, moved: map[int]bool{}, good: map[int]bool{}}
}

// right is the state that is right for an account, whether any directory has the person,
// whether the person is staged: then the account keeps the state that it had. Who is hired
// again is another user, whom the account has to be given.
type right struct {
	enabled, managed, staged bool
	user                     directory.UserID
}

// trail is what the writes to Graph did to the accounts since the last sample.
type trail struct {
	mu      sync.Mutex
	enabled map[string]bool // by account, at the last write
	turns   []turn
}

// turn is that an account was enabled or disabled.
type turn struct {
	at      time.Time
	account string
	enabled bool
}

// written notes which accounts a write to Graph has enabled or disabled. The processes
// call it.
func (c *company) written() {
	users := c.Tenant.Users()
	c.trail.mu.Lock()
	defer c.trail.mu.Unlock()
	if c.trail.enabled == nil {
		c.trail.enabled = map[string]bool{}
	}
	for _, u := range users {
		if was, known := c.trail.enabled[u.ID]; known && was != u.AccountEnabled {
			c.trail.turns = append(c.trail.turns, turn{time.Now(), u.ID, u.AccountEnabled})
		}
		c.trail.enabled[u.ID] = u.AccountEnabled
	}
}

// turns are those since the last call, by account.
func (c *company) turns() map[string][]turn {
	c.trail.mu.Lock()
	defer c.trail.mu.Unlock()
	all := map[string][]turn{}
	for _, t := range c.trail.turns {
		all[t.account] = append(all[t.account], t)
	}
	c.trail.turns = nil
	return all
}

// sample compares the state of each account with the rules: the one that it has, and those
// that it had for a moment since the last sample. Between two samples the rules ask for the
// same, because each step is sampled before and after.
func (c *company) sample() {
	c.read()
	turns := c.turns()
	for _, n := range slices.Sorted(maps.Keys(c.people)) {
		c.sampleTurns(c.people[n], turns)
		c.samplePerson(c.people[n])
		c.sampleRehire(c.people[n])
	}
}

// sampleRehire finds that a person who was hired again has the account of the user before, and
// that nobody said so.
func (c *company) sampleRehire(p *person) {
	if len(p.ids) < 2 || c.confirmed[p.id] {
		return
	}
	had := map[directory.EntraID]bool{}
	for _, id := range p.ids[:len(p.ids)-1] {
		known, err := c.Store.User(c.t.Context(), c.Organization(), directory.UserID(id))
		c.Must(err)
		for _, l := range known.Links {
			had[l.EntraID] = l.EntraID != "" && l.Freed
		}
	}
	known, err := c.Store.User(c.t.Context(), c.Organization(), p.id)
	c.Must(err)
	for _, l := range known.Links {
		if had[l.EntraID] {
			c.samples.wrong = append(c.samples.wrong, fmt.Sprintf("%s, hired again, got the account of the one before unasked: %s", nameOf(p.number), c.linkText(p)))
			c.confirmed[p.id] = true // once is enough
		}
	}
}

// bound is how long an account may be in the wrong state.
func (c *company) bound() time.Duration {
	if c.rough {
		return roughBound
	}
	return calmBound
}

// sampleTurns finds that the account of a person was in the wrong state for a moment. Who
// has several was hired again.
func (c *company) sampleTurns(p *person, turns map[string][]turn) {
	s, own := &c.samples, c.accountsOf(p)
	want, known := s.want[p.number]
	if len(own) != 1 || !known || want.staged || !want.managed || c.drops && s.moved[p.number] {
		return
	}
	for _, t := range turns[own[0].ID] {
		if after := t.at.Sub(s.since[p.number]); t.enabled != want.enabled && after > c.bound() {
			s.wrong = append(s.wrong, fmt.Sprintf("the account of %s was made enabled: %v, want %v for %s: %s", nameOf(p.number), t.enabled, want.enabled, after, c.linkText(p)))
		}
	}
}

// samplePerson finds that the account of a person is in the wrong state for too long.
func (c *company) samplePerson(p *person) {
	s, now, n := &c.samples, time.Now(), p.number
	want := right{c.mayEnter(p), c.managed(p), c.keepsFound(p), p.id}
	if was, known := s.want[n]; !known || was != want {
		s.moved[n] = s.moved[n] || s.good[n]
		s.want[n], s.since[n], s.good[n] = want, now, false
	}
	enabled, free := false, want.managed && want.staged
	for _, a := range c.accountsOf(p) {
		enabled = enabled || a.AccountEnabled
		free = free || !want.managed && c.isUntouched(p, a)
	}
	switch {
	case free:
	case enabled == want.enabled:
		s.good[n] = true
	case now.Sub(s.since[n]) <= c.bound(), c.drops && s.moved[n]:
	default:
		s.wrong = append(s.wrong, fmt.Sprintf("the account of %s is enabled: %v, want %v for %s: %s", nameOf(n), enabled, want.enabled, now.Sub(s.since[n]), c.linkText(p)))
		s.since[n] = now
	}
}
