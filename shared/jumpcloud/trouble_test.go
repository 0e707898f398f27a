package jumpcloud_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// Rare answers still say what to do, and have the wait that JumpCloud named.
func TestRareAnswers(t *testing.T) {
	for status, test := range map[int]struct {
		kind    fault.Kind
		message string
	}{
		302: {fault.Invalid, "check the address and region"},
		402: {fault.Forbidden, "plan"},
		403: {fault.Forbidden, "administrator's role"},
		409: {fault.Conflict, "conflict"},
		418: {fault.Invalid, "refused"},
		529: {fault.Transient, "failed"},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			sim, client := simulator(t)
			id := addUser(t, sim, "mira", nil)
			sim.FailNext(jumpcloudtest.Fault{Status: status, RetryAfter: "7", Body: "<html>", Times: 2})
			_, err := client.User(t.Context(), id)
			f := fault.Of(err)
			if f == nil || f.Kind != test.kind || f.RetryAfter != 7*time.Second || f.Subject != string(id) || !strings.Contains(f.Message, test.message) {
				t.Errorf("got %+v, want %s saying %q", f, test.kind, test.message)
			}
			if !strings.Contains(err.Error(), fmt.Sprint("status ", status)) {
				t.Errorf("the error has no status: %v", err)
			}
			found, failed := eachUser(t.Context(), client, []directory.UserID{id}) // the second time it goes wrong
			if len(found) != 0 || !fault.Is(failed[id], test.kind) {
				t.Errorf("found %v, failed %v: a user who cannot be read must not seem deleted", found, failed)
			}
		})
	}
}

// However long a wait JumpCloud names, a fault never has more than a day.
func TestRetryAfterIsCapped(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"86399": 86399 * time.Second, "86401": 24 * time.Hour, "1e300": 24 * time.Hour, "+Inf": 24 * time.Hour, "NaN": 0, "-1": 0,
		"Fri, 31 Dec 9999 23:59:59 GMT": 24 * time.Hour, "Sat, 01 Jan 2000 06:00:00 GMT": 6 * time.Hour, "Fri, 31 Dec 1999 23:59:59 GMT": 0,
	} {
		t.Run(header, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // it is midnight of 1 January 2000
				sim, client := simulator(t)
				sim.FailNext(jumpcloudtest.Fault{Status: 429, RetryAfter: header, Times: 4})
				_, err := client.Organization(t.Context())
				if f := fault.Of(err); f == nil || f.Kind != fault.Throttled || f.RetryAfter != want {
					t.Errorf("%v, want a wait of %s", err, want)
				}
				if waited := time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)); want > time.Minute && waited != 0 {
					t.Errorf("the client itself waited %s, want no wait if JumpCloud names %s", waited, want)
				}
				sim.Close()
			})
		})
	}
}

// If JumpCloud accepts requests and never answers, the client gives up, and no user
// seems deleted because of it.
func TestHangingJumpCloud(t *testing.T) {
	never := jumpcloudtest.Fault{Delay: 24 * time.Hour, Times: 100}
	for name, test := range map[string]struct {
		mishap      jumpcloudtest.Fault
		limit       time.Duration // of the caller; 0: none
		least, most time.Duration
		requests    int
		ok          bool
	}{
		"once":                    {jumpcloudtest.Fault{Delay: 24 * time.Hour}, 0, 9 * time.Second, 10 * time.Second, 2, true},
		"for good":                {never, 0, 39 * time.Second, 42 * time.Second, 4, false},
		"longer than the caller":  {never, 15 * time.Second, 15 * time.Second, 15 * time.Second, 2, false},
		"no time for another try": {never, 8500 * time.Millisecond, 8 * time.Second, 8 * time.Second, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim, client := simulator(t)
				sim.FailNext(test.mishap)
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if test.limit > 0 {
					ctx, cancel = context.WithTimeout(ctx, test.limit)
				}
				defer cancel()
				start := time.Now()
				_, err := client.Organization(ctx)
				if took := time.Since(start); took < test.least || took > test.most {
					t.Errorf("it took %s, want %s to %s", took, test.least, test.most)
				}
				if (err == nil) != test.ok || err != nil && !fault.Is(err, fault.Transient) {
					t.Errorf("%v, want a transient fault only where the row says so", err)
				}
				if n := sim.Counters().Requests; n != test.requests {
					t.Errorf("%d requests, want %d", n, test.requests)
				}
				sim.Close()
			})
		})
	}
}

func TestUsersOfAHangingJumpCloud(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, client := simulator(t)
		ids := []directory.UserID{addUser(t, sim, "ann", nil), addUser(t, sim, "bob", nil), "64a1b2c3d4e5f60718293a4b"}
		sim.FailNext(jumpcloudtest.Fault{Delay: 24 * time.Hour, Times: 100})
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		start := time.Now()
		found, failed := eachUser(ctx, client, ids)
		if took := time.Since(start); took > 15*time.Second {
			t.Errorf("it took %s, want at most 15s", took)
		}
		for _, id := range ids {
			if _, there := found[id]; there || !fault.Is(failed[id], fault.Transient) {
				t.Errorf("%s: %v, want a transient fault and no user", id, failed[id])
			}
		}
		sim.Close()
	})
}
