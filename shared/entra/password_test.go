package entra_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
)

const newPassword = "canary-Passw0rd?9"

// withApp makes an application the one of the tenant.
func withApp(app entratest.App) func(*entratest.Config) {
	return func(c *entratest.Config) { c.Apps = []entratest.App{app} }
}

func TestSetPassword(t *testing.T) {
	n := simulated(t)
	client, tenant := n.client, n.dir
	add := func(u entratest.User) directory.EntraID {
		t.Helper()
		u, err := tenant.AddUser(u)
		if err != nil {
			t.Fatal(err)
		}
		return directory.EntraID(u.ID)
	}
	ann := add(entratest.User{UserPrincipalName: "ann.lee@contoso.example", AccountEnabled: true})
	boss := add(entratest.User{UserPrincipalName: "boss@contoso.example", DirectoryRoles: []string{"Global Administrator"}})
	synced := add(entratest.User{UserPrincipalName: "synced@contoso.example", Properties: map[string]any{"onPremisesSyncEnabled": true}})
	for _, tc := range []struct {
		name     string
		account  directory.EntraID
		password string
		kind     fault.Kind
		reason   directory.Reason
		says     string
	}{
		{"a good one", ann, newPassword, "", "", ""},
		{"a common one", ann, "P@ssw0rd!1", fault.Invalid, directory.PasswordRefused, "take another one"},
		{"one like the name", ann, "Xann.lee!1", fault.Invalid, directory.PasswordRefused, "take another one"},
		{"an administrator", boss, newPassword, fault.Forbidden, directory.ProtectedAccount, "User Administrator"},
		{"from on-premises", synced, newPassword, fault.Forbidden, directory.SyncedFromOnPremises, "on-premises"},
		{"nobody", "00000000-0000-4000-8000-000000000000", newPassword, fault.NotFound, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := client.SetPassword(t.Context(), tc.account, tc.password)
			if fault.KindOf(err) != tc.kind {
				t.Fatalf("%v, want %q", err, tc.kind)
			}
			if f := fault.Of(err); f != nil && (f.Reason != tc.reason || !strings.Contains(f.Message, tc.says) || strings.Contains(err.Error(), tc.password)) {
				t.Errorf("%v, want the reason and words of the row, without the password", err)
			}
		})
	}
	if u, _ := tenant.User("ann.lee@contoso.example"); !u.HasPassword(newPassword) || u.PasswordChanges != 1 || !u.AccountEnabled {
		t.Errorf("the account has another password or is disabled, after %d changes; want the new one after one change", u.PasswordChanges)
	}
}

func TestPasswordsNeedTheRole(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*entratest.App)
		kind fault.Kind
		says string
	}{
		"no role":       {func(a *entratest.App) { a.DirectoryRoles = nil }, fault.Forbidden, "role User Administrator"},
		"no permission": {func(a *entratest.App) { a.Roles = []string{"User.ReadWrite.All"} }, fault.Unauthorized, "lacks the permission"},
	} {
		app := entratest.DefaultApp()
		tc.edit(&app)
		n := simulated(t, withApp(app))
		client := n.client
		ann, err := n.dir.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example"})
		if err != nil {
			t.Fatal(err)
		}
		err = client.SetPassword(t.Context(), directory.EntraID(ann.ID), newPassword)
		if f := fault.Of(err); !fault.Is(err, tc.kind) || !strings.Contains(f.Message, "User-PasswordProfile.ReadWrite.All") || !strings.Contains(f.Message, tc.says) {
			t.Errorf("%s: %v, want the kind and words of the row and the name of the permission", name, err)
		}
	}
}

// The request has the password alone, and no error repeats an answer with the password.
func TestAPasswordOnTheWire(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		code   string
		kind   fault.Kind
		sent   int
	}{
		"done":           {204, "", "", 1},
		"throttled":      {429, "TooManyRequests", fault.Throttled, 2},
		"an outage":      {503, "ServiceUnavailable", fault.Transient, 1},
		"another outage": {500, "InternalServerError", fault.Transient, 1},
		"refused":        {400, "Request_BadRequest", fault.Invalid, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stub{t: t, answer: func(int, sent) (int, http.Header, string) {
					if tc.code == "" {
						return tc.status, nil, ""
					}
					return tc.status, http.Header{"Retry-After": {"1"}}, fmt.Sprintf(`{"error":{"code":%q,"message":"about %s"}}`, tc.code, newPassword)
				}}
				err := s.client().SetPassword(t.Context(), "e1", newPassword)
				if fault.KindOf(err) != tc.kind || len(s.requests) != tc.sent {
					t.Errorf("%v after %d requests; want the kind and number of the row", err, len(s.requests))
				}
				if err != nil && strings.Contains(err.Error(), newPassword) {
					t.Errorf("the fault repeats the password: %v", err)
				}
				var body map[string]any
				if err := json.Unmarshal(s.requests[0].body, &body); err != nil {
					t.Fatal(err)
				}
				delete(body, "@odata.type") // the SDK's
				profile, _ := body["passwordProfile"].(map[string]any)
				if len(body) != 1 || len(profile) != 2 || profile["password"] != newPassword || profile["forceChangePasswordNextSignIn"] != false {
					t.Errorf("sent %d properties and %d of the password, want the password profile alone, with its two properties", len(body), len(profile))
				}
				if r := s.requests[0]; r.method != "PATCH" || r.url != "https://graph.example/v1.0/users/e1" {
					t.Errorf("sent to %s %s, want PATCH of the user e1", r.method, r.url)
				}
			})
		})
	}
}

// Graph answers an update with 204 and no body: a page with 200 comes from a proxy, and
// says nothing about the password.
func TestAPageIsNoAnswerToAPassword(t *testing.T) {
	n := simulated(t)
	ann := n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example"})
	if err := n.sim.FailNext(entratest.Fault{Method: "PATCH", Status: 200, Body: "<html>"}); err != nil {
		t.Fatal(err)
	}
	if err := n.client.SetPassword(t.Context(), directory.EntraID(ann), newPassword); !fault.Is(err, fault.Transient) {
		t.Errorf("%v, want a fault of kind Transient", err)
	}
}

// Without a token nothing is sent to Graph: the account certainly does not have the
// password, and it may be set again later.
func TestAPasswordWhileSignInIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t)
		ann := n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example"})
		set := func() error { return n.client.SetPassword(t.Context(), directory.EntraID(ann), newPassword) }
		n.sim.Set(func(b *entratest.Behaviour) { b.SignInDown = true })
		if err := set(); !fault.Is(err, fault.Throttled) || !strings.Contains(err.Error(), "sign-in service is unavailable") {
			t.Errorf("without a token: %v, want Throttled because sign-in is unavailable", err)
		}
		n.sim.Set(func(b *entratest.Behaviour) { b.SignInDown = false })
		if err := set(); err != nil {
			t.Fatal(err)
		}
		n.sim.RevokeTokens()
		n.sim.Set(func(b *entratest.Behaviour) { b.SignInDown = true })
		if err := set(); !fault.Is(err, fault.Throttled) {
			t.Errorf("with a refused token: %v, want Throttled", err)
		}
		if u, _ := n.dir.User(ann); u.PasswordChanges != 1 {
			t.Errorf("%d changes, want one", u.PasswordChanges)
		}
	})
}
