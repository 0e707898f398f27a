package admin

import (
	"cmp"
	"context"
	"time"

	"entrasync/shared/directory"
	judged "entrasync/shared/health"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/resync"
	"entrasync/shared/store"
)

// healthView is how a directory is.
type healthView struct {
	Status  judged.Status     `json:"status" enum:"ok,attention,suspended,unauthorized" doc:"One word: attention says that it works, and that somebody has to do something"`
	Message string            `json:"message" doc:"How the directory is, as a sentence with what to do"`
	Points  []healthPointView `json:"points,omitempty" doc:"All that somebody has to know, the most important first"`

	Authorized    bool            `json:"authorized" doc:"Whether the tenant lets the application in"`
	LastWebhookAt *time.Time      `json:"lastWebhookAt,omitempty" doc:"When an event of the organization was last processed that a webhook brought; missing if that is not known"`
	CatchUp       healthFeedView  `json:"catchUp"`
	Resync        *lastResyncView `json:"lastResync,omitempty" doc:"The last resync that ended; missing if none did"`
	NextResyncAt  *time.Time      `json:"nextResyncAt,omitempty" doc:"When the next resync is due; missing while one is at work or waits, or is due now"`
	Counts        *countsView     `json:"counts,omitempty" doc:"How the users and groups stand; missing in lists, and of a large directory that was not counted yet"`
	Holds         []holdView      `json:"holds,omitempty" doc:"The holds of the guard that are open, of each kind at most one; missing if none is"`
	Throttled     *throttledView  `json:"throttled,omitempty" doc:"When Graph last asked to slow down in the tenant; missing if it did not within a week, and in lists"`
}

// healthPointView is one thing that somebody has to know.
type healthPointView struct {
	What    string `json:"what" enum:"partly_suspended,directory,held,credentials,catch_up,catch_up_late,webhooks_missing,resync_failed,resync_overdue,parked,pending_long"`
	Message string `json:"message"`
}

// healthFeedView is how far the events of the organization are read.
type healthFeedView struct {
	LastRunAt  *time.Time   `json:"lastRunAt,omitempty" doc:"Up to when JumpCloud's events were read; missing if they never were"`
	LagSeconds int          `json:"lagSeconds" doc:"How far behind the present that is"`
	Trouble    *feedTrouble `json:"trouble,omitempty" doc:"Why the events cannot be read; missing if they can"`
}

// lastResyncView is how the last resync ended.
type lastResyncView struct {
	ID        string          `json:"jobId"`
	Result    store.JobStatus `json:"result" enum:"finished,failed"`
	StartedAt time.Time       `json:"startedAt"`
	EndedAt   time.Time       `json:"endedAt"`
	Found     int             `json:"found"`
	Repaired  int             `json:"repaired"`
	Message   string          `json:"message,omitempty"`
}

// countsView is how the users and groups stand.
type countsView struct {
	CountedAt       time.Time  `json:"countedAt" doc:"Of a large directory, at most an hour or so ago"`
	Users           tallyView  `json:"users"`
	Groups          tallyView  `json:"groups"`
	OldestPendingAt *time.Time `json:"oldestPendingAt,omitempty" doc:"Since when a change is pending that has been so for longest; missing if none is"`
}

// tallyView is how many stand how.
type tallyView struct {
	Total    int                          `json:"total"`
	ByStatus map[directory.LinkStatus]int `json:"byStatus" doc:"By the statuses of the lists"`
	ByReason map[directory.Reason]int     `json:"byReason" doc:"By reason, as many as the list with that reason shows"`
}

// throttledView is when Graph last asked to slow down.
type throttledView struct {
	At    time.Time `json:"at"`
	Until time.Time `json:"until"`
}

