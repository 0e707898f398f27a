package groups_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"pgregory.net/rapid"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// Whoever joins and leaves, whatever becomes of the groups and of the settings, in
// whatever order the tasks come, how often, with Graph failing and processes dying in
// between: once every queue is empty and everything was looked at as a whole, Entra
// is what the rules make of JumpCloud's final state.
func TestEveryHistoryOfGroupsEndsInTheSameState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(timeless{t}, func(rt *rapid.T) {
			folder, err := os.MkdirTemp("", "entrasync-history-")
			if err != nil {
				rt.Fatal(err)
			}
			var cleanups []func()
			defer func() {
				for _, each := range slices.Backward(cleanups) {
					each()
				}
				if err := os.RemoveAll(folder); err != nil {
					rt.Error(err)
				}
			}()
			f := newFixtureIn(rt, folder, func(c func()) { cleanups = append(cleanups, c) })
			f.enter(someWorld(rt))
			playHistory(rt, f)
		})
	})
}

// timeless is a test that hides its deadline, which is none inside a bubble.
type timeless struct{ testing.TB }

// history is a history being played.
type history struct {
	*fixture
	t      *rapid.T
	people []*person
	groups []*group
	// users and tasks are the messages that were sent and not yet worked off.
	users     []waiting
	tasks     []events.SQSMessage
	seeded    string          // a group in Entra that was there before us
	stranger  string          // its member
	inside    bool            // a request to Graph is under way
	exactOnce bool            // strangers may have been taken out
	byHand    map[string]bool // groups that somebody restored in Entra
	deathAt   string          // the next request dies "before" or "after" Graph had it
}

// person is what the test itself remembers of somebody.
type person struct {
	id      directory.UserID
	name    string
	direct  bool
	deleted bool
}

// group is what the test itself remembers of a group in JumpCloud.
type group struct {
	id        directory.GroupID
	deleted   bool
	connected bool
}

// waiting is a task of a user that waits, and how often it came.
type waiting struct {
	task     reconcile.Task
	receives int
}

