package entratest

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	assertionType   = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	defaultAudience = "api://AzureADTokenExchange"
)

// checkAssertion compares a client_assertion, a token of an outside provider, with the
// federated credentials of the app, exactly as Entra does. It does not check the
// signature: the simulator has no keys of outside providers.
func (s *Simulator) checkAssertion(app *App, form url.Values, now time.Time) *loginError {
	if form.Get("client_assertion_type") != assertionType {
		return refuseLogin(http.StatusBadRequest, "invalid_request", 900144, "The request body must contain the following parameter: 'client_assertion_type'.")
	}
	var presented jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(form.Get("client_assertion"), &presented); err != nil {
		return refuseLogin(http.StatusUnauthorized, "invalid_client", 50027, "JWT token is invalid or malformed.")
	}
	if presented.ExpiresAt == nil || !now.Before(presented.ExpiresAt.Time) || presented.NotBefore != nil && now.Before(presented.NotBefore.Time) {
		return refuseLogin(http.StatusUnauthorized, "invalid_client", 700024, "Client assertion is not within its valid time range.")
	}
	if app.AnyAssertion {
		return nil
	}
	if presented.Issuer == app.ClientID { // the form of a certificate credential
		return refuseLogin(http.StatusUnauthorized, "invalid_client", 700027, "Client assertion failed signature validation: the key was not found by thumbprint.")
	}
	return matchFederated(app.Federated, presented)
}

func matchFederated(credentials []FederatedCredential, presented jwt.RegisteredClaims) *loginError {
	issuer, audience := false, false
	for _, f := range credentials {
		if f.Issuer != presented.Issuer {
			continue
		}
		issuer = true
		want := f.Audience
		if want == "" {
			want = defaultAudience
		}
		if !slices.Contains(presented.Audience, want) {
			continue
		}
		audience = true
		if f.Subject == presented.Subject {
			return nil
		}
	}
	switch {
	case !issuer:
		return refuseLogin(http.StatusUnauthorized, "invalid_client", 700211, "No matching federated identity record found for presented assertion issuer '%s'.", presented.Issuer)
	case !audience:
		return refuseLogin(http.StatusUnauthorized, "invalid_client", 700212, "No matching federated identity record found for presented assertion audience '%v'.", presented.Audience)
	default:
		return refuseLogin(http.StatusUnauthorized, "invalid_client", 700213, "No matching federated identity record found for presented assertion subject '%s'.", presented.Subject)
	}
}
