package reconcile

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/local/localtest"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// manyMembers is a group that has many members in JumpCloud and in Entra. It is the clients
// and all lanes as well.
type manyMembers struct {
	users    []directory.UserID
	accounts []directory.EntraID
	sent     atomic.Int64
}

// The ids of the one group.
const (
	crowdOrganization = directory.OrganizationID("5f0c1e2d3a4b5c6d7e8f9012")
	crowdGroup        = directory.GroupID("64a1b2c3d4e5f60718293a4b")
	crowdEntra        = directory.EntraID("7f1d5c2e-0a4b-4c61-9a58-3d2f6b1e8c90")
)

func (m *manyMembers) JumpCloud(context.Context, directory.OrganizationID) (JumpCloud, error) {
	return inJumpCloud{m: m}, nil
}

func (m *manyMembers) Entra(context.Context, directory.TenantID) (Entra, error) {
	return inEntra{m: m}, nil
}

// Send implements queue.Sender.
func (m *manyMembers) Send(_ context.Context, messages ...queue.Message) error {
	m.sent.Add(int64(len(messages)))
	return nil
}

// inJumpCloud is the group in JumpCloud.
type inJumpCloud struct {
	JumpCloud
	m *manyMembers
}

func (j inJumpCloud) Group(context.Context, directory.GroupID) (directory.Group, error) {
	return directory.Group{ID: crowdGroup, Name: "Everybody"}, nil
}

func (j inJumpCloud) ListMembers(context.Context, directory.GroupID, directory.MemberList) (directory.MemberList, error) {
	return directory.MemberList{Began: time.Now(), Complete: true, Users: j.m.users}, nil
}

// inEntra is the group in Entra.
type inEntra struct {
	Entra
	m *manyMembers
}

func (e inEntra) ListMembersOf(_ context.Context, id directory.EntraID, _ directory.AccountList) (directory.AccountList, error) {
	return directory.AccountList{Group: id, Began: time.Now(), Complete: true, Pages: 1, Accounts: e.m.accounts}, nil
}

// newManyMembers is a group with n members that is in sync, and what works on it.
func newManyMembers(tb testing.TB, n int) (*manyMembers, Groups, directory.ID) {
	tb.Helper()
	ctx := context.Background()
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	table, err := bolttable.Open(filepath.Join(localtest.Folder(tb), "table.db"))
	must(err)
	tb.Cleanup(func() { must(table.Close()) })
	records := store.New(table)
	must(records.CreateOrganization(ctx, directory.Organization{ID: crowdOrganization, Name: "Example", Region: directory.US}))
	dir := directory.Directory{ID: directory.NewID(crowdOrganization, "main"), Organization: crowdOrganization, Name: "main",
		Tenant: "tenant", TenantObject: "tenant", Status: directory.Active, Settings: directory.DefaultSettings()}
	_, err = records.PutDirectory(ctx, dir)
	must(err)
	_, err = records.ConnectGroup(ctx, dir.ID, crowdGroup, directory.Direct, time.Now())
	must(err)
	m := &manyMembers{}
	var changes []store.Membership
	for i := range n {
		m.users = append(m.users, directory.UserID(fmt.Sprintf("64a1b2c3d4e5f607%08x", i)))
		m.accounts = append(m.accounts, directory.EntraID(fmt.Sprintf("3d2f6b1e-0a4b-4c61-9a58-%012x", i)))
		changes = append(changes, store.Membership{User: m.users[i], In: true})
	}
	_, err = records.SetMemberships(ctx, dir.ID, crowdGroup, time.Now(), changes...)
	must(err)
	marks, err := records.Marks(ctx, dir.ID, crowdGroup)
	must(err)
	must(records.ClearMarks(ctx, marks...))
	for i, id := range m.users {
		link := directory.NewLink(dir.ID, id)
		link.EntraID, link.UPN, link.Status, link.State, link.Version = m.accounts[i], directory.UPN(fmt.Sprintf("user%d@contoso.example", i)), directory.Synced, directory.Enabled, 1
		link.Applied = directory.Attributes{}
		for _, attribute := range []directory.Attribute{"givenName", "surname", "displayName", "userPrincipalName", "mailNickname", "jobTitle", "department", "city", "country", "employeeId"} {
			link.Applied[attribute] = directory.Text(fmt.Sprintf("the value of %s of user %d", attribute, i))
		}
		recordings := records.Record(ctx, store.Recording{Link: link})
		must(recordings[0])
	}
	var members []directory.Member
	known, err := records.AllMembers(ctx, dir.ID, crowdGroup)
	must(err)
	for i, member := range known {
		member.Applied = m.accounts[i]
		members = append(members, member)
	}
	must(records.PutMembers(ctx, members...))
	groups, err := records.ReadGroups(ctx, dir.ID, []directory.GroupID{crowdGroup})
	must(err)
	link, _ := groups.Groups[crowdGroup].Link(dir.ID)
	link.EntraID, link.Applied, link.Name, link.Status, link.ListedAt = crowdEntra, "Everybody", "Everybody", directory.Synced, time.Now()
	must(records.Record(ctx, store.Recording{Group: &link})[0])
	work, err := NewGroups(Parts{Store: records, Clients: m, Metrics: &metric.Memory{}, Lanes: Lanes{UsersLive: m, UsersBulk: m, GroupsLive: m, GroupsBulk: m}})
	must(err)
	return m, work, dir.ID
}

