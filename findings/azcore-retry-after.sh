#!/usr/bin/env bash
# azcore does not see the Retry-After of a throttled answer in forms that every
# client has to know, nor in forms that Microsoft's own services send.
#
# Package: github.com/Azure/azure-sdk-for-go/sdk/azcore v1.24.0
#
# Behaviour: the answer to a request is 429 with a Retry-After. Whole seconds are
#   waited, and a date in the form that is used today. Taken for missing are: the two
#   older forms of a date, seconds with a decimal point, and two numbers joined by a
#   comma. Then azcore waits for its own first pause, less than 2 seconds instead
#   of 30, and the throttled service gets the next request too early.
#
# Expected: that a wait which a server asks for is kept. RFC 9110 lets Retry-After
#   be a date (10.2.3), and says that who reads a date must accept all three forms
#   (5.6.7); http.ParseTime does, azcore uses time.Parse with time.RFC1123. Decimals
#   and two numbers are not in the RFC, but Microsoft Graph sends them (reported in
#   microsoftgraph/msgraph-sdk-python, issue 1159, and msgraph-sdk-java-core, issue
#   732). The documentation of policy.RetryOptions says that the own pause is used
#   only if the answer has no Retry-After.
#
# Time is virtual (testing/synctest; its clock begins with the year 2000), and the
# service is in memory. Nothing is sent.
#
# Seen on 2026-11-29 with Go 1.26: the lines at "expected".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export GOWORK=off CGO_ENABLED=0

cat >expected <<'EOF'
Retry-After: 30 => waits 30 s
Retry-After: Sat, 01 Jan 2000 00:00:30 GMT => waits 30 s
Retry-After: Saturday, 01-Jan-00 00:00:30 GMT => waits less than 2 s
Retry-After: Sat Jan  1 00:00:30 2000 => waits less than 2 s
Retry-After: 30.5 => waits less than 2 s
Retry-After: 8,30 => waits less than 2 s
no Retry-After => waits less than 2 s
EOF

cat >go.mod <<'EOF'
module finding

go 1.26.0

require github.com/Azure/azure-sdk-for-go/sdk/azcore v1.24.0
EOF

cat >retryafter_test.go <<'EOF'
package finding

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// service throttles the first request and notes when each comes.
type service struct {
	retryAfter string
	at         []time.Time
}

func (s *service) Do(r *http.Request) (*http.Response, error) {
	s.at = append(s.at, time.Now())
	response := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}
	if len(s.at) == 1 {
		response.StatusCode = http.StatusTooManyRequests
		if s.retryAfter != "" {
			response.Header.Set("Retry-After", s.retryAfter)
		}
	}
	return response, nil
}

func TestRetryAfter(t *testing.T) {
	for _, value := range []string{
		"30", "Sat, 01 Jan 2000 00:00:30 GMT", "Saturday, 01-Jan-00 00:00:30 GMT", "Sat Jan  1 00:00:30 2000", "30.5", "8,30", "",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &service{retryAfter: value}
			pipeline := runtime.NewPipeline("finding", "v1.0.0", runtime.PipelineOptions{}, &policy.ClientOptions{Transport: s})
			request, err := runtime.NewRequest(t.Context(), http.MethodGet, "https://service.invalid/")
			if err != nil {
				t.Fatal(err)
			}
			response, err := pipeline.Do(request)
			if err != nil || response.StatusCode != http.StatusOK || len(s.at) != 2 {
				t.Fatalf("%v after %d requests", err, len(s.at))
			}
			header, waits := "Retry-After: "+value, "some other time"
			if value == "" {
				header = "no Retry-After"
			}
			switch waited := s.at[1].Sub(s.at[0]); {
			case waited == 30*time.Second:
				waits = "30 s"
			case waited < 2*time.Second:
				waits = "less than 2 s"
			}
			fmt.Printf("%s => waits %s\n", header, waits)
		})
	}
}
EOF

go test -mod=mod -count=1 | grep -vE '^(PASS$|ok  )' | tee seen
if ! diff expected seen; then
  echo "This is not what was seen on 2026-11-29." >&2
  exit 1
fi
