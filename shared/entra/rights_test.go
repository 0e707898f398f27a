package entra_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// granted sets the permissions of the application, for tokens made from now on.
func (n tenant) granted(t *testing.T, roles ...string) {
	t.Helper()
	if err := n.sim.SetApp(entratest.DefaultApp().ClientID, func(a *entratest.App) { a.Roles = roles }); err != nil {
		t.Fatal(err)
	}
}

// without are the permissions that entrasync needs, except for some.
func without(roles ...string) []string {
	return slices.DeleteFunc(slices.Clone(entratest.RecommendedRoles), func(role string) bool { return slices.Contains(roles, role) })
}

// lacking makes a tenant whose application lacks permissions.
func lacking(t *testing.T, roles ...string) tenant {
	t.Helper()
	return simulated(t, func(c *entratest.Config) { c.Apps[0].Roles = without(roles...) })
}

// lacks checks that an error says which permission is missing, and concerns the
// directory.
func lacks(t *testing.T, err error, permission string) {
	t.Helper()
	f := fault.Of(err)
	if f == nil || f.Kind != fault.Unauthorized || f.Reason != directory.PermissionMissing || !strings.Contains(f.Message, "permission "+permission+" ") {
		t.Errorf("%v; want that %s is missing", err, permission)
	}
}

// A running process can use a permission that is granted later within a minute, without
// a sign-in for each refusal: roles are fixed in a token when it is made.
func TestAPermissionGrantedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := lacking(t, "User.ReadWrite.All", "User.RevokeSessions.All")
		n.granted(t, append(without("User.ReadWrite.All", "User.RevokeSessions.All"), "User.ReadUpdate.All")...)
		ann := n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example"})
		bob := n.person(t, entratest.User{UserPrincipalName: "bob@contoso.example"})
		both := func() (title, sessions error) {
			results := n.client.Apply(t.Context(), []plan.Action{update(ann, "jobTitle", "Lead"), {Type: plan.EndSessions, EntraID: directory.EntraID(bob)}})
			return results[0].Err, results[1].Err
		}
		count := n.signInRequests(func() {
			for range 300 {
				title, sessions := both()
				if title != nil {
					t.Fatal(title)
				}
				lacks(t, sessions, "User.RevokeSessions.All")
				time.Sleep(time.Second)
			}
		})
		if count < 5*perSignIn || count > 6*perSignIn {
			t.Errorf("%d requests to sign-in in five minutes of refusals, want one sign-in a minute", count)
		}
		n.granted(t, append(without("User.ReadWrite.All"), "User.ReadUpdate.All")...)
		time.Sleep(time.Minute)
		n.sim.ResetCounters()
		if title, sessions := both(); title != nil || sessions != nil {
			t.Errorf("granted: %v, %v; want no errors", title, sessions)
		}
		if c := n.sim.Counters(); c.ByRoute["PATCH /users/{user-id}"] != 1 || c.ByRoute["POST /users/{user-id}/revokeSignInSessions"] != 2 || c.Requests != 2 {
			t.Errorf("sent again: %v in %d requests; want the refused one alone", c.ByRoute, c.Requests)
		}
	})
}

// A change refused because of the kind of account, and not because of a missing
// permission, is not sent again when a new token has the same rights.
func TestAProtectedAccountIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t)
		boss := n.person(t, entratest.User{UserPrincipalName: "boss@contoso.example", DirectoryRoles: []string{"Global Administrator"}})
		count := n.signInRequests(func() {
			for range 120 {
				n.sim.ResetCounters()
				f := fault.Of(n.client.Apply(t.Context(), []plan.Action{block(boss)})[0].Err)
				if f == nil || f.Kind != fault.Forbidden || f.Reason != directory.ProtectedAccount {
					t.Fatalf("%+v, want Forbidden (protected account)", f)
				}
				if sent := n.sim.Counters().ByRoute["PATCH /users/{user-id}"]; sent != 1 {
					t.Fatalf("sent %d times, want once", sent)
				}
				time.Sleep(time.Second)
			}
		})
		if count > 4*perSignIn { // the first token and one a minute
			t.Errorf("%d requests to sign-in in two minutes, want at most %d", count, 4*perSignIn)
		}
	})
}

