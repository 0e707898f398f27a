package users_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"pgregory.net/rapid"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/local/localtest"
	"entrasync/shared/store"
)

// People in JumpCloud and the settings of the directory change at random, tasks come in
// any order, are lost or come twice, and Graph fails at times. Once every queue is
// empty, Entra has the state that the rules make from JumpCloud's final state.
func TestEveryHistoryEndsInTheSameState(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := newFixtureIn(rt, localtest.Folder(rt), rt.Cleanup)
		f.enter(someWorld(rt))
		playHistory(rt, f)
	})
}

// person is what the test itself knows about a person.
type person struct {
	id      directory.UserID
	name    string
	deleted bool
}

// playHistory plays random steps, then delivers what is left and compares.
func playHistory(t *rapid.T, f *fixture) {
	h := &history{fixture: f, t: t}
	_, h.two = shared(f)
	f.settings(func(s *directory.Settings) { s.Attributes["user_manager"] = true })
	for _, name := range []string{"ann", "bob", "cat"} {
		h.people = append(h.people, &person{id: f.unconnected(name, name+"@contoso.example"), name: name})
	}
	if rapid.Bool().Draw(t, "there before") {
		seeded, err := f.accounts.AddUser(entratest.User{UserPrincipalName: rapid.SampledFrom([]string{"ann@contoso.example", "ann@fed.example", "old.ann@contoso.example"}).Draw(t, "name")})
		f.must(err)
		h.seeded = seeded.ID
		if rapid.Bool().Draw(t, "imported") {
			f.must(f.store.PutImported(context.Background(), store.Imported{Tenant: f.directory.TenantObject, Organization: organization, User: h.people[0].id, Account: directory.EntraID(seeded.ID)}))
		}
	}
	var queue []events.SQSMessage
	for range rapid.IntRange(1, 30).Draw(t, "steps") {
		p := rapid.SampledFrom(h.people).Draw(t, "person")
		for _, concerned := range h.change(p) {
			for _, dir := range h.directories() {
				for range rapid.IntRange(0, 2).Draw(t, "copies") { // an event may be lost and may come twice
					queue = append(queue, f.messageIn(dir.ID, concerned.id, 1))
				}
			}
		}
		if rapid.IntRange(0, 9).Draw(t, "trouble") == 0 {
			f.fail(rapid.SampledFrom([]int{429, 500, 503, 0}).Draw(t, "status"))
		}
		if len(queue) > 0 && rapid.Bool().Draw(t, "deliver") {
			queue = f.deliver(rapid.Permutation(queue).Draw(t, "order"))
		}
	}
	f.entra.ClearFaults()
	for range 20 { // the queue delivers until no message comes back, and resync finds lost events
		queue = f.deliver(queue)
	}
	for range 6 {
		for _, p := range h.people {
			for _, dir := range h.directories() {
				f.deliver([]events.SQSMessage{f.messageIn(dir.ID, p.id, 1)})
			}
		}
	}
	for _, p := range h.people {
		h.compare(p, h.directory, h.two)
		h.compare(p, h.two, h.directory)
	}
}

// directories returns the two directories of the tenant.
func (h *history) directories() []directory.Directory {
	return []directory.Directory{h.directory, h.two}
}

// history is the state of one random run.
type history struct {
	*fixture
	t      *rapid.T
	people []*person
	two    directory.Directory // another one on the same tenant
	seeded string              // an account that existed before; "" for none
}

// deliver hands all messages to the function and returns those that come again.
func (f *fixture) deliver(queue []events.SQSMessage) []events.SQSMessage {
	var again []events.SQSMessage
	failed := map[string]bool{}
	for _, item := range f.handle(events.SQSEvent{Records: queue}).BatchItemFailures {
		failed[item.ItemIdentifier] = true
	}
	for _, m := range queue {
		if failed[m.MessageId] {
			again = append(again, m)
		}
	}
	return again
}

