package resync_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/deactivation"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/functiontest"
	"entrasync/shared/health"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/plan"
	"entrasync/shared/planning"
	"entrasync/shared/reconcile"
	"entrasync/shared/resync"
	"entrasync/shared/store"
)

// inUse is a fixture whose directory has something of everything: people in and out of groups,
// people who wait for managers and accounts, who are excluded and who were disconnected, tasks that
// were not worked on, a message that was set aside, and an open resync.
func inUse(t *testing.T, edit func(*directory.Settings)) (f *fixture, users []directory.UserID, sales directory.GroupID) {
	t.Helper()
	f = newFixture(t, func(s *directory.Settings) {
		s.Attributes = map[directory.Rule]bool{"user_manager": true}
		if edit != nil {
			edit(s)
		}
	})
	ctx := context.Background()
	_, err := f.Tenant.AddUser(entratest.User{UserPrincipalName: "old@" + functiontest.Domain})
	f.Must(err)
	users = f.hire("ann", "bob", "cid", "dee", "old")
	f.Must(f.JumpCloud.UpdateUser(string(users[0]), map[string]any{"manager": string(f.Hire("boss"))}))
	guards, inner := f.Group("Guards", users[3]), f.Group("Inner", users[1])
	sales = f.connectGroup("Sales", users[0], users[1])
	f.Must(f.Store.PutWithin(ctx, store.Within{Directory: f.directory.ID, Outer: sales, Inner: inner}))
	f.directory = f.Exclude(f.directory, directory.Exclude{Group: guards})
	f.excludeNow()
	f.resync()
	_, err = f.Store.Disconnect(ctx, f.directory.ID, users[2], directory.Direct, directory.Disconnected)
	f.Must(err)
	f.Must(reconcile.Enqueue(ctx, &f.users, reconcile.Task{Directory: f.directory.ID, User: users[2], Cause: connected()}))
	f.pump()
	_, err = f.Store.Leave(ctx, f.directory.ID, f.Hire("eve"), sales.Path(), directory.LeftGroup, time.Now())
	f.Must(err)
	f.Must(health.CountDue(ctx, f.Store, time.Now(), f.directory.ID))
	_, err = f.Store.AddStranded(ctx, store.Stranded{ID: "stranded", Organization: functiontest.Organization, Directory: f.directory.ID, Lane: store.UsersLive, At: time.Now()})
	f.Must(err)
	f.Must(f.Store.RecordActions(ctx, plan.Action{ID: "0open", Type: plan.Update, Directory: f.directory.ID, Subject: plan.Subject{Kind: plan.OfUser, ID: string(users[1])}, Status: plan.Started, At: time.Now()}))
	f.start()
	_, err = f.Store.ConnectGroup(ctx, f.directory.ID, f.Group("Late", users[0]), directory.Direct, time.Now())
	f.Must(err)
	f.Must(reconcile.Enqueue(ctx, &f.users, reconcile.Task{Directory: f.directory.ID, User: users[1], Cause: connected()}))
	return f, users, sales
}

// deactivate starts the deactivation of the directory.
func (f *fixture) deactivate(o deactivation.Options) store.Job {
	f.t.Helper()
	job, err := (resync.Starter{Store: f.Store, Jobs: &f.jobs}).Deactivate(context.Background(), f.directory.ID, o, "the test")
	f.Must(err)
	return job
}

// left are the keys of records that name the directory, except for jobs and actions.
func (f *fixture) left() (keys []string) {
	f.t.Helper()
	about := string(f.directory.ID)
	for _, item := range f.everything() {
		own := strings.HasPrefix(item.PK, "JB#0") || strings.HasSuffix(item.PK, "#A")
		if !own && strings.Contains(fmt.Sprint(item.Key, item.IndexPK, string(item.Value)), about) {
			keys = append(keys, fmt.Sprint(item.Key))
		}
	}
	return keys
}

// everything is all that the table has.
func (f *fixture) everything() []store.Item {
	f.t.Helper()
	table, is := f.Table.(*bolttable.Table)
	if !is {
		f.t.Fatal("the table is no file")
	}
	return functiontest.Content(f.t, table)
}

// picture is what Entra has, as text.
func (f *fixture) picture() string {
	var all []string
	for _, u := range f.Tenant.Users() {
		all = append(all, fmt.Sprint(u.UserPrincipalName, u.AccountEnabled, slices.Sorted(maps.Keys(u.Properties)), u.Text("onPremisesImmutableId"), u.PasswordChanges))
	}
	for _, name := range []string{"Sales", "Late"} {
		all = append(all, fmt.Sprint(name, f.members(name)))
	}
	return strings.Join(all, "\n")
}

