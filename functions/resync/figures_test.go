package resync_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/store"
)

var figures = flag.String("figures", "300", "the numbers of users in the directories that TestFigures compares, such as 1000,10000,100000")

const (
	// latency is that of each request to an outside system.
	latency = 100 * time.Millisecond
	// groupSize is how many members each group has, and perGroup how many users there are for
	// each group.
	groupSize, perGroup = 20, 50
)

// What a resync costs: with nothing changed at most five requests to Graph and no write,
// whatever the number of users, about one request to JumpCloud for 100 users and one for each
// group; and what the repair of one in a hundred costs.
func TestFigures(t *testing.T) {
	for size := range strings.SplitSeq(*figures, ",") {
		n, err := strconv.Atoi(size)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) { testFigures(t, n) })
	}
}

func testFigures(t *testing.T, n int) {
	t.Helper()
	f := newFixture(t, nil)
	f.settle(n)
	var mu sync.Mutex
	var base, peak uint64
	seen := 0
	f.outside = func(*http.Request) error {
		time.Sleep(latency)
		mu.Lock()
		defer mu.Unlock()
		if seen++; base > 0 && seen%max(1, n/500) == 0 {
			peak = max(peak, live())
		}
		return nil
	}
	measure := func(what string) (job store.Job, tasks, graph int) {
		mu.Lock()
		base, peak, seen = live(), 0, 0
		mu.Unlock()
		f.requests(functiontest.GraphHost)
		f.requests(functiontest.JumpCloudHost)
		writes := f.writes()
		started := f.start()
		f.invoke(f.handler, timeout)
		for f.job(started.ID).Phase != "repair" && !f.job(started.ID).Status.Ended() {
			f.invoke(f.handler, timeout)
		}
		compared := f.job(started.ID)
		took := compared.PhaseAt.Sub(compared.StartedAt)
		if compared.Phase != "repair" {
			took = compared.EndedAt.Sub(compared.StartedAt)
		}
		graph = f.requests(functiontest.GraphHost)
		jumpCloud := f.requests(functiontest.JumpCloudHost)
		memory := (max(peak, base) - base) >> 20
		mu.Lock()
		base = 0
		mu.Unlock()
		job, tasks = f.finish(started.ID, timeout)
		t.Logf("%6d users, %4d groups, %s: compared in %s with %d requests to Graph and %d to JumpCloud, %d MB more in use; found %d; repaired %d with %d more requests to Graph, %d to JumpCloud and %d writes",
			n, n/perGroup, what, took.Round(100*time.Millisecond), graph, jumpCloud, memory, compared.Found, job.Repaired, f.requests(functiontest.GraphHost), f.requests(functiontest.JumpCloudHost), f.writes()-writes)
		if job.Status != store.JobFinished || memory > 128 {
			t.Errorf("the job is %s (%s) and took %d MB, want it finished with at most 128", job.Status, job.Message, memory)
		}
		return job, tasks, graph
	}
	measure("the first time")
	writes := f.writes()
	if job, tasks, graph := measure("nothing changed"); tasks > 0 || graph > 5 || job.Found > 0 || f.writes() != writes {
		t.Errorf("with nothing changed there were %d tasks, %d requests to Graph, %d found and %d writes, want none, and at most 5 requests", tasks, graph, job.Found, f.writes()-writes)
	}
	changed := n / 100
	for i := range changed {
		_, err := f.Tenant.UpdateUser(fmt.Sprintf("u%06d@%s", i*100, functiontest.Domain), map[string]any{"surname": "Hand"})
		f.Must(err)
	}
	if job, _, _ := measure("one in a hundred changed in Entra"); job.Found != changed || job.Repaired != changed {
		t.Errorf("%d found and %d repaired (%s), want %d", job.Found, job.Repaired, job.Message, changed)
	}
}

