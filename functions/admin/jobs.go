package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/resync"
	"entrasync/shared/store"
)

// jobView is a job as the API shows it.
type jobView struct {
	ID           string                   `json:"jobId"`
	Directory    directory.ID             `json:"directoryId,omitempty" doc:"Missing for a job on an organization"`
	Organization directory.OrganizationID `json:"organizationId,omitempty" doc:"The organization that is deactivated"`
	Kind         store.JobKind            `json:"kind" enum:"resync,plan,change,deactivation" doc:"change: settings that concern many are planned, and then applied"`
	Of           string                   `json:"of,omitempty" doc:"What a plan is of; missing for a resync"`
	Status       store.JobStatus          `json:"status" enum:"queued,running,finished,failed"`
	Phase        string                   `json:"phase,omitempty" enum:"accounts,groups,users,members,repair,plan,apply,immutable_ids,rest,wait" doc:"Of a resync: accounts and groups are read in Entra, users and members (of the connected groups) in JumpCloud; repair waits until what was found was worked on; in a plan, plan decides instead what would be written. Of a change: plan, and apply sends the tasks. Of a deactivation: immutable_ids clears them, users, groups and rest delete what is known of them, and wait waits some minutes before that is done once more"`
	By           string                   `json:"by" doc:"Who started it"`
	CreatedAt    time.Time                `json:"createdAt"`
	StartedAt    *time.Time               `json:"startedAt,omitempty"`
	EndedAt      *time.Time               `json:"endedAt,omitempty"`
	Done         int                      `json:"done" doc:"How many objects of the phase are done; of a deactivation that has ended, how many users and groups were deleted in all"`
	Total        int                      `json:"total" doc:"How many objects the phase has; 0 while that is not known"`
	PerSecond    float64                  `json:"rate" doc:"How many objects of the phase are done in a second"`
	Remaining    int                      `json:"remainingSeconds,omitempty" doc:"How long the phase still takes at that rate; missing when that is not known"`
	Found        int                      `json:"found" doc:"How many users and groups differed and got a task"`
	Repaired     int                      `json:"repaired" doc:"How many of them were repaired"`
	Parked       int                      `json:"parked" doc:"How many of them need a person: their links say why"`
	Rechecked    int                      `json:"rechecked" doc:"How many users and groups were parked before, were checked again and stay parked; they are not among those found"`
	Reported     int                      `json:"reported" doc:"How many differences in Entra are only reported, because the directory has repairDrift off"`
	Planned      map[string]int           `json:"counts,omitempty" doc:"What a plan has so far: how many actions of each type, and how many entries are held, failed or undecided"`
	Effects      []affectedView           `json:"effects,omitempty" doc:"On how many users and groups changed settings have an effect, of each kind; missing until that is planned"`
	Holds        []heldEffect             `json:"holds,omitempty" doc:"The holds of the guard in which some of that waits; missing if nothing does"`
	Reason       directory.Reason         `json:"reason,omitempty" doc:"One typed word for why it waits, if there is one"`
	Message      string                   `json:"message,omitempty" doc:"Why it waits, or how it ended"`
}

// viewOfJob shows a job at a time.
func viewOfJob(j store.Job, now time.Time) jobView {
	p := resync.ProgressOf(j, now)
	v := jobView{
		ID: j.ID, Directory: j.Directory, Organization: j.Organization, Kind: j.Kind, Status: j.Status, Phase: j.Phase, By: j.By, CreatedAt: j.CreatedAt, Done: j.Done, Total: j.Total,
		PerSecond: p.PerSecond, Remaining: p.RemainingSeconds, Found: j.Found, Repaired: j.Repaired, Parked: j.Parked, Rechecked: j.Rechecked, Reported: j.Reported,
		Of: j.Of, Planned: j.Planned, Reason: j.Reason, Message: j.Message,
	}
	if j.Effects != nil {
		v.Effects, v.Holds = viewOfEffects(j.Effects, j.Holds)
	}
	if !j.StartedAt.IsZero() {
		v.StartedAt = &j.StartedAt
	}
	if !j.EndedAt.IsZero() {
		v.EndedAt = &j.EndedAt
	}
	return v
}

// begunView is a job that was started, or that is at work already.
type begunView struct {
	ID string `json:"jobId"`
}

// resyncBody is the body of a request for a resync, which needs none.
type resyncBody struct {
	DryRun onlyPlan `json:"dryRun,omitzero" doc:"Write nothing, and list what would be done: the job has the kind plan, and GET /v1/jobs/{jobId}/plan what it planned"`
}

