package resync

import (
	"context"
	"fmt"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/store"
)

const (
	// longestRepair is how long a resync waits for its tasks; what is still open then goes on
	// without it.
	longestRepair = time.Hour
	// patientRepair is how long an invocation itself waits, and checks every repairStep; then
	// the schedule does.
	patientRepair, repairStep = 2 * time.Minute, 10 * time.Second
	// findingsPage is how many findings are checked at once.
	findingsPage = 100
)

// repaired is how far the findings of a job are.
type repaired struct{ all, repaired, parked int }

// open are those that nobody has worked on yet.
func (p repaired) open() int { return p.all - p.repaired - p.parked }

// stepRepair checks whether the tasks were worked on, and ends the job when all were, or when
// it has waited long enough.
func (r *run) stepRepair(ctx context.Context) (wait time.Duration, over bool, err error) {
	state, err := r.checkFindings(ctx)
	if err != nil {
		return 0, false, err
	}
	r.job.Found, r.job.Repaired, r.job.Parked = state.all, state.repaired, state.parked
	r.job.Done, r.job.Total = state.repaired+state.parked, state.all
	waited := time.Since(r.job.PhaseAt)
	if state.open() == 0 || waited >= longestRepair {
		return 0, true, r.end(ctx, store.JobFinished, sentence(r.job, state.open()))
	}
	return repairStep, waited >= patientRepair, r.save(ctx)
}

// checkFindings checks everything that the job found.
func (r *run) checkFindings(ctx context.Context) (repaired, error) {
	var state repaired
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
func (r *run) checkSome(ctx context.Context, findings []store.Finding, state *repaired) error {
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
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	state.all += len(findings)
	for _, d := range all {
		f := byUser[d.user]
		if d.group != "" {
			f = byGroup[d.group]
		}
		switch {
		case !worked(f, d.standing):
		case d.standing.Status == directory.Parked:
			state.parked++
		default:
			state.repaired++
		}
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
	if j.Found+j.Reported == 0 {
		return "nothing differed"
	}
	parts := []string{fmt.Sprintf("%s differed: %d repaired", count(j.Found, "user or group", "users and groups"), j.Repaired)}
	if j.Parked > 0 {
		parts = append(parts, fmt.Sprintf("%d parked, each with its reason", j.Parked))
	}
	if open > 0 {
		parts = append(parts, fmt.Sprintf("%d still at work", open))
	}
	said := strings.Join(parts, ", ")
	if j.Found == 0 {
		said = "nothing was to be repaired"
	}
	if j.Reported > 0 {
		said += fmt.Sprintf("; %s only reported, as the directory says", count(j.Reported, "difference was", "differences were"))
	}
	return said
}

// count is a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
