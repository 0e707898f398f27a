package deactivation

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/longwork"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

const (
	// recordTime is how long recording may take.
	recordTime = 5 * time.Second
	// graceTime is how long after its begin the phases are done again: longer than anybody
	// works with a directory that was read before.
	graceTime = 3 * time.Minute
	// troubleWait is the wait after a failure, and patientTrouble how long an invocation
	// itself tries again; then the schedule does.
	troubleWait    = 20 * time.Second
	patientTrouble = 2 * time.Minute
	// longestClearing is how long it is tried to clear immutable ids while that makes no
	// progress: a tenant that does not let the application in any more keeps no directory.
	longestClearing = time.Hour
	// atOnce is how many users one step is about, and claimsAtOnce how many claims are given
	// up side by side.
	atOnce, claimsAtOnce = 50, 8
	// mostLeft is of how many accounts Entra may give no answer while others are tried. With more
	// of them it is not the accounts.
	mostLeft = 200
)

// The phases, in their order. People see the names.
const (
	idsPhase    = "immutable_ids"
	usersPhase  = "users"
	groupsPhase = "groups"
	restPhase   = "rest"
	waitPhase   = "wait"
)

// Work works on a job, as it was read, until it has ended, until somebody else has it, or until
// the time of the invocation is over. over is false if there is more to do at once.
func (p Parts) Work(ctx context.Context, job store.Job) (over bool, err error) {
	r := run{Parts: p, job: job}
	if err := r.takeUp(time.Now().UTC()); err != nil {
		return false, err
	}
	if err := r.save(ctx); err != nil {
		return true, longwork.Overtaken(err)
	}
	over, err = longwork.Loop(ctx, &r)
	r.giveBack(ctx)
	return over || r.overtaken || r.job.Status.Ended(), err
}

// run is the work of one worker on one job, which it holds.
type run struct {
	Parts
	job       store.Job
	place     place
	dir       directory.Directory
	members   map[directory.UserID]bool // of the group whose members are excluded; nil: not read yet
	overtaken bool
}

// takeUp takes the lease, and begins the job if nobody has before.
func (r *run) takeUp(now time.Time) error {
	if err := json.Unmarshal([]byte(r.job.Place), &r.place); err != nil {
		return fault.Wrap(err, fault.Internal, "deactivation.read place")
	}
	r.job.Holder = uuid.NewString()
	if r.job.Status == store.JobQueued {
		r.job.Status, r.job.StartedAt = store.JobRunning, now
		r.enter(r.first())
	}
	return nil
}

// first is the first phase.
func (r *run) first() string {
	switch {
	case r.job.Organization != "":
		return restPhase
	case r.place.Clear:
		return idsPhase
	default:
		return usersPhase
	}
}

// enter begins a phase.
func (r *run) enter(phase string) {
	r.place.Cursor = ""
	r.job.Phase, r.job.PhaseAt, r.job.Done, r.job.Total = phase, time.Now().UTC(), 0, 0
	switch {
	case r.place.Again: // it only looks once more
	case phase == idsPhase, phase == usersPhase:
		r.job.Total = r.place.Users
	case phase == groupsPhase:
		r.job.Total = r.place.Groups
	}
}

// count counts links that are done. There may be more of them than when they were counted.
func (r *run) count(done int) {
	r.job.Done += done
	if r.job.Total > 0 {
		r.job.Total = max(r.job.Total, r.job.Done)
	}
}

// save records the job and extends the lease; Changed if another worker has taken it.
func (r *run) save(ctx context.Context) error {
	recording, cancel := deadline.ForRecords(ctx, recordTime)
	defer cancel()
	encoded, err := json.Marshal(r.place)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "deactivation.keep place")
	}
	r.job.Place, r.job.HeldUntil = string(encoded), time.Now().UTC().Add(longwork.LeaseTime)
	after, err := r.Store.PutJob(recording, r.job)
	if err == nil {
		r.job = after
	}
	r.overtaken = r.overtaken || fault.Is(err, fault.Changed)
	return err
}

