#!/usr/bin/env bash
# The SDK of AWS closes the connection on which a good answer is coming, and
# sends the same message again.
#
# Packages: github.com/aws/smithy-go v1.28.9, with github.com/aws/aws-sdk-go-v2
#   v1.48.0 and service/sqs v1.53.0 (the same with smithy-go v1.28.8, v1.47.7 and
#   v1.52.10)
#
# Behaviour: a server takes a message, sends the head of its answer at once and
#   the body a moment later. That is all right in HTTP, and net/http alone reads
#   the answer. The SDK sometimes does not: it closes the connection itself and then
#   reports "use of closed network connection". That counts as retryable, so the
#   message is sent again, and the server has it up to three times. In the end the
#   call may fail although every try was accepted.
#
# Why: as soon as the head is there, ClientHandler of smithy-go closes the body of
#   the request. The goroutine of net/http that wrote the request then looks
#   whether that body has more bytes than announced. It asks with WriteTo, and
#   smithy-go's wrapper (safeWriteToReadCloser) returns io.EOF there, because it is
#   closed. Read may say io.EOF at the end; of WriteTo, package io says that it
#   returns an error if one happened. So net/http takes the request for one that
#   could not be sent and closes the connection, in the middle of the answer.
#
# Expected: that closing a body which was sent whole has no effect. It is a race,
#   lost by every call whose writing goroutine goes on later than the head of the
#   answer comes. With nothing delayed in the client, and 10 ms between head and
#   body, 23 of 1,000 calls were sent again on a machine with two cores. Here the
#   connection delays the end of each write by 50 ms, as a busy machine may, and
#   every try loses. The last line is the proof: the same with a body whose WriteTo
#   is hidden from net/http. The error is known (aws/aws-sdk-go-v2, issues 1825 and
#   2737); the answer to it was to make it retryable (pull request 2949).
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
net/http alone: the server got the message 1 time, the call succeeds
SQS.SendMessage: the server got the message 3 times, the call fails with net.ErrClosed
SQS.SendMessage, WriteTo hidden: the server got the message 1 time, the call succeeds
EOF

cat >go.mod <<'EOF'
module finding

go 1.26.0

require (
	github.com/aws/aws-sdk-go-v2 v1.48.0
	github.com/aws/aws-sdk-go-v2/service/sqs v1.53.0
	github.com/aws/smithy-go v1.28.9
)
EOF

cat >main.go <<'EOF'
// Command finding sends one message in three ways to a server that answers its
// head first and its body a moment later.
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
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

const (
	message = "abc"
	answer  = `{"MessageId":"1","MD5OfMessageBody":"900150983cd24fb0d6963f7d28e17f72"}`
	late    = 50 * time.Millisecond  // a write returns so much later than it is done
	later   = 500 * time.Millisecond // the body comes so much later than the head
)

// queue takes messages and counts them.
type queue struct{ got atomic.Int32 }

func (q *queue) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		log.Fatal(err)
	}
	q.got.Add(1)
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	time.Sleep(later)
	fmt.Fprint(w, answer)
}

// busy is a connection of a busy machine: who wrote to it goes on late.
type busy struct{ net.Conn }

func (b busy) Write(p []byte) (int, error) {
	n, err := b.Conn.Write(p)
	time.Sleep(late)
	return n, err
}

func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return busy{conn}, err
	}
	return t
}

// plain hides every method of a request's body but Read and Close.
type plain struct{ next http.RoundTripper }

func (p plain) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Body = struct{ io.ReadCloser }{r.Body}
	return p.next.RoundTrip(r)
}

func post(ctx context.Context, client *http.Client, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(message))
	if err != nil {
		return err
	}
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

func sendMessage(ctx context.Context, client *http.Client, url string) error {
	c := sqs.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(url), HTTPClient: client,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "key"}, nil
		})})
	_, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String(url + "/1/queue"), MessageBody: aws.String(message)})
	return err
}

func measure(name string, send func(context.Context, *http.Client, string) error, t http.RoundTripper) {
	q := &queue{}
	server := httptest.NewServer(q)
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := send(ctx, &http.Client{Transport: t}, server.URL)
	times, outcome := "1 time", "succeeds"
	if n := q.got.Load(); n != 1 {
		times = fmt.Sprintf("%d times", n)
	}
	switch {
	case errors.Is(err, net.ErrClosed):
		outcome = "fails with net.ErrClosed"
	case err != nil:
		outcome = "fails with something else"
	}
	fmt.Printf("%s: the server got the message %s, the call %s\n", name, times, outcome)
}

func main() {
	measure("net/http alone", post, transport())
	measure("SQS.SendMessage", sendMessage, transport())
	measure("SQS.SendMessage, WriteTo hidden", sendMessage, plain{transport()})
}
EOF

go run -mod=mod . | tee seen
if ! diff expected seen; then
  echo "This is not what was seen on 2026-11-29." >&2
  exit 1
fi