// change makes a random change to a person or to the settings, and returns the people
// that it concerns.
func (h *history) change(p *person) []*person {
	id := string(p.id)
	does := map[string]func(){
		"connect":          func() { h.connect(p.id) },
		"disconnect":       func() { h.disconnect(p.id) },
		"join a group":     func() { h.path(h.directory, p, true) },
		"leave the group":  func() { h.path(h.directory, p, false) },
		"connect to two":   func() { h.path(h.two, p, true) },
		"disconnect there": func() { h.path(h.two, p, false) },
		"suspend":          func() { _ = h.jumpcloud.SuspendUser(id) }, // may be refused in another state
		"activate":         func() { _ = h.jumpcloud.ActivateUser(id) },
		"lock":             func() { _ = h.jumpcloud.LockUser(id) },
		"unlock":           func() { _ = h.jumpcloud.UnlockUser(id) },
		"expire":           func() { _ = h.jumpcloud.ExpirePassword(id) },
		"name":             func() { h.set(p, "lastname", "Lee", "Moss", "") },
		"title":            func() { h.set(p, "jobTitle", "Lead", "Boss", "") },
		"number":           func() { h.set(p, "employeeIdentifier", p.name, p.name+" has a number that is too long", "") },
		"rename": func() {
			h.set(p, "email", p.name+"@contoso.example", p.name+".2@contoso.example", p.name+"@elsewhere.example", p.name+"@fed.example", p.name+".2@fed.example")
		},
		"manager": func() { h.set(p, "manager", string(h.people[0].id), string(h.people[1].id), "") },
		"delete":  func() { p.deleted = h.jumpcloud.DeleteUser(id) == nil },
	}
	settings := map[string]func(*directory.Settings){
		"federated":    func(s *directory.Settings) { s.Federated = !s.Federated },
		"strict":       func(s *directory.Settings) { s.SuspendOnLockout = !s.SuspendOnLockout },
		"expiry":       func(s *directory.Settings) { s.SuspendOnPasswordExpiration = !s.SuspendOnPasswordExpiration },
		"title rule":   func(s *directory.Settings) { s.Attributes["user_job_title"] = !s.Attributes["user_job_title"] },
		"number rule":  func(s *directory.Settings) { s.Attributes["employeeId"] = !s.Attributes["employeeId"] },
		"manager rule": func(s *directory.Settings) { s.Attributes["user_manager"] = !s.Attributes["user_manager"] },
		"domains": func(s *directory.Settings) {
			s.Domains = []directory.Domain{{Name: "contoso.example", Default: true}, {Name: "fed.example"}}
		},
		"no domains": func(s *directory.Settings) { s.Domains = nil },
		"other domains": func(s *directory.Settings) {
			s.Domains = []directory.Domain{{Name: "Contoso.Example"}, {Name: "Fed.Example"}}
		},
	}
	names := slices.Concat(slices.Collect(maps.Keys(does)), slices.Collect(maps.Keys(settings)))
	slices.Sort(names)
	what := rapid.SampledFrom(names).Draw(h.t, "what")
	if edit, is := settings[what]; is {
		h.settings(edit)
		return h.people
	}
	if !p.deleted || strings.Contains(what, "connect") {
		does[what]()
	}
	return []*person{p}
}

// set sets a field of a person to one of some values. JumpCloud may refuse it.
func (h *history) set(p *person, field string, values ...string) {
	value := rapid.SampledFrom(values).Draw(h.t, field)
	_ = h.jumpcloud.UpdateUser(string(p.id), jumpcloudtest.Fields{field: value})
}

// path adds or removes the path through a group.
func (h *history) path(dir directory.Directory, p *person, add bool) {
	if add {
		h.must(h.store.Connect(context.Background(), dir.ID, p.id, group, time.Now().UTC()))
		return
	}
	_, err := h.store.Disconnect(context.Background(), dir.ID, p.id, group, directory.LeftGroup)
	h.must(err)
}