// giveBack ends the lease. If that fails, it expires.
func (r *run) giveBack(ctx context.Context) {
	if r.overtaken || r.job.Status.Ended() {
		return
	}
	recording, cancel := deadline.ForAnswer(ctx, recordTime)
	defer cancel()
	stored, err := r.Store.Job(recording, r.job.ID) // what was not saved is done again
	if err == nil && stored.Holder == r.job.Holder {
		stored.Held = store.Held{}
		_, err = r.Store.PutJob(recording, stored)
	}
	if err != nil && !fault.Is(err, fault.Changed) {
		zerolog.Ctx(ctx).Warn().Err(err).Str("job", r.job.ID).Msg("the lease of a deactivation could not be given back: it expires")
	}
}

// Until implements longwork.Work.
func (r *run) Until() time.Time { return r.job.HeldUntil }

// Keep implements longwork.Work.
func (r *run) Keep(ctx context.Context) error { return r.save(ctx) }

// Step implements longwork.Work. Failures are recorded in the job; an error is about the job
// itself.
func (r *run) Step(ctx context.Context) (wait time.Duration, over bool, err error) {
	working, cancel := context.WithTimeout(ctx, longwork.StepTime)
	defer cancel()
	wait, err = r.advance(working)
	switch {
	case r.overtaken:
		return 0, true, err
	case err != nil:
		return r.trouble(ctx, fault.Of(err))
	}
	return wait, r.job.Status.Ended(), nil
}

// advance does the next piece of the phase and records that.
func (r *run) advance(ctx context.Context) (wait time.Duration, err error) {
	if r.job.Organization != "" {
		return 0, r.forgetOrganization(ctx)
	}
	if r.dir, err = r.Store.AnyDirectory(ctx, r.job.Directory); fault.Is(err, fault.NotFound) {
		return 0, r.lost(ctx)
	}
	if err != nil {
		return 0, err
	}
	ended := false
	switch r.job.Phase {
	case idsPhase:
		ended, err = r.clearIDs(ctx)
	case usersPhase:
		ended, err = r.forgetUsers(ctx)
	case groupsPhase:
		ended, err = r.forgetGroups(ctx)
	case restPhase:
		ended, err = r.forgetRest(ctx)
	default:
		if wait = time.Until(r.job.CreatedAt.Add(graceTime)); wait > 0 {
			return wait, r.save(ctx)
		}
		ended, r.place.Again = true, true
	}
	if err != nil {
		return 0, err
	}
	r.job.TroubleSince, r.job.Reason, r.job.Message = time.Time{}, "", ""
	if ended && r.job.Phase == restPhase && r.place.Again {
		return 0, r.end(ctx)
	}
	if ended {
		r.enter(r.next())
	}
	return 0, r.save(ctx)
}

// next is the phase after the present one.
func (r *run) next() string {
	switch r.job.Phase {
	case usersPhase:
		return groupsPhase
	case groupsPhase:
		return restPhase
	case restPhase:
		return waitPhase
	default:
		return usersPhase
	}
}

// forgetUsers gives up the accounts of some users, and deletes what is known of the users.
func (r *run) forgetUsers(ctx context.Context) (ended bool, err error) {
	list, err := r.Store.Links(ctx, r.dir.ID, atOnce, r.place.Cursor)
	if err != nil {
		return false, err
	}
	faults := make([]error, len(list.Items))
	longwork.Some(len(list.Items), claimsAtOnce, func(i int) {
		link := list.Items[i]
		faults[i] = r.unclaim(ctx, link.EntraID, store.Owner{Organization: r.dir.Organization, User: link.User})
	})
	for _, err := range faults {
		if err != nil {
			return false, err
		}
	}
	if err := r.Store.ForgetLinks(ctx, r.dir, list.Items...); err != nil {
		return false, err
	}
	r.count(len(list.Items))
	r.place.Deleted += len(list.Items)
	r.place.Cursor = list.Cursor
	return list.Cursor == "", nil
}

