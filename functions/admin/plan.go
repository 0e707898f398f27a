package admin

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/api"
	"entrasync/shared/crowd"
	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/planning"
	"entrasync/shared/reconcile"
	"entrasync/shared/resync"
	"entrasync/shared/store"
)

const (
	// mostPlanned is for how many users and groups a request waits for its plan; more become
	// a job.
	mostPlanned = 100
	// planTime is how long it waits. When less than planSpare of that is left no more is begun:
	// the engines write nothing without so much time, and would leave it undecided.
	planTime, planSpare = 15 * time.Second, 11 * time.Second
	// rolloutPages are enough for the users, the groups and the connection source of a small
	// directory.
	rolloutPages = 4
	// fileLife is how long an address of a plan's file works.
	fileLife = 5 * time.Minute
)

// planView is a plan as the API shows it.
type planView struct {
	Job        string          `json:"jobId,omitempty" doc:"The job that makes the plan; missing if the request has made it"`
	Of         string          `json:"of,omitempty" doc:"What the plan is of; missing for a resync"`
	Status     store.JobStatus `json:"status" enum:"queued,running,finished,failed" doc:"Only a finished plan is complete"`
	FinishedAt *time.Time      `json:"finishedAt,omitempty"`
	Counts     map[string]int  `json:"counts" doc:"How many actions there are of each type, and how many entries are held, failed or undecided"`
	Actions    []planEntry     `json:"actions" doc:"What would be done, in this order"`
	Cursor     string          `json:"cursor,omitempty" doc:"Pass it on to get the next page of actions; missing on the last one"`
	Message    string          `json:"message,omitempty" doc:"Why the plan waits, or how it ended"`
	File       string          `json:"fileUrl,omitempty" doc:"Where the whole plan is as a file for a spreadsheet, once it is finished"`
}

// planEntry is one action of a plan.
type planEntry struct {
	Type      plan.Type                    `json:"type" enum:"provision,take_over,update,enable,deprovision,end_sessions,restore,leave_domain,join_domain,remove_licenses,assign_licenses,hide_from_address_lists,show_in_address_lists,clear_manager,delete_account,create_group,take_over_group,rename_group,add_members,remove_members,delete_group,restore_group"`
	Directory directory.ID                 `json:"directoryId"`
	Subject   plannedSubject               `json:"subject" doc:"The user or group of JumpCloud"`
	EntraID   directory.EntraID            `json:"entraId,omitempty" doc:"The account or group in Entra; missing if the plan creates it"`
	Changes   []plannedChange              `json:"changes" doc:"What is written, attribute by attribute. A group's members are in members, and licenses in assignedLicenses: to has those that are added, from those that are removed"`
	Names     map[directory.EntraID]string `json:"names,omitempty" doc:"The names of the accounts that changes name by their ids: the JumpCloud user name, or the sign-in name of an account that no connected user has. The id of an account that the plan creates begins with planned-"`
	Reason    directory.Reason             `json:"reason,omitempty" doc:"Why an account is disabled"`
	Cause     plannedCause                 `json:"cause" doc:"What it is done for"`
	Status    plan.Status                  `json:"status" enum:"planned,held,failed,undecided" doc:"planned would be sent; held would wait until somebody approves or rejects a hold of the guard, see hold; failed would be refused, by entrasync itself or by Entra, see error; undecided says that nothing could be planned, see error"`
	Hold      *plannedHold                 `json:"hold,omitempty" doc:"Of what is held: why, and in which hold"`
	Error     *plan.Failure                `json:"error,omitempty"`
}

