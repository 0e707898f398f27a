package secret_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/secret"
)

var end = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// certificate is a certificate in PEM that ends at a time, with its private key.
func certificate(t *testing.T, ends time.Time, authority bool) (certificate, key string) {
	t.Helper()
	pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "entrasync"}, NotBefore: ends.AddDate(-1, 0, 0), NotAfter: ends,
		IsCA: authority, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &pair.PublicKey, pair)
	if err != nil {
		t.Fatal(err)
	}
	secretDER, err := x509.MarshalPKCS8PrivateKey(pair)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", secretDER)
}

// The end of a certificate is in it.
func TestEndOfACertificate(t *testing.T) {
	leaf, key := certificate(t, end, false)
	authority, _ := certificate(t, end.AddDate(9, 0, 0), true)
	signsItself, itsKey := certificate(t, end, true)
	for name, text := range map[string]string{
		"certificate and key": leaf + key, "key and certificate": key + leaf, "behind its authority": authority + leaf + key,
		"one that signs itself": itsKey + signsItself, "with text around": "Bag Attributes\n" + leaf + "\n" + key,
	} {
		got := secret.Entra{Certificate: text}.Credential()
		if want := (directory.Credential{Kind: directory.EntraCertificate, ExpiresAt: end}); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	for name, text := range map[string]string{"no PEM": "x", "only a key": key, "a broken one": strings.Replace(leaf, "M", "N", 3)} {
		if got := (secret.Entra{Certificate: text}).Credential(); !got.ExpiresAt.IsZero() {
			t.Errorf("%s: got the end %v, want none", name, got.ExpiresAt)
		}
	}
}

// The end of a client secret is what somebody wrote beside it.
func TestEndOfASecret(t *testing.T) {
	for text, want := range map[string]time.Time{
		"": {}, "2027-03-01T12:00:00Z": end, " 2027-03-01T13:00:00+01:00\n": end, "2027-03-01": time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC),
	} {
		if got := (secret.Entra{ClientSecret: "s", ExpiresAt: text}).Credential(); !got.ExpiresAt.Equal(want) || got.Unreadable != "" || got.Kind != directory.EntraSecret {
			t.Errorf("%q: got %+v, want the end %v", text, got, want)
		}
	}
	if got := (secret.Entra{ClientSecret: "s", ExpiresAt: "3/1/2027"}).Credential(); !got.ExpiresAt.IsZero() || !strings.Contains(got.Unreadable, "neither a time nor a date") {
		t.Errorf("got %+v, want no end and what is wrong", got)
	}
}

func TestNoFormatShowsASecret(t *testing.T) {
	credential := secret.JumpCloud{APIKey: "canary", ClientID: "id", ClientSecret: "canary"}
	if text := fmt.Sprintf("%v %+v %#v %s", credential, credential, credential, credential); strings.Contains(text, "canary") {
		t.Errorf("got %s, want no secret in it", text)
	}
}