// A deactivation deletes all that is known of the directory and changes nothing in Entra. Until
// its end nobody else may take the tenant; tasks, events and other jobs find no directory.
func TestDeactivation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, users, sales := inUse(t, nil)
		ctx := context.Background()
		before, writes := f.picture(), f.writes()
		open, err := f.Store.OpenJobOf(ctx, f.directory.ID, store.Resync)
		f.Must(err)
		job := f.deactivate(deactivation.Options{})
		if again := f.deactivate(deactivation.Options{}); again.ID != job.ID {
			t.Errorf("the second request has the job %s, want the same: %s", again.ID, job.ID)
		}
		if _, err := f.Store.Directory(ctx, f.directory.ID); !fault.Is(err, fault.NotFound) {
			t.Errorf("the directory is read with %v, want it not found", err)
		}
		if _, err := (resync.Starter{Store: f.Store, Jobs: &f.jobs}).Start(ctx, f.directory.ID, "the test"); !fault.Is(err, fault.NotFound) {
			t.Errorf("a resync is answered with %v, want the directory not found", err)
		}
		other := f.directory
		other.ID, other.Name, other.Version, other.Settings.Exclude = directory.NewID(functiontest.Organization, "other"), "other", 0, directory.Exclude{}
		if _, err := f.Store.KeepDirectory(ctx, directory.Directory{}, other, nil); !fault.Is(err, fault.Conflict) {
			t.Errorf("another directory on the tenant: %v, want a conflict", err)
		}
		f.pump() // the task that waits
		end, _ := f.finish(job.ID, timeout)
		if end.Status != store.JobFinished || f.writes() != writes || f.picture() != before {
			t.Errorf("the job is %s (%s) with %d writes, want it finished without one, and nothing changed in Entra", end.Status, end.Message, f.writes()-writes)
		}
		if left := f.left(); len(left) > 0 {
			t.Errorf("there are records of the directory still:\n%s", strings.Join(left, "\n"))
		}
		if ended := f.job(open.Job); ended.Status != store.JobFailed {
			t.Errorf("the resync that was open is %s, want it failed", ended.Status)
		}
		if jobs, err := f.Store.OpenJobs(ctx, 10); err != nil || len(jobs) > 0 {
			t.Errorf("open jobs: %v, %v; want none", jobs, err)
		}
		if a, err := f.Store.Action(ctx, functiontest.Organization, "0open"); err != nil || a.Status != plan.Failed || a.Error.Reason != directory.Interrupted {
			t.Errorf("the open action is %+v, %v; want it interrupted", a, err)
		}
		for _, u := range f.Tenant.Users() {
			if owner, err := f.Store.Owner(ctx, f.directory.TenantObject, directory.EntraID(u.ID)); err == nil {
				t.Errorf("the account %s belongs to %v still, want it free", u.UserPrincipalName, owner)
			}
		}
		kept, err := f.Store.KeepDirectory(ctx, directory.Directory{}, other, nil)
		f.Must(err)
		f.directory = kept
		for _, user := range users {
			f.Connect(f.directory, user)
			f.Must(reconcile.Enqueue(ctx, &f.users, reconcile.Task{Directory: f.directory.ID, User: user, Cause: connected()}))
		}
		f.ConnectGroup(f.directory, sales)
		f.Must(reconcile.Enqueue(ctx, &f.groups, reconcile.GroupTask{Directory: f.directory.ID, Group: sales, Cause: connected(), AllMembers: true}))
		f.pump()
		for _, user := range users {
			if link := f.link(user); link.Status != directory.Synced {
				t.Errorf("in the next directory the link of %s is %s (%s: %s), want it synced", user, link.Status, link.Reason, link.Message)
			}
		}
	})
}

