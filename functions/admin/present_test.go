package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
)

// The present state of an account in Entra decides, not its link: a password that Entra
// would refuse now is refused before any write, and one that it accepts now is set.
func TestTheAccountAsItIsNowDecides(t *testing.T) {
	const federated = "ann.lee@fed.example"
	change := func(properties map[string]any) func(*gateway) {
		return func(g *gateway) {
			_, err := g.entra.Tenant(tenant).UpdateUser("ann.lee@contoso.example", properties)
			g.must(err)
		}
	}
	recorded := func(upn directory.UPN) func(*gateway) {
		return func(g *gateway) {
			g.must(g.records.ChangeLink(g.t.Context(), directory.NewID(organization, "one"), g.ann, func(l directory.Link) directory.Link {
				l.UPN = upn
				return l
			}))
		}
	}
	for name, tc := range map[string]struct {
		before   func(*gateway)
		password string
		detail   string
		says     string // "" if all sides get the password
	}{
		"moved into a federated domain": {change(map[string]any{"userPrincipalName": federated, "onPremisesImmutableId": "1"}), goodPassword,
			"users of a federated domain sign in with JumpCloud: set the password in JumpCloud",
			"Entra, ann.lee@fed.example in the directory one (domain_federated): fed.example is a federated domain: ann.lee@fed.example signs in with JumpCloud"},
		"mastered on premises by now": {change(map[string]any{"onPremisesSyncEnabled": true}), goodPassword,
			"Entra takes no password for this user", "in the directory one (synced_from_on_premises): ann.lee@contoso.example is synchronised"},
		"under restricted management by now": {change(map[string]any{"isManagementRestricted": true}), goodPassword,
			"Entra takes no password for this user", "in the directory one (management_restricted)"},
		"deleted long ago": {func(g *gateway) {
			_, err := g.entra.Tenant(tenant).DeleteUser("ann.lee@contoso.example")
			g.must(err)
		}, goodPassword, "Entra takes no password for this user", "in the directory one (account_missing): the account is not in Entra any more"},
		"renamed to what is in the password": {change(map[string]any{"userPrincipalName": "canary@contoso.example"}), goodPassword,
			"Entra does not take this password", "Entra: it must not contain the sign-in name"},
		"renamed from what is in the password": {recorded("canary@contoso.example"), goodPassword, "", ""},
		"moved out of a federated domain":      {recorded(federated), goodPassword, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			one := g.connected("one", tenant, "ann.lee@contoso.example", nil)
			two := g.connected("two", secondTenant, "ann@fabrikam.example", nil)
			tc.before(g)
			status, answer := g.set(tc.password)
			if tc.says == "" {
				if status != 200 || len(g.has(tc.password)) != 3 {
					t.Errorf("%d %v; %v have it", status, answer, g.has(tc.password))
				}
				return
			}
			said := details(answer)
			if status != 422 || !strings.Contains(fmt.Sprint(answer["detail"]), tc.detail) || !strings.Contains(fmt.Sprint(answer["detail"]), "nothing was changed in JumpCloud or in Entra") ||
				!strings.Contains(said, tc.says) || strings.Contains(said, "fabrikam") {
				t.Errorf("%d %v", status, answer)
			}
			if has := g.has(tc.password); len(has) > 0 || len(g.actions(one))+len(g.actions(two)) > 0 || g.differs(one) != "" || g.differs(two) != "" {
				t.Errorf("%v have it; %d and %d actions; %q, %q", has, len(g.actions(one)), len(g.actions(two)), g.differs(one), g.differs(two))
			}
		})
	}
}

// An account that entrasync wrote a moment ago and that Entra does not show does not
// count as deleted.
func TestAnAccountThatIsNotShownYet(t *testing.T) {
	g := newGateway(t)
	one := g.connected("one", tenant, "ann.lee@contoso.example", nil)
	g.must(g.records.ChangeLink(t.Context(), one, g.ann, func(l directory.Link) directory.Link {
		l.LastWriteAt = time.Now()
		return l
	}))
	g.must(g.entra.FailNext(entratest.Fault{Method: http.MethodGet, Path: `^/v1\.0/users/[^/]+$`, Status: 404}))
	if status, answer := g.set(goodPassword); status != 200 || len(g.has(goodPassword)) != 2 {
		t.Errorf("%d %v; %v have it", status, answer, g.has(goodPassword))
	}
}

// If the accounts cannot be read, the values of the links are used. All accounts of a
// user in one tenant are read at once.
func TestAccountsThatCannotBeRead(t *testing.T) {
	g := newGateway(t)
	g.must(g.worker.PublishKey(t.Context()))
	for name, at := range map[string][2]string{"one": {tenant, "ann.lee@contoso.example"}, "two": {tenant, "ann.admin@contoso.example"}, "three": {secondTenant, "ann@fabrikam.example"}} {
		g.connected(name, at[0], at[1], nil)
	}
	var batches atomic.Int64 // the tenants are read at the same time
	g.before = func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/$batch") {
			batches.Add(1)
		}
	}
	if status, answer := g.set(goodPassword); status != 200 || batches.Load() != 2 || len(g.has(goodPassword)) != 4 {
		t.Errorf("%d %v; %d batches", status, answer, batches.Load())
	}
	g.instead = func(r *http.Request) *http.Response {
		if strings.HasSuffix(r.URL.Path, "/$batch") {
			return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: http.NoBody, Request: r}
		}
		return nil
	}
	if status, answer := g.set(goodPassword + "x"); status != 200 || len(g.has(goodPassword+"x")) != 4 {
		t.Errorf("not read: %d %v", status, answer)
	}
	g.must(g.entra.Tenant(tenant).SetFederated("contoso.example", true))
	if status, answer := g.set(goodPassword + "y"); status != 422 || len(g.has(goodPassword+"y")) > 0 || !strings.Contains(details(answer), "domain_federated") {
		t.Errorf("not read, and federated by the link: %d %v", status, answer)
	}
}
