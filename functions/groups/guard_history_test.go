package groups_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"pgregory.net/rapid"

	"entrasync/functions/groups"
	"entrasync/shared/directory"
	"entrasync/shared/functiontest"
	"entrasync/shared/local/localtest"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// In no history of joins and leaves, of groups that are disconnected or deleted, of processes
// that die and of workers side by side do more people lose access or get taken out of a group
// within the window than the guard lets, unless somebody approved that. Nobody's suspension
// waits for a hold on removals, nobody's joining waits for any, and once the guard is off
// nothing of it is left.
func TestNoHistoryOfGroupsTakesMoreThanTheGuardLets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			f := newFixtureIn(t, localtest.Folder(t), t.Cleanup)
			f.enter(someWorld(t))
			newGuardHistory(t, f).play()
		})
	})
}

// guardHistory is a random history of a directory with a guard.
type guardHistory struct {
	*history
	count, percent, minimum int
	approved                []approval
	present                 map[directory.EntraID][]string // of groups in Entra, as they were last seen there
	watching                sync.Mutex                     // of present
}

// approval is what was in a hold when it was approved.
type approval struct {
	about     store.About
	kind      plan.HoldKind
	at, until time.Time
	used      bool
}

// newGuardHistory begins a history in which all are members of the first group, and some are
// connected directly, too.
func newGuardHistory(t *rapid.T, f *fixture) *guardHistory {
	names := []string{"ann", "bob", "cat", "dan", "eve", "fay", "gus"}
	h := &guardHistory{history: newHistory(t, f, names[:rapid.IntRange(3, len(names)).Draw(t, "people")]...), present: map[directory.EntraID][]string{}}
	h.count, h.minimum = rapid.IntRange(0, 3).Draw(t, "maxCount"), rapid.IntRange(0, 2).Draw(t, "minimum")
	h.percent = rapid.SampledFrom([]int{0, 20, 50, 100}).Draw(t, "maxPercent")
	f.guarded(h.count, h.percent, h.minimum)
	f.settings(func(s *directory.Settings) {
		s.DeleteGroups, s.ExactMembership = rapid.Bool().Draw(t, "delete groups"), rapid.Bool().Draw(t, "exact")
		h.exactOnce = s.ExactMembership
	})
	f.before, f.after = nil, nil
	for i, p := range h.people {
		h.must(h.jumpcloud.AddMember(string(h.groups[i%2].id), string(p.id)))
		if rapid.Bool().Draw(t, "direct") {
			h.direct(p, true)
		}
	}
	for _, g := range h.groups {
		h.connect(g.id)
		g.connected = true
		h.requestGroup(g, true)
	}
	h.drain()
	h.observe()
	return h
}

// play plays random steps, then delivers what is left and compares.
func (h *guardHistory) play() {
	for range rapid.IntRange(1, 30).Draw(h.t, "moves") {
		switch rapid.IntRange(0, 12).Draw(h.t, "move") {
		case 0, 1:
			h.manyLeave()
		case 2:
			h.decideOne()
		case 3:
			h.wait(time.Duration(rapid.IntRange(1, 50).Draw(h.t, "minutes")) * time.Minute)
		case 4:
			h.userTasks.fails, h.fixture.groups.fails = 0, 0
			h.sweep()
		case 5:
			h.dieAtACall()
		case 6:
			h.twoAtOnce()
		default:
			h.step()
		}
		h.check()
	}
	h.end()
	for range 3 { // whatever was left open by a death is done
		h.wait(11 * time.Minute)
		h.sweep()
		h.drain()
	}
	h.check()
	h.checkSuspended()
	h.checkJoined()
	h.turnOff()
}

// observe has the requests to Graph change the world meanwhile, and remembers before each who
// is in the groups.
func (h *guardHistory) observe() {
	h.watch()
	h.before = func(*http.Request) { h.watch(); h.meanwhile("before") }
	h.after = func(*http.Request) { h.meanwhile("after") }
}

