package entra_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// renaming is an action that gives an account a sign-in name.
func renaming(id, upn string) plan.Action {
	return setting(id, directory.UserPrincipalName, directory.Value{upn})
}

func TestATenantSaysWhichDomainsAreFederated(t *testing.T) {
	n := simulated(t)
	want := directory.Tenant{ID: directory.TenantID(entratest.DefaultTenant().ID), Name: "Contoso",
		VerifiedDomains:  []string{"contoso.example", "contoso.onmicrosoft.example", "fed.example"},
		FederatedDomains: []string{"fed.example"}, InitialDomain: "contoso.onmicrosoft.example"}
	got, err := n.client.Describe(t.Context())
	got.Granted = nil
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	s := &stub{t: t, answer: func(int, sent) (int, http.Header, string) {
		return 200, nil, `{"value":[{"id":"t","displayName":"T","verifiedDomains":[{"name":"A.example"},{"name":"B.example","type":"federated"}]}]}`
	}}
	if got, err := s.client().Describe(t.Context()); err != nil || !got.Federates("x@b.example") || got.Federates("x@a.example") || got.InitialDomain != "" {
		t.Errorf("%+v, %v, want b.example federated, a.example not, and no initial domain", got, err)
	}
}

// A refusal because of a federated domain is not reported as a domain that is not
// verified, nor the other way round.
func TestRefusalsOfFederatedDomains(t *testing.T) {
	n := simulated(t)
	ann := n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example"})
	fred := n.person(t, entratest.User{UserPrincipalName: "fred@fed.example"})
	for _, row := range []struct {
		refused
		action plan.Action
	}{
		{refused{name: "in without an id", kind: fault.Invalid, reason: directory.DomainFederated, subject: "userPrincipalName", words: []string{"in fed.example, which is a federated domain"}}, renaming(ann, "ann@fed.example")},
		{refused{name: "not verified", kind: fault.Invalid, reason: directory.DomainNotVerified, subject: "userPrincipalName", words: []string{"corp.example is not a verified domain of tenant Contoso"}}, renaming(ann, "ann@corp.example")},
		{refused{name: "another id there", kind: fault.Invalid, reason: directory.RefusedReason, words: []string{"refuses the change"}}, setting(fred, directory.ImmutableID, directory.Value{"jc1"})},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.check(t, n.client.Apply(t.Context(), []plan.Action{row.action})[0].Err)
		})
	}
	moves := []plan.Action{
		{Type: plan.LeaveDomain, EntraID: directory.EntraID(fred), Changes: []directory.Change{{Attribute: directory.UserPrincipalName, To: directory.Value{"fred@contoso.onmicrosoft.example"}}}},
		{Type: plan.JoinDomain, EntraID: directory.EntraID(fred), Changes: []directory.Change{{Attribute: directory.UserPrincipalName, To: directory.Value{"fred@fed.example"}}, {Attribute: directory.ImmutableID, To: directory.Value{"jc1"}}}},
	}
	for _, move := range moves {
		if err := n.client.Apply(t.Context(), []plan.Action{move})[0].Err; err != nil {
			t.Fatalf("%s: %v", move.Type, err)
		}
	}
	if u, _ := n.dir.User(fred); u.UserPrincipalName != "fred@fed.example" || u.Text("onPremisesImmutableId") != "jc1" {
		t.Errorf("%+v, want fred@fed.example with the immutable id jc1", u)
	}
}

