package groups_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/groups"
	"entrasync/shared/directory"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// timeOut is the function's time-out, and leastLeft what must be left of it when the
// handler returns.
const (
	timeOut   = time.Minute
	leastLeft = 5 * time.Second
)

// staff are a group and its members, who have accounts.
type staff struct {
	group   directory.GroupID
	members []directory.UserID
}

// newStaff adds the staff. connected says whether the group is connected and in Entra.
func newStaff(f *fixture, connected bool) staff {
	f.t.Helper()
	var s staff
	for _, name := range []string{"ann", "bob", "carl"} {
		s.members = append(s.members, f.person(name))
		f.Connect(f.directory, s.members[len(s.members)-1])
	}
	f.changed(s.members...)
	s.group = f.Group("Staff", s.members...)
	if connected {
		f.connect(s.group)
		f.run(s.group)
		f.finish()
	}
	return s
}

// changes are what groups have to be brought up to date for. right reports whether the
// change is in Entra.
var changes = map[string]struct {
	connected bool
	make      func(*fixture, staff)
	right     func(*fixture, staff) bool
}{
	"a new group": {false, func(f *fixture, s staff) { f.connect(s.group) },
		func(f *fixture, s staff) bool { return slices.Equal(f.names(s.group), []string{"ann", "bob", "carl"}) }},
	"a name and a member": {true, func(f *fixture, s staff) {
		f.must(f.jumpcloud.RenameGroup(string(s.group), "Crew"))
		dora := f.person("dora")
		f.Connect(f.directory, dora)
		f.changed(dora)
		f.must(f.jumpcloud.AddMember(string(s.group), string(dora)))
	}, func(f *fixture, s staff) bool {
		return slices.Equal(f.names(s.group), []string{"ann", "bob", "carl", "dora"}) && f.inEntra(s.group).DisplayName == "Crew"
	}},
	"a group that is disconnected": {true, func(f *fixture, s staff) {
		f.settings(func(s *directory.Settings) { s.DeleteGroups = true })
		f.disconnect(s.group)
	}, func(f *fixture, s staff) bool { return len(f.tenant.GroupsNamed("Staff")) == 0 }},
	"a group that JumpCloud does not have any more": {true, func(f *fixture, s staff) {
		f.must(f.jumpcloud.DeleteGroup(string(s.group)))
	}, func(f *fixture, s staff) bool { return f.link(s.group).Status == directory.Released }},
}

// Whichever request is never answered, the handler ends before the function's time-out,
// the link says why, and the message comes again after a wait; when the system answers
// again, the change is applied.
func TestNoRequestThatHangsUsesUpTheInvocation(t *testing.T) {
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			for n, hung := 1, true; hung; n++ {
				synctest.Test(t, func(t *testing.T) {
					f, h := newFixture(t), &functiontest.Hanging{}
					f.outside = h.Before
					source, err := f.jumpcloud.CreateDirectory("M365")
					f.must(err)
					f.settings(func(s *directory.Settings) {
						s.ConnectionSource = directory.ConnectionSource{Type: directory.Office365Source, ID: source}
					})
					s := newStaff(f, change.connected)
					change.make(f, s)
					f.finish()
					hung = testHang(t, f, h, n, s, change.right)
				})
			}
		})
	}
}

// testHang makes the nth request of an attempt hang; it reports whether there was one.
func testHang(t *testing.T, f *fixture, h *functiontest.Hanging, n int, s staff, right func(*fixture, staff) bool) bool {
	t.Helper()
	m := f.message(reconcile.GroupTask{Group: s.group, AllMembers: true, Source: true}, 1)
	f.restart()
	h.Begin(n)
	start := time.Now()
	failed := within(f, m)
	took := time.Since(start)
	defer time.Sleep(timeOut) // a sign-in ends by itself
	if h.End(); h.First() == "" {
		f.finish()
		if !right(f, s) {
			t.Error("nothing hangs, and the change is not applied")
		}
		return false
	}
	what := fmt.Sprintf("request %d, %s, hangs: ", n, h.First())
	if left := timeOut - took; left < leastLeft {
		t.Errorf("%sthe handler returns with %s left, want at least %s", what, left, leastLeft)
	}
	link, wait := f.link(s.group), f.postponed[m.ReceiptHandle]
	if !failed && right(f, s) {
		return true // it was not needed
	}
	if !failed || wait <= 0 || wait > time.Minute {
		t.Errorf("%sthe message comes again %v after %s, want true after at most a minute", what, failed, wait)
	}
	if link.Status != directory.Pending || link.Reason != directory.Unavailable && link.Reason != directory.JumpCloudUnavailable || link.Message == "" {
		t.Errorf("%sthe link says %s, %s, %q, want that the system is not available", what, link.Status, link.Reason, link.Message)
	}
	actions, err := f.store.Actions(context.Background(), f.directory.ID, 0, "")
	f.must(err)
	for _, a := range actions.Items {
		if a.Status == plan.Started {
			t.Errorf("%sthe action %s is still started", what, a.Type)
		}
	}
	for receives := 2; failed && receives < maxReceives; receives++ {
		time.Sleep(f.postponed[m.ReceiptHandle])
		m.Attributes = comesAgain(m).Attributes
		failed = within(f, m)
	}
	f.finish()
	if failed || !right(f, s) {
		t.Errorf("%swhen it answers again: again %v, applied %v, want false and true", what, failed, right(f, s))
	}
	return true
}

