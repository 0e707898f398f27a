package users_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/directory"
)

// bodyOf is the body of a request, which can be read again.
func bodyOf(r *http.Request) []byte {
	if r.Body == nil {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body
}

// Who loses access does not wait for others in the batch: neither for those whose accounts
// are searched for in Entra, nor for a password that Graph accepts slowly.
func TestWhoLosesAccessWaitsForNobody(t *testing.T) {
	const slow = 20 * time.Second
	for name, tc := range map[string]struct {
		isSlow func(*http.Request) bool
		other  func(*fixture) []events.SQSMessage
	}{
		"new people are searched for": {
			func(r *http.Request) bool { return bytes.Contains(bodyOf(r), []byte("filter=")) },
			func(f *fixture) (batch []events.SQSMessage) {
				for i := range 5 {
					batch = append(batch, f.message(f.person(fmt.Sprint("new", i)), 1))
				}
				return batch
			},
		},
		"a password is set": {
			func(r *http.Request) bool { return r.Method == http.MethodPatch },
			func(f *fixture) []events.SQSMessage {
				bob := f.person("bob")
				f.run(bob)
				return []events.SQSMessage{f.passwordFor(bob, newPassword, 1)}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann := f.person("ann")
				f.run(ann)
				batch := append(tc.other(f), f.message(ann, 1))
				f.must(f.jumpcloud.SuspendUser(string(ann)))
				var mu sync.Mutex
				var ended []time.Duration
				start, waited := time.Now(), false
				f.before = func(r *http.Request) {
					mu.Lock()
					if bytes.Contains(bodyOf(r), []byte("/revokeSignInSessions")) {
						ended = append(ended, time.Since(start))
					}
					isSlow := tc.isSlow(r)
					waited = waited || isSlow
					mu.Unlock()
					if isSlow {
						time.Sleep(slow)
					}
				}
				f.handle(events.SQSEvent{Records: batch})
				if link := f.link(ann); link.State != directory.Disabled || len(ended) != 1 || ended[0] > time.Second {
					t.Errorf("the user is %s and the sessions ended after %v, want disabled and at most 1s", link.State, ended)
				}
				if !waited {
					t.Error("no request was slow, want one")
				}
			})
		})
	}
}
