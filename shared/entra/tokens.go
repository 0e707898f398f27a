package entra

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/microsoft/kiota-abstractions-go/authentication"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// publicScope is asked for when Graph is on this machine, where no resource of
// that address can exist.
const publicScope = "https://graph.microsoft.com/.default"

// tokens gives access tokens for one Graph host and for no other.
type tokens struct {
	host   string
	scope  string
	create func() (azcore.TokenCredential, error)

	mu         sync.Mutex
	credential azcore.TokenCredential // keeps the token until shortly before it expires
}

// newTokens prepares the sign-in of the application.
func newTokens(cfg Config, graph *url.URL, transport http.RoundTripper) (*tokens, error) {
	t := &tokens{host: graph.Host, scope: graph.Scheme + "://" + graph.Host + "/.default"}
	if isLoopback(graph.Hostname()) {
		t.scope = publicScope
	}
	login, secret := strings.TrimSuffix(cfg.LoginURL, "/"), cfg.Secret
	options := &azidentity.ClientSecretCredentialOptions{
		// The authority is the one configured; asking Microsoft which ones
		// exist would tell it about a private one and needs the internet.
		DisableInstanceDiscovery: true,
		ClientOptions: policy.ClientOptions{
			Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: secure(login)},
			Transport: &http.Client{Transport: loopback{transport, login}, Timeout: requestTimeout},
			Retry:     policy.RetryOptions{MaxRetries: 2},
		},
	}
	t.create = func() (azcore.TokenCredential, error) {
		return azidentity.NewClientSecretCredential(string(cfg.Tenant), cfg.ClientID, secret, options)
	}
	credential, err := t.create()
	if err != nil {
		return nil, &fault.Error{Op: "entra.credentials", Kind: fault.Invalid, Subject: "tenantId", Message: "the tenant id or the application's credentials cannot be used: " + err.Error(), Err: err}
	}
	t.credential = credential
	return t, nil
}

// GetAuthorizationToken gives the token for a request to Graph. Requests to
// other hosts, such as one that a manipulated next link names, get an error and
// never a token.
func (t *tokens) GetAuthorizationToken(ctx context.Context, to *url.URL, _ map[string]any) (string, error) {
	if to.Host != t.host {
		return "", &fault.Error{Op: "entra.token", Kind: fault.Internal, Subject: to.Host, Message: "refusing to send our token to a host that is not Graph"}
	}
	t.mu.Lock()
	credential := t.credential
	t.mu.Unlock()
	token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{t.scope}})
	if err != nil {
		return "", explainSignIn(err)
	}
	return token.Token, nil
}

// GetAllowedHostsValidator is part of the SDK's interface; the check itself is
// in GetAuthorizationToken.
func (t *tokens) GetAllowedHostsValidator() *authentication.AllowedHostsValidator {
	v := authentication.NewAllowedHostsValidator([]string{t.host}) //nolint:staticcheck // the checked variant refuses hosts with a port
	return &v
}

// renew forgets the token that Graph refused.
func (t *tokens) renew() {
	credential, err := t.create()
	if err != nil {
		return
	}
	t.mu.Lock()
	t.credential = credential
	t.mu.Unlock()
}

// explainSignIn turns a failed sign-in into a fault. Entra says by a number
// which of the many things is wrong (AADSTS codes).
func explainSignIn(err error) error {
	var refused *azidentity.AuthenticationFailedError
	if !errors.As(err, &refused) || refused.RawResponse == nil {
		return &fault.Error{Op: "entra.sign in", Kind: fault.Transient, Reason: string(directory.Unavailable),
			Message: "Entra's sign-in service did not answer: it is tried again", Err: err}
	}
	status := refused.RawResponse.StatusCode
	if status == http.StatusTooManyRequests || status >= http.StatusInternalServerError {
		return &fault.Error{Op: "entra.sign in", Kind: fault.Transient, Reason: string(directory.Unavailable),
			Message: "Entra's sign-in service is unavailable: it is tried again"}
	}
	return &fault.Error{Op: "entra.sign in", Kind: fault.Unauthorized, Reason: string(directory.ConsentLost),
		Message: "Entra refuses the sign-in of the application (" + signInCode(refused.Error()) + "): check its credentials and the tenant's consent"}
}

// signInCode finds the AADSTS code in the text of a refusal; the SDK does not
// give it on its own.
func signInCode(refusal string) string {
	start := strings.Index(refusal, "AADSTS")
	if start < 0 {
		return "no code given"
	}
	end := start + len("AADSTS")
	for end < len(refusal) && refusal[end] >= '0' && refusal[end] <= '9' {
		end++
	}
	return refusal[start:end]
}

// isLoopback reports whether a host is this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// secure writes an authority with https, which the SDK insists on.
func secure(login string) string {
	if rest, plain := strings.CutPrefix(login, "http://"); plain {
		return "https://" + rest
	}
	return login
}

// loopback sends requests for a plain-http authority on this machine by plain
// http, as it was configured, and answers the SDK's question where the token
// endpoint is by itself: the SDK accepts no answer but an https one. Any other
// authority is left alone.
type loopback struct {
	next  http.RoundTripper
	login string
}

// discovery is what the SDK asks for before it asks for a token.
const discovery = "/v2.0/.well-known/openid-configuration"

// RoundTrip implements http.RoundTripper.
func (l loopback) RoundTrip(r *http.Request) (*http.Response, error) {
	host, plain := strings.CutPrefix(l.login, "http://")
	if !plain || r.URL.Host != strings.Split(host, "/")[0] {
		return l.next.RoundTrip(r)
	}
	if authority, asked := strings.CutSuffix(r.URL.Path, discovery); asked {
		return endpoints(r, "https://"+r.URL.Host+authority)
	}
	r = r.Clone(r.Context())
	r.URL.Scheme = "http"
	return l.next.RoundTrip(r)
}

// endpoints is a discovery document for an authority, with the paths that every
// Entra authority has (Microsoft identity platform, client credentials flow).
func endpoints(r *http.Request, authority string) (*http.Response, error) {
	document, err := json.Marshal(map[string]string{
		"issuer":                 authority + "/v2.0",
		"authorization_endpoint": authority + "/oauth2/v2.0/authorize",
		"token_endpoint":         authority + "/oauth2/v2.0/token",
	})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(document)),
		Body: io.NopCloser(bytes.NewReader(document)),
	}, nil
}
