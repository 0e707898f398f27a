package users_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/local/localtest"
)

// Whatever happens, in any order, with duplicates, losses and failures: the account of who is
// excluded, by id or by sign-in name, is never written.
func TestNoHistoryWritesToAnExcludedAccount(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := newFixtureIn(rt, localtest.Folder(rt), rt.Cleanup)
		f.enter(someWorld(rt))
		playExclusions(rt, f)
	})
}

// playExclusions plays random steps, among them that people are excluded and are not any
// more, and compares the accounts of the excluded after every delivery.
func playExclusions(t *rapid.T, f *fixture) {
	h := &history{fixture: f, t: t}
	_, h.two = shared(f)
	for _, name := range []string{"ann", "bob"} {
		h.people = append(h.people, &person{id: f.unconnected(name, name+"@contoso.example"), name: name})
	}
	if rapid.Bool().Draw(t, "there before") {
		_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example"})
		f.must(err)
	}
	f.settings(func(s *directory.Settings) { s.RestoreDeleted = true })
	var queue []events.SQSMessage
	var spared map[string]entratest.User
	for range rapid.IntRange(1, 30).Draw(t, "steps") {
		p := rapid.SampledFrom(h.people).Draw(t, "person")
		var concerned []*person
		if rapid.IntRange(0, 3).Draw(t, "exclusion") == 0 {
			h.excludeSome()
			concerned = h.people
		} else {
			concerned = h.change(p)
		}
		spared = h.excludedAccounts()
		for _, c := range concerned {
			for _, dir := range h.directories() {
				for range rapid.IntRange(0, 2).Draw(t, "copies") {
					queue = append(queue, f.messageIn(dir.ID, c.id, 1))
				}
			}
		}
		if rapid.IntRange(0, 9).Draw(t, "trouble") == 0 {
			f.fail(rapid.SampledFrom([]int{429, 500, 503, 0}).Draw(t, "status"))
		}
		if len(queue) > 0 && rapid.Bool().Draw(t, "deliver") {
			queue = f.deliver(rapid.Permutation(queue).Draw(t, "order"))
			h.compareSpared(spared)
		}
	}
	f.entra.ClearFaults()
	for range 5 {
		queue = f.deliver(queue)
		h.compareSpared(spared)
	}
}

// excludeSome excludes some of the people from both directories, which write the same
// accounts.
func (h *history) excludeSome() {
	var e directory.Exclude
	for _, p := range h.people {
		switch rapid.IntRange(0, 3).Draw(h.t, "rule") {
		case 0:
			e.Users = append(e.Users, p.id)
		case 1:
			e.UPNs = append(e.UPNs, directory.UPN(strings.ToUpper(p.name)+"@contoso.example"))
		}
	}
	if rapid.Bool().Draw(h.t, "a second name") {
		e.UPNs = append(e.UPNs, "ann.2@contoso.example")
	}
	h.two = h.Exclude(h.two, e)
	h.directory = h.Exclude(h.directory, e)
}

// excludedAccounts are the accounts of the excluded, as they are now: those of the listed
// users, by the links, and those that have a listed sign-in name.
func (h *history) excludedAccounts() map[string]entratest.User {
	e := h.directory.Settings.Exclude
	listed := map[string]bool{}
	for _, id := range e.Users {
		known, err := h.store.User(h.fixture.t.Context(), organization, id)
		h.must(err)
		for _, link := range known.Links {
			listed[string(link.EntraID)] = link.EntraID != "" && !link.Freed
		}
	}
	spared := map[string]entratest.User{}
	for _, account := range h.accounts.Users() {
		if listed[account.ID] || e.HasUPN(directory.UPN(account.UserPrincipalName)) {
			spared[account.ID] = account
		}
	}
	return spared
}

// compareSpared compares accounts with what they were, and that no account got a listed name.
func (h *history) compareSpared(spared map[string]entratest.User) {
	e := h.directory.Settings.Exclude
	for _, now := range h.accounts.Users() {
		before, is := spared[now.ID]
		if diff := cmp.Diff(before, now, cmpopts.IgnoreUnexported(entratest.User{})); is && diff != "" {
			h.t.Fatalf("%s is excluded and was written (-before +now):\n%s", before.UserPrincipalName, diff)
		}
		if !is && e.HasUPN(directory.UPN(now.UserPrincipalName)) {
			h.t.Fatalf("%s got an excluded name", now.ID)
		}
	}
}
