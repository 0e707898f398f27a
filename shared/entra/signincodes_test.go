package entra_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// Every code of Entra's sign-in that an administrator can do something about has its
// own reason, and its message says what to do.
func TestEveryRefusalOfTheSignInSaysWhatToDo(t *testing.T) {
	for _, tc := range []struct {
		code   int
		reason directory.Reason
		says   string
	}{
		{90002, directory.TenantNotFound, "no such tenant"},
		{900023, directory.TenantNotFound, "cannot be the name of a tenant"},
		{700016, directory.NotConsented, "give admin consent"},
		{7000112, directory.ApplicationDisabled, "enable it"},
		{7000222, directory.SecretExpired, "make a new one"},
		{7000215, directory.CredentialsRefused, "client secret is wrong"},
		{7000218, directory.CredentialsRefused, "nothing to prove itself with"},
		{700027, directory.CredentialsRefused, "certificate"},
		{700024, directory.CredentialsRefused, "clock"},
		{700211, directory.CredentialsRefused, "issuer"},
		{700212, directory.CredentialsRefused, "audience"},
		{700213, directory.CredentialsRefused, "subject"},
		{53003, directory.SignInBlocked, "Conditional Access"},
		{500011, directory.SignInMisconfigured, "GRAPH_URL"},
		{900144, directory.SignInMisconfigured, "report it"},
		{1002012, directory.SignInMisconfigured, "scope"},
		{70011, directory.SignInMisconfigured, "scope"},
		{65001, directory.NotConsented, "wait some minutes"},
		{50105, directory.ConsentLost, "consent"}, // one that is not listed
	} {
		s := &stub{t: t, refuseSignIn: fmt.Sprintf(`{"error":"x","error_description":"AADSTS1: a text that says something else.","error_codes":[%d,1]}`, tc.code)}
		f := fault.Of(s.client().Apply(t.Context(), []plan.Action{update("e1", "city", "A")})[0].Err)
		if f == nil || f.Kind != fault.Unauthorized || f.Reason != tc.reason || !strings.Contains(f.Message, tc.says) || !strings.Contains(f.Message, fmt.Sprintf("AADSTS%d", tc.code)) {
			t.Errorf("%d: %+v, want Unauthorized with the reason, words and code of the row", tc.code, f)
		}
		if strings.Contains(fmt.Sprint(f), canary) {
			t.Errorf("%d: the fault shows the secret", tc.code)
		}
	}
	for _, code := range []int{90033, 90006, 50196} {
		s := &stub{t: t, refuseSignIn: fmt.Sprintf(`{"error":"temporarily_unavailable","error_description":"AADSTS%d: later.","error_codes":[%d]}`, code, code)}
		if f := fault.Of(s.client().Apply(t.Context(), []plan.Action{update("e1", "city", "A")})[0].Err); f == nil || f.Kind != fault.Transient {
			t.Errorf("%d: %+v, want Transient", code, f)
		}
	}
	s := &stub{t: t, refuseSignIn: `<html>no</html>`}
	if f := fault.Of(s.client().Apply(t.Context(), []plan.Action{update("e1", "city", "A")})[0].Err); f == nil || f.Kind != fault.Unauthorized || f.Reason != directory.ConsentLost {
		t.Errorf("not JSON: %+v, want Unauthorized (consent lost)", f)
	}
}

// The answers of the simulated Entra lead to the right reason, in whichever request of
// the sign-in they come: for an unknown tenant, the first one.
func TestWhyTheSimulatorRefusesTheSignIn(t *testing.T) {
	federated := func(context.Context) (entra.Proof, error) {
		return entra.Proof{Assertion: func(context.Context) (string, error) {
			return jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{Issuer: "https://issuer.example", Subject: "role-of-another",
				Audience: jwt.ClaimStrings{"api://AzureADTokenExchange"}, ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Minute))}).SignedString([]byte("key"))
		}}, nil
	}
	for name, tc := range map[string]struct {
		tenant directory.TenantID
		app    func(*entratest.App)
		proof  func(context.Context) (entra.Proof, error)
		reason directory.Reason
		says   string
	}{
		"no such tenant":       {"no-such-tenant.example", nil, nil, directory.TenantNotFound, "no such tenant"},
		"no such id":           {"00000000-0000-4000-8000-000000000000", nil, nil, directory.TenantNotFound, "no such tenant"},
		"not a name":           {"contoso", nil, nil, directory.TenantNotFound, "cannot be the name"},
		"not consented":        {"contoso.example", func(a *entratest.App) { a.Tenants = []string{"11111111-1111-4111-8111-111111111111"} }, nil, directory.NotConsented, "admin consent"},
		"disabled":             {"contoso.example", func(a *entratest.App) { a.Disabled = true }, nil, directory.ApplicationDisabled, "enable it"},
		"expired":              {"contoso.example", func(a *entratest.App) { a.SecretExpired = true }, nil, directory.SecretExpired, "expired"},
		"blocked":              {"contoso.example", func(a *entratest.App) { a.Blocked = true }, nil, directory.SignInBlocked, "Conditional Access"},
		"another secret":       {"contoso.example", func(a *entratest.App) { a.ClientSecret = "another" }, nil, directory.CredentialsRefused, "secret is wrong"},
		"another subject":      {"contoso.example", nil, federated, directory.CredentialsRefused, "it is role-of-another"},
		"no permission at all": {"contoso.example", func(a *entratest.App) { a.Roles = nil }, nil, directory.PermissionMissing, "permission"},
	} {
		t.Run(name, func(t *testing.T) {
			app := entratest.DefaultApp()
			app.Federated = []entratest.FederatedCredential{{Issuer: "https://issuer.example", Subject: "role-of-ours"}}
			if tc.app != nil {
				tc.app(&app)
			}
			simulator, err := entratest.New(entratest.Config{Apps: []entratest.App{app}})
			if err != nil {
				t.Fatal(err)
			}
			proof := tc.proof
			if proof == nil {
				proof = func(context.Context) (entra.Proof, error) {
					return entra.Proof{ClientSecret: entratest.DefaultApp().ClientSecret}, nil
				}
			}
			client, err := entra.New(entra.Config{GraphURL: "https://graph.microsoft.com/v1.0", LoginURL: "https://login.example", Tenant: tc.tenant,
				ClientID: app.ClientID, Proof: proof, Transport: entratest.Transport(simulator)})
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Describe(t.Context())
			if f := fault.Of(err); f == nil || f.Kind != fault.Unauthorized || f.Reason != tc.reason || !strings.Contains(f.Message, tc.says) {
				t.Errorf("%+v, want Unauthorized with the reason and words of the row", f)
			}
		})
	}
}