// A deactivation shows in numbers how far it is, and in the end how much it deleted.
func TestADeactivationShowsItsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		ctx := context.Background()
		f.connectGroup("Crew", f.hire("ann", "bob", "cid")...)
		f.Must(health.CountDue(ctx, f.Store, time.Now(), f.directory.ID))
		job := f.deactivate(deactivation.Options{ClearImmutableIDs: true})
		f.Must(f.Entra.FailNext(entratest.Fault{Path: "users/" + f.account("ann").ID, Status: http.StatusServiceUnavailable, Times: 1 << 30}))
		f.invoke(f.handler, 20*time.Second)
		if now := f.job(job.ID); now.Phase != "immutable_ids" || now.Done != 3 || now.Total != 3 {
			t.Errorf("the job is in %s, %d of %d, want immutable_ids with 3 of 3 users tried", now.Phase, now.Done, now.Total)
		}
		f.Entra.ClearFaults()
		if end, _ := f.finish(job.ID, timeout); end.Status != store.JobFinished || end.Done != 4 || end.Total != 4 {
			t.Errorf("the job is %s with %d of %d, want it finished with 3 users and a group", end.Status, end.Done, end.Total)
		}
	})
}

// A process that works on a deactivation dies before or after any of its calls. The next one
// goes on, and the end is the same.
func TestADeactivationKilledAnywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a process at each of its calls")
	}
	moments := 0
	for n, died := 1, "yes"; died != ""; n++ {
		synctest.Test(t, func(t *testing.T) {
			f, _, _ := inUse(t, nil)
			f.users.take()
			f.jobs.take()
			job := f.deactivate(deactivation.Options{ClearImmutableIDs: true})
			m := functiontest.NewMortal(n)
			mortal := f.newHandler(store.New(m.Table(f.Table)), m.Transport(f), m.Sender(&f.users), m.Sender(&f.groups), m.Sender(&f.jobs))
			ctx, cancel := context.WithTimeout(context.Background(), timeout)
			defer cancel()
			f.perishIn(ctx, mortal)
			died = m.Died()
			time.Sleep(10 * time.Minute) // the lease expires
			f.jobs.take()                // its message was lost too
			end, _ := f.finish(job.ID, timeout)
			if left := f.left(); len(left) > 0 || end.Status != store.JobFinished {
				t.Errorf("killed at moment %d, %q: the job is %s (%s), and there are records of the directory still:\n%s", n, died, end.Status, end.Message, strings.Join(left, "\n"))
			}
			for _, u := range f.Tenant.Users() {
				excluded := strings.HasPrefix(u.UserPrincipalName, "dee@")
				if id := u.Text("onPremisesImmutableId"); (id == "") == excluded {
					t.Errorf("killed at moment %d, %q: %s has the immutable id %q, want one: %t", n, died, u.UserPrincipalName, id, excluded)
				}
			}
		})
		if moments = n; n > 2000 {
			t.Fatal("a deactivation has more than 2000 moments, want fewer")
		}
	}
	if moments < 60 {
		t.Errorf("a deactivation had %d moments to die at, want at least 60", moments)
	}
}

// Only immutable ids that entrasync wrote are cleared, each as an action that is recorded; those
// of excluded people, of accounts that somebody gave another id, and of accounts in a federated
// domain stay.
func TestImmutableIDsAreCleared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, users, _ := inUse(t, nil)
		f.byHand("bob", map[string]any{"onPremisesImmutableId": "by-hand"})
		f.byHand("old", map[string]any{"onPremisesImmutableId": string(users[4])}) // taken over: it is not from us
		end, _ := f.finish(f.deactivate(deactivation.Options{ClearImmutableIDs: true}).ID, timeout)
		for name, want := range map[string]string{"ann": "", "bob": "by-hand", "cid": "", "dee": string(users[3]), "old": string(users[4])} {
			if got := f.account(name).Text("onPremisesImmutableId"); got != want {
				t.Errorf("%s has the immutable id %q, want %q", name, got, want)
			}
		}
		if want := "the immutable ids of 2 accounts were cleared"; end.Message != want {
			t.Errorf("the job says %q, want %q", end.Message, want)
		}
		page, err := f.Store.CompletedActions(context.Background(), store.ActionQuery{Directory: f.directory.ID, Type: "user_update_provision", User: users[0]})
		f.Must(err)
		if len(page.Items) == 0 || page.Items[0].Cause.Type != deactivation.DeactivatedCause || page.Items[0].Status != plan.Succeeded || len(page.Items[0].Changes) != 1 {
			t.Errorf("the actions of ann are %+v, want the last one to clear the id", page.Items)
		}
	})
}