// playHistory plays random steps, then delivers what is left and compares.
func playHistory(t *rapid.T, f *fixture) {
	h := &history{fixture: f, t: t, byHand: map[string]bool{}}
	for _, name := range []string{"ann", "bob", "cat", "dan"} {
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
	for range rapid.IntRange(1, 40).Draw(t, "steps") {
		h.step()
	}
	h.end()
	for _, g := range h.groups {
		h.compareGroup(g)
	}
	for _, p := range h.people {
		h.comparePerson(p)
	}
	h.compareTenant()
}

// seed puts a group of the name into Entra, with somebody in it whom we do not know.
func (h *history) seed(name string) {
	stranger, err := h.tenant.AddUser(entratest.User{UserPrincipalName: "stranger@contoso.example"})
	h.must(err)
	seeded, err := h.tenant.AddGroup(entratest.Group{DisplayName: name, Members: []string{stranger.ID}})
	h.must(err)
	h.seeded, h.stranger = seeded.ID, stranger.ID
}

// step lets one thing happen, and perhaps something go wrong, and perhaps delivers.
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

// fail makes the next requests that match go wrong.
func (h *history) fail(f entratest.Fault) {
	f.Header = map[string]string{"Retry-After": "0"}
	h.must(h.entra.FailNext(f))
}

// changes are what can happen.
func (h *history) changes() map[string]func() {
	p := rapid.SampledFrom(h.people).Draw(h.t, "person")
	g := rapid.SampledFrom(h.groups).Draw(h.t, "group")
	does := map[string]func(){
		"join":       func() { _ = h.jumpcloud.AddMember(string(g.id), string(p.id)); h.moved(p) }, // refused for who is in it
		"leave":      func() { _ = h.jumpcloud.RemoveMember(string(g.id), string(p.id)); h.moved(p) },
		"connect":    func() { h.connect(g.id); g.connected = true; h.mustLook(g, true) },
		"disconnect": func() { h.disconnect(g.id); g.connected = false; h.mustLook(g, false) },
		"rename": func() {
			_ = h.jumpcloud.RenameGroup(string(g.id), rapid.SampledFrom([]string{"Sales", "Field sales", "ops", "Ops 2"}).Draw(h.t, "name")) // refused for a name that another has
			h.looked(g, false)
		},
		"delete group":   func() { h.must(h.jumpcloud.DeleteGroup(string(g.id))); g.deleted = true; h.looked(g, false) },
		"look at it all": func() { h.looked(g, true) },
		"suspend":        func() { _ = h.jumpcloud.SuspendUser(string(p.id)); h.changed(p) },
		"activate":       func() { _ = h.jumpcloud.ActivateUser(string(p.id)); h.changed(p) },
		"delete user":    func() { p.deleted = h.jumpcloud.DeleteUser(string(p.id)) == nil; h.changed(p) },
		"connect user":   func() { h.direct(p, true) },
		"let user go":    func() { h.direct(p, false) },
		"manage":         func() { h.toggle(func(s *directory.Settings) { s.ManageGroups = !s.ManageGroups }) },
		"exact":          func() { h.toggle(func(s *directory.Settings) { s.ExactMembership = !s.ExactMembership }) },
		"delete groups":  func() { h.toggle(func(s *directory.Settings) { s.DeleteGroups = !s.DeleteGroups }) },
		"restoring":      func() { h.toggle(func(s *directory.Settings) { s.RestoreDeleted = !s.RestoreDeleted }) },
		"in Entra":       func() { h.meddle(g) },
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

// meddle is an administrator who deletes a group in Entra, or restores one that an
// administrator deleted, or deletes it for good.
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

// deletedOf is the deleted group that has the unique name of a group; "" if none has.
func (h *history) deletedOf(link directory.GroupLink) string {
	for _, each := range h.tenant.Groups() {
		if !each.Deleted.IsZero() && each.Properties["uniqueName"] == link.UniqueName() {
			return each.ID
		}
	}
	return ""
}

// direct connects a person without any group, or ends that.
func (h *history) direct(p *person, in bool) {
	if p.direct = in; in {
		h.must(h.store.Connect(context.Background(), h.directory.ID, p.id, directory.Direct, time.Now().UTC()))
	} else {
		_, err := h.store.Disconnect(context.Background(), h.directory.ID, p.id, directory.Direct, directory.Disconnected)
		h.must(err)
	}
	h.changed(p)
}

// toggle changes the settings, which has everything looked at.
func (h *history) toggle(edit func(*directory.Settings)) {
	h.settings(edit)
	h.exactOnce = h.exactOnce || h.directory.Settings.ExactMembership
	for _, g := range h.groups {
		h.mustLook(g, true)
	}
}

// copies is how often an event comes: it may be lost and may come twice.
func (h *history) copies() int { return rapid.IntRange(0, 2).Draw(h.t, "copies") }

// moved is the event that somebody joined or left a group, changed that of another
// change of a user, and looked that of a change of a group.
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

func (h *history) looked(g *group, whole bool) {
	for range h.copies() {
		h.tasks = append(h.tasks, h.message(reconcile.GroupTask{Group: g.id, AllMembers: whole}, 1))
	}
}

// mustLook is the task that a request of an administrator sends, which is not lost.
func (h *history) mustLook(g *group, whole bool) {
	h.tasks = append(h.tasks, h.message(reconcile.GroupTask{Group: g.id, AllMembers: whole}, 1))
}

// userTask is a task for a person.
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

// meanwhile is what happens while a request to Graph is under way: the process may
// die, somebody may join or leave, and the other lane may come to the same group.
func (h *history) meanwhile(when string) {
	if h.deathAt == when {
		h.deathAt = ""
		panic(death{})
	}
	if h.inside || rapid.IntRange(0, 9).Draw(h.t, "meanwhile") > 0 {
		return
	}
	h.inside = true
	defer func() { h.inside = false }()
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

// end has everything delivered and looked at as a whole, with nothing going wrong any
// more.
func (h *history) end() {
	h.before, h.after, h.deathAt = nil, nil, ""
	h.userTasks.fails, h.fixture.groups.fails = 0, 0
	h.entra.ClearFaults()
	h.entra.Set(func(b *entratest.Behaviour) { b.Lag = entratest.Lag{} })
	h.drain()
	time.Sleep(3 * time.Minute) // nobody can be about an action any more
	for _, p := range h.people {
		h.users = append(h.users, h.userTask(p, true))
	}
	for _, g := range h.groups {
		h.mustLook(g, true)
	}
	h.drain()
}

// drain delivers until nothing waits.
func (h *history) drain() {
	for range 100 {
		if h.collect(); len(h.users)+len(h.tasks) == 0 {
			return
		}
		h.deliver()
		time.Sleep(15 * time.Second)
	}
	h.t.Fatalf("it does not settle: %d tasks of users, %d of groups", len(h.users), len(h.tasks))
}
