package resync

import (
	"context"
	"fmt"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

const (
	// longestRepair is how long a resync waits for its tasks; what is still open then goes on
	// without it.
	longestRepair = time.Hour
	// patientRepair is how long an invocation itself waits, and checks every repairStep, at first
	// more often; then the schedule does.
	patientRepair, repairStep = 2 * time.Minute, 10 * time.Second
	// findingsPage is how many findings are checked at once.
	findingsPage = 100
	// leaversAtOnce is how many who are to lose access are announced at once.
	leaversAtOnce = 300
)

// tally is how far the findings of a job are.
type tally struct{ all, differ, repaired, parked, again, reported, open int }

// add adds a finding whose link stands so now. Somebody who was parked is a difference only if
// that is over, and what is only to be reported only as long as it is there.
func (t *tally) add(f store.Finding, now directory.Standing) {
	over, parked := worked(f, now), now.Status == directory.Parked || now.Status == directory.Held
	t.all++
	if !over {
		t.open++
	}
	switch {
	case f.Reported && (!over || len(now.Drift) > 0):
		t.reported++
	case f.Parked != "" && (!over || parked):
		t.again++
	case !over:
		t.differ++
	case parked:
		t.differ, t.parked = t.differ+1, t.parked+1
	default:
		t.differ, t.repaired = t.differ+1, t.repaired+1
	}
}

// stepRepair checks whether the tasks were worked on, and ends the job when all were, or when
// it has waited long enough.
func (r *run) stepRepair(ctx context.Context) (wait time.Duration, over bool, err error) {
	if !r.place.Announced {
		if err := r.announceLeavers(ctx); err != nil {
			return 0, false, err
		}
		return 0, false, r.save(ctx)
	}
	state, err := r.checkFindings(ctx)
	if err != nil {
		return 0, false, err
	}
	r.job.Found, r.job.Repaired, r.job.Parked = state.differ, state.repaired, state.parked
	r.job.Rechecked, r.job.Reported = state.again, state.reported
	r.job.Done, r.job.Total = state.all-state.open, state.all
	waited := time.Since(r.job.PhaseAt)
	if state.open == 0 || waited >= longestRepair {
		return 0, true, r.end(ctx, store.JobFinished, sentence(r.job, state.open))
	}
	// A few tasks are worked on within seconds: whoever asked for the resync sees that soon.
	return min(max(waited, time.Second), repairStep), waited >= patientRepair, r.save(ctx)
}

// announceLeavers announces the next of those who are to lose access, as the comparison found,
// and sends their tasks. All of them count before the first one gets a task: whoever is too
// many for the guard of the directory is held from the first on.
func (r *run) announceLeavers(ctx context.Context) error {
	some, next, err := r.leavers(ctx, r.place.Leavers, leaversAtOnce)
	if err != nil {
		return err
	}
	if r.place.Leavers == "" {
		if err := r.announceStrangers(ctx); err != nil {
			return err
		}
	}
	var others []reconcile.Leaver
	if r.place.Leavers == "" && next != "" {
		if others, _, err = r.leavers(ctx, next, 0); err != nil {
			return err
		}
	}
	guard := reconcile.Parts{Store: r.Store, Metrics: r.Metrics, Plans: r.planned != nil}
	if err := guard.AnnounceSome(ctx, r.dir, r.cause(), some, others); err != nil {
		return err
	}
	r.place.Leavers, r.place.Announced = next, next == ""
	return r.sendLeavers(ctx, some)
}

// leavers are those who are to lose access, from a place in the findings on: about as many as are
// wanted, or all if that is 0. next is the place after them; "" at the end.
func (r *run) leavers(ctx context.Context, from string, wanted int) (some []reconcile.Leaver, next string, err error) {
	for next = from; ; {
		page, err := r.Store.ListFindings(ctx, r.job.ID, findingsPage, next)
		if err != nil {
			return nil, "", err
		}
		for _, f := range page.Items {
			if f.Takes != "" {
				some = append(some, reconcile.Leaver{User: f.User, Reason: f.Takes, LetIn: f.LetIn})
			}
		}
		if next = page.Cursor; next == "" || wanted > 0 && len(some) >= wanted {
			return some, next, nil
		}
	}
}

// checkFindings checks everything that the job found.
func (r *run) checkFindings(ctx context.Context) (tally, error) {
	var state tally
	for cursor := ""; ; {
		page, err := r.Store.ListFindings(ctx, r.job.ID, findingsPage, cursor)
		if err != nil {
			return state, err
		}
		if err := r.checkSome(ctx, page.Items, &state); err != nil {
			return state, err
		}
		if cursor = page.Cursor; cursor == "" {
			return state, nil
		}
	}
}

// checkSome adds some findings to the state.
func (r *run) checkSome(ctx context.Context, findings []store.Finding, state *tally) error {
	var users []directory.UserID
	var groups []directory.GroupID
	byUser, byGroup := map[directory.UserID]store.Finding{}, map[directory.GroupID]store.Finding{}
	for _, f := range findings {
		if f.Group != "" {
			groups, byGroup[f.Group] = append(groups, f.Group), f
		} else {
			users, byUser[f.User] = append(users, f.User), f
		}
	}
	all, err := r.standings(ctx, users, groups)
	if err != nil {
		return err
	}
	for _, d := range all {
		f := byUser[d.user]
		if d.group != "" {
			f = byGroup[d.group]
		}
		state.add(f, d.standing)
	}
	return nil
}

// worked reports whether somebody has worked on a finding since it was found. Every attempt
// that ends writes the link.
func worked(f store.Finding, now directory.Standing) bool {
	switch {
	case now.Version == 0: // there is no link
		return f.Link > 0
	case now.Status == directory.Pending:
		return false
	default:
		return now.Version != f.Link || now.LastWriteAt.After(f.At)
	}
}

// sentence says how a resync ended.
func sentence(j store.Job, open int) string {
	said := []string{"nothing differed"}
	if j.Reported > 0 {
		said[0] = "nothing was to be repaired"
	}
	if j.Found > 0 {
		said[0] = fmt.Sprintf("%s differed: %d repaired", number(j.Found, "user or group", "users and groups"), j.Repaired)
	}
	if j.Parked > 0 {
		said[0] += fmt.Sprintf(", %d parked, each with its reason", j.Parked)
	}
	if j.Rechecked > 0 {
		said = append(said, number(j.Rechecked, "parked user or group was checked again and stays parked", "parked users and groups were checked again and stay parked"))
	}
	if j.Reported > 0 {
		said = append(said, number(j.Reported, "difference was", "differences were")+" only reported, as the directory says")
	}
	if open > 0 {
		said = append(said, fmt.Sprintf("%d of these still at work", open))
	}
	return strings.Join(said, "; ")
}

// number is a number with its noun.
func number(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
