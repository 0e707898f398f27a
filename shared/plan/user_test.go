package plan_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// here is how a user of the directory is connected.
var here = directory.Connected{Here: true}

const self directory.UserID = "64a1b2c3d4e5f60718293a4b"

// wanted is the desired state of a connected, activated user.
func wanted() directory.Desired {
	return directory.Desire(&directory.User{ID: self, Username: "ann", Email: "ann@corp.example", FirstName: "Ann", LastName: "Lee", State: directory.Activated}, here, directory.DefaultSettings())
}

// linked is the link of an account that is right.
func linked() directory.Link {
	return directory.Link{Standing: directory.Standing{EntraID: "e1", Origin: directory.CreatedByUs}, State: directory.Enabled,
		Applied: wanted().Attributes.Set([]directory.Change{{Attribute: directory.AccountEnabled, To: directory.Bool(true)}})}
}

// withManager is wanted with a manager.
func withManager(id directory.Value) directory.Desired { return wanted().With(directory.Manager, id) }

// tooLong is the desired state of a user whose name is too long for Entra.
func tooLong() directory.Desired {
	return directory.Desire(&directory.User{ID: self, Username: "ann", Email: "ann@corp.example", LastName: strings.Repeat("x", 300), State: directory.Activated}, here, directory.DefaultSettings())
}

// refused is a link whose attribute Entra refused the last time.
func refused(link directory.Link, name directory.Attribute) directory.Link {
	link.Problems = []directory.Problem{{Attribute: name, Reason: directory.InvalidValue}}
	return link
}

// found is an account with the wanted name that somebody else created.
func found(change func(*directory.Account)) *directory.Account {
	a := &directory.Account{ID: "e2", UPN: "ann@corp.example", Enabled: true, Attributes: directory.Attributes{
		"givenName": {"Anna"}, "surname": {"Lee"}, "displayName": {"Anna Lee"}, "userPrincipalName": {"ann@corp.example"}, "mailNickname": {"ann"}, "jobTitle": {"Boss"}}}
	if change != nil {
		change(a)
	}
	return a
}

// written lists for each action its type and the attributes it writes.
func written(actions []plan.Action) [][]string {
	var list [][]string
	for _, a := range actions {
		row := []string{string(a.Type)}
		for _, c := range a.Changes {
			row = append(row, string(c.Attribute)+"="+c.To.String())
		}
		list = append(list, row)
	}
	return list
}

