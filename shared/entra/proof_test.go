package entra_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// certificate makes a certificate with its key, PEM.
func certificate(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "entrasync"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for kind, bytes := range map[string][]byte{"CERTIFICATE": der, "PRIVATE KEY": private} {
		if err := pem.Encode(&b, &pem.Block{Type: kind, Bytes: bytes}); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// signIn signs a client in with a proof and returns the form that Entra got.
func signIn(t *testing.T, proof func(context.Context) (entra.Proof, error)) (form string, err error) {
	t.Helper()
	s := &stub{t: t, answer: done(t)}
	client, err := entra.New(entra.Config{GraphURL: "https://graph.example/v1.0", LoginURL: "https://login.example", Tenant: "contoso.example", ClientID: "app", Proof: proof, Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	err = client.Apply(t.Context(), []plan.Action{update("e1", "city", "A")})[0].Err
	return s.form, err
}

func TestThreeWaysToSignIn(t *testing.T) {
	pemText := certificate(t)
	for name, tc := range map[string]struct {
		proof entra.Proof
		want  string // in the form that Entra gets
	}{
		"secret":      {entra.Proof{ClientSecret: canary}, "client_secret=" + canary},
		"certificate": {entra.Proof{Certificate: pemText}, "client_assertion_type=urn"},
		"federated":   {entra.Proof{Assertion: func(context.Context) (string, error) { return "token-of-aws", nil }}, "client_assertion=token-of-aws"},
	} {
		form, err := signIn(t, func(context.Context) (entra.Proof, error) { return tc.proof, nil })
		if err != nil || !strings.Contains(form, tc.want) {
			t.Errorf("%s: %v; Entra got no %s", name, err, tc.want)
		}
	}
}

func TestProofsThatCannotBeHad(t *testing.T) {
	down := fault.New(fault.Transient, "secrets", "the secret store is down")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	keyOnly := string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
	for name, tc := range map[string]struct {
		proof func(context.Context) (entra.Proof, error)
		kind  fault.Kind
	}{
		"the store is down": {func(context.Context) (entra.Proof, error) { return entra.Proof{}, down }, fault.Transient},
		"the assertion is not to be had": {func(context.Context) (entra.Proof, error) {
			return entra.Proof{Assertion: func(context.Context) (string, error) { return "", down }}, nil
		}, fault.Transient},
		"a key without certificate": {func(context.Context) (entra.Proof, error) { return entra.Proof{Certificate: keyOnly}, nil }, fault.Unauthorized},
		"an empty secret":           {func(context.Context) (entra.Proof, error) { return entra.Proof{}, nil }, fault.Unauthorized},
	} {
		_, err := signIn(t, tc.proof)
		if fault.KindOf(err) != tc.kind || strings.Contains(err.Error(), keyOnly) {
			t.Errorf("%s: %v, want the kind of the row, without the key", name, err)
		}
		if tc.kind == fault.Unauthorized && fault.Of(err).Reason != directory.ConsentLost {
			t.Errorf("%s: reason %s", name, fault.Of(err).Reason)
		}
	}
}

// A secret that Entra refuses may have been replaced: the next try reads it again.
func TestRefusedSecretIsFetchedAgain(t *testing.T) {
	calls := 0
	s := &stub{t: t, answer: done(t), refuseSignIn: `{"error":"invalid_client","error_description":"AADSTS7000222: expired","error_codes":[7000222]}`}
	client, err := entra.New(entra.Config{GraphURL: "https://graph.example/v1.0", LoginURL: "https://login.example", Tenant: "contoso.example", ClientID: "app", Transport: s,
		Proof: func(context.Context) (entra.Proof, error) { calls++; return entra.Proof{ClientSecret: canary}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Apply(t.Context(), []plan.Action{update("e1", "city", "A")})[0].Err; !fault.Is(err, fault.Unauthorized) {
		t.Fatalf("refused: %v, want Unauthorized", err)
	}
	s.refuseSignIn = ""
	if err := client.Apply(t.Context(), []plan.Action{update("e1", "city", "A")})[0].Err; err != nil || calls != 2 {
		t.Errorf("%v; the proof was fetched %d times, want 2", err, calls)
	}
}

// A replaced secret is read again when Graph refuses the token.
func TestReplacedSecretIsFetchedAgain(t *testing.T) {
	calls := 0
	s := &stub{t: t, answer: done(t)}
	s.answer = func(n int, r sent) (int, http.Header, string) {
		if n == 1 {
			return 401, nil, `{"error":{"code":"InvalidAuthenticationToken"}}`
		}
		return done(t)(n, r)
	}
	client, err := entra.New(entra.Config{GraphURL: "https://graph.example/v1.0", LoginURL: "https://login.example", Tenant: "contoso.example", ClientID: "app", Transport: s,
		Proof: func(context.Context) (entra.Proof, error) { calls++; return entra.Proof{ClientSecret: canary}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Apply(t.Context(), []plan.Action{update("e1", "city", "A")})[0].Err; err != nil || calls != 2 {
		t.Errorf("%v; the proof was fetched %d times, want 2", err, calls)
	}
}

// The administrator must get the reason why there is no assertion. The SDK keeps it
// only as a text inside of a text.
func TestWhyAnAssertionCannotBeHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, why := range []*fault.Error{
			{Op: "signin", Kind: fault.Unauthorized, Reason: directory.ConsentLost, Message: "switch outbound web identity federation on"},
			{Op: "signin", Kind: fault.Throttled, Message: "AWS asks to slow down", RetryAfter: time.Second},
		} {
			calls, start := 0, time.Now()
			_, err := signIn(t, func(context.Context) (entra.Proof, error) {
				return entra.Proof{Assertion: func(context.Context) (string, error) { calls++; return "", why }}, nil
			})
			f := fault.Of(err)
			if f == nil || f.Kind != why.Kind || f.Reason != why.Reason || f.Message != why.Message || f.RetryAfter != why.RetryAfter {
				t.Errorf("%v, want %v", err, why)
			}
			if calls != 1 || time.Since(start) != 0 {
				t.Errorf("the assertion was read %d times in %s, want once at once: its source has retried already", calls, time.Since(start))
			}
		}
	})
}

// A token proves consent only if the sign-in began after it: neither a token of a moment
// ago nor a sign-in that is under way counts.
func TestOnlyASignInOfAfterwardsProvesConsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := entratest.DefaultApp()
		simulator, err := entratest.New(entratest.Config{Apps: []entratest.App{app}})
		if err != nil {
			t.Fatal(err)
		}
		signIns := 0
		client, err := entra.New(entra.Config{GraphURL: "https://graph.microsoft.com/v1.0", LoginURL: "https://login.example", Tenant: "contoso.example", ClientID: app.ClientID,
			Transport: entratest.Transport(simulator), Proof: func(context.Context) (entra.Proof, error) {
				signIns++
				time.Sleep(5 * time.Second)
				return entra.Proof{ClientSecret: app.ClientSecret}, nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = client.Describe(t.Context()) }()
		time.Sleep(time.Second)
		for i, want := range []int{2, 3} {
			tenant, err := client.Prove(t.Context(), time.Now())
			if err != nil || signIns != want || tenant.Granted == nil {
				t.Errorf("proof %d: %d sign-ins, %+v, %v; want %d and what is granted", i, signIns, tenant, err, want)
			}
		}
		since := time.Now().Add(-time.Second)
		if _, err := client.Prove(t.Context(), since); err != nil || signIns != 4 {
			t.Errorf("%d sign-ins, %v; want 4", signIns, err)
		}
		if _, err := client.Prove(t.Context(), since); err != nil || signIns != 4 {
			t.Errorf("for the same time: %d sign-ins, %v; want 4 still", signIns, err)
		}
	})
}
