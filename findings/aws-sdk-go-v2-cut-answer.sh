#!/usr/bin/env bash
# An answer that is cut off by the end of its connection is not asked for again;
# one that is cut off by a reset is.
#
# Packages: github.com/aws/aws-sdk-go-v2 v1.48.0, service/dynamodb v1.74.0,
#   service/sqs v1.53.0 (the same with v1.47.7, v1.73.1 and v1.52.10)
#
# Behaviour: the server begins an answer 200 and its connection breaks before
#   the announced length. If TCP ends with a reset (RST) the SDK tries again and
#   the call succeeds. If TCP ends in order (FIN) the call fails after one try with
#   "deserialization failed, unexpected EOF". It does so too if nothing of the
#   body had come. The error wraps io.ErrUnexpectedEOF, so it could be known.
#
# Expected: that both are tried again. In both the connection broke and the
#   answer did not arrive; which of the two packets ends it depends on the proxy or
#   load balancer between. The documentation of package aws/retry lists
#   "Connection Errors" among what is tried again by default. The reset is known
#   by the words in its error (RetryableConnectionError); for the other one there is
#   no rule. It is also reported, and not solved: aws/aws-sdk-go-v2, issues 1717
#   (closed as stale) and 3494 (the same with GOAWAY of HTTP/2).
#
# The server is on this machine. Nothing is sent to AWS.
#
# Seen on 2026-11-29 with Go 1.26: the lines at "expected".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export GOWORK=off CGO_ENABLED=0

cat >expected <<'EOF'
DynamoDB.ListTables, 10 bytes of the body, then RST: 2 tries, it succeeds
DynamoDB.ListTables, 10 bytes of the body, then FIN: 1 try, it fails with io.ErrUnexpectedEOF
DynamoDB.ListTables, 0 bytes of the body, then RST: 2 tries, it succeeds
DynamoDB.ListTables, 0 bytes of the body, then FIN: 1 try, it fails with io.ErrUnexpectedEOF
SQS.ListQueues, 10 bytes of the body, then RST: 2 tries, it succeeds
SQS.ListQueues, 10 bytes of the body, then FIN: 1 try, it fails with io.ErrUnexpectedEOF
SQS.ListQueues, 0 bytes of the body, then RST: 2 tries, it succeeds
SQS.ListQueues, 0 bytes of the body, then FIN: 1 try, it fails with io.ErrUnexpectedEOF
EOF

cat >go.mod <<'EOF'
module finding

go 1.26.0

require (
	github.com/aws/aws-sdk-go-v2 v1.48.0
	github.com/aws/aws-sdk-go-v2/service/dynamodb v1.74.0
	github.com/aws/aws-sdk-go-v2/service/sqs v1.53.0
)
EOF

cat >main.go <<'EOF'
// Command finding counts how often the SDK tries when an answer is cut off.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

const whole = `{"TableNames":[],"QueueUrls":[]}`

// pause lets the client do what it has to before the server goes on.
const pause = 100 * time.Millisecond

// server cuts its first answer off after some bytes of the body, with a reset or
// without, and gives later ones whole.
type server struct {
	bytes int
	reset bool
	tries atomic.Int32
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		log.Fatal(err)
	}
	if s.tries.Add(1) > 1 {
		fmt.Fprint(w, whole)
		return
	}
	time.Sleep(pause)
	conn, out, err := w.(http.Hijacker).Hijack()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprintf(out, "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n%s", len(whole), whole[:s.bytes])
	out.Flush()
	time.Sleep(pause)
	if s.reset {
		conn.(*net.TCPConn).SetLinger(0)
	}
	conn.Close()
}

func listTables(ctx context.Context, c aws.Config) error {
	_, err := dynamodb.NewFromConfig(c).ListTables(ctx, &dynamodb.ListTablesInput{})
	return err
}

func listQueues(ctx context.Context, c aws.Config) error {
	_, err := sqs.NewFromConfig(c).ListQueues(ctx, &sqs.ListQueuesInput{})
	return err
}

// measure makes one call and says what came of it.
func measure(name string, call func(context.Context, aws.Config) error, bytes int, reset bool) {
	s := &server{bytes: bytes, reset: reset}
	web := httptest.NewServer(s)
	defer web.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := call(ctx, aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(web.URL),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "key"}, nil
		})})
	end, tries, outcome := "FIN", "1 try", "it succeeds"
	if reset {
		end = "RST"
	}
	if n := s.tries.Load(); n != 1 {
		tries = fmt.Sprintf("%d tries", n)
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		outcome = "it fails with io.ErrUnexpectedEOF"
	case err != nil:
		outcome = "it fails with something else"
	}
	fmt.Printf("%s, %d bytes of the body, then %s: %s, %s\n", name, bytes, end, tries, outcome)
}

func main() {
	for _, c := range []struct {
		name string
		call func(context.Context, aws.Config) error
	}{{"DynamoDB.ListTables", listTables}, {"SQS.ListQueues", listQueues}} {
		for _, bytes := range []int{10, 0} {
			measure(c.name, c.call, bytes, true)
			measure(c.name, c.call, bytes, false)
		}
	}
}
EOF

go run -mod=mod . | tee seen
if ! diff expected seen; then
  echo "This is not what was seen on 2026-11-29." >&2
  exit 1
fi