// A single request gets the same fault, and is sent once more with a new token.
func TestAPermissionGrantedLaterForARequestOnItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := lacking(t, "User-PasswordProfile.ReadWrite.All", "Organization.Read.All")
		ann := n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example"})
		password := func() error { return n.client.SetPassword(t.Context(), directory.EntraID(ann), "Correct-Horse-7") }
		_, err := n.client.Describe(t.Context())
		lacks(t, err, "Organization.Read.All")
		lacks(t, password(), "User-PasswordProfile.ReadWrite.All")
		n.granted(t, entratest.RecommendedRoles...)
		time.Sleep(time.Minute)
		if err := password(); err != nil {
			t.Errorf("granted: %v, want no error", err)
		}
		if u, _ := n.dir.User(ann); u.PasswordChanges != 1 {
			t.Errorf("%d changes of the password, want one", u.PasswordChanges)
		}
		if _, err := n.client.Describe(t.Context()); err != nil {
			t.Errorf("granted: %v, want no error", err)
		}
	})
}

// Every request names the permission that it needs when the token lacks it, and no
// other request does.
func TestWhichPermissionIsMissing(t *testing.T) {
	set := func(attribute directory.Attribute, value ...string) func(id string) plan.Action {
		return func(id string) plan.Action { return setting(id, attribute, value) }
	}
	users := func(make func(id string) plan.Action) func(*testing.T, tenant) error {
		return func(t *testing.T, n tenant) error {
			id := n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example"})
			return n.client.Apply(t.Context(), []plan.Action{make(id)})[0].Err
		}
	}
	groups := func(make func(id directory.EntraID, member directory.EntraID) plan.Action) func(*testing.T, tenant) error {
		return func(t *testing.T, n tenant) error {
			member := directory.EntraID(n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example"}))
			other := n.person(t, entratest.User{UserPrincipalName: "bob@contoso.example"})
			g, err := n.dir.AddGroup(entratest.Group{DisplayName: "Eng", Members: []string{other}})
			if err != nil {
				t.Fatal(err)
			}
			result := n.client.ApplyToGroups(t.Context(), []plan.Action{make(directory.EntraID(g.ID), member)})[0]
			return errors.Join(result.Err, result.Refused[member])
		}
	}
	members := func(kind plan.Type, add, remove []directory.EntraID, id directory.EntraID) plan.Action {
		return plan.Action{Type: kind, EntraID: id, Changes: []directory.Change{{Attribute: directory.Members, To: texts(add), From: texts(remove)}}}
	}
	for name, tc := range map[string]struct {
		do     func(*testing.T, tenant) error
		lacks  []string // taken from what is asked for
		grants []string // given instead
		names  string   // the permission that is named; "" for none: it goes through
	}{
		"create":             {users(func(string) plan.Action { return creation("userPrincipalName", "new@contoso.example") }), []string{"User.ReadWrite.All"}, nil, "User.ReadWrite.All"},
		"create, least":      {users(func(string) plan.Action { return creation("userPrincipalName", "new@contoso.example") }), []string{"User.ReadWrite.All"}, []string{"User.Create"}, ""},
		"update":             {users(set(directory.City, "Bern")), []string{"User.ReadWrite.All"}, nil, "User.ReadWrite.All"},
		"update, least":      {users(set(directory.City, "Bern")), []string{"User.ReadWrite.All"}, []string{"User.ReadUpdate.All"}, ""},
		"update, all":        {users(set(directory.City, "Bern")), []string{"User.ReadWrite.All"}, []string{"Directory.ReadWrite.All"}, ""},
		"block":              {users(block), []string{"User.ReadWrite.All", "User.EnableDisableAccount.All"}, nil, "User.EnableDisableAccount.All"},
		"block, least":       {users(block), []string{"User.ReadWrite.All"}, []string{"User.Read.All"}, ""},
		"phones":             {users(set(directory.BusinessPhones, "1")), []string{"User.ReadWrite.All"}, []string{"User.ReadUpdate.All"}, "User.ReadWrite.All"},
		"phones, least":      {users(set(directory.MobilePhone, "1")), []string{"User.ReadWrite.All"}, []string{"User-Phone.ReadWrite.All"}, ""},
		"other mails":        {users(set(directory.OtherMails, "a@b.example")), []string{"User.ReadWrite.All"}, []string{"User.ReadUpdate.All"}, "User.ReadWrite.All"},
		"other mails, least": {users(set(directory.OtherMails, "a@b.example")), []string{"User.ReadWrite.All"}, []string{"User-Mail.ReadWrite.All"}, ""},
		"manager":            {users(set(directory.Manager, string(nobody))), []string{"User.ReadWrite.All"}, []string{"User.ReadUpdate.All"}, "User.ReadWrite.All"},
		"no manager":         {users(set(directory.Manager)), []string{"User.ReadWrite.All"}, []string{"User.ReadUpdate.All"}, "User.ReadWrite.All"},
		"sessions": {users(func(id string) plan.Action {
			return plan.Action{Type: plan.EndSessions, EntraID: directory.EntraID(id)}
		}), []string{"User.ReadWrite.All", "User.RevokeSessions.All"}, nil, "User.RevokeSessions.All"},
		"sessions, least": {users(func(id string) plan.Action {
			return plan.Action{Type: plan.EndSessions, EntraID: directory.EntraID(id)}
		}), []string{"User.ReadWrite.All"}, nil, ""},
		"sessions, the larger one": {users(func(id string) plan.Action {
			return plan.Action{Type: plan.EndSessions, EntraID: directory.EntraID(id)}
		}), []string{"User.RevokeSessions.All"}, nil, ""},
		"restore": {func(t *testing.T, n tenant) error {
			id := n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example"})
			if _, err := n.dir.DeleteUser(id); err != nil {
				t.Fatal(err)
			}
			return n.client.Apply(t.Context(), []plan.Action{{Type: plan.Restore, EntraID: directory.EntraID(id)}})[0].Err
		}, []string{"User.ReadWrite.All", "Group.ReadWrite.All"}, nil, "User.ReadWrite.All"},
		"look up": {func(t *testing.T, n tenant) error {
			return n.client.FindByUPN(t.Context(), []directory.UPN{"ann@contoso.example"}, []directory.Attribute{directory.City})[0].Err
		}, []string{"User.ReadWrite.All"}, nil, "User.ReadWrite.All"},
		"find groups": {func(t *testing.T, n tenant) error { return n.client.FindGroups(t.Context(), []string{"Eng"})[0].Err },
			[]string{"Group.ReadWrite.All", "GroupMember.ReadWrite.All"}, nil, "Group.ReadWrite.All"},
		"create group": {groups(func(directory.EntraID, directory.EntraID) plan.Action { return creating("g", "jc.1") }),
			[]string{"Group.ReadWrite.All"}, nil, "Group.ReadWrite.All"},
		"rename group": {groups(func(id, _ directory.EntraID) plan.Action { return naming(plan.RenameGroup, id, "x") }),
			[]string{"Group.ReadWrite.All"}, nil, "Group.ReadWrite.All"},
		"add a member": {groups(func(id, member directory.EntraID) plan.Action {
			return members(plan.AddMembers, []directory.EntraID{member}, nil, id)
		}), []string{"Group.ReadWrite.All", "GroupMember.ReadWrite.All"}, []string{"Group.Read.All"}, "GroupMember.ReadWrite.All"},
		"add two members": {groups(func(id, member directory.EntraID) plan.Action {
			return members(plan.AddMembers, []directory.EntraID{member, nobody}, nil, id)
		}), []string{"Group.ReadWrite.All", "GroupMember.ReadWrite.All"}, []string{"Group.Read.All"}, "GroupMember.ReadWrite.All"},
		"remove a member": {groups(func(id, member directory.EntraID) plan.Action {
			return members(plan.RemoveMembers, nil, []directory.EntraID{member}, id)
		}), []string{"Group.ReadWrite.All", "GroupMember.ReadWrite.All"}, []string{"Group.Read.All"}, "GroupMember.ReadWrite.All"},
		"delete group": {groups(func(id, _ directory.EntraID) plan.Action { return plan.Action{Type: plan.DeleteGroup, EntraID: id} }),
			[]string{"Group.ReadWrite.All"}, nil, "Group.ReadWrite.All"},
	} {
		t.Run(name, func(t *testing.T) {
			n := simulated(t, func(c *entratest.Config) { c.Apps[0].Roles = append(without(tc.lacks...), tc.grants...) })
			err := tc.do(t, n)
			if tc.names == "" && err != nil {
				t.Errorf("with the permissions: %v, want no error", err)
			} else if tc.names != "" {
				lacks(t, err, tc.names)
			}
		})
	}
}

// If one of several changed properties needs the missing permission, the fault names
// that property.
func TestTheMissingPermissionOfOneProperty(t *testing.T) {
	n := simulated(t, func(c *entratest.Config) {
		c.Apps[0].Roles = append(without("User.ReadWrite.All"), "User.ReadUpdate.All")
	})
	ann := n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example"})
	err := n.client.Apply(t.Context(), []plan.Action{{Type: plan.Update, EntraID: directory.EntraID(ann), Changes: []directory.Change{
		{Attribute: directory.City, To: directory.Value{"Bern"}}, {Attribute: directory.MobilePhone, To: directory.Value{"1"}},
	}}})[0].Err
	lacks(t, err, "User.ReadWrite.All")
	if subject := fault.Of(err).Subject; subject != "mobilePhone" {
		t.Errorf("the subject is %q, want mobilePhone", subject)
	}
}

// A token that is no JSON web token does not show its roles: another one counts as
// different, and a refusal stays Graph's refusal.
func TestTokensThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{t: t}
		s.answer = func(_ int, r sent) (int, http.Header, string) {
			return 200, nil, reply(t, r, func(i item) map[string]any {
				if r.header.Get("Authorization") == "Bearer token-3" || i.URL == "/users/fine" {
					return map[string]any{"status": 204}
				}
				return map[string]any{"status": 403, "body": graphBody("Authorization_RequestDenied", "Insufficient privileges to complete the operation.")}
			})
		}
		client := s.client()
		write := func() *fault.Error {
			return fault.Of(client.Apply(t.Context(), []plan.Action{update("fine", "city", "A"), update("e1", "city", "A")})[1].Err)
		}
		if f := write(); f == nil || f.Kind != fault.Forbidden || f.Reason != directory.ProtectedAccount {
			t.Errorf("with the second token: %+v, want Forbidden (protected account)", f)
		}
		if len(s.requests) != 2 || len(s.requests[1].items(t)) != 1 {
			t.Errorf("%d requests, want two, the second with the refused item alone", len(s.requests))
		}
		time.Sleep(time.Minute)
		if f := write(); f != nil {
			t.Errorf("with the third token: %v, want no error", f)
		}
	})
}

