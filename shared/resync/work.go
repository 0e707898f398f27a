package resync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/longwork"
	"entrasync/shared/plan"
	"entrasync/shared/planning"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

const (
	// recordTime is how long recording may take.
	recordTime = 5 * time.Second
	// longestTrouble is how long a resync is tried again while no progress is possible, and
	// longestPlanTrouble a plan: somebody waits for it, or changed settings do, and meanwhile
	// no resync begins.
	longestTrouble     = 24 * time.Hour
	longestPlanTrouble = time.Hour
	// patientTrouble is how long an invocation itself tries again; then the schedule does.
	patientTrouble = 2 * time.Minute
	// troubleWait is the wait after a failure when the outside system named none.
	troubleWait = 20 * time.Second
	// saidEvery is how often the log says how far a resync is.
	saidEvery = time.Minute
)

// Worker works on resyncs.
type Worker struct{ Parts }

// New returns a fault that names the first part that is missing.
func New(p Parts) (Worker, error) { return Worker{p}, p.Check() }

// Work works on a job until it has ended, until somebody else has it, or until the time of
// the invocation is over: then it sends a message to go on. NotFound if there is no such job.
func (w Worker) Work(ctx context.Context, id string) error {
	r := run{Worker: w, jobs: w.Store, rollout: reconcile.Rollout{Store: w.Store, Users: w.Users, Groups: w.Groups}}
	var err error
	if r.job, err = w.Store.Job(ctx, id); err != nil {
		return err
	}
	now := time.Now().UTC()
	if r.job.Status.Ended() || r.job.HeldAt(now) {
		return nil
	}
	if r.job.Kind == store.Deactivation {
		return w.deactivate(ctx, r.job)
	}
	if err := r.takeUp(now); err != nil {
		return err
	}
	if err := r.save(ctx); err != nil {
		return longwork.Overtaken(err)
	}
	over, err := longwork.Loop(ctx, &r)
	r.giveBack(ctx)
	if !over && err == nil && !r.overtaken && !r.job.Status.Ended() {
		sending, cancel := deadline.ForAnswer(ctx, recordTime)
		defer cancel()
		w.announce(sending, r.job)
	}
	return err
}

// run is the work of one worker on one job, which it holds.
type run struct {
	Worker
	jobs      *store.Store      // has the record of the job; a plan has an overlay of it as Store
	rollout   reconcile.Rollout // sends the tasks of changed settings, to the real lanes
	planned   *planning.Plan    // the present step of a plan; nil: it is a resync
	step      store.PlanStep    // what it has done so far
	job       store.Job
	place     place
	dir       directory.Directory
	entra     Entra
	jumpcloud JumpCloud
	overtaken bool
	looked    bool                         // a check of the directory was asked for
	saidAt    time.Time                    // when the log last said how far the job is
	links     linkPage                     // the last one that was read
	names     map[directory.GroupID]string // of all groups in JumpCloud; nil: not read yet
	members   lists[directory.MemberList]  // in JumpCloud
	present   lists[directory.AccountList] // in Entra
	shown     *shown                       // nil: not read yet
	blockers  *shown                       // accounts that may be in the way; nil: not read yet
}

// The phases, in their order. People see the names.
const (
	accountsPhase = "accounts"
	groupsPhase   = "groups"
	usersPhase    = "users"
	membersPhase  = "members"
	repairPhase   = "repair"
	planPhase     = "plan"  // instead of repair
	applyPhase    = "apply" // after it, of changed settings
)

// place is where a job goes on.
type place struct {
	// Number counts the steps, so that what a step found is counted once although it may be
	// repeated.
	Number int `json:"number"`
	// Journal is how many parts the journal of a plan has that may not be written yet.
	Journal int        `json:"journal,omitempty"`
	Entra   entraPlace `json:"entra,omitzero"`
	Fresh   freshLinks `json:"fresh,omitzero"`
	// Blockers are the accounts that may be in the way of users.
	Blockers blockersPlace `json:"blockers,omitzero"`
	Users    usersPlace    `json:"users,omitzero"`
	Members  membersPlace  `json:"members,omitzero"`
	// Announced says that those who are to lose access were announced, and got their tasks.
	// Until then Leavers is the place in the findings up to which that is so.
	Announced bool   `json:"announced,omitempty"`
	Leavers   string `json:"leavers,omitempty"`
	// Tasks is how many are left of a plan.
	Tasks int `json:"tasks,omitempty"`
}

