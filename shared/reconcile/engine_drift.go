package reconcile

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// What somebody else changed in Entra is found when an object is read there by itself and
// compared with its link. A task asks for that ([Task.Compare]), and each attempt does it as
// long as the link has a finding.

// noteDrift prepares the record of new findings. It is written together with the link that has
// them, so that each finding is recorded once.
func (w *work) noteDrift(news directory.Findings, object directory.EntraID, name string) {
	if len(news) == 0 {
		return
	}
	action := plan.Recorded(news, object)
	w.prepare(&action, name)
	action.Status, action.CompletedAt = plan.Succeeded, action.At
	w.drift = &action
}

// reportDrift logs, counts and publishes findings that were recorded.
func (e *linkEngine[T]) reportDrift(ctx context.Context, o T) {
	w := o.engaged()
	if w.drift == nil {
		return
	}
	for _, change := range w.drift.Changes {
		e.Metrics.Count("drift_found", 1, "kind", w.noun.subject, "attribute", string(change.Attribute))
	}
	e.report(ctx, o, *w.drift)
	w.drift = nil
}

// IsYoung reports whether an object was written so shortly before a time that a read of Entra
// may be older than the write. Its task compares it later: nobody knows before whether it differs.
func IsYoung(s directory.Standing, at time.Time) bool {
	return s.LastWriteAt.Add(replicationTime).After(at)
}

// comparableAt is when a read of an object is certainly not older than the last writes: one
// that lags would show what they replaced, as if somebody else had written that.
func (w *work) comparableAt(s directory.Standing) time.Time {
	at := s.LastWriteAt.Add(replicationTime)
	for _, action := range w.open {
		if action.Status == plan.Started {
			at = later(at, action.At.Add(underWay))
		}
	}
	return at
}

// compares reports whether an object is to be compared with Entra in this attempt. If a read
// may still lag, it is compared later.
func (w *work) compares(s directory.Standing, asked bool, now time.Time) bool {
	if !asked && len(s.Drift) == 0 {
		return false
	}
	if at := w.comparableAt(s); at.After(now) {
		w.compareAt = at
		return false
	}
	return true
}

// vanished returns a fault as long as it is not believed that an object is gone which Entra
// does not show: one answer may be wrong.
func (w *work) vanished(s *directory.Standing, now time.Time) error {
	absence := plan.Absence{Since: s.MissedAt}
	if s.Drift.Gone() || absence.WantsSecond(now) {
		return nil
	}
	after, _, again := absence.Shown(now, 0)
	s.MissedAt = after.Since
	return &fault.Error{Op: "reconcile.compare", Kind: fault.Transient, Reason: directory.Unavailable, RetryAfter: again.Sub(now),
		Message: "Entra does not show the " + w.noun.subject + " any more: it is read again"}
}

// withGone are the known findings with the one that an object is gone, next to
// those about its values.
func withGone(known directory.Findings, gone directory.Finding) (all, news directory.Findings) {
	return known.Replaced(append(slices.Clone(known.Without(directory.DeletedAt, directory.ObjectID)), gone))
}
