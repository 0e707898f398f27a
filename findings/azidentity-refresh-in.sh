#!/usr/bin/env bash
# While the sign-in is down, every GetToken waits about 10 seconds, although the
# token that it gives in the end was there from the start and is good for hours.
#
# Packages: github.com/Azure/azure-sdk-for-go/sdk/azidentity v1.15.0 and
#   sdk/azcore v1.24.0, github.com/AzureAD/microsoft-authentication-library-for-go
#   v1.10.1
#
# Behaviour: Entra gives a token for 24 hours and says that it may be replaced
#   after 12 (refresh_in), as it may for tokens that live long. After 13 hours the
#   token endpoint answers 503. Each GetToken of the credential then sends four
#   requests, with the pauses of azcore's retries between them, and only then gives the
#   token that it has. The next call does the same: nothing remembers that the
#   replacement has just failed. So it goes on for as long as the sign-in is down, up
#   to 11 hours. The code holds a lock meanwhile, so calls also wait for each other.
#
# Expected: that an early replacement makes an outage harmless, which is what it is
#   for: the valid token at once, and another try beside or after a pause.
#   azcore's own pipeline guards itself: of BearerTokenPolicy's requests one in 30
#   seconds tries, and the others go on with the token. MSAL for .NET took it for a
#   defect that such a replacement makes a request wait (its issue 2795). But whoever
#   calls GetToken for each request has no guard, and the authentication provider of
#   Microsoft's Graph SDK for Go does that (kiota-authentication-azure-go,
#   GetAuthorizationToken). The documentation of GetToken does not say that it may
#   wait with a valid token at hand.
#
# Time is virtual (testing/synctest), and Entra is in memory. Nothing is sent.
#
# Seen on 2026-11-29 with Go 1.26: the lines at "expected".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export GOWORK=off CGO_ENABLED=0
unset AZURE_REGIONAL_AUTHORITY_NAME # azidentity reads it

cat >expected <<'EOF'
at the start: token 1, at once, 1 request
after 11 hours: token 1, at once, 0 requests
after 13 hours, the sign-in is down, call 1: token 1, after more than 5 s, 4 requests
after 13 hours, the sign-in is down, call 2: token 1, after more than 5 s, 4 requests
after 13 hours, the sign-in is down, call 3: token 1, after more than 5 s, 4 requests
after 13 hours, the sign-in is down, call 4: token 1, after more than 5 s, 4 requests
EOF

cat >go.mod <<'EOF'
module finding

go 1.26.0

require (
	github.com/Azure/azure-sdk-for-go/sdk/azcore v1.24.0
	github.com/Azure/azure-sdk-for-go/sdk/azidentity v1.15.0
	github.com/AzureAD/microsoft-authentication-library-for-go v1.10.1 // indirect
)
EOF

cat >refresh_test.go <<'EOF'
package finding

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

const (
	tenant    = "00000000-0000-0000-0000-000000000001"
	authority = "https://login.microsoftonline.com/" + tenant
)

// entra is the sign-in service. It numbers its tokens and counts the requests for one.
type entra struct {
	down            bool
	tokens, counted int
}

func (e *entra) Do(r *http.Request) (*http.Response, error) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/v2.0/.well-known/openid-configuration"):
		return answer(r, http.StatusOK, `{"issuer": "`+authority+`/v2.0", "token_endpoint": "`+authority+`/oauth2/v2.0/token",
			"authorization_endpoint": "`+authority+`/oauth2/v2.0/authorize"}`), nil
	case !strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token"):
		return nil, fmt.Errorf("not expected: %s", r.URL)
	}
	e.counted++
	if e.down {
		return answer(r, http.StatusServiceUnavailable, `{"error": "temporarily_unavailable"}`), nil
	}
	e.tokens++
	return answer(r, http.StatusOK, fmt.Sprintf(`{"token_type": "Bearer", "access_token": "token %d", "expires_in": %d, "refresh_in": %d}`,
		e.tokens, 24*60*60, 12*60*60)), nil
}

func answer(r *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
}

// get asks for a token and says what came of it.
func get(t *testing.T, when string, e *entra, c *azidentity.ClientSecretCredential) {
	e.counted = 0
	start := time.Now()
	token, err := c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/.default"}})
	if err != nil {
		t.Fatal(err)
	}
	waited, requests := "after a while", fmt.Sprintf("%d requests", e.counted)
	switch took := time.Since(start); {
	case took == 0:
		waited = "at once"
	case took > 5*time.Second:
		waited = "after more than 5 s"
	}
	if e.counted == 1 {
		requests = "1 request"
	}
	fmt.Printf("%s: %s, %s, %s\n", when, token.Token, waited, requests)
}

func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &entra{}
		c, err := azidentity.NewClientSecretCredential(tenant, "application", "secret", &azidentity.ClientSecretCredentialOptions{
			ClientOptions: policy.ClientOptions{Transport: e}, DisableInstanceDiscovery: true})
		if err != nil {
			t.Fatal(err)
		}
		get(t, "at the start", e, c)
		time.Sleep(11 * time.Hour)
		get(t, "after 11 hours", e, c)
		time.Sleep(2 * time.Hour)
		e.down = true
		for call := range 4 {
			get(t, fmt.Sprintf("after 13 hours, the sign-in is down, call %d", call+1), e, c)
		}
	})
}
EOF

go test -mod=mod -count=1 | grep -vE '^(PASS$|ok  )' | tee seen
if ! diff expected seen; then
  echo "This is not what was seen on 2026-11-29." >&2
  exit 1
fi