// watch remembers who is in the groups in Entra.
func (h *guardHistory) watch() {
	h.watching.Lock()
	defer h.watching.Unlock()
	for _, g := range h.tenant.Groups() {
		if g.Deleted.IsZero() {
			h.present[directory.EntraID(g.ID)] = g.Members
		}
	}
}

// wait lets time pass.
func (h *guardHistory) wait(d time.Duration) { time.Sleep(d) } // the bubble's time

// manyLeave takes several people out of one group.
func (h *guardHistory) manyLeave() {
	g := rapid.SampledFrom(h.groups).Draw(h.t, "from")
	if g.deleted {
		return
	}
	for _, p := range h.people {
		if !p.deleted && rapid.IntRange(0, 2).Draw(h.t, "leaves") > 0 && h.jumpcloud.RemoveMember(string(g.id), string(p.id)) == nil {
			h.moved(p)
		}
	}
}

// decideOne approves or rejects one of the open holds, and its tasks are sent or lost.
func (h *guardHistory) decideOne() {
	ctx := context.Background()
	open, err := h.store.Holds(ctx, h.directory.ID, store.HoldOpen, 0, "")
	h.must(err)
	if len(open.Items) == 0 {
		return
	}
	hold := rapid.SampledFrom(open.Items).Draw(h.t, "hold")
	status := rapid.SampledFrom([]store.HoldStatus{store.HoldApproved, store.HoldRejected}).Draw(h.t, "decision")
	until := time.Now().Add(time.Duration(rapid.IntRange(1, 90).Draw(h.t, "valid")) * time.Minute)
	if status == store.HoldApproved {
		items, err := h.store.HeldItems(ctx, hold.ID, 0, "")
		h.must(err)
		for _, item := range items.Items {
			h.approved = append(h.approved, approval{about: item.About(), kind: hold.Kind, at: time.Now(), until: until})
		}
	}
	hold, err = h.store.DecideHold(ctx, h.directory.ID, hold.ID, status, func(d *store.Hold) { d.By, d.ExpiresAt = "Ada", until })
	h.must(err)
	if rapid.Bool().Draw(h.t, "tasks are sent") {
		// The queue may refuse them; then the sweep sends them.
		_, _ = reconcile.HeldTasks{Store: h.store, Users: &h.userTasks, Groups: &h.fixture.groups}.Send(ctx, hold)
	}
}

// dieAtACall delivers to a process that dies at one of its calls; its messages come again.
func (h *guardHistory) dieAtACall() {
	h.collect()
	m := functiontest.NewMortal(rapid.IntRange(1, 120).Draw(h.t, "moment"))
	parts := reconcile.Parts{Store: store.New(m.Table(h.Table)), Clients: h.ClientsThrough(m.Transport(h.Kit)), Metrics: &metric.Memory{},
		Lanes: reconcile.Lanes{UsersLive: m.Sender(&h.userTasks), UsersBulk: m.Sender(&h.userTasks), GroupsLive: m.Sender(&h.fixture.groups), GroupsBulk: m.Sender(&h.fixture.groups)}}
	users, err := reconcile.NewUsers(parts)
	h.must(err)
	handler, err := groups.New(groups.Config{Parts: parts, Postponer: h, MaxReceives: maxReceives})
	h.must(err)
	before, living, handling := h.before, h.fixture.users, h.handler
	h.before, h.after, h.fixture.users, h.handler = func(*http.Request) { h.watch() }, nil, users, handler
	h.deliver()
	h.fixture.users, h.handler = living, handling
	h.before, h.after = before, func(*http.Request) { h.meanwhile("after") }
}

