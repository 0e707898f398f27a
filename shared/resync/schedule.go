package resync

import (
	"context"
	"errors"
	"hash/fnv"
	"time"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/health"
	"entrasync/shared/longwork"
	"entrasync/shared/store"
)

// mostOpen is how many open jobs and atOnce how many of them one run of the schedule works on.
const mostOpen, atOnce = 100, 4

// Run does what is due: it starts the resyncs whose time has come, and works on those that
// nobody works on. The failure of one directory does not affect another.
func (w Worker) Run(ctx context.Context) error {
	failed := []error{w.startDue(ctx)}
	failed = append(failed, w.Observe(ctx))
	open, err := w.Store.OpenJobs(ctx, mostOpen)
	failed = append(failed, err)
	results := make([]error, len(open))
	longwork.Some(len(open), atOnce, func(i int) {
		if deadline.Allows(ctx, longwork.ShortestStep) {
			results[i] = w.workOn(ctx, open[i])
		}
	})
	return errors.Join(append(failed, results...)...)
}

// startDue starts the resyncs whose time has come. The run works on them after that.
func (w Worker) startDue(ctx context.Context) error {
	ids, err := w.Store.DirectoryIDs(ctx)
	if err != nil {
		return err
	}
	last, err := w.Store.LastJobs(ctx, store.Resync, ids...)
	if err != nil {
		return err
	}
	var failed []error
	for _, id := range ids {
		if !deadline.Allows(ctx, longwork.ShortestStep) {
			break
		}
		if err := w.startIfDue(ctx, id, last[id].StartedAt); err != nil && !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.NotFound) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// Observe counts the users and groups of directories where that is due, and the directories
// whose resync is overdue. One that is suspended has another alarm.
func (w Worker) Observe(ctx context.Context) error {
	now := time.Now().UTC()
	for cursor := ""; ; {
		page, err := w.Store.Directories(ctx, 0, cursor)
		if err != nil {
			return err
		}
		known, err := health.Read(ctx, w.Store, page.Items...)
		if err != nil {
			return err
		}
		var ids []directory.ID
		for _, d := range page.Items {
			if !d.Status.InUse() {
				continue
			}
			ids = append(ids, d.ID)
			if d.Status == directory.Active && !d.IsSuspended() && known[d.ID].Facts(d, health.Every{Resync: w.Every}, nil).Resync.Overdue(now) {
				w.Metrics.Count("resync_overdue", 1)
			}
		}
		if err := health.CountDue(ctx, w.Store, now, ids...); err != nil {
			return err
		}
		if cursor = page.Cursor; cursor == "" {
			return nil
		}
	}
}

// startIfDue starts the resync of a directory that was compared last at a time, if its time
// has come. That of a suspended directory would only wait: it starts when that is over.
func (w Worker) startIfDue(ctx context.Context, id directory.ID, since time.Time) error {
	now := time.Now().UTC()
	if !since.IsZero() && !Due(id, since, now, w.Every) {
		return nil
	}
	d, err := w.Store.Directory(ctx, id)
	if err != nil || suspension(d) != nil || since.IsZero() && !Due(id, d.CreatedAt, now, w.Every) {
		return err
	}
	_, err = w.create(ctx, id, "the schedule")
	return err
}

// workOn works on an open job.
func (w Worker) workOn(ctx context.Context, open store.OpenJob) error {
	err := w.Work(ctx, open.Job)
	if fault.Is(err, fault.NotFound) { // its record has expired
		return w.Store.ForgetOpenJob(ctx, open)
	}
	return err
}

// Due reports whether a directory is to be compared at a time, if it was compared or made at
// another. The times are spread over the directories by their ids, so that they do not all
// begin at once; a new directory has its first one within one period.
func Due(id directory.ID, since, now time.Time, every time.Duration) bool {
	return !now.Before(NextDue(id, since, every))
}

// NextDue is when a directory is to be compared next that was compared or made at a time.
func NextDue(id directory.ID, since time.Time, every time.Duration) time.Time {
	offset := spread(id, every)
	return since.Add(-offset).Truncate(every).Add(offset + every)
}

// spread is by how much the turns of a directory are later than those of others.
func spread(id directory.ID, every time.Duration) time.Duration {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(id)) // never fails
	return time.Duration(sum.Sum64() % uint64(every))
}