// viewOfHealth shows how a directory is, of which something is known.
func (a API) viewOfHealth(f judged.Facts, known judged.Known, now time.Time) *healthView {
	verdict := f.Judge(now)
	view := &healthView{
		Status: verdict.Status, Message: verdict.Message, Authorized: f.Directory.Status == directory.Active,
		LastWebhookAt: utcOrNil(f.Feed.LastWebhookAt), NextResyncAt: nextResync(f, now),
		CatchUp: healthFeedView{LastRunAt: utcOrNil(f.Feed.LastRunAt), LagSeconds: int(f.Feed.Lag(now).Seconds())},
	}
	for _, p := range verdict.Points {
		view.Points = append(view.Points, healthPointView(p))
	}
	for _, h := range known.Holds {
		view.Holds = append(view.Holds, viewOfHold(h))
	}
	if t := f.Feed.Trouble; t != nil {
		view.CatchUp.Trouble = &feedTrouble{Reason: t.Reason, Message: t.Message, Remedy: directory.Remedy(t.Reason), Since: t.Since}
	}
	if l := known.LastResync; l != nil {
		view.Resync = &lastResyncView{ID: l.Job, Result: l.Result, StartedAt: l.StartedAt, EndedAt: l.EndedAt, Found: l.Found, Repaired: l.Repaired, Message: l.Message}
	}
	if c := f.Counts; c != nil {
		view.Counts = &countsView{CountedAt: c.CountedAt, Users: tallyView{c.Users.Total, c.Users.ByStatus, c.Users.ByReason},
			Groups: tallyView{c.Groups.Total, c.Groups.ByStatus, c.Groups.ByReason}, OldestPendingAt: utcOrNil(judged.Oldest(*c))}
	}
	return view
}

// nextResync is when the next resync of a directory is due; nil if its time has come: then one
// is at work, waits for the end of a suspension, or begins with the next run of the schedule.
func nextResync(f judged.Facts, now time.Time) *time.Time {
	due := resync.NextDue(f.Directory.ID, later(f.Resync.StartedAt, f.Resync.Since), f.Resync.Every)
	if !due.After(now) {
		return nil
	}
	return &due
}

// utcOrNil is a time in UTC; nil if it is zero.
func utcOrNil(t time.Time) *time.Time { return known(t.UTC()) }

// later is the later one of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// health reads how one directory is, with everything.
func (a API) health(ctx context.Context, dir directory.Directory, credentials []directory.CredentialState) (*healthView, error) {
	now := time.Now().UTC()
	all, err := judged.Read(ctx, a.Store, dir)
	if err != nil {
		return nil, err
	}
	f := all[dir.ID].Facts(dir, a.every(), credentials)
	last, err := a.Store.LastSeen(ctx, dir.Organization, jumpcloud.ByWebhook.String())
	if err != nil {
		return nil, err
	}
	f.Feed.LastWebhookAt = later(f.Feed.LastWebhookAt, last)
	if f.Counts, err = judged.CountNow(ctx, a.Store, dir.ID, now); err != nil {
		return nil, err
	}
	slow, err := a.Store.Throttled(ctx, dir.SignInTenant())
	if err != nil {
		return nil, err
	}
	view := a.viewOfHealth(f, all[dir.ID], now)
	if !slow.At.IsZero() {
		view.Throttled = &throttledView{At: slow.At, Until: slow.Until}
	}
	return view, nil
}

// healthOf reads how some directories are, without what costs a read for each.
func (a API) healthOf(ctx context.Context, dirs []directory.Directory) (map[directory.ID]*healthView, error) {
	all, err := judged.Read(ctx, a.Store, dirs...)
	if err != nil {
		return nil, err
	}
	views, now := map[directory.ID]*healthView{}, time.Now().UTC()
	for _, dir := range dirs {
		views[dir.ID] = a.viewOfHealth(all[dir.ID].Facts(dir, a.every(), nil), all[dir.ID], now)
	}
	return views, nil
}

// every is how often the events are read and how often a directory is compared.
func (a API) every() judged.Every {
	return judged.Every{CatchUp: a.CatchUpEvery, Resync: cmp.Or(a.ResyncEvery, resync.DefaultEvery)}
}
