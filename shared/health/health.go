// Package health says how a directory is: whether it works, and if not, what is in the way
// and what to do. The rule is pure ([Facts.Judge]); [CountNow] counts its users and groups.
package health

import (
	"fmt"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/store"
)

// Status is how a directory is, in one word.
type Status string

// The statuses of a directory, from the best one.
const (
	OK           Status = "ok"
	Attention    Status = "attention"    // it works, and somebody has to do something
	Suspended    Status = "suspended"    // all its changes wait
	Unauthorized Status = "unauthorized" // its tenant does not let the application in
)

const (
	// Silence is after which time without a webhook it is said that webhooks are missing, if
	// the catch-up found events meanwhile.
	Silence = 6 * time.Hour
	// feedLate is how far behind the reading of JumpCloud's events may be, or as long as this
	// many times the time between two runs.
	feedLate  = 15 * time.Minute
	feedTimes = 3
	// ResyncTimes is how many times the time between two resyncs the last one may be ago.
	ResyncTimes = 2
	// pendingLong is how long something may be pending before it is said.
	pendingLong = time.Hour
)

// Facts are what is known of a directory.
type Facts struct {
	Directory directory.Directory
	// Suspended says why everything waits, and Partly why parts of it do: sentences; "" and
	// none if nothing waits.
	Suspended string
	Partly    []string
	// Feed is how the events of its organization are read.
	Feed Feed
	// Resync is how its resyncs go.
	Resync Resync
	// Counts are those of its users and groups; nil if they are not known.
	Counts *store.Counts
	// Holds are why holds are open, and what to do: sentences.
	Holds []string
	// Credentials are what to do about credentials that end soon, or have ended: sentences.
	Credentials []string
}

// Feed is how the events of an organization are read.
type Feed struct {
	Every time.Duration // between two runs; 0: not longer than a few minutes
	// Since is since when they matter: when the directory was made.
	Since         time.Time
	LastRunAt     time.Time // when they were last read up to that time; zero: never
	LastFoundAt   time.Time // when the last event was found whose webhook had not come
	LastWebhookAt time.Time // when the last one came that a webhook brought; zero: none lately
	Trouble       *store.FeedTrouble
}

// Lag is how far behind the reading of the events is.
func (f Feed) Lag(now time.Time) time.Duration { return now.Sub(later(f.LastRunAt, f.Since)) }

// Late reports whether the reading of the events is further behind than usual.
func (f Feed) Late(now time.Time) bool { return f.Lag(now) > max(feedLate, feedTimes*f.Every) }

// Failing reports whether the events are not read although that was tried for some time.
func (f Feed) Failing(now time.Time) bool {
	return f.Trouble != nil && now.Sub(f.Trouble.Since) > feedLate
}

// WebhooksMissing reports whether no webhook came for long although there were events.
func (f Feed) WebhooksMissing(now time.Time) bool {
	start := now.Add(-Silence)
	return f.LastFoundAt.After(start) && !later(f.LastWebhookAt, f.Since).After(start)
}

// Resync is how the resyncs of a directory go.
type Resync struct {
	Every time.Duration // between two; 0: they are not known
	Since time.Time     // since when they are due: when the directory was made
	// StartedAt and EndedAt are those of the last one that ended; zero: none did. Failed is
	// why it failed; "" if it finished.
	StartedAt, EndedAt time.Time
	Failed             string
}

// Overdue reports whether none finished lately: the last one failed, which it does after a day
// without progress, or is so long ago that something keeps them.
func (r Resync) Overdue(now time.Time) bool {
	return r.Every > 0 && (r.Failed != "" || now.Sub(later(r.EndedAt, r.Since)) > ResyncTimes*r.Every)
}

// later is the later one of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Point is one thing that somebody has to know of a directory.
type Point struct {
	// What names it in one word, for programs.
	What string
	// Message is a sentence for people, with what to do.
	Message string
}

// The words for points.
const (
	PartlySuspended  = "partly_suspended"
	DirectoryTrouble = "directory"
	CredentialsEnd   = "credentials"
	FeedTroubled     = "catch_up"
	FeedLate         = "catch_up_late"
	WebhooksMissing  = "webhooks_missing"
	ResyncFailed     = "resync_failed"
	ResyncOverdue    = "resync_overdue"
	OpenHold         = "held"
	SomeParked       = "parked"
	SomePendingLong  = "pending_long"
)

// Verdict is how a directory is.
type Verdict struct {
	Status Status
	// Message is one sentence for people.
	Message string
	// Points are all that somebody has to know, the most important first; none with OK.
	Points []Point
}

