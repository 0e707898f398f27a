package groups_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"pgregory.net/rapid"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/local/localtest"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// Users join and leave, groups and settings change at random, tasks come in any order,
// are lost or come twice, Graph fails at times and processes die. Once every queue is
// empty and a task for all members of every group is done, Entra has the state that the
// rules make from JumpCloud's final state.
func TestEveryHistoryOfGroupsEndsInTheSameState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			f := newFixtureIn(t, localtest.Folder(t), t.Cleanup)
			f.enter(someWorld(t))
			playHistory(t, f)
		})
	})
}

// history is the state of one random run.
type history struct {
	*fixture
	t      *rapid.T
	people []*person
	groups []*group
	// users and tasks are the messages that were sent and are not done yet.
	users     []waiting
	tasks     []events.SQSMessage
	seeded    string          // a group that existed in Entra before
	stranger  string          // its member
	entering  sync.Mutex      // guards deathAt and inside
	inside    bool            // a request to Graph is under way
	exactOnce bool            // unknown members may have been removed
	byHand    map[string]bool // groups that somebody restored in Entra
	deathAt   string          // the process dies "before" or "after" Graph serves the next request
}

// person is what the test itself knows about a person.
type person struct {
	id      directory.UserID
	name    string
	direct  bool
	deleted bool
}

// group is what the test itself knows about a group in JumpCloud.
type group struct {
	id        directory.GroupID
	deleted   bool
	connected bool
}

// waiting is a task of a user that waits, and how often it was received.
type waiting struct {
	task     reconcile.Task
	receives int
}

// playHistory plays random steps, then delivers what is left and compares.
func playHistory(t *rapid.T, f *fixture) {
	h := newHistory(t, f, "ann", "bob", "cat", "dan")
	for range rapid.IntRange(1, 40).Draw(t, "steps") {
		h.step()
	}
	h.end()
	h.compare()
}

// newHistory begins a history of some people and three groups.
func newHistory(t *rapid.T, f *fixture, names ...string) *history {
	h := &history{fixture: f, t: t, byHand: map[string]bool{}}
	for _, name := range names {
		h.people = append(h.people, &person{id: f.person(name), name: name})
	}
	for i, name := range []string{"Sales", "Ops", "sales "} {
		id, err := f.jumpcloud.CreateGroup(name)
		f.must(err)
		h.groups = append(h.groups, &group{id: directory.GroupID(id)})
		if i == 0 && rapid.Bool().Draw(t, "there before") {
			h.seed(name)
		}
	}
	f.before = func(*http.Request) { h.meanwhile("before") }
	f.after = func(*http.Request) { h.meanwhile("after") }
	return h
}

// compare compares everything with the rules.
func (h *history) compare() {
	for _, g := range h.groups {
		h.compareGroup(g)
	}
	for _, p := range h.people {
		h.comparePerson(p)
	}
	h.compareTenant()
}

// seed creates a group with the name in Entra, with a member whom entrasync does not
// know.
func (h *history) seed(name string) {
	stranger, err := h.tenant.AddUser(entratest.User{UserPrincipalName: "stranger@contoso.example"})
	h.must(err)
	seeded, err := h.tenant.AddGroup(entratest.Group{DisplayName: name, Members: []string{stranger.ID}})
	h.must(err)
	h.seeded, h.stranger = seeded.ID, stranger.ID
}

// step makes one change, perhaps a failure, and perhaps delivers.
func (h *history) step() {
	does := h.changes()
	names := make([]string, 0, len(does))
	for name := range does {
		names = append(names, name)
	}
	slices.Sort(names)
	does[rapid.SampledFrom(names).Draw(h.t, "what")]()
	switch rapid.IntRange(0, 9).Draw(h.t, "trouble") {
	case 0:
		h.fail(rapid.SampledFrom([]entratest.Fault{
			{Path: `batch$`, Status: 429}, {Path: `batch$`, Status: 503}, {Path: `batch$`, LoseReply: true}, {Path: `batch$`, Status: 500},
			{Path: `/groups`, Method: "PATCH", Status: 409, Times: 6}, {Path: `/groups`, Status: 429}, {Path: `/groups`, Status: 503},
			{Path: `/users`, Status: 500},
		}).Draw(h.t, "fault"))
	case 1:
		h.deathAt = rapid.SampledFrom([]string{"before", "after"}).Draw(h.t, "dies")
	case 2:
		longest := time.Duration(rapid.IntRange(0, 20).Draw(h.t, "lag")) * time.Second
		h.entra.Set(func(b *entratest.Behaviour) { b.Lag.Max = longest })
	case 3:
		h.userTasks.fails, h.fixture.groups.fails = rapid.IntRange(0, 1).Draw(h.t, "users queue"), rapid.IntRange(0, 1).Draw(h.t, "groups queue")
	}
	if rapid.Bool().Draw(h.t, "deliver") {
		h.deliver()
		time.Sleep(time.Duration(rapid.IntRange(0, 40).Draw(h.t, "pause")) * time.Second)
	}
}

