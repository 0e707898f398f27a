package simulate

import (
	"fmt"
	"maps"
	"slices"
	"time"
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

// right is the state that is right for an account, whether any directory has the person,
// and whether the person is staged: then the account keeps the state that it had.
type right struct{ enabled, managed, staged bool }

// sample compares the state of each account with the rules.
func (c *company) sample() {
	if c.samples.since == nil {
		c.samples = samples{since: map[int]time.Time{}, want: map[int]right{}, moved: map[int]bool{}, good: map[int]bool{}}
	}
	c.read()
	s, now := &c.samples, time.Now()
	bound := calmBound
	if c.rough {
		bound = roughBound
	}
	for _, n := range slices.Sorted(maps.Keys(c.people)) {
		p := c.people[n]
		want := right{c.mayEnter(p), c.managed(p), c.keepsFound(p)}
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
		case now.Sub(s.since[n]) <= bound, c.drops && s.moved[n]:
		default:
			s.wrong = append(s.wrong, fmt.Sprintf("the account of %s is enabled: %v, want %v for %s: %s", nameOf(n), enabled, want.enabled, now.Sub(s.since[n]), c.linkText(p)))
			s.since[n] = now
		}
	}
}