// sync compares all members once.
func (m *manyMembers) sync(tb testing.TB, work Groups, id directory.ID) {
	tb.Helper()
	task := GroupTask{Directory: id, Group: crowdGroup, AllMembers: true, Cause: plan.Cause{Type: "retried", At: time.Now()}}
	if got := work.Sync(context.Background(), id, []GroupAttempt{{GroupTask: task, Number: 1}})[0]; got.Retry {
		tb.Fatalf("%+v, want that the group is in sync", got)
	}
}

// mostHeap measures the heap while do runs: how much more than before it had at most.
func mostHeap(do func()) float64 {
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	base, most := stats.HeapAlloc, uint64(0)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			runtime.ReadMemStats(&stats)
			most = max(most, stats.HeapAlloc)
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	do()
	close(done)
	<-ended
	const mega = 1 << 20
	return float64(most-base) / mega
}

// BenchmarkCompare compares all members of a group with JumpCloud and Entra.
func BenchmarkCompare(b *testing.B) {
	for _, n := range []int{5_000, 50_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m, work, id := newManyMembers(b, n)
			b.ResetTimer()
			most := 0.0
			for range b.N {
				most = max(most, mostHeap(func() { m.sync(b, work, id) }))
			}
			b.ReportMetric(most, "MB-at-most")
		})
	}
}

// BenchmarkNotifyAgain sends the tasks of all members again that an attempt left.
func BenchmarkNotifyAgain(b *testing.B) {
	for _, n := range []int{5_000, 50_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m, work, id := newManyMembers(b, n)
			marks := make([]store.Mark, n)
			for i, user := range m.users {
				marks[i] = store.Mark{Directory: id, Group: crowdGroup, User: user}
			}
			b.ResetTimer()
			most := 0.0
			for range b.N {
				b.StopTimer()
				ctx := context.Background()
				if err := work.Store.MarkDirty(ctx, marks...); err != nil {
					b.Fatal(err)
				}
				groups, err := work.Store.ReadGroups(ctx, id, []directory.GroupID{crowdGroup})
				if err != nil {
					b.Fatal(err)
				}
				link, _ := groups.Groups[crowdGroup].Link(id)
				link.NotifyPending = true
				if err := work.Store.Record(ctx, store.Recording{Group: &link})[0]; err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				most = max(most, mostHeap(func() { m.sync(b, work, id) }))
			}
			b.ReportMetric(most, "MB-at-most")
		})
	}
}
