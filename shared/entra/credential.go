package entra

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/loopback"
	"entrasync/shared/redact"
	"entrasync/shared/redirect"
)

// publicScope is the scope when Graph is on this machine: no resource can have a
// loopback address.
const publicScope = "https://graph.microsoft.com/.default"

// Proof is what the application proves itself with to Entra: exactly one of the three
// (Microsoft identity platform, client credentials flow).
type Proof struct {
	ClientSecret string
	// Certificate is a certificate with its private key, PEM.
	Certificate string
	// Assertion gives a token of another issuer that the application trusts (federated
	// identity credential). It is called for every sign-in.
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

// signIn signs the application in. Each sign-in reads the proof again, because it may
// have been replaced, and has a credential of its own: the SDK's credential keeps its
// token and decides itself when to get a newer one.
type signIn struct {
	scope  string
	cfg    Config
	client policy.ClientOptions
}

// newSignIn prepares the sign-in. The authority is the configured one: the SDK would
// otherwise ask Microsoft which authorities exist, which reveals a private one and
// needs the internet. The SDK's retries are switched off, too: they know fewer forms of
// Retry-After than occur, and wait up to a minute.
func newSignIn(cfg Config, graph *url.URL, transport http.RoundTripper) signIn {
	scope := graph.Scheme + "://" + graph.Host + "/.default"
	if loopback.Is(graph.Hostname()) {
		scope = publicScope
	}
	login := strings.TrimSuffix(cfg.LoginURL, "/")
	return signIn{scope: scope, cfg: cfg, client: policy.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: secure(login)},
		Transport: &http.Client{Transport: plainLogin{transport, login}, Timeout: requestTimeout, CheckRedirect: redirect.FollowNone},
		Retry:     policy.RetryOptions{MaxRetries: -1},
	}}
}

// How often a sign-in is tried while Entra has trouble, and the first wait between two
// tries; each further wait is twice as long.
const (
	signInTries = 3
	signInWait  = time.Second
)

// token signs in. It retries for some seconds while Entra's sign-in service has
// trouble, but not when the proof cannot be read: the function that gives the proof has
// retried already.
func (s signIn) token(ctx context.Context) (token, error) {
	proof, err := s.cfg.Proof(ctx)
	if err != nil {
		return token{}, err
	}
	var unproven error // why there is no assertion: the SDK keeps only the text
	if give := proof.Assertion; give != nil {
		proof.Assertion = func(ctx context.Context) (assertion string, err error) {
			assertion, err = give(ctx)
			unproven = err
			return assertion, err
		}
	}
	credential, err := proof.credential(s.cfg, s.client)
	if err != nil {
		return token{}, &fault.Error{Op: "entra.credentials", Kind: fault.Unauthorized, Reason: directory.ConsentLost,
			Message: "the tenant id or the application's credentials cannot be used: " + redact.New(proof.ClientSecret, proof.Certificate).Text(err.Error())}
	}
	for try := 1; ; try++ {
		got, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{s.scope}})
		if err == nil {
			return newToken(got), nil
		}
		f := fault.Of(explainSignIn(cmp.Or(unproven, err)))
		if f.Kind != fault.Transient || unproven != nil || try == signInTries || !pause(ctx, max(f.RetryAfter, signInWait<<(try-1))) {
			return token{}, f
		}
	}
}

// secure writes an authority with https, which the SDK requires.
func secure(login string) string {
	if rest, plain := strings.CutPrefix(login, "http://"); plain {
		return "https://" + rest
	}
	return login
}

// plainLogin sends the requests for a plain-http authority on this machine by plain
// http, and answers the SDK's request for the token endpoint itself: the SDK accepts
// only an https answer. Requests for any other authority are passed on unchanged.
type plainLogin struct {
	next  http.RoundTripper
	login string
}

// discovery is the path that the SDK reads before it requests a token.
const discovery = "/v2.0/.well-known/openid-configuration"

// RoundTrip implements http.RoundTripper.
func (l plainLogin) RoundTrip(r *http.Request) (*http.Response, error) {
	host, plain := strings.CutPrefix(l.login, "http://")
	if !plain || r.URL.Host != strings.Split(host, "/")[0] {
		return l.next.RoundTrip(r)
	}
	if authority, isDiscovery := strings.CutSuffix(r.URL.Path, discovery); isDiscovery {
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
