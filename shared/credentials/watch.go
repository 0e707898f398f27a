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
	all, err := All(ctx, w.Store, w.Entra)
	if err != nil {
		return err
	}
	var failed []error
	for _, c := range all {
		if state := c.At(now); state.Announced() {
			failed = append(failed, w.announce(ctx, c, state, now))
		}
	}
	return errors.Join(failed...)
}

// announce logs and counts a credential, unless that was done today.
func (w Watch) announce(ctx context.Context, c Owned, state directory.CredentialState, now time.Time) error {
	before, err := w.Store.CredentialNotice(ctx, c.Organization)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	notice := store.CredentialNotice{Organization: c.Organization, ExpiresAt: *state.ExpiresAt, Days: stageOf(state), At: now}
	same := before.ExpiresAt.Equal(notice.ExpiresAt) && before.Days == notice.Days
	if same && before.At.UTC().Format(time.DateOnly) == now.Format(time.DateOnly) {
		return nil
	}
	level := zerolog.WarnLevel
	if state.Urgent() {
		level = zerolog.ErrorLevel
	}
	line := zerolog.Ctx(ctx).WithLevel(level).Str("what", string(state.What)).Time("expiresAt", *state.ExpiresAt).Int("daysLeft", *state.DaysLeft)
	if c.Organization != "" {
		line = line.Str("organization", string(c.Organization)).Str("name", c.Name)
	}
	line.Msg(state.Message)
	if !same || state.Urgent() {
		w.Metrics.Count(EndingMetric, 1, "what", string(state.What), "days", notice.Days)
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