// takeUp takes the lease, and begins the job if nobody has before.
func (r *run) takeUp(now time.Time) error {
	r.job.Holder = uuid.NewString()
	if r.job.Status == store.JobQueued {
		r.job.Status, r.job.StartedAt = store.JobRunning, now
		first := accountsPhase
		if r.job.Of != "" {
			first = planPhase
		}
		r.enter(first, now)
	}
	return r.readPlace()
}

// readPlace reads the place where the job goes on.
func (r *run) readPlace() error {
	r.place = place{}
	if r.job.Place == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(r.job.Place), &r.place); err != nil {
		return fault.Wrap(err, fault.Internal, "resync.read place")
	}
	return nil
}

// enter begins a phase.
func (r *run) enter(phase string, now time.Time) {
	r.job.Phase, r.job.PhaseAt, r.job.Done, r.job.Total = phase, now, 0, 0
}

// save records the job and extends the lease; Changed if another worker has taken it.
func (r *run) save(ctx context.Context) error {
	recording, cancel := deadline.ForRecords(ctx, recordTime)
	defer cancel()
	encoded, err := json.Marshal(r.place)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "resync.keep place")
	}
	r.job.Place, r.job.HeldUntil = string(encoded), time.Now().UTC().Add(longwork.LeaseTime)
	after, err := r.jobs.PutJob(recording, r.job)
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
	stored, err := r.jobs.Job(recording, r.job.ID) // what was not saved is done again
	if err == nil && stored.Holder == r.job.Holder {
		stored.Held = store.Held{}
		_, err = r.jobs.PutJob(recording, stored)
	}
	if err != nil && !fault.Is(err, fault.Changed) {
		zerolog.Ctx(ctx).Warn().Err(err).Str("job", r.job.ID).Msg("the lease of a resync could not be given back: it expires")
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
	switch {
	case r.job.Kind == store.Change && r.job.Phase == applyPhase:
		r.planned, r.Store, r.Users, r.Groups = nil, r.jobs, r.rollout.Users, r.rollout.Groups
		err = r.applyJournal(working)
	case r.job.Kind.Plans():
		working, cancel = context.WithTimeout(planning.Context(working), planStep)
		defer cancel()
		err = r.beginStep(working)
	}
	if err == nil {
		wait, over, err = r.advance(working)
	}
	if r.overtaken || store.IsDamaged(err) {
		return wait, true, err
	}
	switch {
	case errors.Is(err, errSuspended):
		if r.job.Kind == store.Change { // the settings do not wait for it: their tasks do
			return 0, true, r.end(ctx, store.JobFailed, "it was not planned whom the settings concern, because the directory is suspended: they are applied once it is not")
		}
		return 0, true, r.await(ctx, *suspension(r.dir))
	case err != nil:
		return r.trouble(ctx, fault.Of(err))
	}
	return wait, over || r.job.Status.Ended(), nil
}

// advance does the next thing of the phase and records that.
func (r *run) advance(ctx context.Context) (wait time.Duration, over bool, err error) {
	if err := r.open(ctx); err != nil {
		if fault.Is(err, fault.NotFound) && r.dir.ID == "" {
			return 0, true, r.end(ctx, store.JobFailed, "the directory is gone")
		}
		return 0, false, err
	}
	r.job.TroubleSince, r.job.Reason, r.job.Message = time.Time{}, "", ""
	r.place.Number++
	ended := false
	switch r.job.Phase {
	case accountsPhase:
		ended, err = r.stepEntra(ctx, r.accounts())
	case groupsPhase:
		ended, err = r.stepGroups(ctx)
	case usersPhase:
		ended, err = r.stepUsers(ctx)
	case membersPhase:
		ended, err = r.stepMembers(ctx)
	case planPhase:
		return r.stepPlan(ctx)
	case applyPhase:
		return r.stepApply(ctx)
	default:
		return r.stepRepair(ctx)
	}
	if err != nil {
		return 0, false, err
	}
	r.say(ctx, ended)
	if ended {
		r.enter(r.next(), time.Now().UTC())
		r.place.Entra, r.shown = entraPlace{}, nil
	}
	return 0, false, r.keep(ctx)
}