// twoAtOnce has two workers work at the same time.
func (h *guardHistory) twoAtOnce() {
	h.collect()
	before, after := h.before, h.after
	h.before, h.after = func(*http.Request) { h.watch() }, nil
	tasks := shuffled(h.history, h.tasks)
	var attempts []reconcile.Attempt
	for _, p := range h.people {
		attempts = append(attempts, reconcile.Attempt{Task: h.userTask(p, true).task, Number: 1})
	}
	h.tasks = nil
	half := len(tasks) / 2
	for _, g := range h.groups {
		tasks = append(tasks, h.message(reconcile.GroupTask{Group: g.id, AllMembers: true}, 1))
	}
	var working sync.WaitGroup
	for _, some := range [][]events.SQSMessage{tasks[:half], tasks[half:]} {
		for chunk := range slices.Chunk(some, queue.MaxBatch) {
			working.Go(func() { h.handle(chunk...) })
		}
	}
	var outcomes []reconcile.Outcome
	working.Go(func() { outcomes = h.fixture.users.Sync(context.Background(), h.directory.ID, attempts) })
	working.Wait()
	h.tasks, h.waiting = append(h.tasks, h.waiting...), nil
	for i, outcome := range outcomes {
		if outcome.Retry {
			h.comesAgain(waiting{attempts[i].Task, 1})
		}
	}
	h.before, h.after = before, after
}

// loss is somebody who lost access or was taken out of a group.
type loss struct {
	store.About
	at     time.Time
	action plan.Action
}

// losses are who lost something by actions of one kind, in their order. Whoever's account was
// disabled already lost nothing.
func (h *guardHistory) losses(kind plan.HoldKind) (all []loss) {
	list, err := h.store.Actions(context.Background(), h.directory.ID, 0, "")
	h.must(err)
	people, disabled := map[directory.EntraID]string{}, map[directory.EntraID]bool{}
	for _, a := range list.Items {
		if a.Subject.Kind == "user" && a.EntraID != "" {
			people[a.EntraID] = a.Subject.ID
		}
	}
	slices.Reverse(list.Items) // the oldest first
	for _, a := range list.Items {
		if a.Subject.Kind == "user" {
			if a.Type == plan.Deprovision && plan.KindOf(a.Reason) == kind && !disabled[a.EntraID] {
				all = append(all, loss{store.About{Person: a.Subject.ID}, a.At, a})
			}
			if enabled, written := a.Value(directory.AccountEnabled); written {
				disabled[a.EntraID] = enabled.Equal(directory.Bool(false)) && a.Status == plan.Succeeded
			}
			continue
		}
		var members []directory.EntraID
		for _, id := range h.present[a.EntraID] {
			members = append(members, directory.EntraID(id))
		}
		for _, account := range a.TakesOut(members) {
			person := people[account]
			if person == "" {
				person = "account:" + string(account)
			}
			if kind == plan.Removals && !disabled[account] {
				all = append(all, loss{store.About{Person: person, Group: directory.GroupID(a.Subject.ID)}, a.At, a})
			}
		}
	}
	return all
}

// check checks that within no window more people lost something, by one kind, than the guard
// lets; what was approved does not count.
func (h *guardHistory) check() {
	h.t.Helper()
	h.watch()
	for _, kind := range plan.HoldKinds() {
		for i := range h.approved {
			h.approved[i].used = false
		}
		var counted []loss
		for _, l := range h.losses(kind) {
			if !h.wasApproved(l, kind) {
				counted = append(counted, l)
			}
		}
		for i, first := range counted {
			all, accounts, of := map[string]bool{}, map[string]bool{}, map[directory.GroupID]map[string]bool{}
			for _, l := range counted[i:] {
				if l.at.Sub(first.at) >= 59*time.Minute { // they are counted a moment before they are recorded
					continue
				}
				if all[l.Person] = true; l.Group == "" {
					accounts[l.Person] = true
				} else if of[l.Group] == nil {
					of[l.Group] = map[string]bool{l.Person: true}
				} else {
					of[l.Group][l.Person] = true
				}
			}
			share := len(h.people) * h.percent / 100
			h.atMost(len(all), max(h.minimum, h.count), kind, counted[i:], "lost something")
			h.atMost(len(accounts), max(h.minimum, min(h.count, share)), kind, counted[i:], "lost access")
			for group, people := range of {
				everybody := len(h.people) + 1 // and the stranger
				h.atMost(len(people), max(h.minimum, min(h.count, everybody*h.percent/100)), kind, counted[i:], "were taken out of "+string(group))
			}
		}
	}
}