// A tenant that does not let the application in any more does not keep the directory: after an
// hour the ids stay, and the job says so.
func TestImmutableIDsOfATenantThatRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _, _ := inUse(t, nil)
		job := f.deactivate(deactivation.Options{ClearImmutableIDs: true})
		f.outside = func(r *http.Request) error {
			if r.URL.Host == functiontest.GraphHost {
				return fault.New(fault.Transient, "test", "Graph is down")
			}
			return nil
		}
		began := time.Now()
		end, _ := f.finish(job.ID, timeout)
		f.outside = nil
		if took := time.Since(began); end.Status != store.JobFinished || took < time.Hour || took > 2*time.Hour || !strings.Contains(end.Message, "not tried") {
			t.Errorf("after %s the job is %s (%s), want it finished after about an hour, and that it says what was not tried", took, end.Status, end.Message)
		}
		if left := f.left(); len(left) > 0 {
			t.Errorf("there are records of the directory still:\n%s", strings.Join(left, "\n"))
		}
	})
}

// One account of which Entra gives no answer keeps nobody else's immutable id: it is tried again for an
// hour after all others.
func TestOneAccountWithoutAnAnswerKeepsNoOthersID(t *testing.T) {
	for name, tc := range map[string]struct {
		method string
		heals  bool
		says   string
	}{
		"is not read":           {http.MethodGet, false, "the immutable ids of 3 accounts were cleared; 1 accounts have theirs still"},
		"is not written":        {http.MethodPatch, false, "the immutable ids of 3 accounts were cleared; 1 accounts have theirs still"},
		"is read in the end":    {http.MethodGet, true, "the immutable ids of 4 accounts were cleared"},
		"is written in the end": {http.MethodPatch, true, "the immutable ids of 4 accounts were cleared"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				f.hire("ann", "bob", "cid", "dee")
				f.Must(f.Entra.FailNext(entratest.Fault{Method: tc.method, Path: "users/" + f.account("ann").ID, Status: http.StatusServiceUnavailable, Times: 1 << 30}))
				job := f.deactivate(deactivation.Options{ClearImmutableIDs: true})
				for began := time.Now(); time.Since(began) < 10*time.Minute; {
					f.invoke(f.handler, timeout)
					time.Sleep(time.Minute)
				}
				for _, other := range []string{"bob", "cid", "dee"} {
					if id := f.account(other).Text("onPremisesImmutableId"); id != "" {
						t.Errorf("after ten minutes %s has the immutable id %q, want none", other, id)
					}
				}
				if tc.heals {
					f.Entra.ClearFaults()
				}
				end, _ := f.finish(job.ID, timeout)
				if end.Status != store.JobFinished || !strings.HasPrefix(end.Message, tc.says) || strings.Contains(end.Message, "not tried") {
					t.Errorf("the job is %s (%s), want it finished and to say %q", end.Status, end.Message, tc.says)
				}
				if id := f.account("ann").Text("onPremisesImmutableId"); (id == "") != tc.heals {
					t.Errorf("ann has the immutable id %q, want none: %t", id, tc.heals)
				}
			})
		})
	}
}

// What somebody writes who read the directory before is deleted too, when nobody can be at work
// any more who did; and a worker that has the lease is left alone by another one.
func TestALateWriterLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _, sales := inUse(t, nil)
		ctx := context.Background()
		job := f.deactivate(deactivation.Options{})
		for f.job(job.ID).Phase != "wait" {
			f.invoke(f.handler, 20*time.Second)
		}
		late := f.Hire("late")
		f.Connect(f.directory, late)
		_, err := f.Store.SetMemberships(ctx, f.directory.ID, sales, time.Now(), store.Membership{User: late, In: true, Notify: true})
		f.Must(err)
		_, err = f.Store.Claim(ctx, f.directory.TenantObject, "late-account", store.Owner{Organization: functiontest.Organization, User: late}, f.directory.ID)
		f.Must(err)
		f.Must(f.Store.ChangeLink(ctx, f.directory.ID, late, func(l directory.Link) directory.Link { l.EntraID = "late-account"; return l }))
		if end, _ := f.finish(job.ID, timeout); end.Status != store.JobFinished || time.Since(job.CreatedAt) < 3*time.Minute {
			t.Errorf("the job is %s after %s, want it finished after more than three minutes", end.Status, time.Since(job.CreatedAt))
		}
		if left := f.left(); len(left) > 0 {
			t.Errorf("there are records of the directory still:\n%s", strings.Join(left, "\n"))
		}
	})
}