// Judge says how the directory is at a time.
func (f Facts) Judge(now time.Time) Verdict {
	points := f.points(now)
	switch {
	case f.Directory.Status != directory.Active:
		return Verdict{Unauthorized, orElse(f.Directory.Message, "the tenant does not let the application in: give admin consent in Entra"), points}
	case f.Suspended != "":
		return Verdict{Suspended, f.Suspended, points}
	case len(points) > 0:
		message := points[0].Message
		if more := len(points) - 1; more > 0 {
			message += fmt.Sprintf(" (and %d more to look at)", more)
		}
		return Verdict{Attention, message, points}
	default:
		return Verdict{OK, f.well(), nil}
	}
}

// orElse is the first text, or the other one if that is empty.
func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// points are what somebody has to know besides that nothing works.
func (f Facts) points(now time.Time) []Point {
	var all []Point
	add := func(what, message string) { all = append(all, Point{what, message}) }
	for _, message := range f.Partly {
		add(PartlySuspended, message)
	}
	if d := f.Directory; d.Status == directory.Active && f.Suspended == "" && len(f.Partly) == 0 && d.Message != "" {
		add(DirectoryTrouble, d.Message)
	}
	for _, message := range f.Holds {
		add(OpenHold, message)
	}
	for _, message := range f.Credentials {
		add(CredentialsEnd, message)
	}
	f.Feed.points(now, add)
	f.Resync.points(now, f.Suspended != "" || f.Directory.Status != directory.Active, add)
	f.counted(now, add)
	return all
}

// points adds what is to be known of the feed.
func (f Feed) points(now time.Time, add func(what, message string)) {
	switch {
	case f.Trouble != nil:
		add(FeedTroubled, fmt.Sprintf("JumpCloud's events cannot be read since %s, so that a webhook which does not come is a change that waits for the next resync: %s", stamp(f.Trouble.Since), f.Trouble.Message))
	case f.Late(now):
		add(FeedLate, fmt.Sprintf("JumpCloud's events are read up to %s only: look at the alarms and the log of the function catchup", stamp(later(f.LastRunAt, f.Since))))
	}
	if f.WebhooksMissing(now) {
		add(WebhooksMissing, "JumpCloud's webhook does not arrive; the events are found late by reading them: POST /v1/organizations/{id}/webhook checks channel and rule, and says what to do")
	}
}

// points adds what is to be known of the resyncs. While the directory waits, they wait, too.
func (r Resync) points(now time.Time, waits bool, add func(what, message string)) {
	switch {
	case waits:
	case r.Failed != "":
		add(ResyncFailed, fmt.Sprintf("the last resync failed at %s: %s", stamp(r.EndedAt), r.Failed))
	case r.Overdue(now):
		add(ResyncOverdue, fmt.Sprintf("no resync has ended since %s: GET /v1/directories/{id}/jobs shows what it does; look at the log of the function resync", stamp(later(r.EndedAt, r.Since))))
	}
}

// counted adds what is to be known of users and groups.
func (f Facts) counted(now time.Time, add func(what, message string)) {
	if f.Counts == nil {
		return
	}
	users, groups := f.Counts.Users, f.Counts.Groups
	if parked := both(users.ByStatus[directory.Parked], groups.ByStatus[directory.Parked]); parked != "" {
		add(SomeParked, parked+" parked until somebody acts: GET /v1/directories/{id}/users?status=parked, or groups, says who, why and what to do")
	}
	oldest := earlier(users.OldestPendingAt, groups.OldestPendingAt)
	if f.Suspended == "" && !oldest.IsZero() && now.Sub(oldest) > pendingLong {
		add(SomePendingLong, fmt.Sprintf("%s pending, the oldest since %s: GET /v1/directories/{id}/users?status=pending, or groups, says why", both(users.ByStatus[directory.Pending], groups.ByStatus[directory.Pending]), stamp(oldest)))
	}
}

// Oldest is since when something is pending, of users and groups together; zero if nothing is.
func Oldest(c store.Counts) time.Time {
	return earlier(c.Users.OldestPendingAt, c.Groups.OldestPendingAt)
}

// earlier is the earlier one of two times, of which each may be zero for none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// both is how many users and groups there are, with the verb; "" if there are none.
func both(users, groups int) string {
	var parts []string
	if users > 0 {
		parts = append(parts, number(users, "user"))
	}
	if groups > 0 {
		parts = append(parts, number(groups, "group"))
	}
	if len(parts) == 0 {
		return ""
	}
	verb := " are"
	if users+groups == 1 {
		verb = " is"
	}
	return strings.Join(parts, " and ") + verb
}

// number is a number of things.
func number(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// well is the sentence about a directory with which nothing is wrong.
func (f Facts) well() string {
	if f.Counts == nil {
		return "nothing is in the way"
	}
	return fmt.Sprintf("nothing is in the way: %s and %s in sync", number(f.Counts.Users.ByStatus[directory.Synced], "user"), number(f.Counts.Groups.ByStatus[directory.Synced], "group"))
}

// stamp writes a time.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