// onlyPlan says that something is only to be planned. A null is remembered: it would do what was
// perhaps only to be planned.
type onlyPlan struct{ asked, isNull bool }

// UnmarshalJSON implements json.Unmarshaler.
func (p *onlyPlan) UnmarshalJSON(text []byte) error {
	p.isNull = string(text) == "null"
	return json.Unmarshal(text, &p.asked)
}

// Schema implements huma.SchemaProvider.
func (onlyPlan) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: huma.TypeBoolean} }

// jobs registers the operations on long work.
func (a API) jobs(on huma.API) {
	const ofDirectory = "/v1/directories/{id}"
	huma.Register(on, api.Operation("resyncDirectory", http.MethodPost, ofDirectory+"/resync", "Compare everything in a directory with JumpCloud and Entra, and repair it; one that is at work already is returned", http.StatusAccepted, http.StatusNotFound, http.StatusConflict), a.resync)
	huma.Register(on, api.Operation("listJobs", http.MethodGet, ofDirectory+"/jobs", "The long work on a directory in the last 30 days, the newest one first", http.StatusOK, http.StatusNotFound), a.listJobs)
	huma.Register(on, api.Operation("getJob", http.MethodGet, "/v1/jobs/{jobId}", "How far long work is", http.StatusOK, http.StatusNotFound),
		func(ctx context.Context, in *struct {
			Job string `path:"jobId" doc:"The job"`
		}) (*api.Answer[jobView], error) {
			job, err := a.Store.Job(ctx, in.Job)
			if err != nil {
				return nil, api.Refuse(err, "path.jobId", in.Job)
			}
			api.Concerns(ctx).Directory = job.Directory
			return &api.Answer[jobView]{Body: viewOfJob(job, time.Now())}, nil
		})
	huma.Register(on, api.Operation("stopJob", http.MethodPost, "/v1/jobs/{jobId}/stop", "Stop a plan that is not finished: it ends as failed, and what it has planned so far can be read", http.StatusOK, http.StatusNotFound, http.StatusConflict),
		func(ctx context.Context, in *struct {
			Job string `path:"jobId" doc:"The job of the plan"`
		}) (*api.Answer[jobView], error) {
			job, err := a.Resyncs.Stop(ctx, in.Job, api.CallerOf(ctx).Name())
			if err != nil {
				return nil, api.Refuse(err, "path.jobId", in.Job)
			}
			api.Concerns(ctx).Directory = job.Directory
			return &api.Answer[jobView]{Body: viewOfJob(job, time.Now())}, nil
		})
}

// resync starts a resync.
func (a API) resync(ctx context.Context, in *struct {
	ID   string `path:"id" doc:"The directory"`
	Body *resyncBody
},
) (*api.Answer[begunView], error) {
	start := a.Resyncs.Start
	switch {
	case in.Body != nil && in.Body.DryRun.isNull:
		return nil, api.Refuse(fault.New(fault.Invalid, "admin.resync", "dryRun is true or false, or left out: a null could mean either"), "body.dryRun", nil)
	case in.Body != nil && in.Body.DryRun.asked:
		start = a.Resyncs.Plan
	}
	job, err := start(ctx, directory.ID(in.ID), api.CallerOf(ctx).Name())
	if err != nil {
		return nil, api.Refuse(err, "path.id", in.ID)
	}
	return &api.Answer[begunView]{Body: begunView{ID: job.ID}}, nil
}

// listJobs lists the jobs of a directory.
func (a API) listJobs(ctx context.Context, in *struct {
	ID string `path:"id" doc:"The directory"`
	api.Paging
},
) (*api.Answer[api.Page[jobView]], error) {
	list, err := a.Store.Jobs(ctx, directory.ID(in.ID), in.Limit, in.Cursor)
	if err != nil {
		return nil, api.Refuse(err, "query.cursor", in.Cursor)
	}
	if len(list.Items) == 0 { // else it may have been deactivated
		if _, err := a.shownDirectory(ctx, in.ID); err != nil {
			return nil, err
		}
	}
	now := time.Now()
	shown := api.Page[jobView]{Items: make([]jobView, len(list.Items)), Cursor: list.Cursor}
	for i, job := range list.Items {
		shown.Items[i] = viewOfJob(job, now)
	}
	return &api.Answer[api.Page[jobView]]{Body: shown}, nil
}