// Another directory on the tenant decides alone from the request on: it keeps its links and
// claims, and the immutable ids of the accounts that it has too.
func TestAnotherDirectoryOnTheTenantGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(s *directory.Settings) { s.AllowSharedDomains = true })
		ctx := context.Background()
		other := f.directory
		other.ID, other.Name, other.Version = directory.NewID(functiontest.Organization, "other"), "other", 0
		other, err := f.Store.KeepDirectory(ctx, directory.Directory{}, other, nil)
		f.Must(err)
		ids := f.hire("ann", "bob")
		first := f.directory
		f.directory = other
		f.Connect(other, ids[0])
		f.Must(reconcile.Enqueue(ctx, &f.users, reconcile.Task{Directory: other.ID, User: ids[0], Cause: connected()}))
		f.pump()
		f.directory = first
		job := f.deactivate(deactivation.Options{ClearImmutableIDs: true})
		if now, err := f.Store.Directory(ctx, other.ID); err != nil || len(now.Shares) > 0 {
			t.Errorf("the other directory shares the tenant with %v (%v), want nobody", now.Shares, err)
		}
		f.finish(job.ID, timeout)
		if ann, bob := f.account("ann").Text("onPremisesImmutableId"), f.account("bob").Text("onPremisesImmutableId"); ann != string(ids[0]) || bob != "" {
			t.Errorf("ann and bob have the immutable ids %q and %q, want ann's kept and bob's cleared", ann, bob)
		}
		if owner, err := f.Store.Owner(ctx, other.TenantObject, directory.EntraID(f.account("ann").ID)); err != nil || !slices.Equal(owner.Directories, []directory.ID{other.ID}) {
			t.Errorf("the account of ann belongs to %v (%v), want the other directory alone", owner, err)
		}
		user, err := f.Store.User(ctx, functiontest.Organization, ids[0])
		f.Must(err)
		if got := user.Directories(); !slices.Equal(got, []directory.ID{other.ID}) {
			t.Errorf("ann is in %v, want the other directory alone", got)
		}
		f.Must(f.JumpCloud.UpdateUser(string(ids[0]), map[string]any{"state": "SUSPENDED"}))
		f.directory = other
		f.Must(reconcile.Enqueue(ctx, &f.users, reconcile.Task{Directory: other.ID, User: ids[0], Cause: connected()}))
		f.pump()
		if f.account("ann").AccountEnabled {
			t.Error("ann is suspended and enabled, want the other directory to disable her")
		}
	})
}

// A directory that comes to the tenant during the deactivation of another is told too when an account is
// free for which somebody waits.
func TestANewDirectoryOnTheTenantIsToldOfFreeAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		ctx := context.Background()
		f.hire("ann")
		kept, err := f.Store.KeepDirectory(ctx, f.directory, f.directory, nil) // it claims the tenant
		f.Must(err)
		f.directory = kept
		job := f.deactivate(deactivation.Options{})
		other := f.directory
		other.ID, other.Name, other.Version, other.Settings.AllowSharedDomains = directory.NewID(functiontest.Organization, "other"), "other", 0, true
		other, err = f.Store.KeepDirectory(ctx, directory.Directory{}, other, nil)
		f.Must(err)
		bob := f.Hire("bob")
		account := directory.EntraID(f.account("ann").ID)
		f.Must(f.Store.AddWaits(ctx, store.Wait{For: store.FreeAccount(f.directory.TenantObject, account), Directory: other.ID, User: bob}))
		f.users.take()
		f.invoke(f.handler, 20*time.Second)
		told := false
		for _, m := range f.users.take() {
			told = told || strings.Contains(string(m.Body), string(bob))
		}
		if !told {
			t.Errorf("nobody tells %s that the account %s is free, want a task", bob, account)
		}
		f.finish(job.ID, timeout)
	})
}