// An item may be refused because of the token while the batch is answered: it is sent
// again with a new token, and the items that ran are not repeated.
func TestATokenRefusedItemByItem(t *testing.T) {
	for _, world := range []entratest.World{{}, {ItemTokens: true}} {
		n := simulated(t, func(c *entratest.Config) { c.Behaviour.World = world })
		ann := n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example"})
		bob := n.person(t, entratest.User{UserPrincipalName: "bob@contoso.example"})
		if err := n.client.Apply(t.Context(), []plan.Action{update(ann, "city", "A")})[0].Err; err != nil {
			t.Fatal(err)
		}
		n.sim.RevokeTokens()
		n.sim.ResetCounters()
		for i, result := range n.client.Apply(t.Context(), []plan.Action{update(ann, "city", "B"), update(bob, "city", "B")}) {
			if result.Err != nil {
				t.Errorf("%+v, action %d: %v", world, i, result.Err)
			}
		}
		if c := n.sim.Counters(); c.ByStatus[204] != 2 || c.Logins != 1 {
			t.Errorf("%+v: %v with %d sign-ins, want both written with one sign-in", world, c.ByStatus, c.Logins)
		}
		if err := n.sim.FailNext(entratest.Fault{Path: "/users/" + bob, Status: 401}); err != nil {
			t.Fatal(err)
		}
		results := n.client.Apply(t.Context(), []plan.Action{update(ann, "city", "C"), update(bob, "city", "C")})
		if f := fault.Of(results[1].Err); results[0].Err != nil || f == nil || f.Kind != fault.Unauthorized {
			t.Errorf("%+v: within a minute: %v, %v; want the first written and the second Unauthorized, without another token", world, results[0].Err, f)
		}
	}
}