// A refusal counts as transient when the domains changed; reading them costs one
// request in ten seconds, however many changes are refused.
func TestARefusalByADomainThatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t)
		if _, err := n.client.Describe(t.Context()); err != nil {
			t.Fatal(err)
		}
		fred := n.person(t, entratest.User{UserPrincipalName: "fred@contoso.example"})
		if err := n.dir.SetFederated("contoso.example", true); err != nil {
			t.Fatal(err)
		}
		change := []plan.Action{setting(fred, directory.ImmutableID, directory.Value{"jc1"})}
		time.Sleep(time.Minute)
		if f := fault.Of(n.client.Apply(t.Context(), change)[0].Err); f == nil || f.Kind != fault.Transient || f.Message == "" {
			t.Errorf("%+v, want a fault of kind Transient with a message", f)
		}
		n.sim.ResetCounters()
		for range 5 {
			if f := fault.Of(n.client.Apply(t.Context(), change)[0].Err); f == nil || f.Kind != fault.Invalid {
				t.Errorf("%+v, want a fault of kind Invalid", f)
			}
		}
		if c := n.sim.Counters(); c.Requests != 5 {
			t.Errorf("%d requests, want 5", c.Requests)
		}
	})
}

func TestReadAndFindByImmutableID(t *testing.T) {
	n := simulated(t)
	var accounts []directory.EntraID
	var ids []string
	for i := range 25 {
		id := fmt.Sprintf("it's %d", i)
		accounts = append(accounts, directory.EntraID(n.person(t, entratest.User{UserPrincipalName: fmt.Sprintf("p%d@contoso.example", i), Properties: map[string]any{"onPremisesImmutableId": id}})))
		ids = append(ids, id)
	}
	gone, err := n.dir.DeleteUser(string(accounts[3]))
	if err != nil {
		t.Fatal(err)
	}
	n.sim.ResetCounters()
	read, found := n.client.Read(t.Context(), append(accounts, nobody), nil), n.client.FindByImmutableID(t.Context(), append(ids, "nobody's"))
	for i, id := range accounts {
		want := id
		if string(id) == gone.ID {
			want = ""
		}
		if a, b := idOf(t, read[i]), idOf(t, found[i]); a != want || b != want {
			t.Errorf("%d: read %q, found %q, want %q", i, a, b, want)
		}
		if a := read[i].Account; want != "" && (a.ImmutableID != ids[i] || a.UPN != directory.UPN(fmt.Sprintf("p%d@contoso.example", i))) {
			t.Errorf("%d: %+v, want the immutable id %q and the sign-in name p%d@contoso.example", i, a, ids[i], i)
		}
	}
	if read[25].Account != nil || read[25].Err != nil || found[25].Account != nil || found[25].Err != nil {
		t.Errorf("an unknown account: %+v, %+v; want no account and no error", read[25], found[25])
	}
	if c := n.sim.Counters(); c.Requests != 4 || c.Operations != 52 || c.ResourceUnits != 52 || c.WriteUnits != 0 {
		t.Errorf("%d requests of %d operations, %d resource units; want 4, 52 and 52, without write units", c.Requests, c.Operations, c.ResourceUnits)
	}
	for _, f := range []entratest.Fault{{Status: 503}, {Status: 404}, {Status: 200, Body: `{"value":[],"@odata.nextLink":"x"}`}, {Status: 200, Body: `{}`}} {
		f.Path = `^/v1\.0/users$`
		n.fails(t, f)
		if found := n.client.FindByImmutableID(t.Context(), ids[:1])[0]; !fault.Is(found.Err, fault.Transient) || found.Account != nil {
			t.Errorf("%+v: %+v, want a fault of kind Transient and no account", f, found)
		}
	}
	n.fails(t, entratest.Fault{Path: `^/v1\.0/users$`, Status: 403})
	if f := fault.Of(n.client.FindByImmutableID(t.Context(), ids[:1])[0].Err); f == nil || f.Kind != fault.Unauthorized || f.Reason != directory.PermissionMissing {
		t.Errorf("%+v, want Unauthorized (permission missing)", f)
	}
}

// idOf is the object id of a found account.
func idOf(t *testing.T, found reconcile.Found) directory.EntraID {
	t.Helper()
	if found.Err != nil {
		t.Error(found.Err)
	}
	if found.Account == nil {
		return ""
	}
	return found.Account.ID
}