// live is how much memory is in use after a collection.
func live() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// settle makes so many users with accounts, in groups, all as a first connection leaves them.
func (f *fixture) settle(n int) {
	f.t.Helper()
	ctx := context.Background()
	for i := range n {
		name := fmt.Sprintf("u%06d", i)
		_, err := f.JumpCloud.CreateUser(jumpcloudtest.Fields{"username": name, "email": name + "@" + functiontest.Domain, "firstname": name, "lastname": "Lee", "state": "ACTIVATED"})
		f.Must(err)
	}
	client, err := f.Clients().Pages(ctx, functiontest.Organization)
	f.Must(err)
	var users []directory.User
	for at := (directory.ListPlace{}); !at.End; {
		page, next, err := client.UserPage(ctx, at)
		f.Must(err)
		users, at = append(users, page...), next
	}
	tenant := f.directory.TenantObject
	accounts := make([]directory.EntraID, len(users))
	var links []store.Recording
	for i, u := range users {
		desired := directory.Desire(&u, directory.Connected{Here: true}, f.directory.Settings)
		properties := map[string]any{"onPremisesImmutableId": string(u.ID)}
		for name, value := range desired.Attributes {
			properties[string(name)] = value.String()
		}
		account, err := f.Tenant.AddUser(entratest.User{UserPrincipalName: string(desired.UPN), Properties: properties})
		f.Must(err)
		accounts[i] = directory.EntraID(account.ID)
		f.Connect(f.directory, u.ID)
		owner := store.Owner{Organization: functiontest.Organization, User: u.ID, Username: u.Username}
		_, err = f.Store.Claim(ctx, tenant, accounts[i], owner, f.directory.ID)
		f.Must(err)
		link := directory.NewLink(f.directory.ID, u.ID)
		link.EntraID, link.UPN, link.Status, link.State, link.Origin, link.Version = accounts[i], desired.UPN, directory.Synced, directory.Enabled, directory.CreatedByUs, 1
		link.Applied = desired.Attributes.Set([]directory.Change{
			{Attribute: directory.AccountEnabled, To: directory.Bool(true)}, {Attribute: directory.ImmutableID, To: directory.Text(string(u.ID))},
		})
		links = append(links, store.Recording{Link: link})
	}
	for _, err := range f.Store.Record(ctx, links...) {
		f.Must(err)
	}
	for g := range n / perGroup {
		f.settleGroup(fmt.Sprintf("Group %04d", g), users, accounts, g*perGroup)
	}
}

// settleGroup makes a group of some of the users.
func (f *fixture) settleGroup(name string, users []directory.User, accounts []directory.EntraID, from int) {
	f.t.Helper()
	ctx := context.Background()
	var ids []directory.UserID
	var present []string
	var joins []store.Membership
	for i := from; i < from+groupSize; i++ {
		ids, present = append(ids, users[i].ID), append(present, string(accounts[i]))
		joins = append(joins, store.Membership{User: users[i].ID, In: true})
	}
	group := f.Group(name, ids...)
	made, err := f.Tenant.AddGroup(entratest.Group{DisplayName: name, Members: present, Properties: map[string]any{"uniqueName": group.UniqueName()}})
	f.Must(err)
	f.ConnectGroup(f.directory, group)
	_, err = f.Store.SetMemberships(ctx, f.directory.ID, group, time.Now().UTC(), joins...)
	f.Must(err)
	members, err := f.Store.AllMembers(ctx, f.directory.ID, group)
	f.Must(err)
	for i := range members {
		members[i].Applied = accounts[from+slices.Index(ids, members[i].User)]
	}
	f.Must(f.Store.PutMembers(ctx, members...))
	marks, err := f.Store.Marks(ctx, f.directory.ID, group)
	f.Must(err)
	f.Must(f.Store.ClearMarks(ctx, marks...))
	id := directory.EntraID(made.ID)
	_, err = f.Store.Claim(ctx, f.directory.TenantObject, id, store.Owner{Organization: functiontest.Organization, Group: group, Username: name}, f.directory.ID)
	f.Must(err)
	link := directory.NewGroupLink(f.directory.ID, group)
	link.EntraID, link.Status, link.Origin, link.Name, link.Applied, link.ListedAt, link.Version = id, directory.Synced, directory.CreatedByUs, name, name, time.Now().UTC(), 1
	for _, err := range f.Store.Record(ctx, store.Recording{Group: &link}) {
		f.Must(err)
	}
}