// unclaim gives up the claim on an account or a group. Users of other directories who wait for
// an account get tasks once it is free.
func (r *run) unclaim(ctx context.Context, id directory.EntraID, owner store.Owner) error {
	if id == "" || r.dir.TenantObject == "" {
		return nil
	}
	free, err := r.Store.Unclaim(ctx, r.dir.TenantObject, id, owner, r.dir.ID)
	if err != nil || !free || !r.place.Shared && len(r.dir.Shares) == 0 { // another may have come since it began
		return err
	}
	cause := plan.Cause{Type: "account_freed", ID: r.job.ID, At: time.Now().UTC(), Many: true}
	for cursor := ""; ; {
		page, err := r.Store.WaitsPage(ctx, store.FreeAccount(r.dir.TenantObject, id), 0, cursor)
		if err != nil {
			return err
		}
		var tasks []reconcile.Task
		for _, w := range page.Items {
			if w.Directory != r.dir.ID {
				tasks = append(tasks, reconcile.Task{Directory: w.Directory, User: w.User, Cause: cause})
			}
		}
		if err := reconcile.Enqueue(ctx, r.Users, tasks...); err != nil {
			return err
		}
		if cursor = page.Cursor; cursor == "" {
			return nil
		}
	}
}

// forgetGroups deletes a piece of what is known of a group. The first time its link stays: a
// member whom somebody adds meanwhile is found by it.
func (r *run) forgetGroups(ctx context.Context) (ended bool, err error) {
	list, err := r.Store.GroupLinks(ctx, r.dir.ID, 1, r.place.Cursor)
	if err != nil {
		return false, err
	}
	for _, link := range list.Items {
		owner := store.Owner{Organization: r.dir.Organization, Group: link.Group}
		for _, id := range []directory.EntraID{link.EntraID, link.Former} {
			if err := r.unclaim(ctx, id, owner); err != nil {
				return false, err
			}
		}
		if over, err := r.Store.ForgetGroup(ctx, r.dir.ID, link.Group, r.place.Again); err != nil || !over {
			return false, err
		}
		r.count(1)
		if r.place.Again { // now its link is gone too
			r.place.Deleted++
		}
	}
	r.place.Cursor = list.Cursor
	return list.Cursor == "", nil
}

// forgetRest ends another job that is open, and deletes a piece of what else is known. Whoever
// works on that job finds no directory, or that it has ended.
func (r *run) forgetRest(ctx context.Context) (ended bool, err error) {
	open, err := r.Store.OpenJobOf(ctx, r.dir.ID, store.Resync)
	if fault.Is(err, fault.NotFound) {
		open, err = r.Store.OpenJobOf(ctx, r.dir.ID, store.Change)
	}
	if fault.Is(err, fault.NotFound) {
		return r.Store.ForgetRest(ctx, r.dir, r.place.Again)
	}
	if err != nil {
		return false, err
	}
	other, err := r.Store.Job(ctx, open.Job)
	switch {
	case fault.Is(err, fault.NotFound): // it has expired
		return false, r.Store.ForgetOpenJob(ctx, open)
	case err != nil:
		return false, err
	}
	other.Status, other.EndedAt, other.Reason, other.Message, other.Held, other.Place = store.JobFailed, time.Now().UTC(), "", "the directory is being deactivated", store.Held{}, ""
	_, err = r.Store.EndJob(ctx, other)
	return false, longwork.Overtaken(err) // then it is read again
}

