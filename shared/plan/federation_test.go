package plan_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// contoso is a tenant with two federated domains.
var contoso = directory.Tenant{
	VerifiedDomains:  []string{"corp.example", "fed.example", "two.example", "contoso.onmicrosoft.example"},
	FederatedDomains: []string{"fed.example", "two.example"}, InitialDomain: "contoso.onmicrosoft.example",
}

// wants is the desired state of the user with a sign-in name.
func wants(upn directory.UPN) directory.Desired {
	return directory.Desire(&directory.User{ID: self, Username: "ann", Email: string(upn), FirstName: "Ann", LastName: "Lee", State: directory.Activated}, here, directory.DefaultSettings())
}

// holding is the link of an account with a sign-in name and an immutable id.
func holding(upn directory.UPN, id string) directory.Link {
	return directory.Link{Standing: directory.Standing{EntraID: "e1", Origin: directory.TakenOver}, UPN: upn, State: directory.Enabled,
		Applied: wants(upn).Attributes.Set([]directory.Change{{Attribute: directory.AccountEnabled, To: directory.Bool(true)}, {Attribute: directory.ImmutableID, To: directory.Text(id)}})}
}

// aside is a link whose account was moved aside.
func aside(link directory.Link) directory.Link {
	home := link.UPN
	link.UPN = directory.UPN(home.LocalPart() + "@contoso.onmicrosoft.example")
	link.Aside = &directory.Aside{UPN: link.UPN, Home: home}
	link.Applied = link.Applied.Set([]directory.Change{{Attribute: directory.UserPrincipalName, To: directory.Text(string(link.UPN))}})
	return link
}

