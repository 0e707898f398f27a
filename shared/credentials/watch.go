package credentials

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/metric"
	"entrasync/shared/store"
)

// checkEvery is how often the ends of all credentials are compared with the time.
const checkEvery = time.Hour

// EndingMetric counts credentials that people are warned of, with the labels what and
// days: 30 on the first of the last thirty days, and 7 or 0 on each of the last seven days
// and on each day after the end. Each count is meant to become one mail.
const EndingMetric = "credentials_ending"

// Watch announces credentials that will end. It may run at any time and twice at once.
type Watch struct {
	Store   *store.Store
	Entra   Source // nil: the application signs in without a stored credential
	Metrics metric.Counter
}

// Run announces, once a day, each credential that ends within thirty days or has ended: a
// line in the log, and a count in the metrics. The line is written before it is recorded,
// so that a process that dies in between repeats it and loses none.
func (w Watch) Run(ctx context.Context) error {
	now := time.Now().UTC()
	due, err := w.Store.TakeCredentialCheck(ctx, now, checkEvery)
	if err != nil || !due {
		return err
	}
	all, err := w.all(ctx)
	if err != nil {
		return err
	}
	var announced []owned
	for _, c := range all {
		if c.state = c.credential.At(now); c.state.Announced() {
			announced = append(announced, c)
		}
	}
	var failed []error
	for _, c := range announced {
		failed = append(failed, w.announce(ctx, c, now))
	}
	return errors.Join(failed...)
}

// owned is a credential with the name of its owner.
type owned struct {
	credential directory.Credential
	name       string
	state      directory.CredentialState
}

// all are the credentials of the deployment and of all organizations. An organization
// with a damaged record is left out.
func (w Watch) all(ctx context.Context) ([]owned, error) {
	var all []owned
	if c, known := w.Entra.Read(ctx); known {
		all = append(all, owned{credential: c})
	}
	for cursor := ""; ; {
		page, err := w.Store.Organizations(ctx, 0, cursor)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Items {
			all = append(all, owned{credential: o.Credential(), name: o.Name})
		}
		if cursor = page.Cursor; cursor == "" {
			return all, nil
		}
	}
}

// announce logs and counts a credential, unless that was done today.
func (w Watch) announce(ctx context.Context, c owned, now time.Time) error {
	before, err := w.Store.CredentialNotice(ctx, c.credential.Organization)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	notice := store.CredentialNotice{Organization: c.credential.Organization, ExpiresAt: *c.state.ExpiresAt, Days: stageOf(c.state), At: now}
	same := before.ExpiresAt.Equal(notice.ExpiresAt) && before.Days == notice.Days
	if same && before.At.UTC().Format(time.DateOnly) == now.Format(time.DateOnly) {
		return nil
	}
	level := zerolog.WarnLevel
	if c.state.Urgent() {
		level = zerolog.ErrorLevel
	}
	line := zerolog.Ctx(ctx).WithLevel(level).Str("what", string(c.state.What)).Time("expiresAt", *c.state.ExpiresAt).Int("daysLeft", *c.state.DaysLeft)
	if c.credential.Organization != "" {
		line = line.Str("organization", string(c.credential.Organization)).Str("name", c.name)
	}
	line.Msg(c.state.Message)
	if !same || c.state.Urgent() {
		w.Metrics.Count(EndingMetric, 1, "what", string(c.state.What), "days", notice.Days)
	}
	return w.Store.PutCredentialNotice(ctx, notice)
}

// stageOf is within how many days a credential ends, as people are warned of it.
func stageOf(s directory.CredentialState) string {
	switch {
	case s.Status == directory.CredentialEnded:
		return "0"
	case s.Urgent():
		return "7"
	default:
		return "30"
	}
}