// keep records what a step did and where the job goes on.
func (r *run) keep(ctx context.Context) error {
	if r.planned == nil {
		return r.save(ctx)
	}
	return r.endStep(ctx)
}

// next is the phase after the present one.
func (r *run) next() string {
	switch r.job.Phase {
	case accountsPhase:
		return groupsPhase
	case groupsPhase:
		return usersPhase
	case usersPhase:
		return membersPhase
	default:
		if r.planned != nil {
			return planPhase
		}
		return repairPhase
	}
}

// errSuspended says that the directory is suspended.
var errSuspended = errors.New("the directory is suspended")

// await records that the job waits for the end of a suspension, however long that takes. The
// schedule looks whether it is over. Who waits for tasks then waits anew.
func (r *run) await(ctx context.Context, s directory.Suspension) error {
	if r.job.Reason != s.Reason {
		zerolog.Ctx(ctx).Info().Str("job", r.job.ID).Str("directory", string(r.job.Directory)).Str("phase", r.job.Phase).Str("reason", string(s.Reason)).Msg("a resync waits for a suspended directory")
	}
	r.job.Reason, r.job.Message, r.job.TroubleSince = s.Reason, s.Message, time.Time{}
	if r.job.Phase == repairPhase {
		r.job.PhaseAt = time.Now().UTC()
	}
	return r.save(ctx)
}

// open reads the directory and opens the systems on its sides.
func (r *run) open(ctx context.Context) (err error) {
	if r.dir, err = r.Store.Directory(ctx, r.job.Directory); err != nil {
		r.dir = directory.Directory{}
		return err
	}
	if err := unready(r.dir); err != nil {
		return err
	}
	if suspension(r.dir) != nil {
		return errSuspended
	}
	if r.entra == nil {
		if r.entra, err = r.Clients.Lists(ctx, r.dir.SignInTenant()); err != nil {
			r.entra = nil
			return err
		}
	}
	if r.jumpcloud == nil {
		if r.jumpcloud, err = r.Clients.Pages(ctx, r.dir.Organization); err != nil {
			r.jumpcloud = nil
		}
	}
	return err
}

// trouble records that something is in the way, and gives the job up if that lasts too long.
// The step that failed is done again from where it began.
func (r *run) trouble(ctx context.Context, f *fault.Error) (wait time.Duration, over bool, err error) {
	recording, cancel := deadline.ForRecords(ctx, recordTime)
	defer cancel()
	stored, err := r.jobs.Job(recording, r.job.ID)
	if err != nil {
		return 0, true, err
	}
	if stored.Holder != r.job.Holder {
		r.overtaken = true
		return 0, true, nil
	}
	now := time.Now().UTC()
	r.job, r.shown = stored, nil
	if err := r.readPlace(); err != nil {
		return 0, true, err
	}
	if r.job.TroubleSince.IsZero() {
		r.job.TroubleSince = now
	}
	said := f.Message
	if said == "" {
		said = fmt.Sprintf("%s failed (%s)", f.Op, f.Kind)
	}
	zerolog.Ctx(ctx).Warn().Err(f).Str("job", r.job.ID).Str("directory", string(r.job.Directory)).Str("phase", r.job.Phase).Str("kind", string(r.job.Kind)).Msg("a job makes no progress")
	switch lasts := now.Sub(r.job.TroubleSince); {
	case r.job.Kind == store.Change && lasts > longestPlanTrouble:
		return 0, true, r.end(ctx, store.JobFailed, "it could not be planned for an hour whom the settings concern, so they are applied without: "+said)
	case r.job.Kind == store.Plan && lasts > longestPlanTrouble:
		return 0, true, r.end(ctx, store.JobFailed, "the plan was given up after an hour without progress: "+said)
	case lasts > longestTrouble:
		if err := r.forgetLinks(recording); err != nil {
			return 0, true, err
		}
		return 0, true, r.end(ctx, store.JobFailed, "the resync was given up after a day without progress: "+said)
	}
	r.job.Reason, r.job.Message = f.Reason, said
	r.look(recording, f)
	wait = f.RetryAfter
	if wait == 0 {
		wait = troubleWait
	}
	return wait, now.Sub(r.job.TroubleSince) > patientTrouble, r.save(ctx)
}