// While sign-in is down too, only the refused items get its error.
func TestARefusedTokenThatCannotBeReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t, func(c *entratest.Config) { c.Behaviour.World.ItemTokens = true })
		ann := n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example"})
		change := func() []error {
			var errs []error
			for _, result := range n.client.Apply(t.Context(), []plan.Action{update(ann, "city", "A"), update(string(nobody), "city", "A")}) {
				errs = append(errs, result.Err)
			}
			return errs
		}
		change()
		n.sim.RevokeTokens()
		n.sim.Set(func(b *entratest.Behaviour) { b.SignInDown = true })
		count := n.signInRequests(func() {
			for i, err := range change() {
				if f := fault.Of(err); f == nil || f.Kind != fault.Transient || !strings.Contains(f.Message, "sign-in") {
					t.Errorf("item %d: %v, want a transient fault about the sign-in", i, err)
				}
			}
		})
		if count != 3 {
			t.Errorf("%d requests to sign-in, want one sign-in with its three tries", count)
		}
		n.sim.Set(func(b *entratest.Behaviour) { b.SignInDown = false })
		if errs := change(); errs[0] != nil || !fault.Is(errs[1], fault.NotFound) {
			t.Errorf("sign-in is back: %v, want the first written and the second not found", errs)
		}
	})
}
