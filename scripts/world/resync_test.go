package world_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/store"
)

// No webhook ever comes, somebody changes accounts and groups in Entra by hand, and workers
// die at any request: the resync of the night repairs everything, and the next one finds
// nothing.
func TestTheNightRepairsWhatNobodyHeardOf(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testNight(t, seed) })
		})
	}
}

func testNight(t *testing.T, seed uint64) {
	t.Helper()
	k := &killer{random: rand.New(rand.NewPCG(seed, 1))}
	w := world.New(t, world.Config{Latency: 20 * time.Millisecond, Apart: true, Silent: true, Resync: true, Before: k.before})
	var ids []directory.UserID
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprintf("user%02d", i))
		ids = append(ids, w.Hire(names[i]))
	}
	staff := w.Group("Staff", ids[20:]...)
	w.Connect(ids[:20]...)
	w.ConnectGroups(staff)
	time.Sleep(26 * time.Hour)

	for _, id := range ids[:3] {
		w.Must(w.JumpCloud.UpdateUser(string(id), jumpcloudtest.Fields{"lastname": "Ray"}))
	}
	w.Must(w.JumpCloud.UpdateUser(string(ids[3]), jumpcloudtest.Fields{"state": "SUSPENDED"}))
	w.Must(w.JumpCloud.DeleteUser(string(ids[4])))
	w.Must(w.JumpCloud.RemoveMember(string(staff), string(ids[20])))
	w.Must(w.JumpCloud.RenameGroup(string(staff), "Crew"))
	for _, name := range names[5:8] {
		_, err := w.Tenant.UpdateUser(name+"@"+world.Domain, map[string]any{"surname": "Hand"})
		w.Must(err)
	}
	_, err := w.Tenant.UpdateUser(names[8]+"@"+world.Domain, map[string]any{"accountEnabled": false})
	w.Must(err)
	group := w.Tenant.GroupsNamed("Staff")[0]
	_, err = w.Tenant.RemoveMember(group.ID, string(w.Link(ids[21]).EntraID))
	w.Must(err)
	k.kill(10, false)
	time.Sleep(26 * time.Hour)
	k.kill(0, false)
	time.Sleep(25 * time.Hour)

	for i, name := range names {
		account, _ := w.Account(name)
		want := "Lee"
		if i < 3 {
			want = "Ray"
		}
		if got := account.Text("surname"); got != want {
			t.Errorf("%s has the surname %q, want %q", name, got, want)
		}
		if enabled := i != 3 && i != 4 && i != 20; account.AccountEnabled != enabled {
			t.Errorf("%s is enabled: %t, want %t", name, account.AccountEnabled, enabled)
		}
	}
	if got := w.Members("Crew"); !slices.Equal(got, names[21:]) {
		t.Errorf("the group has the members %v, want %v", got, names[21:])
	}
	jobs, err := w.Store.Jobs(t.Context(), w.Directory.ID, 10, "")
	w.Must(err)
	for _, job := range jobs.Items {
		t.Logf("%s: %s, found %d, repaired %d, parked %d: %s", job.StartedAt, job.Status, job.Found, job.Repaired, job.Parked, job.Message)
	}
	if len(jobs.Items) < 3 || jobs.Items[0].Status != store.JobFinished || jobs.Items[0].Found != 0 {
		t.Errorf("got %d jobs, the last of which found %d; want one each night, and nothing in the last one", len(jobs.Items), jobs.Items[0].Found)
	}
}
