// Package deactivation deletes what is known of a directory for good, as a job: settings,
// connections, links, members and what else is recorded. Nothing changes in Entra, except for
// immutable ids if somebody asks for that.
//
// When the job is stored the directory is not in use any more: events, tasks and other jobs do
// not find it, and end. The job then goes through phases: (1) immutable_ids, if asked for,
// clears those that entrasync wrote; (2) users and (3) groups give up the claims on accounts
// and groups and delete links, connections and members; (4) rest deletes everything else;
// (5) wait waits until nobody can be at work any more who read the directory before, and the
// phases from (2) on are done once more. In the end the record of the directory is deleted and
// its tenant is free for another one. Each step deletes a piece and may be repeated, so a
// process that dies does no harm. The jobs of the directory and the audit log stay as long as
// they always do.
package deactivation

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/metric"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// Options are what a deactivation does beside deleting.
type Options struct {
	// ClearImmutableIDs clears the immutable ids that entrasync gave to accounts.
	ClearImmutableIDs bool
}

// Parts are what the package works with.
type Parts struct {
	Store   *store.Store
	Clients reconcile.Clients
	// Users is the bulk lane of users: whoever waits for an account that is free now gets a
	// task.
	Users   queue.Sender
	Metrics metric.Counter
}

// place is where a job goes on.
type place struct {
	Clear  bool   `json:"clear,omitempty"`
	Cursor string `json:"cursor,omitempty"`
	// Again says that the phases are done for the second time.
	Again bool `json:"again,omitempty"`
	// Shared says that other directories are on the tenant.
	Shared bool `json:"shared,omitempty"`
	// Cleared counts the accounts whose immutable ids were cleared, and Kept those that have
	// them still; Why is the reason of the last of these.
	Cleared int    `json:"cleared,omitempty"`
	Kept    int    `json:"kept,omitempty"`
	Why     string `json:"why,omitempty"`
	// Listed says that all accounts were tried. Left are the users of whose accounts Entra gave no
	// answer: they are tried again then. Stuck is why others were not tried at all.
	Listed bool               `json:"listed,omitempty"`
	Left   []directory.UserID `json:"left,omitempty"`
	Stuck  string             `json:"stuck,omitempty"`
}

// Begin takes a directory out of use and stores the job that deletes what is known of it, or
// returns that job if there is one already; NotFound if there is no such directory.
func Begin(ctx context.Context, records *store.Store, id directory.ID, o Options, by string) (job store.Job, err error) {
	err = store.Contended(ctx, func() error {
		d, err := records.AnyDirectory(ctx, id)
		if err != nil {
			return err
		}
		if d.Status == directory.Deactivating {
			open, err := records.OpenJobOf(ctx, id, store.Deactivation)
			if err == nil {
				job, err = records.Job(ctx, open.Job)
			}
			return err
		}
		encoded, err := json.Marshal(place{Clear: o.ClearImmutableIDs, Shared: len(d.Shares) > 0})
		if err != nil {
			return fault.Wrap(err, fault.Internal, "deactivation.begin")
		}
		job, err = records.BeginDeactivation(ctx, d, store.Job{
			ID: uuid.Must(uuid.NewV7()).String(), Directory: id, Kind: store.Deactivation, Status: store.JobQueued,
			By: by, CreatedAt: time.Now().UTC(), Place: string(encoded),
		})
		return err
	})
	return job, err
}
