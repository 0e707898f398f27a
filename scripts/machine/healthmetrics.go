package machine

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"entrasync/shared/directory"
	judged "entrasync/shared/health"
	"entrasync/shared/store"
)

// collectTime is how long it may take to read how the directories are.
const collectTime = 5 * time.Second

// gauge describes a gauge of a directory.
func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+"directory_"+name, help, append([]string{"directory"}, labels...), nil)
}

// What is measured of each directory. A time that is not known is missing.
var (
	suspendedGauge = gauge("suspended", "1 if all changes of the directory wait")
	waitingGauge   = gauge("pending", "Users and groups whose change is pending, as of the last count")
	oldestGauge    = gauge("oldest_pending_seconds", "How long a change is pending that has been so for longest; 0 without one")
	usersGauge     = gauge("users", "Users by status, as of the last count, at most an hour or so ago", "status")
	groupsGauge    = gauge("groups", "Groups by status, as of the last count", "status")
	webhookGauge   = gauge("last_webhook_timestamp_seconds", "When an event was last processed that a webhook brought")
	catchUpGauge   = gauge("last_catchup_timestamp_seconds", "Up to when JumpCloud's events were read")
	lagGauge       = gauge("catchup_lag_seconds", "How far behind the present that is")
	resyncGauge    = gauge("last_resync_timestamp_seconds", "When the last resync ended")
)

// directories collects how the directories are, from a few records of each. Their links are
// not read: the counts are those of the last hour.
func (m measured) directories(to chan<- prometheus.Metric) {
	ctx, stop := context.WithTimeout(context.Background(), collectTime)
	defer stop()
	for cursor := ""; ; {
		page, err := m.Store.Directories(ctx, 0, cursor)
		if err == nil {
			err = m.page(ctx, to, page.Items)
		}
		if err != nil {
			to <- prometheus.NewInvalidMetric(suspendedGauge, err)
			return
		}
		if cursor = page.Cursor; cursor == "" {
			return
		}
	}
}

// page collects how some directories are.
func (m measured) page(ctx context.Context, to chan<- prometheus.Metric, all []directory.Directory) error {
	known, err := judged.Read(ctx, m.Store, all...)
	if err != nil {
		return err
	}
	ids := make([]directory.ID, len(all))
	for i, d := range all {
		ids[i] = d.ID
	}
	counts, err := m.Store.CountsOf(ctx, ids...)
	if err != nil {
		return err
	}
	for _, d := range all {
		each := ofDirectory{to, string(d.ID)}
		suspended := 0.0
		if d.IsSuspended() {
			suspended = 1
		}
		each.send(suspendedGauge, suspended)
		facts := known[d.ID].Facts(d, judged.Every{CatchUp: m.Config.every(catchUpVariable), Resync: m.Config.every(resyncVariable)}, nil)
		each.at(webhookGauge, facts.Feed.LastWebhookAt)
		each.at(catchUpGauge, facts.Feed.LastRunAt)
		each.send(lagGauge, facts.Feed.Lag(time.Now()).Seconds())
		each.at(resyncGauge, facts.Resync.EndedAt)
		if c, counted := counts[d.ID]; counted {
			each.counts(c)
		}
	}
	return nil
}

// ofDirectory collects the metrics of one directory.
type ofDirectory struct {
	to chan<- prometheus.Metric
	id string
}

// send sends the value of a gauge.
func (o ofDirectory) send(gauge *prometheus.Desc, value float64, labels ...string) {
	o.to <- prometheus.MustNewConstMetric(gauge, prometheus.GaugeValue, value, append([]string{o.id}, labels...)...)
}

// at sends a time, unless it is not known.
func (o ofDirectory) at(gauge *prometheus.Desc, t time.Time) {
	if !t.IsZero() {
		o.send(gauge, float64(t.Unix()))
	}
}

// counts sends how users and groups stand.
func (o ofDirectory) counts(c store.Counts) {
	for status, n := range c.Users.ByStatus {
		o.send(usersGauge, float64(n), string(status))
	}
	for status, n := range c.Groups.ByStatus {
		o.send(groupsGauge, float64(n), string(status))
	}
	o.send(waitingGauge, float64(c.Users.ByStatus[directory.Pending]+c.Groups.ByStatus[directory.Pending]))
	oldest := 0.0
	if since := judged.Oldest(c); !since.IsZero() {
		oldest = time.Since(since).Seconds()
	}
	o.send(oldestGauge, oldest)
}
