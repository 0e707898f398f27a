package resync_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"entrasync/shared/functiontest"
	"entrasync/shared/store"
)

// Where all accounts and groups are read the progress has their number; if Entra does not tell
// it, it is not known, and the resync goes on.
func TestTheTotalOfAList(t *testing.T) {
	for name, tc := range map[string]struct {
		refused       bool
		users, groups int
	}{
		"told":     {false, 3, 1},
		"not told": {true, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				f.connectGroup("Sales", f.hire("ann", "bob", "cid")...)
				totals, counts := map[string]int{}, 0
				f.outside = func(r *http.Request) error {
					if r.URL.Host != functiontest.GraphHost {
						return nil
					}
					if strings.HasSuffix(r.URL.Path, "/$count") {
						if counts++; tc.refused {
							return errors.New("no answer")
						}
						return nil
					}
					if open, err := f.Store.OpenJobOf(context.Background(), f.directory.ID, store.Resync); err == nil {
						job := f.job(open.Job)
						totals[job.Phase] = max(totals[job.Phase], job.Total)
					}
					return nil
				}
				if job, _ := f.resync(); job.Status != store.JobFinished || totals["accounts"] != tc.users || totals["groups"] != tc.groups || counts < 2 {
					t.Errorf("the job is %s, the totals were %v after %d requests for them, want %d accounts and %d groups", job.Status, totals, counts, tc.users, tc.groups)
				}
				counts = 0
				if f.quiet(); counts > 0 {
					t.Errorf("the next night asked %d times for the numbers, want never", counts)
				}
			})
		})
	}
}
