package largeimport_test

import (
	"flag"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/importing"
	"entrasync/shared/store"
)

var figures = flag.Bool("figures", false, "TestFigures imports 10,000 accounts and lists 100,000, instead of fewer")

// latency is that of each request to an outside system.
const latency = 100 * time.Millisecond

// What an import costs: at most 0.03 requests to JumpCloud for each user, beside the bulk
// jobs themselves, and one request to Graph for 500 users; and one page of the list, however
// large the tenant is.
func TestFigures(t *testing.T) {
	people, tenant := 1000, 2000
	if *figures {
		people, tenant = 10_000, 100_000
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.accounts(people)
		f.outside = func(*http.Request) error {
			time.Sleep(latency)
			return nil
		}
		start := time.Now()
		job, _ := f.work(f.start(importing.Choice{ImportChoice: store.ImportChoice{All: true}}).ID)
		took := job.EndedAt.Sub(start)
		bulk, others := 0, 0
		for route, n := range f.JumpCloud.Counters().ByRoute {
			if route == "POST /api/v2/bulk/users" {
				bulk += n
			} else {
				others += n
			}
		}
		graph := f.Entra.Counters().Requests
		t.Logf("%d accounts: %d bulk requests, %d other requests to JumpCloud (%.3f for each), %d to Graph, %s", people, bulk, others, float64(others)/float64(people), graph, took.Round(time.Second))
		if job.Imported != people || bulk != (people+99)/100 || others > 3*people/100 || graph > (people+499)/500 {
			t.Errorf("%d imported with %d bulk requests, %d others and %d to Graph, want %d with %d, %d and %d at most", job.Imported, bulk, others, graph, people, (people+99)/100, 3*people/100, (people+499)/500)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.accounts(tenant)
		f.outside = func(*http.Request) error {
			time.Sleep(latency)
			return nil
		}
		start := time.Now()
		page, err := f.parts.List(t.Context(), f.directory.ID, importing.ListQuery{Limit: 100})
		f.Must(err)
		jumpCloud := f.JumpCloud.Counters().Requests
		t.Logf("the first page of %d accounts: %d to Graph, %d to JumpCloud, %s", tenant, f.Entra.Counters().Requests, jumpCloud, time.Since(start).Round(time.Millisecond))
		if len(page.Items) != 100 || page.Cursor == "" || f.Entra.Counters().Requests != 1 || jumpCloud > 3 {
			t.Errorf("a page of %d with the cursor %q, %d requests to Graph and %d to JumpCloud, want 100, one, 1 and 3 at most", len(page.Items), page.Cursor, f.Entra.Counters().Requests, jumpCloud)
		}
	})
}
