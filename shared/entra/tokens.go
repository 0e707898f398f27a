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
	"entrasync/shared/redact"
)

// publicScope is asked for when Graph is on this machine, where no resource of
// that address can exist.
const publicScope = "https://graph.microsoft.com/.default"

// Proof is what the application proves itself with to Entra: exactly one of the
// three (Microsoft identity platform, client credentials flow).
type Proof struct {
	ClientSecret string
	// Certificate is a certificate with its private key, PEM.
	Certificate string
	// Assertion gives a token of another issuer that the application trusts
	// (federated identity credential). It is asked anew for every sign-in.
	Assertion func(context.Context) (string, error)
}

// credential makes the SDK's credential for a proof.
func (p Proof) credential(cfg Config, client policy.ClientOptions) (azcore.TokenCredential, error) {
	tenant := string(cfg.Tenant)
	switch {
	case p.Assertion != nil:
		return azidentity.NewClientAssertionCredential(tenant, cfg.ClientID, p.Assertion,
			&azidentity.ClientAssertionCredentialOptions{ClientOptions: client, DisableInstanceDiscovery: true})
	case p.Certificate != "":
		certificates, key, err := azidentity.ParseCertificates([]byte(p.Certificate), nil)
		if err != nil {
			return nil, errors.New("the certificate cannot be read: it must be PEM with its private key")
		}
		return azidentity.NewClientCertificateCredential(tenant, cfg.ClientID, certificates, key,
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: client, DisableInstanceDiscovery: true})
	default:
		return azidentity.NewClientSecretCredential(tenant, cfg.ClientID, p.ClientSecret,
			&azidentity.ClientSecretCredentialOptions{ClientOptions: client, DisableInstanceDiscovery: true})
	}
}

// tokens gives access tokens for one Graph host and for no other.
type tokens struct {
	host   string
	scope  string
	cfg    Config
	client policy.ClientOptions

	mu         sync.Mutex
	credential azcore.TokenCredential // keeps the token until shortly before it expires; nil until first needed
}

// newTokens prepares the sign-in of the application. The authority is the one
// configured: the SDK's question to Microsoft which ones exist is switched off,
// because it would tell of a private one and needs the internet.
func newTokens(cfg Config, graph *url.URL, transport http.RoundTripper) *tokens {
	t := &tokens{host: graph.Host, scope: graph.Scheme + "://" + graph.Host + "/.default", cfg: cfg}
	if isLoopback(graph.Hostname()) {
		t.scope = publicScope
	}
	login := strings.TrimSuffix(cfg.LoginURL, "/")
	t.client = policy.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: secure(login)},
		Transport: &http.Client{Transport: loopback{transport, login}, Timeout: requestTimeout},
		Retry:     policy.RetryOptions{MaxRetries: 2},
	}
	return t
}

// current is the credential in use; it is made of the proof when first needed,
// and again after renew.
func (t *tokens) current(ctx context.Context) (azcore.TokenCredential, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.credential != nil {
		return t.credential, nil
	}
	proof, err := t.cfg.Proof(ctx)
	if err != nil {
		return nil, err
	}
	credential, err := proof.credential(t.cfg, t.client)
	if err != nil {
		return nil, &fault.Error{Op: "entra.credentials", Kind: fault.Unauthorized, Reason: string(directory.ConsentLost),
			Message: "the tenant id or the application's credentials cannot be used: " + redact.New(proof.ClientSecret, proof.Certificate).Text(err.Error())}
	}
	t.credential = credential
	return credential, nil
}

// GetAuthorizationToken gives the token for a request to Graph. Requests to
// other hosts, such as one that a manipulated next link names, get an error and
// never a token.
func (t *tokens) GetAuthorizationToken(ctx context.Context, to *url.URL, _ map[string]any) (string, error) {
	if to.Host != t.host {
		return "", &fault.Error{Op: "entra.token", Kind: fault.Internal, Subject: to.Host, Message: "refusing to send our token to a host that is not Graph"}
	}
	credential, err := t.current(ctx)
	if err != nil {
		return "", err
	}
	token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{t.scope}})
	if err != nil {
		err = explainSignIn(err)
		if fault.Is(err, fault.Unauthorized) {
			t.renew() // the proof may have been replaced: the next try fetches it again
		}
		return "", err
	}
	return token.Token, nil
}

// GetAllowedHostsValidator is part of the SDK's interface; the check itself is
// in GetAuthorizationToken.
func (t *tokens) GetAllowedHostsValidator() *authentication.AllowedHostsValidator {
	v := authentication.NewAllowedHostsValidator([]string{t.host}) //nolint:staticcheck // the checked variant refuses hosts with a port
	return &v
}

// renew forgets the token that Graph refused and the proof it was got with,
// which may have been replaced.
func (t *tokens) renew() {
	t.mu.Lock()
	t.credential = nil
	t.mu.Unlock()
}

// explainSignIn turns a failed sign-in into a fault. Entra says by a number
// which of the many things is wrong (AADSTS codes).
func explainSignIn(err error) error {
	var known *fault.Error
	if errors.As(err, &known) { // the proof could not be had
		return fault.Wrap(err, known.Kind, "entra.sign in")
	}
	var refused *azidentity.AuthenticationFailedError
	if !errors.As(err, &refused) || refused.RawResponse == nil {
		return &fault.Error{Op: "entra.sign in", Kind: fault.Transient, Reason: string(directory.Unavailable),
			Message: "Entra's sign-in service did not answer: it is tried again", Err: redact.Redactor{}.Error(err)}
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
