package users_test

import (
	"maps"
	"reflect"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/plan"
)

// An account of an agent that has the name of a user stays as it is through the whole life of
// the user, who is parked with the reason.
func TestTheAccountOfAnAgentIsLeftAlone(t *testing.T) {
	for what, properties := range map[string]map[string]any{
		"enabled":                      {},
		"disabled":                     {"accountEnabled": false},
		"with the immutable id of ann": {"onPremisesImmutableId": ""}, // set below
	} {
		t.Run(what, func(t *testing.T) {
			f := newFixture(t)
			ann := f.person("ann")
			properties := maps.Clone(properties)
			if _, has := properties["onPremisesImmutableId"]; has {
				properties["onPremisesImmutableId"] = string(ann)
			}
			agent, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example", DisplayName: "Agent", Agent: true, Properties: properties})
			f.must(err)
			steps := []struct {
				what   string
				do     func()
				parked bool
			}{
				{"activated", func() {}, true},
				{"suspended", func() { f.must(f.jumpcloud.SuspendUser(string(ann))) }, true},
				{"back", func() { f.must(f.jumpcloud.ActivateUser(string(ann))) }, true},
				{"disconnected", func() { f.disconnect(ann) }, false},
				{"connected again", func() { f.connect(ann) }, true},
			}
			for _, step := range steps {
				step.do()
				f.run(ann)
				link := f.link(ann)
				if parked := link.Status == directory.Parked && link.Reason == directory.AgentAccount && link.Message != ""; parked != step.parked || link.EntraID != "" {
					t.Errorf("%s: link %+v, want parked %t with the reason %s, and no account", step.what, link, step.parked, directory.AgentAccount)
				}
				if now := f.account("ann@contoso.example"); !reflect.DeepEqual(now.Properties, agent.Properties) || now.PasswordChanges != 0 || len(f.accounts.Users()) != 1 {
					t.Errorf("%s: the account %+v of %d, want it as before and no other", step.what, now, len(f.accounts.Users()))
				}
			}
			for _, action := range f.actions() {
				if action.Status == plan.Succeeded {
					t.Errorf("action %+v, want none that was done", action)
				}
			}
		})
	}
}

// A deleted account of an agent is not restored for a user of that name.
func TestTheDeletedAccountOfAnAgentIsLeftDeleted(t *testing.T) {
	for _, known := range []bool{false, true} {
		f := newFixture(t)
		f.settings(func(s *directory.Settings) { s.RestoreDeleted = true })
		ann := f.person("ann")
		agent := entratest.User{UserPrincipalName: "ann@contoso.example", Agent: true}
		if known {
			agent.Properties = map[string]any{"onPremisesImmutableId": string(ann)}
		}
		agent, err := f.accounts.AddUser(agent)
		f.must(err)
		_, err = f.accounts.DeleteUser(agent.ID)
		f.must(err)
		f.run(ann)
		if link := f.link(ann); link.Status != directory.Parked || link.Reason != directory.AgentAccount {
			t.Errorf("with the user's immutable id %t: link %+v, want Status %v, Reason %v", known, link, directory.Parked, directory.AgentAccount)
		}
		if now, _ := f.accounts.User(agent.ID); now.Deleted.IsZero() {
			t.Errorf("with the user's immutable id %t: the account is %+v, want it deleted", known, now)
		}
	}
}

// A password for a user whose name an agent has reaches nobody.
func TestAPasswordIsNotGivenToAnAgent(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example", Agent: true})
	f.must(err)
	f.run(ann)
	m := f.passwordFor(ann, "Summer-Rain-2031", 1)
	f.handOver(m)
	if now := f.account("ann@contoso.example"); now.PasswordChanges != 0 {
		t.Errorf("the agent has got %d passwords, want none", now.PasswordChanges)
	}
	if a := f.actionOf(m); a.Status == plan.Succeeded {
		t.Errorf("action %+v, want one that was not done", a)
	}
}
