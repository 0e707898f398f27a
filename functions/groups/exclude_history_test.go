package groups_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/local/localtest"
	"entrasync/shared/reconcile"
)

// Whatever happens in JumpCloud, with events that are lost and answers that are wrong once:
// who is in the excluded group keeps the account, and its memberships, as they are. When
// nobody is excluded any more, all are as the rules say.
func TestNoHistoryTouchesTheMembersOfTheExcludedGroup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			playExclusion(t, newFixtureIn(t, localtest.Folder(t), t.Cleanup))
		})
	})
}

// playExclusion plays random steps and compares after each.
func playExclusion(t *rapid.T, f *fixture) {
	names := []string{"ann", "bob", "cat"}
	people := map[string]directory.UserID{}
	for _, name := range names {
		people[name] = f.person(name)
	}
	groups := []directory.GroupID{f.group("Sales", people["ann"], people["bob"]), f.group("Ops", people["cat"])}
	f.settings(func(s *directory.Settings) { s.ExactMembership = rapid.Bool().Draw(t, "exact") })
	f.run(groups...)
	f.finish()
	glass := f.Group("Glass", people["ann"])
	f.exclude(directory.Exclude{Group: glass})
	f.finish()
	spared := map[string]entratest.User{"ann": f.account("ann")}
	for range rapid.IntRange(1, 12).Draw(t, "steps") {
		name := rapid.SampledFrom(names).Draw(t, "person")
		id := people[name]
		group := rapid.SampledFrom(groups).Draw(t, "group")
		in := rapid.Bool().Draw(t, "in")
		told := rapid.IntRange(0, 3).Draw(t, "told") > 0 // else the event is lost
		switch rapid.SampledFrom([]string{"group", "group", "suspend", "activate", "rename", "glass", "list", "wrong"}).Draw(t, "what") {
		case "group":
			change := f.jumpcloud.AddMember
			if !in {
				change = f.jumpcloud.RemoveMember
			}
			_ = change(string(group), string(id)) // it may be so already
			if told {
				f.changed(id)
			}
		case "suspend":
			_ = f.jumpcloud.SuspendUser(string(id))
			f.must(reconcile.Enqueue(t.Context(), &f.userTasks, reconcile.Task{Directory: f.directory.ID, User: id}))
		case "activate":
			_ = f.jumpcloud.ActivateUser(string(id))
			f.must(reconcile.Enqueue(t.Context(), &f.userTasks, reconcile.Task{Directory: f.directory.ID, User: id}))
		case "rename":
			f.must(f.jumpcloud.UpdateUser(string(id), jumpcloudtest.Fields{"lastname": rapid.SampledFrom([]string{"Lee", "Moss"}).Draw(t, "lastname")}))
			f.must(reconcile.Enqueue(t.Context(), &f.userTasks, reconcile.Task{Directory: f.directory.ID, User: id}))
		case "glass": // by an event that comes
			if _, is := spared[name]; is {
				f.added(false, glass, id)
				delete(spared, name)
				f.changed(id)
			} else {
				f.added(true, glass, id)
				f.changed(id)
				if account, there := f.tenant.User(name + "@contoso.example"); there {
					spared[name] = account
				} else {
					spared[name] = entratest.User{}
				}
			}
		case "list":
			f.run(rapid.SampledFrom(append(slices.Clone(groups), glass)).Draw(t, "listed"))
		case "wrong":
			list := rapid.SampledFrom([]string{"/api/v2/users/*/memberof", "/api/v2/usergroups/" + string(glass) + "/membership"}).Draw(t, "list")
			f.jumpcloud.FailNext(jumpcloudtest.Fault{Path: list, Answer: jumpcloudtest.EmptyList})
			f.run(glass)
		}
		f.finish()
		f.jumpcloud.Mend()
		for name, before := range spared {
			now, _ := f.tenant.User(name + "@contoso.example")
			if diff := cmp.Diff(before, now, cmpopts.IgnoreUnexported(entratest.User{})); diff != "" {
				t.Fatalf("%s is excluded, and the account changed (-before +now):\n%s", name, diff)
			}
		}
	}
	f.exclude(directory.Exclude{})
	f.finish()
	f.run(append(slices.Clone(groups), glass)...)
	f.finish()
	for name, id := range people {
		f.endsByTheRules(name, id, groups)
	}
}

// endsByTheRules compares the account of a person and its memberships with JumpCloud.
func (f *fixture) endsByTheRules(name string, id directory.UserID, groups []directory.GroupID) {
	f.t.Helper()
	account, there := f.tenant.User(name + "@contoso.example")
	user, _ := f.jumpcloud.User(string(id))
	connected := false
	for _, group := range groups {
		in := slices.Contains(f.jumpcloud.Members(string(group)), string(id))
		connected = connected || in
		if is := there && slices.Contains(account.Groups, string(f.link(group).EntraID)); is != in && there {
			f.t.Errorf("%s is a member of %s in Entra: %v, want %v", name, f.link(group).Name, is, in)
		}
	}
	enabled := connected && user.Text("state") == "ACTIVATED"
	if there != (there || connected) || there && account.AccountEnabled != enabled || connected && account.Text("surname") != user.Text("lastname") {
		f.t.Errorf("%s: %+v, want enabled %v, the surname %q; link %+v", name, account, enabled, user.Text("lastname"), f.userLink(id))
	}
}
