package resync_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// check sends the task of a user and works on it.
func (f *fixture) check(id directory.UserID) {
	f.t.Helper()
	f.Must(reconcile.Enqueue(context.Background(), &f.users, reconcile.Task{Directory: f.directory.ID, User: id, Cause: connected(), Memberships: true}))
	f.pump()
}

// In whatever state users are, a resync of what is as it should be sends no task: the
// comparison says so exactly when the engine would do nothing. Who is parked for a reason
// that may have ended is looked at again each time, without a write.
func TestEveryStateIsCompared(t *testing.T) {
	for name, tc := range map[string]struct {
		settings func(*directory.Settings)
		make     func(*fixture) directory.UserID
		again    int // tasks of each resync
	}{
		"suspended": {nil, func(f *fixture) directory.UserID {
			id := f.hire("ann")[0]
			f.Must(f.JumpCloud.UpdateUser(string(id), jumpcloudtest.Fields{"state": "SUSPENDED"}))
			return id
		}, 0},
		"staged": {nil, func(f *fixture) directory.UserID {
			id, err := f.JumpCloud.CreateUser(jumpcloudtest.Fields{"username": "ann", "email": "ann@" + functiontest.Domain, "state": "STAGED"})
			f.Must(err)
			f.Connect(f.directory, directory.UserID(id))
			return directory.UserID(id)
		}, 0},
		"staged and taken over": {nil, func(f *fixture) directory.UserID {
			_, err := f.Tenant.AddUser(entratest.User{UserPrincipalName: "ann@" + functiontest.Domain, AccountEnabled: true})
			f.Must(err)
			id, err := f.JumpCloud.CreateUser(jumpcloudtest.Fields{"username": "ann", "email": "ann@" + functiontest.Domain, "state": "STAGED"})
			f.Must(err)
			f.Connect(f.directory, directory.UserID(id))
			return directory.UserID(id)
		}, 0},
		"taken over": {nil, func(f *fixture) directory.UserID {
			_, err := f.Tenant.AddUser(entratest.User{UserPrincipalName: "ann@" + functiontest.Domain, AccountEnabled: true, Properties: map[string]any{"surname": "Old"}})
			f.Must(err)
			return f.hire("ann")[0]
		}, 0},
		"locked": {func(s *directory.Settings) { s.SuspendOnLockout = true }, func(f *fixture) directory.UserID {
			id := f.hire("ann")[0]
			f.Must(f.JumpCloud.UpdateUser(string(id), jumpcloudtest.Fields{"account_locked": true}))
			return id
		}, 0},
		"a manager": {func(s *directory.Settings) {
			s.Attributes = map[directory.Rule]bool{"user_manager": true, "user_job_title": true}
		}, func(f *fixture) directory.UserID {
			ids := f.hire("ann", "bob")
			f.Must(f.JumpCloud.UpdateUser(string(ids[0]), jumpcloudtest.Fields{"manager": string(ids[1]), "jobTitle": "Chief"}))
			return ids[0]
		}, 0},
		"a manager without an account": {func(s *directory.Settings) { s.Attributes = map[directory.Rule]bool{"user_manager": true} }, func(f *fixture) directory.UserID {
			id, boss := f.hire("ann")[0], f.Hire("bob")
			f.Must(f.JumpCloud.UpdateUser(string(id), jumpcloudtest.Fields{"manager": string(boss)}))
			return id
		}, 0},
		"disconnected": {nil, func(f *fixture) directory.UserID {
			id := f.hire("ann")[0]
			_, err := f.Store.Disconnect(context.Background(), f.directory.ID, id, directory.Direct, directory.Disconnected)
			f.Must(err)
			return id
		}, 0},
		"deleted": {nil, func(f *fixture) directory.UserID {
			id := f.hire("ann")[0]
			f.Must(f.JumpCloud.DeleteUser(string(id)))
			return id
		}, 0},
		"in a group": {nil, func(f *fixture) directory.UserID {
			id := f.Hire("ann")
			f.connectGroup("Sales", id)
			return id
		}, 0},
		"left a group": {nil, func(f *fixture) directory.UserID {
			id := f.Hire("ann")
			sales := f.connectGroup("Sales", id)
			f.Must(f.JumpCloud.RemoveMember(string(sales), string(id)))
			return id
		}, 0},
		"no e-mail of the domains": {func(s *directory.Settings) { s.Domains = []directory.Domain{{Name: functiontest.Domain}} }, func(f *fixture) directory.UserID {
			id := f.HireAs("ann", "ann@elsewhere.example")
			f.Connect(f.directory, id)
			return id
		}, 0},
		"an unverified domain": {nil, func(f *fixture) directory.UserID {
			id := f.HireAs("ann", "ann@elsewhere.example")
			f.Connect(f.directory, id)
			return id
		}, 1},
		"synchronised from on-premises": {nil, func(f *fixture) directory.UserID {
			_, err := f.Tenant.AddUser(entratest.User{UserPrincipalName: "ann@" + functiontest.Domain, AccountEnabled: true, Properties: map[string]any{"onPremisesSyncEnabled": true}})
			f.Must(err)
			return f.hire("ann")[0]
		}, 0},
		"a deleted account of the name": {nil, func(f *fixture) directory.UserID {
			_, err := f.Tenant.AddUser(entratest.User{UserPrincipalName: "ann@" + functiontest.Domain})
			f.Must(err)
			_, err = f.Tenant.DeleteUser("ann@" + functiontest.Domain)
			f.Must(err)
			return f.hire("ann")[0]
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, tc.settings)
				id := tc.make(f)
				f.check(id)
				time.Sleep(15 * time.Minute)
				f.check(id)
				f.resync()
				for day := range 2 {
					time.Sleep(24 * time.Hour)
					before, writes := f.link(id), f.writes()
					f.start()
					f.invoke(f.handler, timeout)
					got := f.users.waiting() + f.groups.waiting()
					f.pump()
					f.finishOpen()
					if after := f.link(id); got != tc.again || f.writes() != writes || after.Status != before.Status || after.Reason != before.Reason {
						t.Errorf("day %d: %d tasks and %d writes, and the link went from %s (%s) to %s (%s); want %d tasks, no write, and the same link",
							day, got, f.writes()-writes, before.Status, before.Reason, after.Status, after.Reason, tc.again)
					}
				}
			})
		})
	}
}

// finishOpen runs the open job, if there is one, to its end.
func (f *fixture) finishOpen() {
	f.t.Helper()
	if open, err := f.Store.OpenJobOf(context.Background(), f.directory.ID, store.Resync); err == nil {
		f.finish(open.Job, timeout)
	}
}
