package reconcile

import (
	"maps"
	"slices"
	"time"

	"entrasync/shared/directory"
)

// Reads of JumpCloud may lag behind its events. So what an event claims is kept with
// the task, held against what is read, and where the read shows what was before, it
// is read again after these times. Then the read is believed. (For how long reads may
// lag is not published; these times are assumed.)
var lagSteps = []time.Duration{2 * time.Second, 10 * time.Second, time.Minute}

// claimLife is how long it is remembered what was claimed last: longer than any claim
// is held against reads.
const claimLife = 5 * time.Minute

// claimed is when something was claimed last, by what the claims are about.
type claimed map[string]time.Time

// with is what was claimed last with more claims, without what is old.
func (c claimed) with(claims []directory.Claim, now time.Time) claimed {
	after := maps.Clone(c)
	maps.DeleteFunc(after, func(_ string, at time.Time) bool { return now.Sub(at) > claimLife })
	for _, claim := range claims {
		if about := claim.About(); claim.At.After(after[about]) {
			if after == nil {
				after = claimed{}
			}
			after[about] = claim.At
		}
	}
	if len(after) == 0 {
		return nil
	}
	return after
}

// outdated reports whether something else was claimed about the same later.
func (c claimed) outdated(claim directory.Claim) bool {
	return !claim.At.IsZero() && c[claim.About()].After(claim.At)
}

// lagging are the claims that reads do not show yet, and when to read again. Those
// that were not shown for long enough are given up: the read is believed.
func lagging(claims []directory.Claim, known claimed, shown func(directory.Claim) directory.Shown, now time.Time) (left []directory.Claim, again time.Time, givenUp int) {
	for _, claim := range claims {
		if known.outdated(claim) || shown(claim) != directory.Lags {
			continue
		}
		if claim.Since.IsZero() {
			claim.Since = now
		}
		step := slices.IndexFunc(lagSteps, func(step time.Duration) bool { return claim.Since.Add(step).After(now) })
		if step < 0 {
			givenUp++
			continue
		}
		if at := claim.Since.Add(lagSteps[step]); again.IsZero() || at.Before(again) {
			again = at
		}
		left = append(left, claim)
	}
	return left, again, givenUp
}

// states reports whether the claims state something, which needs no second read then.
func states(claims []directory.Claim, kind directory.ClaimKind, about func(directory.Claim) bool) bool {
	return slices.ContainsFunc(claims, func(c directory.Claim) bool { return c.Kind == kind && about(c) })
}

// earliest is the earlier of two times, either of which may be zero.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