func TestDecide(t *testing.T) {
	disabled := wanted()
	disabled.State, disabled.Reason = directory.Disabled, directory.SuspendedReason
	renamed := wanted()
	renamed.Attributes = renamed.Attributes.Set([]directory.Change{{Attribute: "surname", To: directory.Value{"Moss"}}})
	renamedDisabled := renamed
	renamedDisabled.State = directory.Disabled
	wasDisabled := linked()
	wasDisabled.Applied = wasDisabled.Applied.Set([]directory.Change{{Attribute: directory.AccountEnabled, To: directory.Bool(false)}})
	gone := directory.Desire(nil, here, directory.DefaultSettings())
	nameless := wanted()
	nameless.UPN, nameless.Obstacle = "", &directory.Obstacle{Reason: directory.EmailMissing}
	namelessDisabled := nameless
	namelessDisabled.State = directory.Disabled

	sessionsToEnd := wasDisabled
	sessionsToEnd.SessionsToEnd = true
	begun := func(attribute directory.Attribute) directory.Link {
		return plan.User{}.Begun(linked(), plan.Action{Type: plan.Update, Changes: []directory.Change{{Attribute: attribute}}})
	}
	unknownSurname, unknownState := begun(directory.Surname), begun(directory.AccountEnabled)

	for _, tc := range []struct {
		name     string
		user     plan.User
		want     [][]string
		obstacle directory.Reason
		origin   directory.Origin
	}{
		{name: "nothing differs", user: plan.User{Desired: wanted(), Link: linked()}, origin: directory.CreatedByUs},
		{name: "an attribute differs", user: plan.User{Desired: renamed, Link: linked()}, want: [][]string{{"update", "surname=Moss"}}, origin: directory.CreatedByUs},
		{name: "suspended", user: plan.User{Desired: disabled, Link: linked()}, want: [][]string{{"deprovision", "accountEnabled=false"}, {"end_sessions"}}, origin: directory.CreatedByUs},
		{name: "blocking comes first", user: plan.User{Desired: renamedDisabled, Link: linked()}, want: [][]string{{"deprovision", "accountEnabled=false"}, {"end_sessions"}, {"update", "surname=Moss"}}, origin: directory.CreatedByUs},
		{name: "allowing comes last", user: plan.User{Desired: renamed, Link: wasDisabled}, want: [][]string{{"update", "surname=Moss"}, {"enable", "accountEnabled=true"}}, origin: directory.CreatedByUs},
		{name: "deleted: only disabled", user: plan.User{Desired: gone, Link: linked()}, want: [][]string{{"deprovision", "accountEnabled=false"}, {"end_sessions"}}, origin: directory.CreatedByUs},
		{name: "deleted and disabled already", user: plan.User{Desired: gone, Link: wasDisabled}, origin: directory.CreatedByUs},
		{name: "deleted before there was an account", user: plan.User{Desired: gone}},
		{name: "no sign-in name, no account", user: plan.User{Desired: nameless}, obstacle: directory.EmailMissing},
		{name: "no sign-in name, still disabled", user: plan.User{Desired: namelessDisabled, Link: linked()}, want: [][]string{{"deprovision", "accountEnabled=false"}, {"end_sessions"}}, obstacle: directory.EmailMissing, origin: directory.CreatedByUs},
		{name: "created", user: plan.User{ID: self, Desired: wanted(), LookedUp: true}, want: [][]string{{"provision", "accountEnabled=true", "displayName=Ann Lee", "givenName=Ann", "mailNickname=ann", "onPremisesImmutableId=" + string(self), "surname=Lee", "userPrincipalName=ann@corp.example"}}},
		{name: "created disabled", user: plan.User{ID: self, Desired: disabled, LookedUp: true}, want: [][]string{{"provision", "accountEnabled=false", "displayName=Ann Lee", "givenName=Ann", "mailNickname=ann", "onPremisesImmutableId=" + string(self), "surname=Lee", "userPrincipalName=ann@corp.example"}}},
		{name: "taken over, written as little as needed", user: plan.User{ID: self, Desired: wanted(), LookedUp: true, Account: found(nil)}, want: [][]string{{"take_over", "accountEnabled=true", "displayName=Ann Lee", "givenName=Ann"}}, origin: directory.TakenOver},
		{name: "taken over and disabled", user: plan.User{ID: self, Desired: disabled, LookedUp: true, Account: found(nil)}, want: [][]string{{"take_over", "accountEnabled=false", "displayName=Ann Lee", "givenName=Ann"}, {"end_sessions"}}, origin: directory.TakenOver},
		{name: "taken over federated", user: plan.User{ID: self, Desired: wanted(), LookedUp: true, Federated: true, Account: found(nil)}, want: [][]string{{"take_over", "accountEnabled=true", "displayName=Ann Lee", "givenName=Ann", "onPremisesImmutableId=" + string(self)}}, origin: directory.TakenOver},
		{name: "taken over federated, immutable id there", user: plan.User{ID: self, Desired: wanted(), LookedUp: true, Federated: true, Account: found(func(a *directory.Account) { a.ImmutableID = "other" })}, want: [][]string{{"take_over", "accountEnabled=true", "displayName=Ann Lee", "givenName=Ann"}}, origin: directory.TakenOver},
		{name: "ours already", user: plan.User{ID: self, Desired: wanted(), LookedUp: true, Created: found(func(a *directory.Account) { a.ImmutableID = string(self) })}, want: [][]string{{"update", "displayName=Ann Lee", "givenName=Ann"}}, origin: directory.CreatedByUs},
		{name: "synchronised from on-premises", user: plan.User{ID: self, Desired: wanted(), LookedUp: true, Account: found(func(a *directory.Account) { a.SyncedFromOnPremises = true })}, obstacle: directory.SyncedFromOnPremises},
		{name: "guest", user: plan.User{ID: self, Desired: wanted(), LookedUp: true, Account: found(func(a *directory.Account) { a.Guest = true })}, obstacle: directory.GuestAccount},
		{name: "agent", user: plan.User{ID: self, Desired: wanted(), LookedUp: true, Account: found(func(a *directory.Account) { a.Agent = true })}, obstacle: directory.AgentAccount},
		{name: "ours under the name of its creation, renamed since", user: plan.User{ID: self, Desired: wanted(), LookedUp: true, Created: found(func(a *directory.Account) {
			a.ImmutableID, a.Attributes["userPrincipalName"] = string(self), directory.Value{"old@corp.example"}
		})}, want: [][]string{{"update", "displayName=Ann Lee", "givenName=Ann", "userPrincipalName=ann@corp.example"}}, origin: directory.CreatedByUs},
		{name: "ours, and not connected any more", user: plan.User{ID: self, Desired: gone, LookedUp: true, Created: found(func(a *directory.Account) { a.ImmutableID = string(self) })}, want: [][]string{{"deprovision", "accountEnabled=false"}, {"end_sessions"}}, origin: directory.CreatedByUs},
		{name: "sessions still to end", user: plan.User{Desired: disabled, Link: sessionsToEnd}, want: [][]string{{"end_sessions"}}, origin: directory.CreatedByUs},
		{name: "an attribute nobody knows", user: plan.User{Desired: wanted(), Link: unknownSurname}, want: [][]string{{"update", "surname=Lee"}}, origin: directory.CreatedByUs},
		{name: "a state nobody knows", user: plan.User{Desired: gone, Link: unknownState}, want: [][]string{{"deprovision", "accountEnabled=false"}, {"end_sessions"}}, origin: directory.CreatedByUs},
		{name: "a manager is written apart", user: plan.User{Desired: withManager(directory.Value{"m1"}), Link: linked()}, want: [][]string{{"update", "manager=m1"}}, origin: directory.CreatedByUs},
		{name: "created, then the manager", user: plan.User{ID: self, Desired: withManager(directory.Value{"m1"}), LookedUp: true}, want: [][]string{{"provision", "accountEnabled=true", "displayName=Ann Lee", "givenName=Ann", "mailNickname=ann", "onPremisesImmutableId=" + string(self), "surname=Lee", "userPrincipalName=ann@corp.example"}, {"update", "manager=m1"}}},
		{name: "what was refused is written apart", user: plan.User{Desired: renamed, Link: refused(linked(), directory.Surname)}, want: [][]string{{"update", "surname=Moss"}}, origin: directory.CreatedByUs},
		{name: "deleted in Entra", user: plan.User{ID: self, Desired: wanted(), LookedUp: true, Deleted: &directory.DeletedAccount{ID: "e3", UPN: "ann@corp.example"}}, obstacle: directory.AccountDeleted},
		{name: "restored", user: plan.User{ID: self, Desired: wanted(), LookedUp: true, MayRestore: true, Deleted: &directory.DeletedAccount{ID: "e3", UPN: "ann@corp.example"}}, want: [][]string{{"restore"}, {"update", "displayName=Ann Lee", "givenName=Ann", "mailNickname=ann", "surname=Lee", "userPrincipalName=ann@corp.example"}, {"enable", "accountEnabled=true"}}, origin: directory.TakenOver},
		{name: "deleted, and there is another one of the name", user: plan.User{ID: self, Desired: wanted(), LookedUp: true, Account: found(nil), Deleted: &directory.DeletedAccount{ID: "e3"}}, want: [][]string{{"take_over", "accountEnabled=true", "displayName=Ann Lee", "givenName=Ann"}}, origin: directory.TakenOver},
		{name: "a new password ends the sessions", user: plan.User{Desired: wanted(), Link: linked(), NewPassword: true}, want: [][]string{{"end_sessions"}}, origin: directory.CreatedByUs},
		{name: "a new password of a disabled account", user: plan.User{Desired: disabled, Link: wasDisabled, NewPassword: true}, origin: directory.CreatedByUs},
		{name: "no display name that Entra takes", user: plan.User{ID: self, Desired: tooLong(), LookedUp: true}, obstacle: directory.InvalidValue},
		{name: "management restricted", user: plan.User{ID: self, Desired: wanted(), LookedUp: true, Account: found(func(a *directory.Account) { a.ManagementRestricted = true })}, obstacle: directory.ManagementRestricted},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if len(tc.user.Searches()) > 0 || tc.user.Uncertain() {
				t.Fatal("got a user that must be searched first or is uncertain, want one that can be decided")
			}
			got := tc.user.Decide()
			if !cmp.Equal(written(got.Actions), tc.want) {
				t.Error(cmp.Diff(tc.want, written(got.Actions)))
			}
			reason := directory.Reason("")
			if got.Obstacle != nil {
				reason = got.Obstacle.Reason
			}
			if reason != tc.obstacle || got.Link.Origin != tc.origin {
				t.Errorf("got obstacle %q, origin %q; want %q, %q", reason, got.Link.Origin, tc.obstacle, tc.origin)
			}
		})
	}
}