// The job of an organization deletes all that is known of it, wherever a process dies that works on
// it; other organizations keep theirs.
func TestAnOrganizationIsDeactivated(t *testing.T) {
	moments := 0
	for n, died := 1, "yes"; died != ""; n++ {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, nil)
			ctx := context.Background()
			const gone, other = directory.OrganizationID("5f0c1e2d3a4b5c6d7e8f9999"), functiontest.Organization
			f.Must(f.Store.CreateOrganization(ctx, directory.Organization{ID: gone, Name: "Fabrikam", Region: directory.US}))
			f.Must(f.Store.AddSeen(ctx, store.Seen{Organization: gone, Via: "webhook", At: time.Now(), IDs: []string{"event"}}))
			for i, id := range []directory.OrganizationID{gone, other} {
				f.Must(f.Store.PutImported(ctx, store.Imported{Tenant: f.directory.TenantObject, Organization: id, User: "64a1b2c3d4e5f6071829000a", Account: "account"}))
				f.Must(f.Store.PutCredentialNotice(ctx, store.CredentialNotice{Organization: id, At: time.Now()}))
				_, err := f.Store.AddStranded(ctx, store.Stranded{ID: fmt.Sprint("stranded", i), Organization: id, Lane: store.Changes, At: time.Now()})
				f.Must(err)
				_, err = f.Store.PutCatchUp(ctx, store.CatchUp{Organization: id, From: time.Now()})
				f.Must(err)
			}
			job, err := (resync.Starter{Store: f.Store, Jobs: &f.jobs}).DeactivateOrganization(ctx, gone, "the test")
			f.Must(err)
			m := functiontest.NewMortal(n)
			mortal := f.newHandler(store.New(m.Table(f.Table)), m.Transport(f), m.Sender(&f.users), m.Sender(&f.groups), m.Sender(&f.jobs))
			dying, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			f.perishIn(dying, mortal)
			died = m.Died()
			time.Sleep(10 * time.Minute) // the lease expires
			f.jobs.take()                // its message was lost too
			if end, _ := f.finish(job.ID, timeout); end.Status != store.JobFinished {
				t.Errorf("killed at moment %d, %q: the job is %s (%s), want it finished", n, died, end.Status, end.Message)
			}
			kept := 0
			for _, item := range f.everything() {
				about := fmt.Sprint(item.Key, string(item.Value))
				if strings.Contains(about, string(gone)) && !strings.HasPrefix(item.PK, "JB#0") {
					t.Errorf("killed at moment %d, %q: there is %v still, want nothing of the organization", n, died, item.Key)
				}
				if strings.Contains(about, string(other)) {
					kept++
				}
			}
			if kept < 6 {
				t.Errorf("killed at moment %d, %q: the other organization has %d records, want at least 6", n, died, kept)
			}
			if jobs, err := f.Store.OpenJobs(ctx, 10); err != nil || len(jobs) > 0 {
				t.Errorf("open jobs: %v, %v; want none", jobs, err)
			}
		})
		if moments = n; n > 500 {
			t.Fatal("the deactivation of an organization has more than 500 moments, want fewer")
		}
	}
	if moments < 20 {
		t.Errorf("it had %d moments to die at, want at least 20", moments)
	}
}

// What a deactivation would clear in Entra is what it clears then; to say it writes nothing.
func TestADeactivationIsForeseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, users, _ := inUse(t, nil)
		ctx := context.Background()
		f.byHand("bob", map[string]any{"onPremisesImmutableId": "by-hand"})
		o := deactivation.Options{ClearImmutableIDs: true}
		before, writes, picture := f.content(), f.writes(), f.picture()
		begun := planning.New(f.Table, f.Clients())
		seen, err := deactivation.Parts{Store: begun.Store, Clients: begun.Clients()}.Foresee(planning.Context(ctx), f.directory.ID, o)
		f.Must(err)
		if f.writes() != writes || f.picture() != picture || !slices.Equal(before, f.content()) {
			t.Error("to foresee a deactivation changed something, want nothing written")
		}
		var foreseen []directory.UserID
		for _, a := range seen.Clears {
			foreseen = append(foreseen, directory.UserID(a.Subject.ID))
		}
		slices.Sort(foreseen)
		if want := []directory.UserID{users[0], users[2]}; !slices.Equal(foreseen, want) || !seen.Exact || !seen.Complete || seen.Users < len(users) || seen.Groups != 2 {
			t.Errorf("foreseen is %+v, want that ann's and cid's ids are cleared, and all users and both groups counted", seen)
		}
		end, _ := f.finish(f.deactivate(o).ID, timeout)
		if want := fmt.Sprintf("the immutable ids of %d accounts were cleared", len(seen.Clears)); end.Message != want {
			t.Errorf("the job says %q, want %q", end.Message, want)
		}
	})
}

// content is everything in the table, with keys and versions.
func (f *fixture) content() (all []string) {
	f.t.Helper()
	for _, item := range f.everything() {
		all = append(all, fmt.Sprint(item.Key, item.Version, string(item.Value)))
	}
	return all
}
