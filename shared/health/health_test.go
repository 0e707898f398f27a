package health_test

import (
	"strings"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/health"
	"entrasync/shared/store"
)

// How a directory is: one word, one sentence, and what somebody has to know.
func TestJudge(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	// well is a directory with which nothing is wrong.
	well := func() health.Facts {
		return health.Facts{
			Directory: directory.Directory{Status: directory.Active},
			Feed:      health.Feed{Every: time.Minute, Since: ago(1000 * time.Hour), LastRunAt: ago(time.Minute), LastWebhookAt: ago(time.Hour)},
			Resync:    health.Resync{Every: 24 * time.Hour, Since: ago(1000 * time.Hour), StartedAt: ago(21 * time.Hour), EndedAt: ago(20 * time.Hour)},
			Counts: &store.Counts{Users: store.Tally{Total: 3, ByStatus: map[directory.LinkStatus]int{directory.Synced: 2, directory.Released: 1}},
				Groups: store.Tally{Total: 1, ByStatus: map[directory.LinkStatus]int{directory.Synced: 1}}},
		}
	}
	tests := map[string]struct {
		change  func(*health.Facts)
		status  health.Status
		message string // a part of it
		points  string
	}{
		"all is well":     {func(*health.Facts) {}, health.OK, "nothing is in the way: 2 users and 1 group in sync", ""},
		"nothing counted": {func(f *health.Facts) { f.Counts = nil }, health.OK, "nothing is in the way", ""},
		"no consent": {func(f *health.Facts) {
			f.Directory.Status, f.Directory.Message = directory.PendingAuthorization, "give consent"
			f.Suspended = "the directory is suspended"
		}, health.Unauthorized, "give consent", ""},
		"no consent and no message": {func(f *health.Facts) { f.Directory.Status = directory.PendingAuthorization }, health.Unauthorized, "give admin consent", ""},
		"suspended":                 {func(f *health.Facts) { f.Suspended = "the secret has expired: make another" }, health.Suspended, "the secret has expired", ""},
		"suspended, and the resync waits": {func(f *health.Facts) {
			f.Suspended, f.Resync.EndedAt, f.Resync.Failed = "the secret has expired", ago(100*time.Hour), "no"
		}, health.Suspended, "the secret has expired", ""},
		"partly suspended": {func(f *health.Facts) {
			f.Partly, f.Directory.Message = []string{"a permission is missing"}, "a permission is missing"
		},
			health.Attention, "a permission is missing", "partly_suspended"},
		"a domain is not verified": {func(f *health.Facts) { f.Directory.Message = "verify it" }, health.Attention, "verify it", "directory"},
		"a key ends":               {func(f *health.Facts) { f.Credentials = []string{"the key ends"} }, health.Attention, "the key ends", "credentials"},
		"the feed is refused": {func(f *health.Facts) {
			f.Feed.Trouble, f.Feed.LastRunAt = &store.FeedTrouble{Message: "the key lacks the scope", Since: ago(2 * time.Hour)}, ago(2*time.Hour)
		}, health.Attention, "2026-03-10T10:00:00Z", "catch_up"},
		"the feed is late":              {func(f *health.Facts) { f.Feed.LastRunAt = ago(16 * time.Minute) }, health.Attention, "2026-03-10T11:44:00Z", "catch_up_late"},
		"the feed is read seldom":       {func(f *health.Facts) { f.Feed.LastRunAt, f.Feed.Every = ago(16*time.Minute), 6*time.Minute }, health.OK, "", ""},
		"a new directory, no feed yet":  {func(f *health.Facts) { f.Feed = health.Feed{Every: time.Minute, Since: ago(time.Minute)} }, health.OK, "", ""},
		"the feed was never read":       {func(f *health.Facts) { f.Feed.LastRunAt = time.Time{} }, health.Attention, "up to", "catch_up_late"},
		"webhooks are missing":          {func(f *health.Facts) { f.Feed.LastFoundAt, f.Feed.LastWebhookAt = ago(time.Minute), ago(7*time.Hour) }, health.Attention, "webhook does not arrive", "webhooks_missing"},
		"no webhook ever came":          {func(f *health.Facts) { f.Feed.LastFoundAt, f.Feed.LastWebhookAt = ago(time.Minute), time.Time{} }, health.Attention, "webhook does not arrive", "webhooks_missing"},
		"a quiet organization":          {func(f *health.Facts) { f.Feed.LastFoundAt, f.Feed.LastWebhookAt = ago(9*time.Hour), ago(7*time.Hour) }, health.OK, "", ""},
		"an event found among webhooks": {func(f *health.Facts) { f.Feed.LastFoundAt, f.Feed.LastWebhookAt = ago(time.Minute), ago(2*time.Minute) }, health.OK, "", ""},
		"the first event of a directory": {func(f *health.Facts) {
			f.Feed.Since, f.Feed.LastFoundAt, f.Feed.LastWebhookAt = ago(time.Hour), ago(time.Minute), time.Time{}
		}, health.OK, "", ""},
		"the resync failed":              {func(f *health.Facts) { f.Resync.Failed = "Graph answers nothing" }, health.Attention, "Graph answers nothing", "resync_failed"},
		"the resync is overdue":          {func(f *health.Facts) { f.Resync.EndedAt = ago(49 * time.Hour) }, health.Attention, "no resync has ended since 2026-03-08T11:00:00Z", "resync_overdue"},
		"there was no resync":            {func(f *health.Facts) { f.Resync.EndedAt = time.Time{} }, health.Attention, "no resync", "resync_overdue"},
		"a new directory, no resync yet": {func(f *health.Facts) { f.Resync = health.Resync{Every: 24 * time.Hour, Since: ago(time.Hour)} }, health.OK, "", ""},
		"somebody is parked":             {func(f *health.Facts) { f.Counts.Users.ByStatus[directory.Parked] = 1 }, health.Attention, "1 user is parked", "parked"},
		"many are parked": {func(f *health.Facts) {
			f.Counts.Users.ByStatus[directory.Parked], f.Counts.Groups.ByStatus[directory.Parked] = 2, 1
		}, health.Attention, "2 users and 1 group are parked", "parked"},
		"a change is pending": {func(f *health.Facts) {
			f.Counts.Users.ByStatus[directory.Pending], f.Counts.Users.OldestPendingAt = 1, ago(time.Minute)
		}, health.OK, "", ""},
		"a change is pending for long": {func(f *health.Facts) {
			f.Counts.Users.ByStatus[directory.Pending], f.Counts.Users.OldestPendingAt = 2, ago(2*time.Hour)
			f.Counts.Groups.OldestPendingAt = ago(3 * time.Hour)
		}, health.Attention, "2 users are pending, the oldest since 2026-03-10T09:00:00Z", "pending_long"},
		"several": {func(f *health.Facts) {
			f.Credentials, f.Resync.Failed, f.Counts.Users.ByStatus[directory.Parked] = []string{"the key ends"}, "no", 1
		}, health.Attention, "the key ends (and 2 more to look at)", "credentials resync_failed parked"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := well()
			tt.change(&f)
			got := f.Judge(now)
			var points []string
			for _, p := range got.Points {
				points = append(points, p.What)
			}
			if got.Status != tt.status || !strings.Contains(got.Message, tt.message) || strings.Join(points, " ") != tt.points {
				t.Errorf("got %s %q with %v, want %s with %q and %q", got.Status, got.Message, points, tt.status, tt.message, tt.points)
			}
		})
	}
}