func TestSearches(t *testing.T) {
	nameless := wanted()
	nameless.Obstacle = &directory.Obstacle{Reason: directory.EmailMissing}
	unmanaged := directory.Desire(nil, directory.Connected{}, directory.DefaultSettings())
	tried := func(upn directory.UPN) directory.Link {
		return directory.Link{Unconfirmed: &directory.Creation{UPN: upn}}
	}
	const wantedUPN, oldUPN = directory.UPN("ann@corp.example"), directory.UPN("old@corp.example")
	for name, tc := range map[string]struct {
		user      plan.User
		want      []directory.UPN
		uncertain bool // when the search finds nothing
	}{
		"connected, no account":                   {plan.User{Desired: wanted()}, []directory.UPN{wantedUPN}, false},
		"searched already":                        {plan.User{Desired: wanted(), LookedUp: true}, nil, false},
		"has an account":                          {plan.User{Desired: wanted(), Link: linked()}, nil, false},
		"not connected any more":                  {plan.User{Desired: unmanaged}, nil, false},
		"no sign-in name to search":               {plan.User{Desired: nameless}, nil, false},
		"unconfirmed":                             {plan.User{Desired: wanted(), Link: tried("ANN@corp.example")}, []directory.UPN{wantedUPN}, false},
		"unconfirmed, renamed since":              {plan.User{Desired: wanted(), Link: tried(oldUPN)}, []directory.UPN{wantedUPN, oldUPN}, true},
		"unconfirmed, not connected any more":     {plan.User{Desired: unmanaged, Link: tried(oldUPN)}, []directory.UPN{oldUPN}, true},
		"unconfirmed, without sign-in name since": {plan.User{Desired: nameless, Link: tried(oldUPN)}, []directory.UPN{oldUPN}, true},
	} {
		got := tc.user.Searches()
		if !cmp.Equal(got, tc.want) {
			t.Errorf("%s: searches %v, want %v", name, got, tc.want)
		}
		empty := tc.user.Found(got, make([]*directory.Account, len(got)), make([]*directory.DeletedAccount, len(got)))
		if empty.Uncertain() != tc.uncertain {
			t.Errorf("%s: uncertain %v, want %v", name, empty.Uncertain(), tc.uncertain)
		}
		if len(got) == 0 {
			continue
		}
		ours := make([]*directory.Account, len(got))
		ours[len(ours)-1] = found(func(a *directory.Account) { a.ImmutableID = string(self) })
		user := tc.user
		user.ID = self
		if seen := user.Found(got, ours, make([]*directory.DeletedAccount, len(got))); seen.Created == nil || seen.Uncertain() {
			t.Errorf("%s: got no account of ours, want the created one", name)
		}
	}
}

