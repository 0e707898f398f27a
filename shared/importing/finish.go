package importing

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// finish records a batch that has its results: what the new users need first, so that a
// process that dies before it recorded the lines does it again.
func (r *run) finish(ctx context.Context, c store.ImportChunk) error {
	if r.entra != nil { // else the directory is gone, and nobody was imported since
		if err := r.recordUsers(ctx, c); err != nil {
			return err
		}
	}
	if c.Batch > 0 { // it was made smaller because of one user, who may be out of the way now
		c.Batch = min(2*c.Batch, store.ImportChunkSize)
	}
	c.SentAt, c.Job, c.ResultsAt = time.Time{}, "", time.Time{}
	r.going()
	_, err := r.put(ctx, c)
	return err
}

// recordUsers records from which accounts the imported users of a chunk came, and connects
// them if that was asked for.
func (r *run) recordUsers(ctx context.Context, c store.ImportChunk) error {
	var imported []store.Imported
	var created []directory.UserID
	var recorded []*store.ImportLine
	now := time.Now().UTC()
	for i := range c.Lines {
		if line := &c.Lines[i]; line.Status == store.LineImported && !line.Recorded {
			recorded = append(recorded, line)
			imported = append(imported, store.Imported{Tenant: r.directory.TenantObject, Organization: r.directory.Organization, User: line.User, Account: line.ID, At: now})
			created = append(created, line.User)
		}
	}
	if err := r.Store.PutImported(ctx, imported...); err != nil {
		return err
	}
	if r.job.Connect {
		if err := r.connect(ctx, created, now); err != nil {
			return err
		}
	}
	for _, line := range recorded {
		line.Recorded = true
	}
	return nil
}

// connect connects new users to the directory, and sends the tasks that make their accounts
// ours.
func (r *run) connect(ctx context.Context, users []directory.UserID, now time.Time) error {
	tasks := make([]reconcile.Task, len(users))
	for i, user := range users {
		if err := r.Store.Connect(ctx, r.directory.ID, user, directory.Direct, now); err != nil {
			return err
		}
		tasks[i] = reconcile.Task{Directory: r.directory.ID, User: user, Cause: plan.Cause{Type: reconcile.Connected, ID: r.job.ID, At: now, Requested: true}}
	}
	return reconcile.Enqueue(ctx, r.Users, tasks...)
}