func TestFederatedDomains(t *testing.T) {
	own := "onPremisesImmutableId=" + string(self)
	upn := func(name string) string { return "userPrincipalName=" + name }
	leave := []string{"leave_domain", upn("ann@contoso.onmicrosoft.example")}
	home := []string{"join_domain", own, upn("ann@fed.example")}
	gone := directory.Desire(nil, here, directory.DefaultSettings())
	nameless := wants("ann@fed.example")
	nameless.UPN, nameless.Obstacle = "", &directory.Obstacle{Reason: directory.EmailMissing}
	delete(nameless.Attributes, directory.UserPrincipalName)
	delete(nameless.Attributes, directory.MailNickname)
	unnamed := holding("ann@fed.example", "")
	unnamed.Applied = unnamed.Applied.Without([]directory.Change{{Attribute: directory.UserPrincipalName}})
	for _, tc := range []struct {
		name     string
		user     plan.User
		want     [][]string
		obstacle directory.Reason
	}{
		{"nothing is wanted", plan.User{Desired: wants("ann@fed.example"), Link: holding("ann@fed.example", "")}, nil, ""},
		{"an id that was theirs stays", plan.User{Desired: wants("ann@fed.example"), Link: holding("ann@fed.example", "theirs"), Federated: true}, nil, ""},
		{"no id yet", plan.User{Desired: wants("ann@fed.example"), Link: holding("ann@fed.example", ""), Federated: true}, [][]string{leave, home}, ""},
		{"the id of a user who gave it up", plan.User{Desired: wants("ann@fed.example"), Link: holding("ann@fed.example", "64a1b2c3d4e5f60718293a4c")}, [][]string{leave, home}, ""},
		{"no id yet, in a managed domain", plan.User{Desired: wants("ann@corp.example"), Link: holding("ann@corp.example", ""), Federated: true}, [][]string{{"update", own}}, ""},
		{"renamed within the domain", plan.User{Desired: wants("lee@fed.example"), Link: holding("ann@fed.example", "")}, [][]string{{"update", "mailNickname=lee", upn("lee@fed.example")}}, ""},
		{"renamed within the domain, no id yet", plan.User{Desired: wants("lee@fed.example"), Link: holding("ann@fed.example", ""), Federated: true},
			[][]string{leave, home, {"update", "mailNickname=lee", upn("lee@fed.example")}}, ""},
		{"into the domain with the id that it has", plan.User{Desired: wants("ann@fed.example"), Link: holding("ann@corp.example", "theirs")}, [][]string{{"join_domain", upn("ann@fed.example"), "onPremisesImmutableId=theirs"}}, ""},
		{"into the domain with a new id", plan.User{Desired: wants("ann@fed.example"), Link: holding("ann@corp.example", ""), Federated: true}, [][]string{{"join_domain", upn("ann@fed.example"), own}}, ""},
		{"into the domain without an id", plan.User{Desired: wants("ann@fed.example"), Link: holding("ann@corp.example", "")}, nil, directory.DomainFederated},
		{"from one to the other", plan.User{Desired: wants("ann@two.example"), Link: holding("ann@fed.example", string(self))}, [][]string{{"join_domain", upn("ann@two.example"), own}}, ""},
		{"from one to the other, no id yet", plan.User{Desired: wants("ann@two.example"), Link: holding("ann@fed.example", ""), Federated: true},
			[][]string{leave, home, {"join_domain", upn("ann@two.example"), own}}, ""},
		{"out of the domain", plan.User{Desired: wants("ann@corp.example"), Link: holding("ann@fed.example", string(self))}, [][]string{{"update", upn("ann@corp.example")}}, ""},
		{"out of the domain, then the id", plan.User{Desired: wants("ann@corp.example"), Link: holding("ann@fed.example", ""), Federated: true}, [][]string{{"update", upn("ann@corp.example")}, {"update", own}}, ""},
		{"no name to have: the id waits", plan.User{Desired: nameless, Link: holding("ann@fed.example", ""), Federated: true}, nil, directory.EmailMissing},
		{"the name is not known for sure", plan.User{Desired: wants("ann@fed.example"), Link: unnamed, Federated: true}, [][]string{leave, home}, ""},
		{"aside: comes home", plan.User{Desired: wants("ann@fed.example"), Link: aside(holding("ann@fed.example", "")), Federated: true}, [][]string{home}, ""},
		{"aside, and nobody wants the id any more", plan.User{Desired: wants("ann@fed.example"), Link: aside(holding("ann@fed.example", ""))}, [][]string{home}, ""},
		{"aside, and renamed meanwhile", plan.User{Desired: wants("lee@fed.example"), Link: aside(holding("ann@fed.example", ""))}, [][]string{home, {"update", "mailNickname=lee", upn("lee@fed.example")}}, ""},
		{"aside, and to another domain meanwhile", plan.User{Desired: wants("ann@corp.example"), Link: aside(holding("ann@fed.example", ""))}, [][]string{{"update", own, upn("ann@corp.example")}}, ""},
		{"aside, and without a name meanwhile", plan.User{Desired: nameless, Link: aside(holding("ann@fed.example", ""))}, [][]string{home}, directory.EmailMissing},
		{"aside, and gone meanwhile", plan.User{Desired: gone, Link: aside(holding("ann@fed.example", ""))}, [][]string{{"deprovision", "accountEnabled=false"}, {"end_sessions"}, home}, ""},
		{"created", plan.User{Desired: wants("ann@fed.example"), LookedUp: true}, [][]string{{"provision", "accountEnabled=true", "displayName=Ann Lee", "givenName=Ann", "mailNickname=ann", own, "surname=Lee", upn("ann@fed.example")}}, ""},
		{"not created beside another account of the user", plan.User{Desired: wants("ann@fed.example"), LookedUp: true, SecondAccount: true}, nil, directory.DomainFederated},
		{"taken over without an id", plan.User{Desired: wants("ann@fed.example"), LookedUp: true, Federated: true, Account: found(func(a *directory.Account) {
			a.UPN, a.Attributes["userPrincipalName"] = "ann@fed.example", directory.Value{"ann@fed.example"}
		})}, [][]string{{"take_over", "accountEnabled=true", "displayName=Ann Lee", "givenName=Ann"}, leave, home}, ""},
		{"restored without an id", plan.User{Desired: wants("ann@fed.example"), LookedUp: true, Federated: true, MayRestore: true, Deleted: &directory.DeletedAccount{ID: "e2", UPN: "ann@fed.example"}},
			[][]string{{"restore"}, {"update", "displayName=Ann Lee", "givenName=Ann", "mailNickname=ann", "surname=Lee"}, leave, home, {"enable", "accountEnabled=true"}}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.user.ID, tc.user.Tenant = self, contoso
			d := tc.user.Decide()
			if got := written(d.Actions); !cmp.Equal(got, tc.want) {
				t.Error(cmp.Diff(tc.want, got))
			}
			reason := directory.Reason("")
			if d.Obstacle != nil {
				reason = d.Obstacle.Reason
			}
			if reason != tc.obstacle || d.Obstacle != nil && reason == directory.DomainFederated && d.Obstacle.Message == "" {
				t.Errorf("got obstacle %+v, want %q", d.Obstacle, tc.obstacle)
			}
		})
	}
	without := contoso
	without.InitialDomain = ""
	d := plan.User{ID: self, Desired: wants("lee@fed.example"), Link: holding("ann@fed.example", ""), Federated: true, Tenant: without}.Decide()
	if got := written(d.Actions); !cmp.Equal(got, [][]string{{"update", "mailNickname=lee", upn("lee@fed.example")}}) || d.Obstacle == nil || d.Obstacle.Reason != directory.DomainFederated {
		t.Errorf("a tenant without an initial domain: got %v, %+v; want no actions and an obstacle", got, d.Obstacle)
	}
}

