package resync_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/resync"
	"entrasync/shared/store"
)

// people hires so many users with accounts.
func (f *fixture) people(n int) []directory.UserID {
	f.t.Helper()
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("p%03d", i)
	}
	return f.hire(names...)
}

// enabled counts the enabled accounts.
func (f *fixture) enabled() int {
	n := 0
	for _, u := range f.Tenant.Users() {
		if u.AccountEnabled {
			n++
		}
	}
	return n
}

// A list of JumpCloud's users that is wrong on a later page takes nothing from anybody, and
// whoever differs behind the mistake is found all the same.
func TestAListOfUsersThatIsWrong(t *testing.T) {
	for name, mistake := range map[string]jumpcloudtest.Fault{
		"ends early":       {Answer: jumpcloudtest.EmptyTotal},
		"an empty page":    {Answer: jumpcloudtest.EmptyPage},
		"a short page":     {Answer: jumpcloudtest.ShortPage, Count: 40},
		"fewer":            {Answer: jumpcloudtest.FewerOf, Count: 60},
		"nulls":            {Answer: jumpcloudtest.Nulls, Count: 50},
		"strangers":        {Answer: jumpcloudtest.Strangers, Count: 3},
		"a failing page":   {Status: http.StatusBadGateway, Times: 12},
		"a refused page":   {Status: http.StatusUnauthorized, Times: 3},
		"no answer at all": {Drop: true, Times: 12},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				ids := f.people(250)
				f.resync()
				f.Must(f.JumpCloud.UpdateUser(string(ids[249]), jumpcloudtest.Fields{"lastname": "Ray"}))
				mistake.Path, mistake.Skip = "/api/systemusers", 1
				f.JumpCloud.FailNext(mistake)
				job, _ := f.resync()
				if got := f.enabled(); got != 250 {
					t.Errorf("%d accounts are enabled, want all 250", got)
				}
				if got := f.account("p249").Text("surname"); got != "Ray" {
					t.Errorf("the last one has the surname %q, want Ray", got)
				}
				if job.Status != store.JobFinished || job.Found != 1 {
					t.Errorf("the job is %s with %d found (%s), want it finished with 1", job.Status, job.Found, job.Message)
				}
			})
		})
	}
}

// In whatever form a link is dead, everything is read, and what was changed meanwhile is
// found. So it is with a rule that is newer than the link, with an old link, and in a tenant
// that does not say what changed.
func TestALinkThatDoesNotWork(t *testing.T) {
	dead := func(how entratest.DeadLink) func(*fixture) {
		return func(f *fixture) {
			f.Entra.Set(func(b *entratest.Behaviour) { b.DeltaDead = how })
			f.Entra.ForgetChanges()
		}
	}
	for name, breaks := range map[string]func(*fixture){
		"syncStateNotFound":     dead(entratest.DeadNotFound),
		"gone":                  dead(entratest.DeadGone),
		"gone, with a location": dead(entratest.DeadLocation),
		"eight days old":        func(*fixture) { time.Sleep(8 * 24 * time.Hour) },
		"a newer rule": func(f *fixture) {
			f.directory = f.Settings(f.directory, func(s *directory.Settings) { s.Attributes = map[directory.Rule]bool{"user_job_title": true} })
		},
		"no changes in this tenant": func(f *fixture) { f.Entra.Set(func(b *entratest.Behaviour) { b.NoDelta = true }) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				ids := f.hire("ann", "bob")
				f.connectGroup("Sales", ids...)
				time.Sleep(time.Hour)
				f.resync()
				_, err := f.Tenant.UpdateUser("ann@"+functiontest.Domain, map[string]any{"surname": "Hand"})
				f.Must(err)
				_, err = f.Tenant.RemoveMember(f.Tenant.GroupsNamed("Sales")[0].ID, f.account("bob").ID)
				f.Must(err)
				time.Sleep(time.Hour)
				breaks(f)
				job, _ := f.resync()
				if got := f.account("ann").Text("surname"); got != "Lee" {
					t.Errorf("ann has the surname %q, want Lee", got)
				}
				if got := f.members("Sales"); len(got) != 2 {
					t.Errorf("the group has the members %v, want both", got)
				}
				if job.Status != store.JobFinished || job.Found < 2 {
					t.Errorf("the job is %s with %d found (%s), want it finished with at least 2", job.Status, job.Found, job.Message)
				}
				if name == "no changes in this tenant" {
					return
				}
				f.requests(functiontest.GraphHost)
				time.Sleep(time.Hour)
				if job, tasks := f.resync(); f.requests(functiontest.GraphHost) > 5 || tasks > 0 {
					t.Errorf("the next resync sent %d tasks (%s), want none, and at most 5 requests", tasks, job.Message)
				}
			})
		})
	}
}

