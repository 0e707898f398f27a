#!/usr/bin/env bash
# GetToken loses the error of the function that should give the assertion, and the
# end of a context too: errors.Is and errors.As find neither.
#
# Package: github.com/Azure/azure-sdk-for-go/sdk/azidentity v1.15.0
#
# Behaviour: the function handed to NewClientAssertionCredential returns an error.
#   GetToken returns an AuthenticationFailedError that has its text, but wraps
#   nothing, so that errors.Is and errors.As do not find it. Nor do they find
#   context.Canceled when the context of the call ended during the sign-in.
#   It also counts as not worth a second try (it has the method NonRetriable),
#   whatever the function said.
#
# Expected: that the caller can know its own error again, for example to tell "the
#   store of secrets is down, try later" from "Entra refuses". That is what errors
#   are wrapped for in Go since 1.13, and azidentity does so elsewhere: an error of the
#   function that is an AuthenticationFailedError itself passes as it is
#   (confidentialClient.GetToken). The documentation of the constructor and of the
#   error says nothing about it.
#
# Entra is in memory. Nothing is sent.
#
# Seen on 2026-11-29 with Go 1.26: the lines at "expected".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export GOWORK=off CGO_ENABLED=0
unset AZURE_REGIONAL_AUTHORITY_NAME # azidentity reads it

cat >expected <<'EOF'
the function fails with its own error
  it is in the text: true
  errors.Is finds it: false
  errors.As finds it: false
  errors.As finds NonRetriable: true
the context ends during the sign-in
  it is in the text: true
  errors.Is finds context.Canceled: false
EOF

cat >go.mod <<'EOF'
module finding

go 1.26.0

require (
	github.com/Azure/azure-sdk-for-go/sdk/azcore v1.24.0
	github.com/Azure/azure-sdk-for-go/sdk/azidentity v1.15.0
)
EOF

cat >main.go <<'EOF'
// Command finding looks for its own error in what GetToken returns.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

const (
	tenant    = "00000000-0000-0000-0000-000000000001"
	authority = "https://login.microsoftonline.com/" + tenant
)

// storeDown is what the function says: try later.
type storeDown struct{ after time.Duration }

func (e *storeDown) Error() string { return fmt.Sprintf("the store is down, try in %s", e.after) }

// transport answers a request.
type transport func(*http.Request) (*http.Response, error)

func (t transport) Do(r *http.Request) (*http.Response, error) { return t(r) }

// discovery answers where the token endpoint is, and nothing else.
func discovery(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/v2.0/.well-known/openid-configuration") {
		return nil, fmt.Errorf("not expected: %s", r.URL)
	}
	body := `{"issuer": "` + authority + `/v2.0", "token_endpoint": "` + authority + `/oauth2/v2.0/token",
		"authorization_endpoint": "` + authority + `/oauth2/v2.0/authorize"}`
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// signIn is the error of a sign-in.
func signIn(ctx context.Context, t transport, assertion func(context.Context) (string, error)) error {
	c, err := azidentity.NewClientAssertionCredential(tenant, "application", assertion, &azidentity.ClientAssertionCredentialOptions{
		ClientOptions: policy.ClientOptions{Transport: t}, DisableInstanceDiscovery: true})
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/.default"}})
	if err == nil {
		log.Fatal("the sign-in succeeded")
	}
	return err
}

func main() {
	down := &storeDown{time.Minute}
	err := signIn(context.Background(), discovery, func(context.Context) (string, error) { return "", down })
	var found *storeDown
	var not interface{ NonRetriable() }
	fmt.Println("the function fails with its own error")
	fmt.Println("  it is in the text:", strings.Contains(err.Error(), down.Error()))
	fmt.Println("  errors.Is finds it:", errors.Is(err, down))
	fmt.Println("  errors.As finds it:", errors.As(err, &found))
	fmt.Println("  errors.As finds NonRetriable:", errors.As(err, &not))

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token") {
			cancel() // while the request is under way
			return nil, r.Context().Err()
		}
		return discovery(r)
	}
	err = signIn(ctx, ended, func(context.Context) (string, error) { return "assertion", nil })
	fmt.Println("the context ends during the sign-in")
	fmt.Println("  it is in the text:", strings.Contains(err.Error(), context.Canceled.Error()))
	fmt.Println("  errors.Is finds context.Canceled:", errors.Is(err, context.Canceled))
}
EOF

go run -mod=mod . | tee seen
if ! diff expected seen; then
  echo "This is not what was seen on 2026-11-29." >&2
  exit 1
fi
