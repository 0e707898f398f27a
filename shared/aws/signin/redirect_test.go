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

// A token of the function's role is asked of AWS and of nobody that it names. The SDK's
// HTTP client would follow 307 and 308, although its documentation says otherwise; what
// keeps it from that is that its requests have bodies which it cannot send twice.
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
			t.Errorf("%d: %v; the other host got %d requests", status, err, called.Load())
		}
	}
}