// entra is one account with the rules of federated domains.
type entra struct {
	upn directory.UPN
	id  string
}

// write applies an action, or returns an error if Graph would refuse it.
func (e *entra) write(a plan.Action) error {
	upn, id := e.upn, e.id
	if v, writes := a.Value(directory.UserPrincipalName); writes {
		upn = directory.UPN(v.String())
	}
	sent, sends := a.Value(directory.ImmutableID)
	if sends {
		id = sent.String()
	}
	switch {
	case contoso.Federates(e.upn) && id != e.id:
		return fmt.Errorf("the id changes at %s", e.upn)
	case contoso.Federates(upn) && upn.Domain() != e.upn.Domain() && id == "", contoso.Federates(upn) && upn.Domain() != e.upn.Domain() && !sends:
		return fmt.Errorf("%s comes without an id", upn)
	}
	e.upn, e.id = upn, id
	return nil
}

// Whatever name and id an account has, whatever is desired, and wherever a process dies or
// an answer gets lost: Graph never has to refuse an action, and in the end the account has
// the desired name, or the one that it had, and is not left aside.
func TestNoAccountIsLeftAside(t *testing.T) {
	names := rapid.SampledFrom([]directory.UPN{"ann@corp.example", "ann@fed.example", "lee@fed.example", "ann@two.example"})
	ids := rapid.SampledFrom([]string{"", "theirs", "64a1b2c3d4e5f60718293a4c", string(self)})
	rapid.Check(t, func(t *rapid.T) {
		account := &entra{upn: names.Draw(t, "has"), id: ids.Draw(t, "id")}
		first := *account
		link := holding(account.upn, account.id)
		if rapid.Bool().Draw(t, "nothing is known") {
			link.Applied = nil
		}
		federated, managed := rapid.Bool().Draw(t, "federated"), true
		target := names.Draw(t, "wanted")
		attempt := func(dies bool) (obstacle *directory.Obstacle, more bool) {
			desired := wants(target)
			if !managed {
				desired = directory.Desire(nil, here, directory.DefaultSettings())
			}
			u := plan.User{ID: self, Desired: desired, Link: link, Federated: federated, Tenant: contoso}
			if u.Blind() {
				u = u.Seen(&directory.Account{UPN: account.upn, ImmutableID: account.id})
			}
			d := u.Decide()
			link = d.Link
			for _, a := range d.Actions {
				link = u.Begun(link, a) // recorded before it is sent
				if dies && rapid.IntRange(0, 2).Draw(t, "dies before") == 0 {
					return d.Obstacle, true
				}
				if err := account.write(a); err != nil {
					t.Fatalf("got the action %v refused: %v, want one that Graph takes (link %+v, aside %+v)", a, err, link, link.Aside)
				}
				if dies && rapid.IntRange(0, 2).Draw(t, "dies after") == 0 {
					return d.Obstacle, true
				}
				link = u.Completed(link, a, "e1")
			}
			link = u.Concluded(link, d.Obstacle, nil)
			return d.Obstacle, len(d.Actions) > 0
		}
		for range rapid.IntRange(0, 4).Draw(t, "attempts") {
			attempt(true)
			switch rapid.IntRange(0, 3).Draw(t, "then") {
			case 0:
				target = names.Draw(t, "wanted")
			case 1:
				federated = !federated
			case 2:
				managed = !managed
			}
		}
		attempt(false)
		if link.Aside != nil {
			t.Fatalf("got the link %+v, want one that is not aside", link)
		}
		obstacle, more := attempt(false)
		switch {
		case more:
			t.Fatalf("got more actions for the link %+v, want none", link)
		case link.Aside != nil || account.upn.Domain() == contoso.InitialDomain:
			t.Fatalf("got the account left at %s with the link %+v, want it in its domain", account.upn, link)
		case managed && obstacle == nil && !account.upn.Same(target):
			t.Fatalf("got the name %s, want %s: %+v", account.upn, target, link)
		case managed && obstacle != nil && (obstacle.Reason != directory.DomainFederated || !contoso.Federates(target) || account.id != ""):
			t.Fatalf("got obstacle %+v for the account %+v, want none or one for a missing immutable id", obstacle, account)
		case managed && obstacle == nil && federated && account.id == "":
			t.Fatalf("got no immutable id with the link %+v, want one", link)
		case account.id != first.id && account.id != string(self), first.id == "theirs" && account.id != "theirs":
			t.Fatalf("got immutable id %q, want %q or the user's, and theirs kept", account.id, first.id)
		case account.id != first.id && first.id == string(self):
			t.Fatalf("got immutable id %q, want %q", account.id, first.id)
		}
	})
}
