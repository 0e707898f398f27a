package signin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"entrasync/shared/secret"
)

// A token of the function's role is requested from AWS, and not from a host that a
// redirect names. The SDK's HTTP client would follow 307 and 308, although its
// documentation says otherwise; it does not only because it cannot send the bodies of
// its requests twice.
func TestTheProofFollowsNoRedirect(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		var called atomic.Int64
		elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Add(1) }))
		defer elsewhere.Close()
		sts := httptest.NewServer(http.RedirectHandler(elsewhere.URL, status))
		defer sts.Close()
		cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("eu-central-1"), config.WithBaseEndpoint(sts.URL), config.WithRetryMaxAttempts(1),
			config.WithCredentialsProvider(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "key", SecretAccessKey: "canary-secret", SessionToken: "canary-session"}, nil
			})))
		if err != nil {
			t.Fatal(err)
		}
		proof, err := Proof(cfg, Federated, storeWith(t, secret.Entra{}))(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := proof.Assertion(t.Context()); err == nil || called.Load() != 0 {
			t.Errorf("%d: got %v and %d requests to the other host, want an error and none", status, err, called.Load())
		}
	}
}
