package resync_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	function "entrasync/functions/resync"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/store"
)

// A resync has ended seconds after its tasks were worked on.
func TestARepairIsSeenSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.hire("ann")
		f.resync()
		f.byHand("ann", map[string]any{"surname": "Hand"})
		time.Sleep(time.Hour)
		id, began := f.start().ID, time.Now()
		event, ended := function.Event{Records: delivered(f.jobs.take()...)}, make(chan error)
		go func() {
			_, err := f.handler.Handle(context.Background(), event)
			ended <- err
		}()
		for !f.job(id).Status.Ended() {
			time.Sleep(time.Second)
			f.pump()
		}
		f.Must(<-ended)
		if took, job := time.Since(began), f.job(id); took > 5*time.Second || job.Repaired != 1 {
			t.Errorf("the job took %s, with %d repaired (%s), want at most 5 s and 1", took, job.Repaired, job.Message)
		}
	})
}

// What was written a moment ago is compared later, because a list may not show that yet: it
// counts neither as different nor as repaired.
func TestTheYoungAreNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.hire("ann")
		f.byHand("ann", map[string]any{"surname": "Hand"})
		job, _ := f.resync()
		if job.Status != store.JobFinished || job.Found+job.Repaired != 0 {
			t.Errorf("the job is %s with %d found and %d repaired (%s), want none while ann is too young to be compared", job.Status, job.Found, job.Repaired, job.Message)
		}
		time.Sleep(6 * time.Minute)
		f.pump()
		if got := f.account("ann").Text("surname"); got != "Lee" {
			t.Errorf("ann has the surname %q six minutes later, want Lee", got)
		}
		f.byHand("ann", map[string]any{"surname": "Hand"})
		time.Sleep(5 * time.Minute)
		f.count("five minutes after our last write", counted{found: 1, repaired: 1}, "1 user or group differed: 1 repaired")
	})
}

// counted are the numbers with which a job ended.
type counted struct{ found, repaired, parked, again, reported int }

// count runs a resync of the next night and fails the test unless it ends with some numbers.
func (f *fixture) count(what string, want counted, message string) {
	f.t.Helper()
	time.Sleep(24 * time.Hour)
	job, _ := f.resync()
	got := counted{job.Found, job.Repaired, job.Parked, job.Rechecked, job.Reported}
	if job.Status != store.JobFinished || got != want || job.Message != message {
		f.t.Errorf("%s: the job is %s with %+v (%s), want it finished with %+v (%s)", what, job.Status, got, job.Message, want, message)
	}
}

// Who was parked before and is checked again is no difference; only who is parked no more
// by that was repaired.
func TestParkedUsersAreNoDifferences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		ids := f.hire("ann")
		gone := map[string]string{} // the ids of deleted accounts
		for _, name := range []string{"bob", "cid", "dee"} {
			account, err := f.Tenant.AddUser(entratest.User{UserPrincipalName: name + "@" + functiontest.Domain})
			f.Must(err)
			_, err = f.Tenant.DeleteUser(account.ID)
			f.Must(err)
			gone[name] = account.ID
			f.hire(name)
		}
		f.count("nothing changed", counted{again: 3}, "nothing differed; 3 parked users and groups were checked again and stay parked")
		f.Must(f.JumpCloud.UpdateUser(string(ids[0]), jumpcloudtest.Fields{"lastname": "Ray"}))
		f.count("a difference", counted{found: 1, repaired: 1, again: 3},
			"1 user or group differed: 1 repaired; 3 parked users and groups were checked again and stay parked")
		f.Must(f.Tenant.PurgeUser(gone["bob"]))
		f.count("one who is parked no more", counted{found: 1, repaired: 1, again: 2},
			"1 user or group differed: 1 repaired; 2 parked users and groups were checked again and stay parked")
		f.Must(f.JumpCloud.UpdateUser(string(ids[0]), jumpcloudtest.Fields{"email": "ann@elsewhere.example"}))
		f.count("one who is parked now", counted{found: 1, parked: 1, again: 2},
			"1 user or group differed: 0 repaired, 1 parked, each with its reason; 2 parked users and groups were checked again and stay parked")
	})
}

// An account and a group that were deleted, and then restored by hand, are counted once each,
// whether differences are repaired or only reported.
func TestRestoredByHandIsCountedOnce(t *testing.T) {
	for name, repair := range map[string]bool{"repaired": true, "only reported": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, func(s *directory.Settings) { s.RepairDrift = repair })
				ids := f.hire("ann", "bob")
				f.connectGroup("Sales", ids[1])
				time.Sleep(time.Hour)
				f.resync()
				account, err := f.Tenant.DeleteUser("ann@" + functiontest.Domain)
				f.Must(err)
				group := f.Tenant.GroupsNamed("Sales")[0].ID
				_, err = f.Tenant.DeleteGroup(group)
				f.Must(err)
				time.Sleep(24 * time.Hour)
				if job, _ := f.resync(); job.Found+job.Reported != 2 {
					t.Errorf("deleted: %d found and %d reported (%s), want the account and the group", job.Found, job.Reported, job.Message)
				}
				_, err = f.Tenant.RestoreUser(account.ID)
				f.Must(err)
				_, err = f.Tenant.RestoreGroup(group)
				f.Must(err)
				f.count("restored", counted{found: 2, repaired: 2}, "2 users and groups differed: 2 repaired")
			})
		})
	}
}
