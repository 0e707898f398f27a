package resync

import (
	"context"

	"entrasync/shared/directory"
	"entrasync/shared/store"
)

// BeginUse stores a directory that was put back from its export and is in use from then on, and
// starts its resync: what happened meanwhile is found by that. One that cannot be compared yet gets
// its resync from the schedule once it can. The job is the zero one then.
func (s Starter) BeginUse(ctx context.Context, d directory.Directory, by string) (directory.Directory, store.Job, error) {
	if unready(d) != nil {
		d, err := s.Store.EndRestoration(ctx, d, nil)
		return d, store.Job{}, err
	}
	job := newJob(d.ID, store.Resync, by)
	d, err := s.Store.EndRestoration(ctx, d, &job)
	if err != nil {
		return d, store.Job{}, err
	}
	s.announce(ctx, job)
	return d, job, nil
}
