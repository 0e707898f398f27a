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
// process that dies does no harm. The jobs of the directory, with what plans found, invitations to
// authorize the application and the audit log stay as long as they always do.
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

// mustBeOf returns a fault of kind Conflict if a job has other options. It began, so that what is known of
// some accounts may be deleted already.
func (o Options) mustBeOf(job store.Job) error {
	var began place
	if job.Status.Ended() || json.Unmarshal([]byte(job.Place), &began) != nil || began.Clear == o.ClearImmutableIDs {
		return nil
	}
	message := "the directory is being deactivated by the job " + job.ID + " without clearImmutableId, and what entrasync knows of the accounts is being deleted: it can clear no immutable ids any more. The request without clearImmutableId answers that job"
	if began.Clear {
		message = "the directory is being deactivated by the job " + job.ID + ", which clears immutable ids: that does not end. The request with clearImmutableId=true answers that job"
	}
	return &fault.Error{Op: "deactivation.begin", Kind: fault.Conflict, Subject: "query.clearImmutableId", Message: message}
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
	// Users and Groups are how many links there were, as last counted; 0: not known. Deleted counts
	// those of both that were deleted.
	Users   int `json:"users,omitempty"`
	Groups  int `json:"groups,omitempty"`
	Deleted int `json:"deleted,omitempty"`
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
// returns that job if there is one already. NotFound if there is no such directory; Conflict if that
// job has other options.
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
			if err == nil {
				err = o.mustBeOf(job)
			}
			return err
		}
		counts, err := records.CountsOf(ctx, id)
		if err != nil {
			return err
		}
		encoded, err := json.Marshal(place{
			Clear: o.ClearImmutableIDs, Shared: len(d.Shares) > 0, Users: counts[id].Users.Total, Groups: counts[id].Groups.Total,
		})
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