// plannedSubject is what an action is about.
type plannedSubject struct {
	Kind string `json:"kind" enum:"user,group"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

// plannedChange is the change of one attribute.
type plannedChange struct {
	Attribute directory.Attribute `json:"attribute"`
	From      []string            `json:"from" doc:"What the account has now. Empty: no value, or one that cannot be read, as those of a deleted account"`
	To        []string            `json:"to" doc:"Empty: the value is cleared"`
}

// plannedHold is the hold in which an action would wait.
type plannedHold struct {
	ID      string           `json:"id,omitempty" doc:"The hold in which it waits already, or that was rejected; missing if the hold would begin only then"`
	Reason  directory.Reason `json:"reason" enum:"held_removals,held_suspensions,hold_rejected"`
	Message string           `json:"message" doc:"Why, with the numbers"`
}

// plannedCause is what an action is done for.
type plannedCause struct {
	Type string `json:"type"`
	ID   string `json:"id,omitempty"`
}

// entryOf shows an action of a plan.
func entryOf(a plan.Action) planEntry {
	e := planEntry{
		Type: a.Type, Directory: a.Directory, Subject: plannedSubject{a.Subject.Kind, a.Subject.ID, a.Subject.Name}, EntraID: a.EntraID, Changes: []plannedChange{},
		Names: a.AccountNames, Reason: a.Reason, Cause: plannedCause{a.Cause.Type, a.Cause.ID}, Status: a.Status, Error: a.Error,
	}
	if a.Hold != nil {
		e.Hold = &plannedHold{a.Hold.ID, a.Hold.Reason, a.Hold.Message}
	}
	for _, c := range a.Changes {
		e.Changes = append(e.Changes, plannedChange{c.Attribute, append([]string{}, c.From...), append([]string{}, c.To...)})
	}
	return e
}

// outcome is the answer to a change: what became of it or, if it was only planned, the plan.
type outcome struct {
	Status int
	Body   any
}

// done is the answer to a change that was made.
func done[T any](answer *api.Answer[T], err error, status int) (*outcome, error) {
	if err != nil {
		return nil, err
	}
	return &outcome{Status: status, Body: answer.Body}, nil
}

// orPlanned describes the two answers of an operation that can be planned: that of a type, and
// the plan.
func orPlanned[T any](on huma.API, op huma.Operation) huma.Operation {
	schemas := on.OpenAPI().Components.Schemas
	says := func(status int, t ...*huma.Schema) {
		schema := t[0]
		if len(t) > 1 {
			schema = &huma.Schema{AnyOf: t}
		}
		op.Responses[strconv.Itoa(status)] = &huma.Response{Description: http.StatusText(status), Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}
	}
	op.Description = "With dryRun=true nothing is written, and the answer says what would be: 200 with the plan or, if more than 100 users and groups are concerned or it takes long, 202 with the job that makes it."
	changed, planned := schemas.Schema(reflect.TypeFor[T](), true, ""), schemas.Schema(reflect.TypeFor[planView](), true, "")
	if op.DefaultStatus == http.StatusOK {
		says(http.StatusOK, changed, planned)
		says(http.StatusAccepted, planned)
	} else {
		says(http.StatusOK, planned)
		says(http.StatusAccepted, changed, planned)
	}
	return op
}

// plans registers the operations on plans.
func (a API) plans(on huma.API) {
	const none = http.StatusNotFound
	last := api.Operation("getPlan", http.MethodGet, "/v1/directories/{id}/plan", "The last plan of a directory that has ended", http.StatusOK, none)
	huma.Register(on, last, func(ctx context.Context, in *struct {
		ID string `path:"id" doc:"The directory"`
		api.Paging
	},
	) (*api.Answer[planView], error) {
		dir, err := a.shownDirectory(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		jobs, err := a.Store.LastJobs(ctx, store.Plan, dir.ID)
		if err != nil {
			return nil, api.Refuse(err, "", nil)
		}
		if jobs[dir.ID].Job == "" {
			return nil, api.Refuse(fault.New(fault.NotFound, "admin.plan", "nothing was planned yet for this directory: POST /v1/directories/"+in.ID+`/resync {"dryRun": true}`), "path.id", in.ID)
		}
		return a.showPlan(ctx, jobs[dir.ID].Job, in.Paging)
	})
	huma.Register(on, api.Operation("getJobPlan", http.MethodGet, "/v1/jobs/{jobId}/plan", "What a job has planned, page by page", http.StatusOK, none), func(ctx context.Context, in *struct {
		Job string `path:"jobId" doc:"The job"`
		api.Paging
	},
	) (*api.Answer[planView], error) {
		return a.showPlan(ctx, in.Job, in.Paging)
	})
	huma.Register(on, api.Operation("planFile", http.MethodGet, "/v1/jobs/{jobId}/plan/file", "A finished plan as a file for a spreadsheet (CSV): leads to an address that works for some minutes without the token", http.StatusFound, none, http.StatusConflict),
		func(ctx context.Context, in *struct {
			Job string `path:"jobId" doc:"The job"`
		},
		) (*redirect, error) {
			job, err := a.planJob(ctx, in.Job)
			if err != nil {
				return nil, err
			}
			if job.Status != store.JobFinished {
				return nil, api.Refuse(fault.New(fault.Conflict, "admin.plan file", "the plan is not finished: there is no file yet"), "path.jobId", in.Job)
			}
			link, err := a.Results.Link(ctx, resync.PlanFile(job.ID), "plan-"+job.EndedAt.Format(time.DateOnly)+".csv", fileLife)
			if err != nil {
				return nil, api.Refuse(err, "", nil)
			}
			return &redirect{Status: http.StatusFound, Location: link, CacheControl: "no-store", Referrer: "no-referrer"}, nil
		})
}

// redirect leads to another address.
type redirect struct {
	Status       int
	Location     string `header:"Location"`
	CacheControl string `header:"Cache-Control"`
	Referrer     string `header:"Referrer-Policy"`
}

// planJob reads a job that plans.
func (a API) planJob(ctx context.Context, id string) (store.Job, error) {
	job, err := a.Store.Job(ctx, id)
	if err == nil && !job.Kind.Plans() {
		err = fault.New(fault.NotFound, "admin.plan", "the job "+id+" plans nothing")
	}
	if err != nil {
		return job, api.Refuse(err, "path.jobId", id)
	}
	api.Concerns(ctx).Directory = job.Directory
	return job, nil
}

// showPlan answers with a page of a plan.
func (a API) showPlan(ctx context.Context, id string, page api.Paging) (*api.Answer[planView], error) {
	job, err := a.planJob(ctx, id)
	if err != nil {
		return nil, err
	}
	lines, err := a.Store.PlanLines(ctx, job.ID, page.Limit, page.Cursor)
	if err != nil {
		return nil, api.Refuse(err, "query.cursor", page.Cursor)
	}
	view := viewOfPlan(lines.Items)
	view.Job, view.Of, view.Status, view.Counts, view.Cursor, view.Message = job.ID, job.Of, job.Status, job.Planned, lines.Cursor, job.Message
	if view.Counts == nil {
		view.Counts = map[string]int{}
	}
	if !job.EndedAt.IsZero() {
		view.FinishedAt = &job.EndedAt
	}
	if job.Status == store.JobFinished {
		view.File = "/v1/jobs/" + job.ID + "/plan/file"
	}
	return &api.Answer[planView]{Body: view}, nil
}

// viewOfPlan shows actions as a plan that is finished.
func viewOfPlan(actions []plan.Action) planView {
	view := planView{Status: store.JobFinished, Counts: planning.Count(map[string]int{}, actions), Actions: make([]planEntry, len(actions))}
	for i, action := range actions {
		view.Actions[i] = entryOf(action)
	}
	return view
}

// plan answers with what a change would lead to. change makes the change with the API that it
// is given, which has an overlay instead of the records and keeps the tasks. If many are
// concerned, or if it takes long, the plan becomes a job. of says what is planned.
func (a API) plan(ctx context.Context, id directory.ID, of string, change func(context.Context, API) error) (*outcome, error) {
	within, cancel := context.WithTimeout(planning.Context(ctx), planTime)
	defer cancel()
	begun, planned := a.onPlan()
	if err := change(within, planned); err != nil {
		return nil, err
	}
	actions, complete, err := a.work(within, id, begun)
	switch {
	case complete && err == nil:
		view, now := viewOfPlan(actions), time.Now().UTC()
		view.Of, view.FinishedAt = of, &now
		return &outcome{Status: http.StatusOK, Body: view}, nil
	case err != nil && !errors.Is(err, context.DeadlineExceeded) && within.Err() == nil:
		return nil, api.Refuse(refusedPlan(err), "", nil)
	}
	begun, planned = a.onPlan() // what was planned so far is not complete
	if err := change(planning.Context(ctx), planned); err != nil {
		return nil, err
	}
	job, err := a.Resyncs.PlanOf(ctx, id, api.CallerOf(ctx).Name(), of, begun)
	if err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	return &outcome{Status: http.StatusAccepted, Body: planView{Job: job.ID, Of: of, Status: job.Status, Counts: map[string]int{}, Actions: []planEntry{}}}, nil
}

// onPlan is the API on the overlay of a new plan.
func (a API) onPlan() (*planning.Plan, API) {
	begun := planning.New(a.Store.Table(), a.Clients)
	a.Store, a.Lanes, a.requests, a.planning = begun.Store, begun.Lanes, &crowd.Counter{}, true
	return begun, a
}

// work works on a plan; complete says that nothing is left.
func (a API) work(ctx context.Context, id directory.ID, begun *planning.Plan) (all []plan.Action, complete bool, err error) {
	lanes := reconcile.Rollout{Store: begun.Store, Users: begun.Lanes.UsersBulk, Groups: begun.Lanes.GroupsBulk}
	if _, sent, err := lanes.Send(ctx, id, store.Selection{}, rolloutPages); err != nil || !sent {
		return nil, false, err
	}
	for begun.Tasks.Left() > 0 {
		if begun.Tasks.Seen() > mostPlanned {
			return all, false, nil
		}
		if !deadline.Allows(ctx, planSpare) {
			return all, false, ctx.Err()
		}
		actions, _, err := begun.Work(ctx)
		if err != nil {
			return all, false, err
		}
		all = append(all, actions...)
	}
	return all, true, nil
}

// refusedPlan makes the refusal of an outside system one of this request: what it refuses is
// not the caller's token.
func refusedPlan(err error) error {
	f := *fault.Of(err)
	if f.Kind == fault.Unauthorized {
		f.Kind = fault.Conflict
	}
	return &f
}
