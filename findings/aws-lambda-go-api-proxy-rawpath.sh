#!/usr/bin/env bash
# The adapter from Lambda to net/http fails on paths that API Gateway hands over,
# or cuts them short, because it takes them for encoded; they are decoded.
#
# Package: github.com/awslabs/aws-lambda-go-api-proxy v0.16.2 (httpadapter.NewV2)
#
# Behaviour: an HTTP API of API Gateway decodes the path of a request before it
#   puts it into the event (rawPath, format 2.0). The adapter joins rawPath and the
#   query to one text and parses that as a URL. So a percent sign in a file's name
#   makes the function fail ("invalid URL escape"), or, with two digits after it, is
#   decoded once more, and a question mark or a number sign ends the path; the query
#   of the request is then spoilt or gone. The requests were right: a client wrote
#   the sign with its percent encoding.
#
# Expected: that the handler gets the path and the query that the client sent, as
#   behind net/http. Spaces and letters that are not ASCII arrive well. That rawPath
#   is decoded was measured on AWS (captured events in hotsock/voker, pull request 8;
#   middleapi/standard-server, pull request 93, is the same trouble of another
#   adapter). With REST APIs and function URLs the path comes encoded, so an adapter
#   has to escape only what cannot stand in an encoded path.
#
# The events are made here. Nothing is sent to AWS.
#
# Seen on 2026-11-29 with Go 1.26: the lines at "expected".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export GOWORK=off CGO_ENABLED=0
unset GO_API_HOST # the adapter reads it

cat >expected <<'EOF'
rawPath "/files/a b": path "/files/a b", query "page=2"
rawPath "/files/λ": path "/files/λ", query "page=2"
rawPath "/files/100% wool": the function fails
rawPath "/files/50%20": path "/files/50 ", query "page=2"
rawPath "/files/why?": path "/files/why", query "?page=2"
rawPath "/files/c#": path "/files/c", query ""
EOF

cat >go.mod <<'EOF'
module finding

go 1.26.0

require (
	github.com/aws/aws-lambda-go v1.55.1
	github.com/awslabs/aws-lambda-go-api-proxy v0.16.2
)
EOF

cat >main.go <<'EOF'
// Command finding says what arrives behind the adapter for some paths.
package main

import (
	"context"
	"fmt"
	"io"
	stdlog "log"
	"net/http"
	"os"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
)

func main() {
	out := os.Stdout
	os.Stdout = nil // the adapter prints there, too
	stdlog.SetOutput(io.Discard)

	var got string
	adapter := httpadapter.NewV2(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = fmt.Sprintf("path %q, query %q", r.URL.Path, r.URL.RawQuery)
		w.WriteHeader(http.StatusOK)
	}))
	for _, path := range []string{"/files/a b", "/files/λ", "/files/100% wool", "/files/50%20", "/files/why?", "/files/c#"} {
		event := events.APIGatewayV2HTTPRequest{Version: "2.0", RouteKey: "$default", RawPath: path, RawQueryString: "page=2"}
		event.RequestContext.DomainName = "api.example.com"
		event.RequestContext.HTTP.Method, event.RequestContext.HTTP.Path = http.MethodGet, path
		if _, err := adapter.ProxyWithContext(context.Background(), event); err != nil {
			got = "the function fails"
		}
		fmt.Fprintf(out, "rawPath %q: %s\n", path, got)
	}
}
EOF

go run -mod=mod . | tee seen
if ! diff expected seen; then
  echo "This is not what was seen on 2026-11-29." >&2
  exit 1
fi