// fail makes the next matching requests fail.
func (h *history) fail(f entratest.Fault) {
	f.Header = map[string]string{"Retry-After": "0"}
	h.must(h.entra.FailNext(f))
}

// changes are the possible changes.
func (h *history) changes() map[string]func() {
	p := rapid.SampledFrom(h.people).Draw(h.t, "person")
	g := rapid.SampledFrom(h.groups).Draw(h.t, "group")
	does := map[string]func(){
		"join":       func() { _ = h.jumpcloud.AddMember(string(g.id), string(p.id)); h.moved(p) }, // refused if already a member
		"leave":      func() { _ = h.jumpcloud.RemoveMember(string(g.id), string(p.id)); h.moved(p) },
		"connect":    func() { h.connect(g.id); g.connected = true; h.requestGroup(g, true) },
		"disconnect": func() { h.disconnect(g.id); g.connected = false; h.requestGroup(g, false) },
		"rename": func() {
			_ = h.jumpcloud.RenameGroup(string(g.id), rapid.SampledFrom([]string{"Sales", "Field sales", "ops", "Ops 2"}).Draw(h.t, "name")) // refused if another group has the name
			h.groupChanged(g, false)
		},
		"delete group":     func() { h.must(h.jumpcloud.DeleteGroup(string(g.id))); g.deleted = true; h.groupChanged(g, false) },
		"sync all members": func() { h.groupChanged(g, true) },
		"suspend":          func() { _ = h.jumpcloud.SuspendUser(string(p.id)); h.changed(p) },
		"activate":         func() { _ = h.jumpcloud.ActivateUser(string(p.id)); h.changed(p) },
		"delete user":      func() { p.deleted = h.jumpcloud.DeleteUser(string(p.id)) == nil; h.changed(p) },
		"connect user":     func() { h.direct(p, true) },
		"let user go":      func() { h.direct(p, false) },
		"manage":           func() { h.toggle(func(s *directory.Settings) { s.ManageGroups = !s.ManageGroups }) },
		"exact":            func() { h.toggle(func(s *directory.Settings) { s.ExactMembership = !s.ExactMembership }) },
		"delete groups":    func() { h.toggle(func(s *directory.Settings) { s.DeleteGroups = !s.DeleteGroups }) },
		"restoring":        func() { h.toggle(func(s *directory.Settings) { s.RestoreDeleted = !s.RestoreDeleted }) },
		"in Entra":         func() { h.meddle(g) },
	}
	if p.deleted {
		for _, what := range []string{"join", "leave", "suspend", "activate", "delete user", "connect user"} {
			delete(does, what)
		}
	}
	if g.deleted {
		for _, what := range []string{"join", "leave", "connect", "rename", "delete group"} {
			delete(does, what)
		}
	}
	return does
}

// meddle does what an administrator may do in Entra: deletes a group, restores a group
// that an administrator deleted, or deletes it for good.
func (h *history) meddle(g *group) {
	known, err := h.store.Group(context.Background(), organization, g.id)
	h.must(err)
	link, _ := known.Link(h.directory.ID)
	if link.EntraID != "" {
		if inEntra, exists := h.tenant.Group(string(link.EntraID)); exists && inEntra.Deleted.IsZero() {
			_, err := h.tenant.DeleteGroup(inEntra.ID)
			h.must(err)
		}
		return
	}
	deleted := h.deletedOf(link)
	switch {
	case deleted == "":
	case rapid.Bool().Draw(h.t, "for good"):
		h.must(h.tenant.PurgeGroup(deleted))
	default:
		_, err := h.tenant.RestoreGroup(deleted)
		h.must(err)
		h.byHand[deleted] = true
	}
}

// deletedOf returns the deleted group with the unique name of a group; "" if there is
// none.
func (h *history) deletedOf(link directory.GroupLink) string {
	for _, each := range h.tenant.Groups() {
		if !each.Deleted.IsZero() && each.Properties["uniqueName"] == link.UniqueName() {
			return each.ID
		}
	}
	return ""
}

// direct connects a person directly, or ends that connection.
func (h *history) direct(p *person, in bool) {
	if p.direct = in; in {
		h.must(h.store.Connect(context.Background(), h.directory.ID, p.id, directory.Direct, time.Now().UTC()))
	} else {
		_, err := h.store.Disconnect(context.Background(), h.directory.ID, p.id, directory.Direct, directory.Disconnected)
		h.must(err)
	}
	h.changed(p)
}

