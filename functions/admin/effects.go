package admin

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/planning"
	"entrasync/shared/reconcile"
	"entrasync/shared/resync"
	"entrasync/shared/store"
)

// The answer to a change of settings says whom it concerns, and whoever would lose access by it is
// announced to the guard before the first task is sent. For few the request plans the change
// itself, before it is stored. For many a job does, and the tasks wait for it.

// finished is the status of effects that are known.
const finished = "finished"

// effectsView are the effects of changed settings.
type effectsView struct {
	Status  string         `json:"status" enum:"finished,queued,unknown" doc:"finished: changes has all. queued: more than 100 users and groups are concerned, or it takes long: the job finds it out, and only then the settings are applied. unknown: it could not be found out, and they are applied without"`
	Job     string         `json:"jobId,omitempty" doc:"The job, if it is queued: GET /v1/jobs/{jobId} has effects when it has ended, and GET /v1/jobs/{jobId}/plan every action"`
	Changes []affectedView `json:"changes" doc:"On how many users and groups the settings have an effect, of each kind; empty if they change nothing"`
	Holds   []heldEffect   `json:"holds,omitempty" doc:"The holds of the guard in which some of that waits until somebody approves or rejects it; missing if nothing does"`
	Message string         `json:"message,omitempty" doc:"Why it is not known, or what it waits for"`
}

// affectedView are the users or groups on which settings have one effect.
type affectedView struct {
	Kind   string      `json:"kind" enum:"user,group"`
	Effect plan.Effect `json:"effect" enum:"disabled,deleted,members_removed,parked,changed,taken_over,created,enabled,members_added,undecided" doc:"parked: nothing is sent, and somebody has to do something; undecided: nothing could be planned"`
	Count  int         `json:"count" doc:"How many users or groups; one on which they have two effects is in both"`
	Names  []string    `json:"names" doc:"The first ones, at most 10"`
}

// heldEffect is a hold in which some of the effects wait.
type heldEffect struct {
	Hold  string `json:"holdId"`
	Count int    `json:"count" doc:"How many of these actions wait in it"`
}

// viewOfEffects shows effects and the holds in which some wait.
func viewOfEffects(all []plan.Affected, holds map[string]int) ([]affectedView, []heldEffect) {
	changes := make([]affectedView, len(all))
	for i, each := range all {
		changes[i] = affectedView(each)
	}
	var held []heldEffect
	for _, id := range slices.Sorted(maps.Keys(holds)) {
		held = append(held, heldEffect{id, holds[id]})
	}
	return changes, held
}

// unknownEffects are effects that are not known for a reason.
func unknownEffects(why string) *effectsView {
	return &effectsView{Status: "unknown", Changes: []affectedView{}, Message: why + "; the settings are applied all the same, and the guard judges whoever would lose access one by one"}
}

// settingsChange is a change of settings on its way into the store.
type settingsChange struct {
	before, dir directory.Directory
	rollout     store.Rollout
	planned     bool         // whether effects were looked for
	announced   bool         // whether all who lose access were announced
	job         store.Job    // that plans the change; its id is "" if none does
	effects     *effectsView // nil: it concerns nobody
}

// concerns reports whether a change of settings may concern users and groups.
func (c *settingsChange) concerns() (bool, error) {
	was, is := c.before.Settings, c.dir.Settings
	was.Guard, was.Import, was.AllowSharedDomains = is.Guard, is.Import, is.AllowSharedDomains // they concern nobody
	before, err := asObject(was)
	if err != nil {
		return false, err
	}
	after, err := asObject(is)
	return c.rollout.Source || !reflect.DeepEqual(before, after), err
}

// foresee finds out whom a change of settings concerns, before it is stored, and announces who
// would lose access. If that are many, or if it takes long, a job is to do both.
func (a API) foresee(ctx context.Context, c *settingsChange) error {
	if c.planned || a.planning {
		return nil
	}
	if concerns, err := c.concerns(); err != nil || !concerns {
		return err
	}
	c.planned = true
	if why := unplannable(c.dir); why != "" {
		c.effects = unknownEffects(why)
		return nil
	}
	within, cancel := context.WithTimeout(planning.Context(ctx), planTime)
	defer cancel()
	begun, _ := a.onPlan()
	rollout := c.rollout
	if _, err := begun.Store.KeepDirectory(within, c.before, c.dir, &rollout); err != nil {
		return err
	}
	actions, complete, err := a.work(within, c.dir.ID, begun)
	late := err != nil && (errors.Is(err, context.DeadlineExceeded) || within.Err() != nil)
	switch {
	case err != nil && !late:
		c.effects = unknownEffects("whom the settings concern could not be found out (" + said(err) + ")")
		return nil
	case !complete || late:
		c.job = resync.NewChange(c.dir.ID, api.CallerOf(ctx).Name(), "changed settings")
		c.rollout.Awaits = c.job.ID
		return nil
	}
	var effected plan.Effected
	effected.Add(actions...)
	parts := reconcile.Parts{Store: a.Store, Metrics: a.Metrics}
	held, err := parts.AnnouncePlanned(ctx, c.dir, c.rollout.Cause, actions)
	if err != nil {
		return err
	}
	c.announced = effected.Decided()
	c.rollout.Cause.Announced = c.announced
	c.effects = &effectsView{Status: finished}
	c.effects.Changes, c.effects.Holds = viewOfEffects(effected.All(), held)
	return nil
}

// unplannable says why nothing can be planned in a directory; "" if it can.
func unplannable(dir directory.Directory) string {
	if dir.TenantObject == "" || dir.Status != directory.Active {
		return "the tenant does not let the application in, so it cannot be found out whom the settings concern"
	}
	for _, scope := range []directory.Scope{directory.OfUsers, directory.OfGroups} {
		if s := dir.Stopped(scope); s != nil {
			return "the directory is suspended, so it cannot be found out whom the settings concern: " + s.Message
		}
	}
	return ""
}

// said is what an error says to people.
func said(err error) string {
	if f := fault.Of(err); f.Message != "" {
		return f.Message
	}
	return string(fault.KindOf(err))
}

// begin begins the job of a change that was stored. If that fails, the settings are applied
// without it.
func (a API) begin(ctx context.Context, c *settingsChange) error {
	if c.job.ID == "" {
		return nil
	}
	job, err := a.beginJob(ctx, c)
	if err == nil {
		c.effects = &effectsView{Status: "queued", Job: job.ID, Changes: []affectedView{}, Message: "the settings are applied when the job has found out whom they concern"}
		return nil
	}
	c.effects = unknownEffects("whom the settings concern could not be found out (" + said(err) + ")")
	return a.Store.ReleaseRollout(ctx, c.dir.ID, c.job.ID, false)
}

// beginJob begins the job: in its plan the tasks are sent at once.
func (a API) beginJob(ctx context.Context, c *settingsChange) (store.Job, error) {
	begun, _ := a.onPlan()
	rollout, err := begun.Store.Rollout(ctx, c.dir.ID, store.Selection{})
	if err != nil {
		return c.job, err
	}
	rollout.Awaits = ""
	if err := begun.Store.KeepRollout(ctx, rollout); err != nil {
		return c.job, err
	}
	return a.Resyncs.Change(ctx, c.job, begun)
}