// desired returns the state that the rules make from the final state of a person in a
// directory.
func (h *history) desired(p *person, dir, other directory.Directory) directory.Desired {
	jc, err := h.clients.JumpCloud(context.Background(), organization)
	h.must(err)
	var source *directory.User
	user, err := jc.User(context.Background(), p.id)
	if !fault.Is(err, fault.NotFound) {
		h.must(err)
		source = &user
	}
	known, err := h.store.User(context.Background(), organization, p.id)
	h.must(err)
	settings := dir.Settings
	here, elsewhere := len(known.Paths(dir.ID)) > 0, len(known.Paths(other.ID)) > 0
	settings.SuspendOnLockout = here && dir.Settings.SuspendOnLockout || elsewhere && other.Settings.SuspendOnLockout
	settings.SuspendOnPasswordExpiration = here && dir.Settings.SuspendOnPasswordExpiration || elsewhere && other.Settings.SuspendOnPasswordExpiration
	connected := directory.Connected{Here: here, Elsewhere: elsewhere, Ended: known.Ended(dir.ID)}
	return directory.Desire(source, connected, settings).In(directory.Tenant{VerifiedDomains: []string{"contoso.example", "fed.example"}})
}

// compare compares the account of a person in a directory with the rules and with the
// link.
func (h *history) compare(p *person, dir, other directory.Directory) {
	want := h.desired(p, dir, other)
	known, err := h.store.User(context.Background(), organization, p.id)
	h.must(err)
	link, linked := known.Link(dir.ID)
	account, exists := h.accounts.User(string(link.EntraID))
	switch {
	case want.Managed && want.Obstacle == nil && !exists:
		h.t.Fatalf("%s is connected and has no account: %+v", p.name, link)
	case linked && (len(link.OpenActions) > 0 || link.Status == directory.Pending && link.EntraID != ""):
		h.t.Fatalf("%s is not in sync: %+v", p.name, link)
	case !exists || link.Freed && want.State == directory.Enabled: // the other directory has it
		return
	}
	if enabled := want.State == directory.Enabled; account.AccountEnabled != enabled || link.Reason == "" != (link.Message == "") {
		h.t.Fatalf("%s: enabled is %v, want %v (%+v)", p.name, account.AccountEnabled, enabled, link)
	}
	if strings.HasSuffix(account.UserPrincipalName, "@contoso.onmicrosoft.example") || link.Aside != nil {
		h.t.Fatalf("%s was left aside as %s: %+v", p.name, account.UserPrincipalName, link)
	}
	if _, named := want.Attributes[directory.UserPrincipalName]; named && link.Reason == directory.DomainFederated {
		if account.Text("onPremisesImmutableId") != "" || dir.Settings.Federated && !h.hasTwo(p) {
			h.t.Fatalf("%s: no reason not to move: %+v, %+v", p.name, account.Properties, link)
		}
		delete(want.Attributes, directory.UserPrincipalName)
		delete(want.Attributes, directory.MailNickname)
	}
	if link.Reason == directory.UPNConflict && h.seeded != "" && account.ID != h.seeded { // it has the name
		delete(want.Attributes, directory.UserPrincipalName)
		delete(want.Attributes, directory.MailNickname)
	}
	for name, value := range want.Attributes {
		if got, _ := inEntra(account, name).(string); got != value.String() && name != directory.BusinessPhones {
			h.t.Fatalf("%s: %s is %q, want %q (%+v)", p.name, name, got, value, link)
		}
	}
	h.compareManager(p, dir, want, account)
}

// hasTwo reports whether a person has an account in each of the directories.
func (h *history) hasTwo(p *person) bool {
	known, err := h.store.User(context.Background(), organization, p.id)
	h.must(err)
	one, _ := known.Link(h.directory.ID)
	two, _ := known.Link(h.two.ID)
	return one.EntraID != "" && two.EntraID != "" && one.EntraID != two.EntraID
}

// compareManager compares the manager with the rules: the account of the manager in
// JumpCloud, if there is one.
func (h *history) compareManager(p *person, dir directory.Directory, want directory.Desired, account entratest.User) {
	if !want.HasManager {
		return
	}
	manager := ""
	if want.Manager != "" {
		accounts, err := h.store.Accounts(context.Background(), dir.ID, []directory.UserID{want.Manager})
		h.must(err)
		manager = string(accounts[want.Manager])
	}
	if account.Manager != manager {
		h.t.Fatalf("%s: the manager is %q, want %q (%+v)", p.name, account.Manager, manager, h.link(p.id))
	}
}
