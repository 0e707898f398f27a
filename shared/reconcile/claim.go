package reconcile

import (
	"maps"
	"slices"
	"strings"
	"time"

	"entrasync/shared/directory"
)

// Reads of JumpCloud may lag behind its events. So a task carries what its event claims,
// and the engine compares the claim with what it reads. If the read shows the value from
// before the event, the engine reads again after these times, and then believes the read.
// (For how long reads may lag is not published; these times are assumed.)
var lagSteps = []time.Duration{2 * time.Second, 10 * time.Second, longestLag}

// longestLag is how far a read is assumed to lag behind at most.
const longestLag = time.Minute

// claimLife is how long the link keeps what was claimed last: longer than any claim is
// compared with reads.
const claimLife = 5 * time.Minute

// claimed is when things were last claimed, by what the claims are about and say.
type claimed map[string]time.Time

// with adds claims and drops the entries that are older than claimLife.
func (c claimed) with(claims []directory.Claim, now time.Time) claimed {
	after := maps.Clone(c)
	maps.DeleteFunc(after, func(_ string, at time.Time) bool { return now.Sub(at) > claimLife })
	for _, claim := range claims {
		keys := []string{claim.Key()}
		if claim.From != "" {
			keys = append(keys, leaving(claim, claim.From))
		}
		for _, key := range keys {
			if claim.At.After(after[key]) {
				if after == nil {
					after = claimed{}
				}
				after[key] = claim.At
			}
		}
	}
	if len(after) == 0 {
		return nil
	}
	return after
}

// leaving is the key for the value that the subject of a claim had until then.
func leaving(c directory.Claim, value string) string { return c.About() + "<" + value }

// others are the times at which something else was claimed about the same subject.
func (c claimed) others(claim directory.Claim) []time.Time {
	var times []time.Time
	for key, at := range c {
		if strings.HasPrefix(key, claim.About()+"=") && key != claim.Key() {
			times = append(times, at)
		}
	}
	return times
}

// outdated reports whether something else was claimed later about the same subject.
func (c claimed) outdated(claim directory.Claim) bool {
	return !claim.At.IsZero() && slices.ContainsFunc(c.others(claim), func(at time.Time) bool { return at.After(claim.At) })
}

// contested reports whether a claim takes back what was claimed shortly before: a read
// that agrees with it may be older than both. Claims of a value also say the value before.
func (c claimed) contested(claim directory.Claim) bool {
	earlier := c.others(claim)
	if claim.From != "" {
		earlier = []time.Time{c[leaving(claim, claim.To)]}
	}
	return slices.ContainsFunc(earlier, func(at time.Time) bool { return at.Before(claim.At) && claim.At.Sub(at) <= longestLag })
}

// compare compares a claim with a read. A value that the subject had before an earlier claim
// is from before this one, too, and no later state.
func (c claimed) compare(claim directory.Claim, shown func(directory.Claim) directory.Shown) directory.Shown {
	is := shown(claim)
	if is != directory.Another {
		return is
	}
	for key, at := range c {
		value, former := strings.CutPrefix(key, leaving(claim, ""))
		if !former || at.After(claim.At) || claim.At.Sub(at) > longestLag {
			continue
		}
		earlier := claim
		if earlier.To = value; shown(earlier) == directory.Shows {
			return directory.Lags
		}
	}
	return is
}

// contradicting returns what events claimed within the longest lag about other subjects than
// the task's claims, and what the read does not show: it may be older than these events,
// which were compared with other reads. So it is with the subject of a claim that comes after
// a later one: only now it is known what the value was before both.
func (c claimed) contradicting(claims []directory.Claim, source directory.ConnectionSource, shown func(directory.Claim) directory.Shown, now time.Time) []directory.Claim {
	var found []directory.Claim
	for key, at := range c {
		claim, ok := directory.ClaimOf(key, source)
		if claim.At = at; !ok || now.Sub(at) >= longestLag || c.outdated(claim) ||
			slices.ContainsFunc(claims, func(own directory.Claim) bool {
				return own.About() == claim.About() && (!own.Since.IsZero() || !c.outdated(own))
			}) {
			continue
		}
		for former, left := range c {
			if value, is := strings.CutPrefix(former, leaving(claim, "")); is && left.Equal(at) {
				claim.From = value
			}
		}
		if c.compare(claim, shown) == directory.Lags {
			found = append(found, claim)
		}
	}
	return found
}

// lagging returns the claims that the read does not show yet, or perhaps shows for another
// reason, and when to read again. It gives up claims that reads have not shown for long
// enough: then the read is believed.
func lagging(claims []directory.Claim, known claimed, shown func(directory.Claim) directory.Shown, now time.Time) (left []directory.Claim, again time.Time, givenUp int) {
	for _, claim := range claims {
		lags := known.compare(claim, shown) == directory.Lags
		if known.outdated(claim) || !lags && !known.contested(claim) {
			continue
		}
		if claim.Since.IsZero() {
			claim.Since = now
		}
		step := slices.IndexFunc(lagSteps, func(step time.Duration) bool { return claim.Since.Add(step).After(now) })
		if step < 0 {
			if lags {
				givenUp++
			}
			continue
		}
		if at := claim.Since.Add(lagSteps[step]); again.IsZero() || at.Before(again) {
			again = at
		}
		left = append(left, claim)
	}
	return left, again, givenUp
}

// statedAt is when claims state that something happened, which then needs no second read;
// zero if none does. A claim does not count if a later event said otherwise; known is what
// was claimed before. An event that does not say when it happened, or says that it will,
// happened now.
func statedAt(claims []directory.Claim, known claimed, kind directory.ClaimKind, about func(directory.Claim) bool) time.Time {
	now := time.Now().UTC()
	known = known.with(claims, now)
	var at time.Time
	for _, c := range claims {
		if c.Kind != kind || !about(c) || known.outdated(c) {
			continue
		}
		if c.At.IsZero() || c.At.After(now) {
			return now
		}
		at = later(at, c.At)
	}
	return at
}

// certainly is a time at which JumpCloud certainly had what a read shows that began at a
// time, unless it ended later: the read may lag behind, but not behind the events that
// claimed just that.
func certainly(began time.Time, claims []directory.Claim, known claimed, shown directory.Claim) time.Time {
	claimedAt := known.with(claims, time.Now().UTC())[shown.Key()]
	return later(began.Add(-longestLag), claimedAt)
}

// later is the later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// anything accepts every claim, for [statedAt].
func anything(directory.Claim) bool { return true }

// earliest is the earlier of two times, either of which may be zero.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
