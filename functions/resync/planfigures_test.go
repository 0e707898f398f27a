package resync_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	function "entrasync/functions/resync"
	"entrasync/shared/directory"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
	"entrasync/shared/results"
	"entrasync/shared/resync"
	"entrasync/shared/store"
)

var planFigures = flag.Int("planfigures", 300, "the number of users in the directory that TestPlanFigures plans")

const (
	// mostPlanMemory is how many MB a process that plans 100,000 users may use.
	mostPlanMemory = 256
	// longestPlanStep is how long a step of it may take.
	longestPlanStep = 25 * time.Second
)

// What a plan of a first connection costs in which everybody gets an account and a group: the
// memory of a process that makes it, the time of a step, and the requests. It shows how far it
// is at any time.
func TestPlanFigures(t *testing.T) {
	if work := os.Getenv(childVariable); work != "" {
		planInThisProcess(t, work)
		return
	}
	if _, err := os.Stat("/proc/self/smaps"); err != nil {
		t.Skip("this system does not say how much memory a process uses")
	}
	f := newFixture(t, nil)
	f.unsettled(*planFigures)
	most := f.inAnotherProcess("TestPlanFigures")
	t.Logf("a plan of %d users in %d groups: a process of at most %d MB", *planFigures, *planFigures/perGroup, most>>20)
	if most > mostPlanMemory<<20 {
		t.Errorf("the process used %d MB, want at most %d", most>>20, mostPlanMemory)
	}
	if units := f.writes(); units > 0 {
		t.Errorf("the plan wrote %d units, want none", units)
	}
}

// unsettled makes so many users without accounts, all in groups that were just connected.
func (f *fixture) unsettled(n int) {
	f.t.Helper()
	var members []directory.UserID
	for i := range n {
		name := fmt.Sprintf("u%06d", i)
		id, err := f.JumpCloud.CreateUser(jumpcloudtest.Fields{"username": name, "email": name + "@" + functiontest.Domain, "firstname": name, "lastname": "Lee", "state": "ACTIVATED"})
		f.Must(err)
		if members = append(members, directory.UserID(id)); len(members) == perGroup {
			_, err := f.Store.ConnectGroup(f.t.Context(), f.directory.ID, f.Group(fmt.Sprintf("Group %04d", i/perGroup), members...), directory.Direct, time.Now().Add(-24*time.Hour))
			f.Must(err) // so long ago that nobody has a task for it any more
			members = nil
		}
	}
}

// measured counts the requests of a process to the table and to the outside systems.
type measured struct {
	store.Table
	outside             http.RoundTripper
	reads, writes, asks atomic.Int64
}

// Get implements store.Table, as do the others.
func (m *measured) Get(ctx context.Context, key store.Key) (store.Item, error) {
	m.reads.Add(1)
	return m.Table.Get(ctx, key)
}

func (m *measured) BatchGet(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	m.reads.Add(1)
	return m.Table.BatchGet(ctx, keys)
}

func (m *measured) Query(ctx context.Context, q store.Query) (store.Page, error) {
	m.reads.Add(1)
	return m.Table.Query(ctx, q)
}

func (m *measured) Put(ctx context.Context, item store.Item, cond store.IfVersion) (int64, error) {
	m.writes.Add(1)
	return m.Table.Put(ctx, item, cond)
}

func (m *measured) Delete(ctx context.Context, key store.Key, cond store.IfVersion) error {
	m.writes.Add(1)
	return m.Table.Delete(ctx, key, cond)
}

func (m *measured) Transact(ctx context.Context, writes []store.Write) error {
	m.writes.Add(1)
	return m.Table.Transact(ctx, writes)
}

// RoundTrip implements http.RoundTripper.
func (m *measured) RoundTrip(r *http.Request) (*http.Response, error) {
	m.asks.Add(1)
	return m.outside.RoundTrip(r)
}

// sized counts the bytes of the files that are put into it.
type sized struct {
	results.Linker
	bytes int64
}

// Put implements results.Store.
func (s *sized) Put(_ context.Context, _, _ string, content io.Reader) (err error) {
	s.bytes, err = io.Copy(io.Discard, content)
	return err
}

// planInThisProcess plans a resync of the directory.
func planInThisProcess(t *testing.T, work string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	counted, files := &measured{}, &sized{}
	records, handler, jobs := processAt(t, work, files, func(table store.Table, outside http.RoundTripper) (store.Table, http.RoundTripper) {
		counted.Table, counted.outside = table, outside
		return counted, counted
	})
	var longest, steps atomic.Int64
	ctx := zerolog.New(os.Stderr).Level(zerolog.WarnLevel).WithContext(t.Context())
	ids, err := records.DirectoryIDs(ctx)
	must(err)
	began := time.Now()
	job, err := resync.Starter{Store: records, Jobs: jobs}.Plan(ctx, ids[0], "the test")
	must(err)
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() { // the record of the job is stored at the end of each step
		defer close(watched)
		last, version := time.Now(), int64(0)
		for watching.Err() == nil {
			if now, err := records.Job(watching, job.ID); err == nil && now.Version != version {
				longest.Store(max(longest.Load(), int64(time.Since(last))))
				steps.Add(1)
				last, version = time.Now(), now.Version
				if steps.Load()%200 == 0 {
					p := resync.ProgressOf(now, time.Now())
					t.Logf("%s: %d of %d, %d s remain, %v", now.Phase, now.Done, now.Total, p.RemainingSeconds, now.Planned)
				}
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	for !job.Status.Ended() {
		within, cancel := context.WithTimeout(ctx, timeout)
		_, err := handler.Handle(within, function.Event{Records: delivered(jobs.take()...)})
		cancel()
		must(err)
		job, err = records.Job(ctx, job.ID)
		must(err)
		if !job.TroubleSince.IsZero() {
			t.Fatalf("the plan makes no progress: %s", job.Message)
		}
	}
	stop()
	<-watched
	if job.Status != store.JobFinished || job.Done != job.Total || job.Planned[string(plan.CreateGroup)] == 0 {
		t.Errorf("the plan is %s (%s), %d of %d, want it finished", job.Status, job.Message, job.Done, job.Total)
	}
	t.Logf("in %s and %d steps, the longest %s; %d reads and %d writes of the table, %d requests outside, a file of %d MB: %s", time.Since(began).Round(time.Second), steps.Load(),
		time.Duration(longest.Load()).Round(10*time.Millisecond), counted.reads.Load(), counted.writes.Load(), counted.asks.Load(), files.bytes>>20, job.Message)
	if longest := time.Duration(longest.Load()); longest > longestPlanStep {
		t.Errorf("a step took %s, want at most %s", longest, longestPlanStep)
	}
}