// toggle changes the settings and sends a task for everything.
func (h *history) toggle(edit func(*directory.Settings)) {
	h.settings(edit)
	h.exactOnce = h.exactOnce || h.directory.Settings.ExactMembership
	for _, g := range h.groups {
		h.requestGroup(g, true)
	}
}

// copies returns how often an event comes: it may be lost or come twice.
func (h *history) copies() int { return rapid.IntRange(0, 2).Draw(h.t, "copies") }

// moved sends the event that a person joined or left a group, changed that of another
// change of a user, and groupChanged that of a change of a group.
func (h *history) moved(p *person) {
	for range h.copies() {
		h.users = append(h.users, h.userTask(p, true))
	}
}

func (h *history) changed(p *person) {
	for range h.copies() {
		h.users = append(h.users, h.userTask(p, false))
	}
}

func (h *history) groupChanged(g *group, allMembers bool) {
	for range h.copies() {
		h.tasks = append(h.tasks, h.message(reconcile.GroupTask{Group: g.id, AllMembers: allMembers}, 1))
	}
}

// requestGroup sends the task of an administrator's request, which is never lost.
func (h *history) requestGroup(g *group, allMembers bool) {
	h.tasks = append(h.tasks, h.message(reconcile.GroupTask{Group: g.id, AllMembers: allMembers}, 1))
}

// userTask returns a task for a person.
func (h *history) userTask(p *person, memberships bool) waiting {
	h.messages++
	var claims []directory.Claim
	if p.deleted {
		claims = []directory.Claim{{Kind: directory.Removed, User: p.id, At: time.Now().UTC()}}
	} else if memberships {
		claims = h.memberships(p.id)
	}
	if rapid.IntRange(0, 3).Draw(h.t, "events say what happened") == 0 {
		claims = nil
	}
	return waiting{reconcile.Task{Directory: h.directory.ID, User: p.id, Memberships: memberships, Claims: claims,
		Cause: plan.Cause{Type: "user_update", ID: fmt.Sprintf("e%d", h.messages), At: time.Now().UTC(), Event: true}}, 1}
}

// meanwhile makes random changes while a request to Graph is under way: the process may
// die, a user may join or leave, and the other lane may do a task for the same group.
func (h *history) meanwhile(when string) {
	if !h.enter(when) {
		return
	}
	defer func() {
		h.entering.Lock()
		defer h.entering.Unlock()
		h.inside = false
	}()
	p, g := rapid.SampledFrom(h.people).Draw(h.t, "person"), rapid.SampledFrom(h.groups).Draw(h.t, "group")
	switch {
	case rapid.IntRange(0, 3).Draw(h.t, "other lane") == 0:
		h.workGroups([]events.SQSMessage{h.message(reconcile.GroupTask{Group: g.id, AllMembers: true}, 1)})
		return
	case g.deleted || p.deleted:
	case slices.Contains(h.jumpcloud.Members(string(g.id)), string(p.id)):
		h.must(h.jumpcloud.RemoveMember(string(g.id), string(p.id)))
	default:
		h.must(h.jumpcloud.AddMember(string(g.id), string(p.id)))
	}
	h.work([]waiting{h.userTask(p, true)})
}

// enter reports whether changes are to be made now; of requests that are under way at the
// same time one makes them.
func (h *history) enter(when string) bool {
	h.entering.Lock()
	defer h.entering.Unlock()
	if h.deathAt == when {
		h.deathAt = ""
		panic(death{})
	}
	if h.inside || rapid.IntRange(0, 9).Draw(h.t, "meanwhile") > 0 {
		return false
	}
	h.inside = true
	return true
}

// end delivers everything and does a task for all members of every group, without
// failures.
func (h *history) end() {
	h.before, h.after, h.deathAt = nil, nil, ""
	h.userTasks.fails, h.fixture.groups.fails = 0, 0
	h.entra.ClearFaults()
	h.entra.Set(func(b *entratest.Behaviour) { b.Lag = entratest.Lag{} })
	h.drain()
	time.Sleep(3 * time.Minute) // no worker can still work on an action
	for _, p := range h.people {
		h.users = append(h.users, h.userTask(p, true))
	}
	for _, g := range h.groups {
		h.requestGroup(g, true)
	}
	h.drain()
}

// drain delivers until no message waits.
func (h *history) drain() {
	for range 100 {
		if h.collect(); len(h.users)+len(h.tasks) == 0 {
			return
		}
		h.deliver()
		time.Sleep(15 * time.Second)
	}
	h.t.Fatalf("tasks are left after all rounds: %d of users, %d of groups", len(h.users), len(h.tasks))
}