// Whatever the user was and becomes, after the decided actions nothing is left to do.
func TestActionsLeadToTheDesiredState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		settings := directory.DefaultSettings()
		for _, rule := range directory.Rules() {
			settings.Attributes[rule] = rapid.Bool().Draw(t, string(rule))
		}
		settings.Federated = rapid.Bool().Draw(t, "federated")
		user := plan.User{ID: self, LookedUp: true, Federated: settings.Federated}
		if rapid.Bool().Draw(t, "exists") {
			user.Account = found(func(a *directory.Account) {
				a.Enabled = rapid.Bool().Draw(t, "enabled")
				a.ImmutableID = rapid.SampledFrom([]string{"", "other", string(self)}).Draw(t, "immutable id")
			})
		}
		for step := range 3 {
			source := directory.User{ID: self, Username: "ann", Email: "ann@corp.example",
				FirstName: rapid.SampledFrom([]string{"", "Ann", "Anna"}).Draw(t, "first name"),
				Fields:    map[string]string{"jobTitle": rapid.SampledFrom([]string{"", "Lead", "Boss"}).Draw(t, "job title")},
				State:     rapid.SampledFrom([]directory.UserState{directory.Staged, directory.Activated, directory.Suspended}).Draw(t, "state")}
			connected := directory.Connected{Here: step == 0 || rapid.Bool().Draw(t, "connected")}
			user.Desired = directory.Desire(&source, connected, settings)
			if user.Account != nil && user.Account.ImmutableID == string(self) {
				user.Created = user.Account
			}
			d := user.Decide()
			link := d.Link
			for _, action := range d.Actions {
				id := link.EntraID
				if action.Type == plan.Provision {
					id = "e9"
				}
				link = user.Completed(user.Begun(link, action), action, id)
			}
			link = user.Concluded(link, d.Obstacle, nil)
			user.Link = link
			if again := user.Decide(); len(again.Actions) > 0 {
				t.Fatalf("after %+v: got %+v still to do, want nothing", d.Actions, again.Actions)
			}
			want := user.Desired.State
			if source.State == directory.Staged && connected.Here && user.Account != nil { // it was there before
				want = map[bool]directory.AccountState{true: directory.Enabled, false: directory.Disabled}[user.Account.Enabled]
			}
			if link.State != want {
				t.Fatalf("got the account %s, want %s", link.State, want)
			}
		}
	})
}