// forgetLinks has the next resync list everything if this one found who is to lose something
// and announced nobody yet: Entra names each change only once.
func (r *run) forgetLinks(ctx context.Context) error {
	if r.place.Announced || r.job.Kind == store.Plan {
		return nil
	}
	for _, of := range []store.Tracked{store.TrackedAccounts, store.TrackedGroups} {
		if err := r.Store.ForgetChangesLink(ctx, r.job.Directory, of); err != nil {
			return err
		}
	}
	return nil
}

// look asks, once an invocation, whether a refusal is one of everybody in the directory: while
// nothing changes no task would come upon it. If the message is lost, the next one asks.
func (r *run) look(ctx context.Context, f *fault.Error) {
	refusals := []fault.Kind{fault.Unauthorized, fault.Forbidden, fault.NotFound, fault.Invalid}
	if r.looked || !slices.Contains(refusals, f.Kind) {
		return
	}
	r.looked = true
	if err := reconcile.Enqueue(ctx, r.Users, reconcile.Look(r.job.Directory)); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("directory", string(r.job.Directory)).Msg("nobody looks yet whether everybody in the directory is refused")
	}
}

// end ends the job.
func (r *run) end(ctx context.Context, status store.JobStatus, message string) error {
	recording, cancel := deadline.ForRecords(ctx, recordTime)
	defer cancel()
	r.job.Status, r.job.EndedAt, r.job.Reason, r.job.Message, r.job.Held, r.job.Place = status, time.Now().UTC(), "", message, store.Held{}, ""
	ended, err := r.jobs.EndJob(recording, r.job)
	if err != nil {
		r.overtaken = fault.Is(err, fault.Changed)
		return err
	}
	r.job = ended
	took := r.job.EndedAt.Sub(r.job.StartedAt)
	if r.job.Kind.Plans() {
		r.sayPlanned(ctx, took)
		return nil
	}
	r.Metrics.Count("resync_finished", 1, "result", string(status))
	r.Metrics.Count("resync_found", r.job.Found+r.job.Reported)
	r.Metrics.Count("resync_seconds", int(took.Seconds()))
	zerolog.Ctx(ctx).Info().Str("job", r.job.ID).Str("directory", string(r.job.Directory)).Str("result", string(status)).Dur("took", took).
		Int("found", r.job.Found).Int("repaired", r.job.Repaired).Int("parked", r.job.Parked).Int("rechecked", r.job.Rechecked).Int("reported", r.job.Reported).Str("message", message).Msg("a resync has ended")
	return nil
}

// say says in the log how far the job is: at the end of a phase, and from time to time.
func (r *run) say(ctx context.Context, ended bool) {
	now := time.Now()
	if r.saidAt.IsZero() {
		r.saidAt = now
	}
	if !ended && now.Sub(r.saidAt) < saidEvery {
		return
	}
	r.saidAt = now
	p := ProgressOf(r.job, now)
	zerolog.Ctx(ctx).Info().Str("job", r.job.ID).Str("directory", string(r.job.Directory)).Str("phase", r.job.Phase).Bool("phaseEnded", ended).
		Int("done", r.job.Done).Int("total", r.job.Total).Float64("perSecond", p.PerSecond).Int("remainingSeconds", p.RemainingSeconds).Int("found", r.job.Found).Msg("a resync goes on")
}

// cause is the cause of the tasks of the job.
func (r *run) cause() plan.Cause {
	return plan.Cause{Type: reconcile.ResyncCause, ID: r.job.ID, At: time.Now().UTC(), Many: true}
}

// Progress is how fast the phase of a job is.
type Progress struct {
	PerSecond        float64
	RemainingSeconds int // 0: none, or not known
}

// ProgressOf is the progress of a job at a time.
func ProgressOf(j store.Job, now time.Time) Progress {
	took := now.Sub(j.PhaseAt).Seconds()
	if j.Status != store.JobRunning || j.PhaseAt.IsZero() || took <= 0 || j.Done == 0 {
		return Progress{}
	}
	p := Progress{PerSecond: float64(j.Done) / took}
	if left := j.Total - j.Done; left > 0 {
		p.RemainingSeconds = max(1, int(float64(left)/p.PerSecond))
	}
	return p
}