// atMost fails if more people lost something than may.
func (h *guardHistory) atMost(got, want int, kind plan.HoldKind, losses []loss, what string) {
	h.t.Helper()
	if got <= want {
		return
	}
	var said strings.Builder
	for _, l := range losses {
		fmt.Fprintf(&said, "\n%s %s %s %s by %s of %s (%s)", l.at.Format(time.TimeOnly), l.Person, l.Group, l.action.Type, l.action.ID, l.action.Cause.Type, l.action.Status)
	}
	h.t.Fatalf("%d people %s within the window (%s), want at most %d:%s", got, what, kind, want, said.String())
}

// wasApproved reports whether somebody approved a loss.
func (h *guardHistory) wasApproved(l loss, kind plan.HoldKind) bool {
	for i, each := range h.approved {
		if each.about == l.About && each.kind == kind && !each.used && !l.at.Before(each.at) && l.at.Before(each.until) {
			h.approved[i].used = l.action.Status == plan.Succeeded // an attempt that failed is repeated
			return true
		}
	}
	return false
}

// checkSuspended checks that everybody who is suspended is disabled, or waits in a hold on
// suspensions, or was rejected there.
func (h *guardHistory) checkSuspended() {
	h.t.Helper()
	for _, p := range h.people {
		user, there := h.jumpcloud.User(string(p.id))
		if !there || user.Text("state") != string(directory.Suspended) {
			continue
		}
		known, err := h.store.User(context.Background(), organization, p.id)
		h.must(err)
		link, _ := known.Link(h.directory.ID)
		if account, found := h.tenant.User(string(link.EntraID)); !found || !account.AccountEnabled {
			continue
		}
		waiting, err := h.store.Guard(context.Background(), h.directory.ID, plan.Suspensions, "", store.HeldItem{User: p.id})
		h.must(err)
		item, waits := waiting.Items[store.About{Person: string(p.id)}]
		if status := waiting.Holds[item.Hold].Status; !waits || status != store.HoldOpen && status != store.HoldRejected {
			h.t.Fatalf("%s is suspended and has an open account, and waits in no hold on suspensions: %+v", p.name, link)
		}
	}
}

// checkJoined checks that everybody who is to be in a group is in it, whoever else waits to be
// taken out.
func (h *guardHistory) checkJoined() {
	h.t.Helper()
	if !h.directory.Settings.ManageGroups {
		return
	}
	for _, g := range h.groups {
		known, err := h.store.Group(context.Background(), organization, g.id)
		h.must(err)
		link, _ := known.Link(h.directory.ID)
		inEntra, found := h.tenant.Group(string(link.EntraID))
		if !found || !inEntra.Deleted.IsZero() || link.Status != directory.Synced && link.Status != directory.Held {
			continue
		}
		for id := range h.members(g) {
			if account := h.account(id); account != "" && !slices.Contains(inEntra.Members, string(account)) {
				h.t.Fatalf("%s is to be in %s and is not: %+v", id, g.id, link)
			}
		}
	}
}

// turnOff turns the guard off, and compares everything with the rules: nobody waits any more.
func (h *guardHistory) turnOff() {
	h.settings(func(s *directory.Settings) { s.Guard.MaxCount = nil })
	h.end()
	h.compare()
	ctx := context.Background()
	holds, err := h.store.Holds(ctx, h.directory.ID, "", 0, "")
	h.must(err)
	for _, hold := range holds.Items {
		items, err := h.store.HeldItems(ctx, hold.ID, 0, "")
		h.must(err)
		if hold.Status == store.HoldOpen || len(items.Items) > 0 {
			h.t.Fatalf("without a guard the hold %+v has %+v, want it over and empty", hold, items.Items)
		}
	}
}