// within invokes the handler as Lambda does, and reports whether the message comes again.
func within(f *fixture, m events.SQSMessage) bool {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeOut)
	defer cancel()
	response, err := f.handler.Handle(ctx, events.SQSEvent{Records: []events.SQSMessage{m}})
	f.must(err)
	return len(response.BatchItemFailures) > 0
}

// A task that fails its last try is sent again to the bulk lane.
func TestALastTryThatFailsGoesToTheBulkLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		s := newStaff(f, true)
		var live, bulk sent
		var err error
		f.handler, err = groups.New(groups.Config{Parts: reconcile.Parts{Store: f.store, Clients: f.Clients(), Metrics: &metric.Memory{},
			Lanes: reconcile.Lanes{UsersLive: &live, UsersBulk: &bulk, GroupsLive: &live, GroupsBulk: &bulk}}, Postponer: f, MaxReceives: maxReceives})
		f.must(err)
		f.jumpcloud.FailNext(jumpcloudtest.Fault{PathContains: "/usergroups", Status: 503, Times: 100})
		if within(f, f.message(reconcile.GroupTask{Group: s.group, AllMembers: true}, maxReceives)) {
			t.Error("the message comes again, want that its task is sent as a new one")
		}
		if l, b := len(live.take()), len(bulk.take()); l != 0 || b != 1 {
			t.Errorf("%d tasks in the live lane and %d in the bulk lane, want 0 and 1", l, b)
		}
	})
}

// A list that is longer than an invocation keeps its place, and is complete after some of
// them: who left meanwhile stays out, and no page is read twice.
func TestALongListKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const members, page = 1150, 5 * time.Second // 12 pages
		f := newFixture(t)
		f.settings(func(s *directory.Settings) { s.ManageGroups = false })
		var all []directory.UserID
		for i := range members {
			all = append(all, f.person(fmt.Sprintf("user%04d", i)))
		}
		group := f.Group("Staff", all...)
		f.connect(group)
		pages := 0
		f.outside = func(r *http.Request) error {
			if strings.HasSuffix(r.URL.Path, "/membership") {
				pages++
				time.Sleep(page)
			}
			return nil
		}
		leaver := slices.Sorted(slices.Values(all))[3] // on the first page
		m := f.message(reconcile.GroupTask{Group: group, AllMembers: true}, 1)
		invocations := 0
		for next := []events.SQSMessage{m}; len(next) > 0; {
			if invocations++; invocations > 5 {
				t.Fatalf("after %d invocations and %d pages the list is not complete", invocations, pages)
			}
			start := time.Now()
			again := within(f, next[0])
			if left := timeOut - time.Since(start); left < leastLeft {
				t.Errorf("invocation %d ends with %s left, want at least %s", invocations, left, leastLeft)
			}
			if listed := pages == 2*12; again && !listed { // two walks, because the list changed
				t.Errorf("invocation %d counts as a failure, want that the task is sent as a new one", invocations)
			}
			if invocations == 1 {
				f.must(f.jumpcloud.RemoveMember(string(group), string(leaver)))
				f.changed(leaver)
			}
			if next = next[:0]; again {
				next = append(next, comesAgain(m))
			}
			for _, sent := range f.groups.take() {
				task, err := reconcile.ReadGroupTask(sent.Body)
				f.must(err)
				if task.AllMembers {
					next = append(next, f.message(task, 1))
				}
			}
		}
		f.finish()
		known, err := f.store.AllMembers(context.Background(), f.directory.ID, group)
		f.must(err)
		wanted := 0
		for _, member := range known {
			if member.Wanted {
				wanted++
			}
			if member.User == leaver && member.Wanted {
				t.Error("who left while the list was read is a member")
			}
		}
		if pages > 2*12 {
			t.Errorf("%d pages were read, want the 12 pages twice", pages)
		}
		if wanted != members-1 || f.link(group).ListedAt.IsZero() {
			t.Errorf("%d members, listed at %s, want %d", wanted, f.link(group).ListedAt, members-1)
		}
	})
}
