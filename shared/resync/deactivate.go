package resync

import (
	"context"

	"entrasync/shared/deactivation"
	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/store"
)

// Deactivate takes a directory out of use and starts the job that deletes what is known of it,
// or returns the one that is at work already. Another job of the directory ends by itself. The
// worker of resyncs works on it too.
func (s Starter) Deactivate(ctx context.Context, id directory.ID, o deactivation.Options, by string) (store.Job, error) {
	job, err := deactivation.Begin(ctx, s.Store, id, o, by)
	if err == nil {
		s.announce(ctx, job)
	}
	return job, err
}

// DeactivateOrganization starts the job that deletes what is known of an organization without
// directories, or returns the one that is at work already.
func (s Starter) DeactivateOrganization(ctx context.Context, id directory.OrganizationID, by string) (store.Job, error) {
	job, err := deactivation.BeginOrganization(ctx, s.Store, id, by)
	if err == nil {
		s.announce(ctx, job)
	}
	return job, err
}

// deactivate works on the deactivation of a directory, or of an organization.
func (w Worker) deactivate(ctx context.Context, job store.Job) error {
	over, err := deactivation.Parts{Store: w.Store, Clients: w.Outside, Users: w.Users, Metrics: w.Metrics}.Work(ctx, job)
	if !over && err == nil {
		sending, cancel := deadline.ForAnswer(ctx, recordTime)
		defer cancel()
		w.announce(sending, job)
	}
	return err
}