// While an outside system is in the way, the job says so, and it goes on when that is over.
// After a day it is given up.
func TestTroubleIsToldAndEnds(t *testing.T) {
	for _, host := range []string{functiontest.GraphHost, functiontest.JumpCloudHost} {
		for name, lasts := range map[string]time.Duration{"an hour": time.Hour, "two days": 48 * time.Hour} {
			t.Run(host+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFixture(t, nil)
					f.hire("ann")
					job := f.start()
					until := time.Now().Add(lasts)
					f.outside = func(r *http.Request) error {
						if r.URL.Host == host && time.Now().Before(until) {
							return errors.New("no route to host")
						}
						return nil
					}
					f.invoke(f.handler, timeout)
					if got := f.job(job.ID); got.Message == "" || got.Status != store.JobRunning {
						t.Errorf("the job is %s and says %q, want why it waits", got.Status, got.Message)
					}
					want := store.JobFinished
					if lasts > 24*time.Hour {
						want = store.JobFailed
					}
					end, _ := f.finish(job.ID, timeout)
					if end.Status != want || want == store.JobFailed && !strings.Contains(end.Message, "given up after a day") {
						t.Errorf("the job is %s (%s), want %s", end.Status, end.Message, want)
					}
					last, err := f.Store.LastJobs(context.Background(), store.Resync, f.directory.ID)
					if got := last[f.directory.ID]; err != nil || got.Result != want || got.Job != job.ID || got.EndedAt.IsZero() {
						t.Errorf("the last resync is %+v, %v; want this one, %s", got, err, want)
					}
				})
			})
		}
	}
}

// A plan is given up after an hour, and one that is stopped goes on nowhere, also not in the hands of
// who works on it.
func TestAPlanInTroubleEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.hire("ann")
		starter := resync.Starter{Store: f.Store, Jobs: &f.jobs}
		f.outside = func(*http.Request) error { return errors.New("no route to host") }
		job, err := starter.Plan(context.Background(), f.directory.ID, "the test")
		f.Must(err)
		end, _ := f.finish(job.ID, timeout)
		if took := end.EndedAt.Sub(job.CreatedAt); end.Status != store.JobFailed || !strings.Contains(end.Message, "the plan was given up after an hour") || took > 2*time.Hour {
			t.Errorf("the plan is %s (%s) after %v, want it given up after an hour", end.Status, end.Message, took)
		}
		job, err = starter.Plan(context.Background(), f.directory.ID, "the test")
		f.Must(err)
		stopped := false
		f.outside = func(*http.Request) error {
			if !stopped {
				stopped = true
				_, err := starter.Stop(context.Background(), job.ID, "somebody")
				f.Must(err)
			}
			return nil
		}
		f.invoke(f.handler, timeout)
		if got := f.job(job.ID); got.Status != store.JobFailed || got.Message != "stopped by somebody" || !stopped {
			t.Errorf("the plan is %s (%s), want it stopped", got.Status, got.Message)
		}
		if _, err := starter.Start(context.Background(), f.directory.ID, "the test"); err != nil {
			t.Errorf("a resync after that: %v, want it started", err)
		}
	})
}

// Two resyncs of a directory at once are one, and one that is not let into its tenant has none.
func TestStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		first, second := f.start(), f.start()
		if first.ID != second.ID || f.jobs.waiting() != 2 {
			t.Errorf("two starts made the jobs %s and %s, want one", first.ID, second.ID)
		}
		f.finish(first.ID, timeout)
		if third := f.start(); third.ID == first.ID {
			t.Error("after the end of a resync a start returned it, want a new one")
		}
		d, err := f.Store.Directory(context.Background(), f.directory.ID)
		f.Must(err)
		d.Status, d.Reason, d.Message = directory.PendingAuthorization, directory.ConsentLost, "the tenant does not let the application in"
		_, err = f.Store.PutDirectory(context.Background(), d)
		f.Must(err)
		_, err = (resync.Starter{Store: f.Store, Jobs: &f.jobs}).Start(context.Background(), d.ID, "the test")
		if got := fault.Of(err); !fault.Is(err, fault.Conflict) || got.Reason != directory.ConsentLost || got.Message != d.Message {
			t.Errorf("got %v, want a conflict that says why", err)
		}
	})
}

// The schedule compares every directory once in each period, at a time of its own.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.hire("ann")
		d, err := f.Store.Directory(context.Background(), f.directory.ID)
		f.Must(err)
		d.CreatedAt = time.Now().UTC()
		_, err = f.Store.PutDirectory(context.Background(), d)
		f.Must(err)
		var starts []time.Time
		for begin := time.Now(); time.Since(begin) < 10*24*time.Hour; time.Sleep(5 * time.Minute) {
			f.jobs.take()
			f.invoke(f.handler, timeout)
			last, err := f.Store.LastJobs(context.Background(), store.Resync, f.directory.ID)
			f.Must(err)
			if at := last[f.directory.ID].StartedAt; !at.IsZero() && (len(starts) == 0 || !at.Equal(starts[len(starts)-1])) {
				starts = append(starts, at)
			}
		}
		if len(starts) < 9 || len(starts) > 11 {
			t.Fatalf("in ten days there were %d resyncs, want ten", len(starts))
		}
		for i := 1; i < len(starts); i++ {
			if wait := starts[i].Sub(starts[i-1]); wait < 23*time.Hour || wait > 25*time.Hour {
				t.Errorf("the resyncs %d and %d began %s apart, want a day", i-1, i, wait)
			}
		}
		when := map[time.Duration]bool{}
		for i := range 100 {
			id := directory.NewID(functiontest.Organization, fmt.Sprintf("d%d", i))
			now := time.Now().Truncate(24 * time.Hour)
			for h := range time.Duration(24) {
				if resync.Due(id, now.Add(h*time.Hour), now.Add((h+1)*time.Hour), 24*time.Hour) {
					when[h] = true
				}
			}
		}
		if len(when) < 12 {
			t.Errorf("100 directories begin in %d different hours of the day, want them spread", len(when))
		}
	})
}
