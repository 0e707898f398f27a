package world_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
)

// asKnown are planned actions that say what a change replaces only where those that were done say
// it too: a plan reads what the link of a user does not know.
func (p *planned) asKnown(actions, done []plan.Action) []plan.Action {
	unknown := map[string]bool{}
	change := func(a plan.Action, c directory.Change) string {
		return fmt.Sprint(a.Type, a.Subject, c.Attribute, c.To, a.Error != nil)
	}
	for _, a := range done {
		for _, c := range a.Changes {
			if len(c.From) == 0 {
				unknown[change(a, c)] = true
			}
		}
	}
	blind := slices.Clone(actions)
	for i, a := range blind {
		blind[i].Changes = slices.Clone(a.Changes)
		for n, c := range a.Changes {
			if c.Attribute != directory.Members && unknown[change(a, c)] {
				blind[i].Changes[n].From = nil
			}
		}
	}
	return blind
}

// isTry reports whether an action failed and another one followed that did what it was for: no plan
// lists it.
func isTry(a plan.Action, all []plan.Action) bool {
	if a.Error == nil {
		return false
	}
	restored := func(other plan.Action) bool { return other.Type == plan.Restore && other.Subject == a.Subject }
	return a.Error.Kind == string(fault.Transient) || a.Error.Reason == directory.AccountMissing && slices.ContainsFunc(all, restored)
}

// replaced are the values of an attribute that actions replace, by whose account it is, as
// "from → to".
func replaced(actions []plan.Action, attribute directory.Attribute) map[string]string {
	all := map[string]string{}
	for _, a := range actions {
		for _, c := range a.Changes {
			if c.Attribute == attribute {
				all[a.Subject.Name] += c.From.String() + " → " + c.To.String()
			}
		}
	}
	return all
}

// A plan says what would be overwritten and erased, also where entrasync never wrote the attribute.
func TestAPlanSaysWhatItReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIdentified(t, nil)
		ann, bob := p.people[0], p.people[1]
		p.Connect(ann, bob)
		p.update(bob, jumpcloudtest.Fields{"jobTitle": "Dev"})
		p.rest()
		for name, title := range map[string]string{"ann": "CEO", "bob": "CTO"} {
			_, err := p.Tenant.UpdateUser(name+"@"+world.Domain, map[string]any{"jobTitle": title})
			p.Must(err)
		}
		p.rest()
		rule := `{"settings": {"attributes": {"user_job_title": true}}}`
		actions, _ := p.dryRun(http.MethodPatch, "", rule)
		want := map[string]string{"ann": "CEO → ", "bob": "CTO → Dev"}
		if diff := cmp.Diff(want, replaced(actions, "jobTitle")); diff != "" {
			t.Errorf("the plan of the rule for titles (-want +got):\n%s", diff)
		}
		planned, done := p.plannedAndDone(http.MethodPatch, "", rule)
		if diff := cmp.Diff(planned, done); diff != "" {
			t.Errorf("the rule for titles (-planned +done):\n%s", diff)
		}
	})
}

// A plan names everybody whom it takes out of a group, also those whom no JumpCloud user owns.
func TestAPlanNamesWhomItTakesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIdentified(t, nil)
		group := p.Group("Ops", p.people...)
		p.ConnectGroups(group)
		p.rest()
		stranger, err := p.Tenant.AddUser(entratest.User{UserPrincipalName: "stranger@" + world.Domain})
		p.Must(err)
		_, err = p.Tenant.AddMember(p.Tenant.GroupsNamed("Ops")[0].ID, stranger.ID)
		p.Must(err)
		actions, _ := p.dryRun(http.MethodPatch, "", `{"settings": {"exactMembership": true}}`)
		var named []string
		for _, a := range actions {
			for _, id := range a.TakesOut(nil) {
				named = append(named, a.AccountNames[id])
			}
		}
		if want := []string{"stranger@" + world.Domain}; !slices.Equal(named, want) {
			t.Errorf("the plan takes out %q, want %q: %+v", named, want, actions)
		}
	})
}

// Who is connected by one source directly and by another through a group keeps access when the
// source changes, and the plan says so.
func TestAPlanOfAnotherSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIdentified(t, nil)
		ann, bob := p.people[0], p.people[1]
		group := p.Group("Staff", ann)
		old, err := p.JumpCloud.CreateDirectory("A")
		p.Must(err)
		other, err := p.JumpCloud.CreateDirectory("B")
		p.Must(err)
		p.Must(p.JumpCloud.Associate(string(ann), old))
		p.Must(p.JumpCloud.Associate(string(bob), old)) // who loses access
		p.Must(p.JumpCloud.Associate(string(group), other))
		p.API(http.MethodPatch, p.of(""), `{"settings": {"connectionSource": {"type": "office_365", "id": "`+old+`"}}}`)
		p.rest()
		planned, done := p.plannedAndDone(http.MethodPatch, "", `{"settings": {"connectionSource": {"type": "office_365", "id": "`+other+`"}}}`)
		if diff := cmp.Diff(planned, done); diff != "" {
			t.Errorf("another source (-planned +done):\n%s", diff)
		}
		if !p.Enabled("ann") || p.Enabled("bob") {
			t.Errorf("ann is enabled: %t, bob: %t, want only ann", p.Enabled("ann"), p.Enabled("bob"))
		}
	})
}

// A plan knows of the accounts that somebody deleted in Entra: what cannot be written to them is
// planned as it will fail.
func TestAPlanOfDeletedAccounts(t *testing.T) {
	for _, row := range []struct {
		name    string
		restore bool
		request func(p *planned) (method, path, body string)
	}{
		{"disconnect", false, func(p *planned) (string, string, string) {
			return http.MethodDelete, "/connections/users/" + string(p.people[0]), ""
		}},
		{"rule", false, func(*planned) (string, string, string) {
			return http.MethodPatch, "", `{"settings": {"attributes": {"user_job_title": true}}}`
		}},
		{"rule and restore", true, func(*planned) (string, string, string) {
			return http.MethodPatch, "", `{"settings": {"attributes": {"user_job_title": true}}}`
		}},
		{"group", false, func(p *planned) (string, string, string) {
			return http.MethodPut, "/connections/groups/" + string(p.groups[0]), ""
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newIdentified(t, func(s *directory.Settings) { s.RestoreDeleted = row.restore })
				p.groups = append(p.groups, p.Group("Ops", p.people...))
				p.Connect(p.people...)
				p.update(p.people[0], jumpcloudtest.Fields{"jobTitle": "Dev"})
				p.rest()
				_, err := p.Tenant.DeleteUser("ann@" + world.Domain)
				p.Must(err)
				time.Sleep(time.Hour)
				planned, done := p.plannedAndDone(row.request(p))
				if diff := cmp.Diff(planned, done); diff != "" {
					t.Errorf("%s (-planned +done):\n%s", row.name, diff)
				}
			})
		})
	}
}
