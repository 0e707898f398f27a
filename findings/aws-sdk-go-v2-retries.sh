#!/usr/bin/env bash
# An update of the SQS client changes how the DynamoDB client tries again.
#
# Packages: github.com/aws/aws-sdk-go-v2 v1.47.7 and v1.48.0, with
#   service/dynamodb v1.73.1 and v1.74.0, service/sqs v1.52.10 and v1.53.0
#
# Behaviour: a program uses both clients and configures nothing. Every answer is
#   a 500. With the older versions a call is tried three times, and the last try
#   comes 3 seconds after the first on average, 6 at most. Then go.mod gets a new
#   version of service/sqs alone, and the core comes with it. From then on the
#   client of DynamoDB, whose version is the same as before, makes its three
#   tries within 0.15 seconds. With its own update it makes four tries, within
#   0.18 seconds. So in the mixture it has neither its old behaviour nor its new.
#
# Expected: that a module whose version did not change does what it did before,
#   and that a minor version does not take away the seconds of failures that a
#   program survives. The new defaults themselves are documented: the release
#   notes of v1.48.0 say "Retry Behavior 2.1", with a base of 50 ms, and 25 ms and
#   four attempts for DynamoDB. They say nothing about the mixture, which is what
#   `go get` makes. The number of tries comes from the module of the service
#   (resolveRetryer), the time between them from the core (retry.NewStandard).
#
# Each line below is about 1,000 calls, in virtual time (testing/synctest),
# through an HTTP client in memory. Nothing is sent to AWS.
#
# Seen on 2026-11-29 with Go 1.26: the lines at "expected".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export GOWORK=off CGO_ENABLED=0
unset AWS_NEW_RETRIES_2026 # v1.47 reads it

cat >expected <<'EOF'
dynamodb v1.73.1, sqs v1.52.10
  SQS: 3 tries, the last one 3 s after the first on average, 6 s at most
  DynamoDB: 3 tries, the last one 3 s after the first on average, 6 s at most
dynamodb v1.73.1, sqs v1.53.0
  SQS: 3 tries, the last one less than 0.2 s after the first, always
  DynamoDB: 3 tries, the last one less than 0.2 s after the first, always
dynamodb v1.74.0, sqs v1.53.0
  SQS: 3 tries, the last one less than 0.2 s after the first, always
  DynamoDB: 4 tries, the last one less than 0.2 s after the first, always
EOF

cat >retries_test.go <<'EOF'
package finding

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

const calls = 1000

// broken answers every request with 500 and notes when it came.
type broken struct{ at []time.Time }

func (b *broken) Do(r *http.Request) (*http.Response, error) {
	b.at = append(b.at, time.Now())
	return &http.Response{StatusCode: http.StatusInternalServerError, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: r}, nil
}

func config(b *broken) aws.Config {
	return aws.Config{Region: "us-east-1", BaseEndpoint: aws.String("http://aws.invalid"), HTTPClient: b,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "key"}, nil
		})}
}

func sendMessage(ctx context.Context, c aws.Config) error {
	_, err := sqs.NewFromConfig(c).SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String("http://aws.invalid/1/q"), MessageBody: aws.String("text")})
	return err
}

func listTables(ctx context.Context, c aws.Config) error {
	_, err := dynamodb.NewFromConfig(c).ListTables(ctx, &dynamodb.ListTablesInput{})
	return err
}

// measure says how often a call is tried, and in which time. Every call has a
// client of its own, so that no retry quota runs out.
func measure(t *testing.T, name string, call func(context.Context, aws.Config) error) {
	synctest.Test(t, func(t *testing.T) {
		tries := map[int]bool{}
		var longest, sum time.Duration
		for range calls {
			b := &broken{}
			if call(t.Context(), config(b)) == nil {
				t.Fatal("the call succeeded")
			}
			took := b.at[len(b.at)-1].Sub(b.at[0])
			tries[len(b.at)], longest, sum = true, max(longest, took), sum+took
		}
		if len(tries) != 1 {
			t.Fatalf("calls differ in the number of tries: %v", tries)
		}
		for n := range tries {
			fmt.Printf("  %s: %d tries, the last one %s\n", name, n, describe(longest, sum/calls))
		}
	})
}

func describe(longest, average time.Duration) string {
	if longest < 200*time.Millisecond {
		return "less than 0.2 s after the first, always"
	}
	return fmt.Sprintf("%.0f s after the first on average, %.0f s at most", average.Seconds(), math.Ceil(longest.Seconds()))
}

func TestRetries(t *testing.T) {
	measure(t, "SQS", sendMessage)
	measure(t, "DynamoDB", listTables)
}
EOF

# measure DYNAMODB SQS: with these versions of the clients, and the core that they ask for.
measure() {
  echo "dynamodb $1, sqs $2"
  cat >go.mod <<EOF
module finding

go 1.26.0

require (
	github.com/aws/aws-sdk-go-v2 v1.47.7
	github.com/aws/aws-sdk-go-v2/service/dynamodb $1
	github.com/aws/aws-sdk-go-v2/service/sqs $2
)
EOF
  rm -f go.sum
  go test -mod=mod -count=1 | grep -vE '^(PASS$|ok  )'
}

{
  measure v1.73.1 v1.52.10
  measure v1.73.1 v1.53.0
  measure v1.74.0 v1.53.0
} | tee seen
if ! diff expected seen; then
  echo "This is not what was seen on 2026-11-29." >&2
  exit 1
fi