// trouble records that something is in the way. The step that failed is done again from where
// it began; it is never given up, because half of a directory is of use to nobody.
func (r *run) trouble(ctx context.Context, f *fault.Error) (wait time.Duration, over bool, err error) {
	recording, cancel := deadline.ForRecords(ctx, recordTime)
	defer cancel()
	stored, err := r.Store.Job(recording, r.job.ID)
	if err != nil {
		return 0, true, err
	}
	if stored.Holder != r.job.Holder {
		r.overtaken = true
		return 0, true, nil
	}
	now := time.Now().UTC()
	cleared := r.place.Cleared // they are not found again
	r.job, r.place = stored, place{}
	if err := json.Unmarshal([]byte(stored.Place), &r.place); err != nil {
		return 0, true, fault.Wrap(err, fault.Internal, "deactivation.read place")
	}
	r.place.Cleared = max(r.place.Cleared, cleared)
	if r.job.TroubleSince.IsZero() {
		r.job.TroubleSince = now
	}
	said := f.Message
	if said == "" {
		said = fmt.Sprintf("%s failed (%s)", f.Op, f.Kind)
	}
	zerolog.Ctx(ctx).Warn().Err(f).Str("job", r.job.ID).Str("directory", string(r.job.Directory)).Str("phase", r.job.Phase).Msg("a deactivation makes no progress")
	r.job.Reason, r.job.Message = f.Reason, said
	if r.job.Phase == idsPhase && now.Sub(r.job.TroubleSince) > longestClearing {
		r.giveUpClearing(said)
		r.job.TroubleSince = time.Time{}
		r.enter(usersPhase)
		return 0, false, r.save(ctx)
	}
	wait = f.RetryAfter
	if wait == 0 {
		wait = troubleWait
	}
	return wait, now.Sub(r.job.TroubleSince) > patientTrouble, r.save(ctx)
}

// giveUpClearing counts the accounts that keep their immutable ids, because there was no answer for too
// long.
func (r *run) giveUpClearing(why string) {
	if len(r.place.Left) > 0 {
		r.place.Kept, r.place.Why = r.place.Kept+len(r.place.Left), why
	}
	if !r.place.Listed {
		r.place.Stuck = why
	}
	r.place.Left = nil
}

// end deletes the record of the directory and ends the job.
func (r *run) end(ctx context.Context) error {
	recording, cancel := deadline.ForRecords(ctx, recordTime)
	defer cancel()
	r.job.Status, r.job.EndedAt, r.job.Message, r.job.Held, r.job.Place = store.JobFinished, time.Now().UTC(), r.said(), store.Held{}, ""
	r.job.Done, r.job.Total = r.place.Deleted, r.place.Deleted
	ended, err := r.Store.EndDeactivation(recording, r.dir, r.job)
	if err != nil {
		return err // another directory on the tenant was changed, or this job
	}
	r.job = ended
	r.Metrics.Count("deactivation_finished", 1)
	zerolog.Ctx(ctx).Info().Str("job", r.job.ID).Str("directory", string(r.job.Directory)).Dur("took", r.job.EndedAt.Sub(r.job.StartedAt)).
		Int("cleared", r.place.Cleared).Int("kept", r.place.Kept).Msg("a directory was deactivated")
	return nil
}

// lost ends the job of a directory that has no record any more, as in a table that was put back.
func (r *run) lost(ctx context.Context) error {
	r.job.Status, r.job.EndedAt, r.job.Message, r.job.Held, r.job.Place = store.JobFailed, time.Now().UTC(), "the directory is gone", store.Held{}, ""
	ended, err := r.Store.EndJob(ctx, r.job)
	if err == nil {
		r.job = ended
	}
	r.overtaken = fault.Is(err, fault.Changed)
	return err
}

// said says how the job ended.
func (r *run) said() string {
	if !r.place.Clear {
		return "nothing was changed in Entra"
	}
	message := fmt.Sprintf("the immutable ids of %d accounts were cleared", r.place.Cleared)
	if r.place.Kept > 0 {
		message += fmt.Sprintf("; %d accounts have theirs still, the last one because: %s", r.place.Kept, r.place.Why)
	}
	if r.place.Stuck != "" {
		message += "; others were not tried, because for an hour that made no progress: " + r.place.Stuck
	}
	return message
}
