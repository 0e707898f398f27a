package resync

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/planning"
	"entrasync/shared/reconcile"
	"entrasync/shared/results"
	"entrasync/shared/spreadsheet"
	"entrasync/shared/store"
	"entrasync/shared/store/overlay"
)

// A plan goes through the phases of a resync, on an overlay of the records. The tasks that these
// send are not sent to the lanes but kept, and in the last phase the engines work on them, also
// on an overlay. What each step did is stored at its end, all or nothing (store.PlanStep).

const (
	// planTasks is how many tasks one step takes up, at most.
	planTasks = 50
	// planStep is how long one step may take at most: until its end all that it writes is in
	// memory, and a group may have very many members.
	planStep = 25 * time.Second
)

// Plan starts a plan of a resync, or returns the one that is at work already; Conflict if the
// directory cannot be compared, or if a job of another kind is open there.
func (s Starter) Plan(ctx context.Context, id directory.ID, by string) (store.Job, error) {
	if err := s.ready(ctx, id); err != nil {
		return store.Job{}, err
	}
	job, err := s.Store.CreateJob(ctx, newJob(id, store.Plan, by))
	if err == nil && job.Of != "" {
		err = &fault.Error{Op: "resync.plan", Kind: fault.Conflict, Subject: string(id), Message: "a plan of something else is made of the directory (" + job.Of + "): wait for its end, or stop it: POST /v1/jobs/" + job.ID + "/stop"}
	}
	if err == nil {
		s.announce(ctx, job)
	}
	return job, err
}

// PlanOf starts a plan of a change: begun has the change in its records and the tasks that
// follow from it. of says what it is, for people.
func (s Starter) PlanOf(ctx context.Context, id directory.ID, by, of string, begun *planning.Plan) (store.Job, error) {
	if err := s.ready(ctx, id); err != nil {
		return store.Job{}, err
	}
	job := newJob(id, store.Plan, by)
	job.Of = of
	return s.begin(ctx, job, begun, s.Store.CreatePlan)
}

// NewChange is a job that plans settings that are about to be changed. The rollout that is
// stored with them awaits it; [Starter.Change] begins it after that.
func NewChange(id directory.ID, by, of string) store.Job {
	job := newJob(id, store.Change, by)
	job.Of = of
	return job
}

// Change begins a job that plans changed settings, announces whom they take access from, and then
// has them applied. begun has the rollout of the settings.
func (s Starter) Change(ctx context.Context, job store.Job, begun *planning.Plan) (store.Job, error) {
	if err := s.ready(ctx, job.Directory); err != nil {
		return job, err
	}
	return s.begin(ctx, job, begun, s.Store.CreateChange)
}

// begin stores a job with what was begun of its plan.
func (s Starter) begin(ctx context.Context, job store.Job, begun *planning.Plan, create func(context.Context, store.Job) (store.Job, error)) (store.Job, error) {
	left, err := begun.Tasks.Take()
	if err != nil {
		return job, err
	}
	parts, err := s.Store.PutPlanStep(ctx, job, 0, store.PlanStep{Left: left, Recorded: keptRecords(s.Store, job).Writes(begun.Table.Changes())})
	if err != nil {
		return job, err
	}
	at, err := json.Marshal(place{Journal: parts, Tasks: len(left)})
	if err != nil {
		return job, fault.Wrap(err, fault.Internal, "resync.keep place")
	}
	job.Place = string(at)
	if job, err = create(ctx, job); err == nil {
		s.announce(ctx, job)
	}
	return job, err
}

// Stop ends a plan that is not finished; Conflict if the job is another one, or has ended. What was
// planned so far can be read, and whoever works on the plan goes away.
func (s Starter) Stop(ctx context.Context, id, by string) (job store.Job, err error) {
	err = store.Contended(ctx, func() (err error) {
		if job, err = s.Store.Job(ctx, id); err != nil {
			return err
		}
		switch {
		case job.Kind != store.Plan:
			return &fault.Error{Op: "resync.stop", Kind: fault.Conflict, Subject: id, Message: "only a plan can be stopped, and the job is a " + string(job.Kind)}
		case job.Status.Ended():
			return &fault.Error{Op: "resync.stop", Kind: fault.Conflict, Subject: id, Message: "the plan has ended already"}
		}
		job.Status, job.EndedAt, job.Reason, job.Message, job.Held, job.Place = store.JobFailed, time.Now().UTC(), "", "stopped by "+by, store.Held{}, ""
		job, err = s.Store.EndJob(ctx, job)
		return err
	})
	return job, err
}

