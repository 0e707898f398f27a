package users_test

import (
	"os"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"pgregory.net/rapid"

	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// Whatever happens to people in JumpCloud, in whatever order the tasks come, how
// often, and with Graph failing in between: once every queue is empty Entra is
// what the rules make of JumpCloud's final state.
func TestEveryHistoryEndsInTheSameState(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		folder, err := os.MkdirTemp("", "entrasync-history-")
		if err != nil {
			rt.Fatal(err)
		}
		var cleanups []func()
		defer func() {
			for i := len(cleanups) - 1; i >= 0; i-- {
				cleanups[i]()
			}
			if err := os.RemoveAll(folder); err != nil {
				rt.Error(err)
			}
		}()
		f := newFixtureIn(rt, folder, func(c func()) { cleanups = append(cleanups, c) })
		playHistory(rt, f)
	})
}

// person is what the test itself remembers of somebody.
type person struct {
	id                 directory.UserID
	name               string
	last, title, state string
	connected, deleted bool
}

// playHistory plays random steps, then delivers what is left and compares.
func playHistory(t *rapid.T, f *fixture) {
	people := []*person{}
	for _, name := range []string{"ann", "bob", "cat"} {
		people = append(people, &person{id: f.unconnected(name, name+"@contoso.example"), name: name, last: "Lee", state: "ACTIVATED"})
	}
	var queue []events.SQSMessage
	for range rapid.IntRange(1, 25).Draw(t, "steps") {
		p := rapid.SampledFrom(people).Draw(t, "person")
		if changed := p.change(t, f); changed {
			for range rapid.IntRange(0, 2).Draw(t, "copies") { // an event may be lost and may come twice
				queue = append(queue, f.message(p.id, 1))
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
	for range 20 { // the queue delivers until nothing comes back, and resync finds what was lost
		queue = f.deliver(queue)
	}
	for _, p := range people {
		for range 5 {
			f.look(p.id)
		}
		p.compare(t, f)
	}
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

// change does something to the person; it reports whether JumpCloud or the
// administrator did anything.
func (p *person) change(t *rapid.T, f *fixture) bool {
	what := rapid.SampledFrom([]string{"connect", "disconnect", "suspend", "activate", "rename", "title", "delete"}).Draw(t, "what")
	switch {
	case what == "connect" && !p.connected:
		f.connect(p.id)
		p.connected = true
	case what == "disconnect" && p.connected:
		f.disconnect(p.id)
		p.connected = false
	case p.deleted:
		return false
	case what == "suspend" && p.state == "ACTIVATED":
		f.must(f.jumpcloud.SuspendUser(string(p.id)))
		p.state = "SUSPENDED"
	case what == "activate" && p.state == "SUSPENDED":
		f.must(f.jumpcloud.ActivateUser(string(p.id)))
		p.state = "ACTIVATED"
	case what == "rename":
		p.last = rapid.SampledFrom([]string{"Lee", "Moss", ""}).Draw(t, "last name")
		f.update(p.id, jumpcloudtest.Fields{"lastname": p.last})
	case what == "title":
		p.title = rapid.SampledFrom([]string{"Lead", "Boss", ""}).Draw(t, "title")
		f.update(p.id, jumpcloudtest.Fields{"jobTitle": p.title})
	case what == "delete" && rapid.IntRange(0, 3).Draw(t, "sure") == 0:
		f.must(f.jumpcloud.DeleteUser(string(p.id)))
		p.deleted = true
	default:
		return false
	}
	return true
}

// compare holds the account against what the test remembers, and against the
// link.
func (p *person) compare(t *rapid.T, f *fixture) {
	account, found := f.accounts.User(p.name + "@contoso.example")
	managed := p.connected && !p.deleted
	if managed && !found {
		t.Fatalf("%s is connected and has no account", p.name)
	}
	if !found {
		return
	}
	if enabled := managed && p.state == "ACTIVATED"; account.AccountEnabled != enabled {
		t.Fatalf("%s: enabled is %v, want %v (%+v)", p.name, account.AccountEnabled, enabled, f.link(p.id))
	}
	if managed && (account.Text("surname") != p.last || account.Text("jobTitle") != p.title) {
		t.Fatalf("%s: surname %q, title %q; want %q, %q", p.name, account.Text("surname"), account.Text("jobTitle"), p.last, p.title)
	}
	if link := f.link(p.id); string(link.EntraID) != account.ID || len(link.OpenActions) > 0 || link.Status == directory.Pending {
		t.Fatalf("%s: link %+v", p.name, link)
	}
}
