package world_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// An account that has the JumpCloud id of a user is the user's, whatever its name is: the user had
// it in a directory whose records were deleted since, and has another e-mail now. It gets the new
// name, as the plan says.
func TestAnAccountWithTheUsersIDBecomesTheUsers(t *testing.T) {
	for _, row := range []struct {
		name              string
		federated, staged bool
		enabled           bool // want
	}{
		{name: "activated", enabled: true},
		{name: "federated", federated: true, enabled: true},
		{name: "staged", staged: true, enabled: true}, // the person goes on working with it
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newIdentified(t, func(s *directory.Settings) { s.Federated = row.federated })
				ann := p.people[0]
				account := p.account("old.ann", string(ann), nil)
				if row.staged {
					p.update(ann, jumpcloudtest.Fields{"state": "STAGED"})
				}
				p.rest()
				planned, done := p.plannedAndDone("PUT", "/connections/users/"+string(ann), "")
				if diff := cmp.Diff(planned, done); diff != "" {
					t.Errorf("the plan and what was done (-planned +done):\n%s", diff)
				}
				link := p.Link(ann)
				if link.Status != directory.Synced || link.EntraID != directory.EntraID(account) {
					t.Errorf("the user is %s (%s: %s) with the account %q, want synced with %q", link.Status, link.Reason, link.Message, link.EntraID, account)
				}
				if all := p.Accounts(); len(all) != 1 || all[0].UserPrincipalName != "ann@"+world.Domain || all[0].AccountEnabled != row.enabled {
					t.Errorf("got the accounts %+v, want one with the name ann, enabled: %t", all, row.enabled)
				}
			})
		})
	}
}

// An account that has the JumpCloud id of a user and cannot become the user's parks the user for
// good, with a message that names it: nothing is sent for the user until somebody does something.
func TestAUserWhoseIDAnotherAccountHasIsParkedOnce(t *testing.T) {
	for name, occupy := range map[string]func(p *planned, ann, bob directory.UserID) (account string){
		"synchronised from on premises": func(p *planned, ann, _ directory.UserID) string {
			return p.account("old.ann", string(ann), map[string]any{"onPremisesSyncEnabled": true})
		},
		"of another user": func(p *planned, ann, bob directory.UserID) string {
			p.Connect(bob)
			p.rest()
			account, err := p.Tenant.UpdateUser("bob@"+world.Domain, map[string]any{"onPremisesImmutableId": string(ann)})
			p.Must(err)
			return account.ID
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newIdentified(t, nil)
				ann := p.people[0]
				account := occupy(p, ann, p.people[1])
				p.Connect(ann)
				time.Sleep(time.Hour)
				asked, units := p.Entra.Counters().Requests, p.Entra.Counters().WriteUnits
				link := p.Link(ann)
				if link.Status != directory.Parked || link.Reason == "" || !strings.Contains(link.Message, account) {
					t.Errorf("the user is %s (%s: %s), want parked with a message that names %s", link.Status, link.Reason, link.Message, account)
				}
				time.Sleep(6 * time.Hour)
				if more := p.Entra.Counters().Requests - asked; more > 20 || p.Entra.Counters().WriteUnits != units {
					t.Errorf("%d requests were sent in the next six hours, with %d writes, want next to none", more, p.Entra.Counters().WriteUnits-units)
				}
				if now := p.Link(ann); now.Status != directory.Parked {
					t.Errorf("the user is %s after six hours, want parked", now.Status)
				}
			})
		})
	}
}

// newIdentified makes a company with two people who are not connected.
func newIdentified(t *testing.T, settings func(*directory.Settings)) *planned {
	p := &planned{t: t, names: map[directory.UserID]string{},
		World: world.New(t, world.Config{Silent: true, Resync: true, ResyncEvery: 1000 * 24 * time.Hour, Latency: 10 * time.Millisecond, Settings: settings})}
	for _, name := range []string{"ann", "bob"} {
		id := p.Hire(name)
		p.people, p.names[id] = append(p.people, id), name
	}
	return p
}

// account makes an account with an immutable id, and returns its object id.
func (p *planned) account(name, id string, properties map[string]any) string {
	all := map[string]any{"onPremisesImmutableId": id}
	for key, value := range properties {
		all[key] = value
	}
	account, err := p.Tenant.AddUser(entratest.User{UserPrincipalName: name + "@" + world.Domain, AccountEnabled: true, Properties: all})
	p.Must(err)
	return account.ID
}

// plannedAndDone plans a request and makes it, and says what was planned and what was done.
func (p *planned) plannedAndDone(method, path, body string) (planned, done []string) {
	units := p.Entra.Counters().WriteUnits
	actions, ok := p.dryRun(method, path, body)
	if wrote := p.Entra.Counters().WriteUnits - units; !ok || wrote > 0 {
		p.t.Fatal("the plan was made:", ok, "and wrote", wrote, "units, want none")
	}
	began := time.Now()
	p.API(method, p.of(path), body)
	time.Sleep(time.Second)
	p.rest()
	made := p.done(began)
	return p.saying(p.asKnown(actions, made)), p.saying(made)
}