// keptRecords are the records that a plan has written.
func keptRecords(records *store.Store, j store.Job) overlay.Kept {
	prefix, expires := store.PlanRecords(j)
	return overlay.Kept{Table: records.Table(), Prefix: prefix, Expires: expires}
}

// beginStep writes what the journal has, and begins the next step on an overlay of that.
func (r *run) beginStep(ctx context.Context) error {
	if err := r.applyJournal(ctx); err != nil {
		return err
	}
	r.step = store.PlanStep{}
	r.planned = planning.New(keptRecords(r.jobs, r.job).View(), r.Outside)
	r.Store, r.Users, r.Groups = r.planned.Store, r.planned.Lanes.UsersBulk, r.planned.Lanes.GroupsBulk
	r.Drift = reconcile.Drift{Store: r.Store, UserTasks: r.Users, GroupTasks: r.Groups, Metrics: &metric.Memory{}}
	return nil
}

// applyJournal writes what the journal has.
func (r *run) applyJournal(ctx context.Context) error {
	if r.place.Journal == 0 {
		return nil
	}
	if err := r.jobs.ApplyPlanStep(ctx, r.job.ID, r.place.Number, r.place.Journal); err != nil {
		return err
	}
	r.place.Journal = 0
	return nil
}

// endStep stores what a step did: in the journal, then that the job has it, then for good.
func (r *run) endStep(ctx context.Context) error {
	left, again, err := r.leftTasks(ctx)
	if err != nil {
		return err
	}
	r.countTasks(left, again)
	r.step.Left, r.step.Recorded = left, keptRecords(r.jobs, r.job).Writes(r.planned.Table.Changes())
	if r.place.Journal, err = r.jobs.PutPlanStep(ctx, r.job, r.place.Number, r.step); err != nil {
		return err
	}
	if err := r.save(ctx); err != nil {
		return err
	}
	return r.applyJournal(ctx)
}

// countTasks counts the tasks that a step has done and those that are left after it, again of
// which were left before.
func (r *run) countTasks(left []store.PlanTask, again int) {
	r.place.Tasks += len(left) - again - len(r.step.Begun)
	if r.job.Phase != planPhase {
		return
	}
	undone := map[string]bool{}
	for _, t := range left {
		undone[t.Name] = true
	}
	for _, t := range r.step.Begun {
		if !undone[t.Name] {
			r.job.Done++
		}
	}
	r.job.Total = r.job.Done + r.place.Tasks
}

// leftTasks are the tasks that are left after a step, with what those of the same objects ask
// for that were left before. again is how many those are.
func (r *run) leftTasks(ctx context.Context) (left []store.PlanTask, again int, err error) {
	if left, err = r.planned.Tasks.Take(); err != nil {
		return nil, 0, err
	}
	begun := map[string]int{}
	for _, t := range r.step.Begun {
		begun[t.Name] = t.Tier
	}
	same, err := r.jobs.SamePlanTasks(ctx, r.job.ID, slices.DeleteFunc(slices.Clone(left), func(t store.PlanTask) bool {
		tier, is := begun[t.Name]
		return is && tier == t.Tier
	}))
	if err != nil || len(same) == 0 {
		return left, 0, err
	}
	if err := r.planned.Tasks.Put(append(same, left...)...); err != nil {
		return nil, 0, err
	}
	left, err = r.planned.Tasks.Take()
	return left, len(same), err
}

// stepPlan plans what some tasks lead to, and ends the job when none is left.
func (r *run) stepPlan(ctx context.Context) (wait time.Duration, over bool, err error) {
	if r.job.Of == "" && !r.place.Announced {
		if err := r.announceLeavers(ctx); err != nil {
			return 0, false, err
		}
		return 0, false, r.keep(ctx)
	}
	if over, err := r.rollOut(ctx); err != nil || !over {
		if err == nil {
			err = r.keep(ctx)
		}
		return 0, false, err
	}
	tasks, err := r.jobs.PlanTasks(ctx, r.job.ID, planTasks)
	if err != nil {
		return 0, false, err
	}
	if len(tasks) == 0 && r.job.Kind == store.Change {
		r.enter(applyPhase, time.Now().UTC())
		return 0, false, r.keep(ctx)
	}
	if len(tasks) == 0 {
		return 0, true, r.endPlan(ctx)
	}
	if err := r.planned.Tasks.Put(tasks...); err != nil {
		return 0, false, err
	}
	r.step.Begun = tasks
	lines, wait, err := r.planned.Work(ctx)
	if err != nil {
		return 0, false, err
	}
	r.step.Lines = lines
	r.countPlanned(lines)
	r.say(ctx, false)
	return min(wait, troubleWait), false, r.keep(ctx)
}