// An account that has the user's id under another name is the user's while the user is connected: it
// gets the name. If the user is disconnected before that, nothing is written to it.
func TestAnAccountThatHasTheUsersID(t *testing.T) {
	old := directory.UPN("old.ann@corp.example")
	account := found(func(a *directory.Account) {
		a.UPN, a.ImmutableID, a.Attributes[directory.UserPrincipalName] = old, string(self), directory.Text(string(old))
	})
	gone := directory.Desire(nil, directory.Connected{}, directory.DefaultSettings())
	for name, row := range map[string]struct {
		desired directory.Desired
		renames bool
	}{"connected": {wanted(), true}, "disconnected": {gone, false}} {
		u := plan.User{ID: self, Desired: row.desired, Link: directory.Link{Unconfirmed: &directory.Creation{UPN: old, Existed: true}}}
		searched := u.Searches()
		accounts, deleted := make([]*directory.Account, len(searched)), make([]*directory.DeletedAccount, len(searched))
		for i, upn := range searched {
			if upn.Same(old) {
				accounts[i] = account
			}
		}
		if u = u.Found(searched, accounts, deleted); u.Uncertain() {
			t.Errorf("%s: nothing can be decided, want a decision", name)
		}
		d := u.Decide()
		renames := len(d.Actions) > 0 && d.Actions[0].Writes(directory.UserPrincipalName)
		if renames != row.renames || (len(d.Actions) > 0) != row.renames || (d.Link.EntraID == account.ID) != row.renames || d.Link.Unconfirmed != nil {
			t.Errorf("%s: got %v for the link %+v, want that it is renamed: %t", name, written(d.Actions), d.Link, row.renames)
		}
	}
}
