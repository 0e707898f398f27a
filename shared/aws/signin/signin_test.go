package signin

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/local/secretfile"
	"entrasync/shared/secret"
)

// issuerStub is an STS that records the last request.
type issuerStub struct {
	err     error
	request *sts.GetWebIdentityTokenInput
}

func (s *issuerStub) GetWebIdentityToken(_ context.Context, in *sts.GetWebIdentityTokenInput, _ ...func(*sts.Options)) (*sts.GetWebIdentityTokenOutput, error) {
	s.request = in
	if s.err != nil {
		return nil, s.err
	}
	return &sts.GetWebIdentityTokenOutput{WebIdentityToken: aws.String("token-of-aws")}, nil
}

// storeWith is a secret store with what Entra needs.
func storeWith(t *testing.T, e secret.Entra) secret.Store {
	t.Helper()
	s, err := secretfile.Open(filepath.Join(t.TempDir(), "secrets.json"), secretfile.Environment{Entra: e})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestProofByKind(t *testing.T) {
	both := secret.Entra{ClientSecret: "canary-secret", Certificate: "canary-certificate"}
	for _, kind := range []string{Certificate, Secret} {
		got, err := proof(&issuerStub{}, kind, storeWith(t, both))(t.Context())
		if err != nil || (got.ClientSecret != "") != (kind == Secret) || (got.Certificate != "") != (kind == Certificate) || got.Assertion != nil {
			t.Errorf("%s: the wrong proof (%v)", kind, err)
		}
		_, err = proof(&issuerStub{}, kind, storeWith(t, secret.Entra{}))(t.Context())
		if f := fault.Of(err); f == nil || f.Kind != fault.Unauthorized || f.Reason != directory.ConsentLost || !strings.Contains(f.Message, kind) {
			t.Errorf("%s that is not stored: got %v, want kind %s, reason %s", kind, err, fault.Unauthorized, directory.ConsentLost)
		}
	}
	if _, err := proof(&issuerStub{}, "handshake", storeWith(t, both))(t.Context()); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("an unknown kind: got %v, want an error without the secrets", err)
	}
}

func TestFederatedNeedsNoSecret(t *testing.T) {
	tokens := &issuerStub{}
	got, err := proof(tokens, Federated, nil)(t.Context())
	if err != nil || got.Assertion == nil {
		t.Fatal(err)
	}
	if token, err := got.Assertion(t.Context()); err != nil || token != "token-of-aws" {
		t.Errorf("got %q, %v, want token-of-aws", token, err)
	}
	if in := tokens.request; len(in.Audience) != 1 || in.Audience[0] != "api://AzureADTokenExchange" || aws.ToString(in.SigningAlgorithm) != "RS256" || aws.ToInt32(in.DurationSeconds) > 3600 || aws.ToInt32(in.DurationSeconds) < 60 {
		t.Errorf("got request %+v, want the audience of Entra, RS256 and 60 to 3600 seconds", in)
	}
	tokens.err = &smithy.GenericAPIError{Code: "OutboundWebIdentityFederationDisabled", Fault: smithy.FaultClient}
	if _, err := got.Assertion(t.Context()); !fault.Is(err, fault.Unauthorized) || !strings.Contains(err.Error(), "switch outbound web identity federation on") {
		t.Errorf("got %v, want kind %s and how to switch federation on", err, fault.Unauthorized)
	}
}