// rollOut sends tasks for everybody if the plan is of settings; over says that all are sent.
func (r *run) rollOut(ctx context.Context) (over bool, err error) {
	if r.job.Of == "" {
		return true, nil
	}
	_, over, err = reconcile.Rollout{Store: r.Store, Users: r.Users, Groups: r.Groups}.Send(ctx, r.dir.ID, store.Selection{}, 1)
	if over && err == nil && len(r.planned.Table.Changes()) > 0 { // the last ones were sent just now
		return false, nil
	}
	return over, err
}

// countPlanned counts what was planned.
func (r *run) countPlanned(lines []plan.Action) {
	counts := maps.Clone(r.job.Planned)
	if counts == nil {
		counts = map[string]int{}
	}
	r.job.Planned = planning.Count(counts, lines)
}

// endPlan writes the file of the plan and ends the job.
func (r *run) endPlan(ctx context.Context) error {
	if err := WritePlan(ctx, r.jobs, r.Results, r.job); err != nil {
		return err
	}
	r.job.Total = max(r.job.Total, r.job.Done) // of the phase that was the last one
	return r.end(ctx, store.JobFinished, planSentence(r.job.Planned))
}

// planSentence says what a plan has.
func planSentence(counts map[string]int) string {
	if len(counts) == 0 {
		return "nothing would be done"
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[name], name))
	}
	return strings.Join(parts, ", ")
}

// sayPlanned says in the log how a plan ended.
func (r *run) sayPlanned(ctx context.Context, took time.Duration) {
	r.Metrics.Count("plans_finished", 1, "result", string(r.job.Status))
	zerolog.Ctx(ctx).Info().Str("job", r.job.ID).Str("directory", string(r.job.Directory)).Str("result", string(r.job.Status)).Dur("took", took).
		Str("message", r.job.Message).Msg("a plan has ended")
}

// PlanFile is the name of the file of a plan in the result store.
func PlanFile(job string) string { return "plans/" + job + "/plan.csv" }

// planColumns are the columns of the file: a line for each attribute that an action changes and
// for each member of a group, or one for an action that changes none. accountEntraId is the member, or
// the manager, whom from and to name.
var planColumns = []string{"type", "status", "kind", "id", "name", "entraId", "attribute", "from", "to", "accountEntraId", "reason", "cause", "message"}

// planLine is what a line of the file says of one change.
type planLine struct{ from, to, account string }

// linesOf are the lines of a change: of the members of a group, one for each. They have names; who
// has none is there by the id in Entra.
func linesOf(a plan.Action, c directory.Change) (lines []planLine) {
	named := func(id string) string {
		if name := a.AccountNames[directory.EntraID(id)]; name != "" {
			return name
		}
		return id
	}
	known := func(id string) string {
		if planning.IsMade(directory.EntraID(id)) {
			return ""
		}
		return id
	}
	switch c.Attribute {
	case directory.Members:
		for _, id := range c.To {
			lines = append(lines, planLine{to: named(id), account: known(id)})
		}
		for _, id := range c.From {
			lines = append(lines, planLine{from: named(id), account: known(id)})
		}
	case directory.Manager:
		from, to := c.From.String(), c.To.String()
		lines = append(lines, planLine{named(from), named(to), known(cmp.Or(to, from))})
	default:
		lines = append(lines, planLine{from: strings.Join(c.From, "; "), to: strings.Join(c.To, "; ")})
	}
	return lines
}

// WritePlan writes the file of a plan.
func WritePlan(ctx context.Context, records *store.Store, to results.Store, j store.Job) error {
	from, into := io.Pipe()
	go func() { into.CloseWithError(writeLines(ctx, into, records, j)) }()
	err := to.Put(ctx, PlanFile(j.ID), "text/csv; charset=utf-8", from)
	from.CloseWithError(err) // if not all was read
	return err
}

// writeLines writes the lines of the file.
func writeLines(ctx context.Context, to io.Writer, records *store.Store, j store.Job) error {
	table, err := spreadsheet.NewWriter(to, planColumns...)
	if err != nil {
		return err
	}
	err = records.EachPlanLine(ctx, j.ID, func(a plan.Action) error {
		message := ""
		switch {
		case a.Error != nil:
			message = a.Error.Message
		case a.Hold != nil:
			message = a.Hold.Message
		}
		changes := a.Changes
		if len(changes) == 0 {
			changes = []directory.Change{{}}
		}
		for _, c := range changes {
			for _, l := range linesOf(a, c) {
				err := table.Write(string(a.Type), string(a.Status), a.Subject.Kind, a.Subject.ID, a.Subject.Name, string(a.EntraID),
					string(c.Attribute), l.from, l.to, l.account, string(a.Reason), a.Cause.Type, message)
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return table.Flush()
}
