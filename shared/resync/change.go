package resync

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// Settings that concern many are planned by a job before they are applied: the rollout that is
// stored with them waits for it (store.Rollout). When the plan is complete the job says on whom
// they have which effects, announces to the guard whom they take access from, and sends the
// tasks. If it fails, the sweep sends them.

// applyPages is for how many pages of users or groups one step sends tasks.
const applyPages = 10

// stepApply announces what was planned, then sends the tasks.
func (r *run) stepApply(ctx context.Context) (wait time.Duration, over bool, err error) {
	if !r.job.Announced {
		if err := r.announceChange(ctx); err != nil {
			return 0, false, err
		}
		r.job.Announced = true
		return 0, false, r.save(ctx)
	}
	undecided := func(e plan.Affected) bool { return e.Effect == plan.EffectUndecided }
	if err := r.jobs.ReleaseRollout(ctx, r.dir.ID, r.job.ID, !slices.ContainsFunc(r.job.Effects, undecided)); err != nil {
		return 0, false, err
	}
	_, complete, err := r.rollout.Send(ctx, r.dir.ID, store.Selection{}, applyPages)
	if err != nil || !complete {
		if err == nil {
			err = r.save(ctx)
		}
		return 0, false, err
	}
	return 0, true, r.end(ctx, store.JobFinished, r.applied())
}

// announceChange reads what was planned, announces whom it takes access from, and writes its
// file.
func (r *run) announceChange(ctx context.Context) error {
	left, err := r.jobs.Rollout(ctx, r.dir.ID, store.Selection{})
	if err != nil {
		return err
	}
	var effected plan.Effected
	var takes []plan.Action
	err = r.jobs.EachPlanLine(ctx, r.job.ID, func(a plan.Action) error {
		effected.Add(a)
		if a.MayTake() {
			takes = append(takes, a)
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.job.Effects = effected.All()
	held, err := reconcile.Parts{Store: r.jobs, Metrics: r.Metrics}.AnnouncePlanned(ctx, r.dir, left.Cause, takes)
	if err != nil {
		return err
	}
	r.job.Holds = held
	return WritePlan(ctx, r.jobs, r.Results, r.job)
}

// applied says how the settings were applied.
func (r *run) applied() string {
	says := planSentence(r.job.Planned)
	for _, hold := range slices.Sorted(maps.Keys(r.job.Holds)) {
		says += fmt.Sprintf("; %d of them wait in the hold %s until somebody approves or rejects it", r.job.Holds[hold], hold)
	}
	return says
}
