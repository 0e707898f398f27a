package entra_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/secret"
)

// read sends a request that needs a token, and returns how long it took.
func (n tenant) read(t *testing.T) (took time.Duration, err error) {
	t.Helper()
	start := time.Now()
	_, err = n.client.Describe(t.Context())
	return time.Since(start), err
}

// longLived has tokens that last a day and should be replaced after half a day.
func longLived(c *entratest.Config) {
	c.Behaviour.TokenLife, c.Behaviour.TokenRefresh = 24*time.Hour, 12*time.Hour
}

// perSignIn is the number of requests for one successful sign-in: the SDK first reads
// where tokens are.
const perSignIn = 2

// signInRequests counts the requests to the sign-in service while do runs, and in the
// 30 seconds after it.
func (n tenant) signInRequests(do func()) int {
	before := n.signIns.Load()
	do()
	time.Sleep(30 * time.Second)
	return int(n.signIns.Load() - before)
}

// While a token is good no request waits, whatever Entra's sign-in does: the SDK makes
// each request wait for a replacement that fails.
func TestNobodyWaitsForAnEarlyReplacement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t, longLived)
		if _, err := n.read(t); err != nil {
			t.Fatal(err)
		}
		time.Sleep(12*time.Hour + time.Minute)
		n.sim.Set(func(b *entratest.Behaviour) { b.SignInDown = true })
		count := n.signInRequests(func() {
			for i := range 20 {
				if took, err := n.read(t); err != nil || took != 0 {
					t.Errorf("request %d: %v after %s, want no error and no wait", i, err, took)
				}
			}
		})
		if count != 3 {
			t.Errorf("%d requests to sign-in for 20 requests, want one sign-in with its three tries", count)
		}
		count = n.signInRequests(func() {
			for range 600 {
				if took, err := n.read(t); err != nil || took != 0 {
					t.Fatalf("%v after %s, want no error and no wait", err, took)
				}
				time.Sleep(time.Second)
			}
		})
		if count < 9*3 || count > 11*3 {
			t.Errorf("%d requests to sign-in in ten minutes, want one sign-in a minute", count)
		}
		n.sim.Set(func(b *entratest.Behaviour) { b.SignInDown = false })
		time.Sleep(time.Minute)
		count = n.signInRequests(func() {
			for range 100 {
				if took, err := n.read(t); err != nil || took != 0 {
					t.Fatalf("%v after %s, want no error and no wait", err, took)
				}
				time.Sleep(time.Second)
			}
		})
		if count != perSignIn {
			t.Errorf("%d requests to sign-in once it is back, want one sign-in", count)
		}
		n.sim.Set(func(b *entratest.Behaviour) { b.SignInDown = true })
		time.Sleep(13 * time.Hour) // the first token would have ended an hour ago
		if took, err := n.read(t); err != nil || took != 0 {
			t.Errorf("the new token: %v after %s, want no error and no wait", err, took)
		}
		time.Sleep(30 * time.Second) // for the sign-in in the background
	})
}

// If Entra names no time, a token is replaced some minutes before its expiry, in the
// background; in its last minute it is no longer used.
func TestTheEndOfAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t, func(c *entratest.Config) { c.Behaviour.TokenLife = time.Hour })
		read := func(after time.Duration, want int, why string) {
			t.Helper()
			time.Sleep(after)
			count := n.signInRequests(func() {
				if took, err := n.read(t); err != nil || took != 0 {
					t.Errorf("%s: %v after %s, want no error and no wait", why, err, took)
				}
			})
			if count != want {
				t.Errorf("%s: %d requests to sign-in, want %d", why, count, want)
			}
		}
		read(0, perSignIn, "the first")
		read(54*time.Minute, 0, "long before its end")
		read(90*time.Second, perSignIn, "soon before its end")
		read(time.Second, 0, "the new one")
		n.sim.Set(func(b *entratest.Behaviour) { b.SignInDown = true })
		read(57*time.Minute, 3, "nearly at its end, with sign-in down")
		time.Sleep(90 * time.Second)
		start := time.Now()
		_, err := n.read(t)
		if f := fault.Of(err); f == nil || f.Kind != fault.Transient || f.Reason != directory.Unavailable {
			t.Errorf("in its last minute, with sign-in down: %v, want Transient (unavailable)", err)
		}
		if waited := time.Since(start); waited < time.Second || waited > 10*time.Second {
			t.Errorf("without a token a request waited %s, want the 1s to 10s of the tries of the sign-in", waited)
		}
		n.sim.Set(func(b *entratest.Behaviour) { b.SignInDown = false })
		read(0, perSignIn, "sign-in is back")
	})
}

// Requests that need a token at the same time wait for the same sign-in, and the end of
// one context does not end it for the others.
func TestOneSignInForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t)
		if err := n.sim.FailNext(entratest.Fault{Path: "/token$", Delay: 3 * time.Second}); err != nil {
			t.Fatal(err)
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var all sync.WaitGroup
		count := n.signInRequests(func() {
			all.Go(func() {
				if _, err := n.client.Describe(impatient); !fault.Is(err, fault.Transient) {
					t.Errorf("the request that began the sign-in and ended: %v, want a transient fault", err)
				}
			})
			for range 20 {
				all.Go(func() {
					if _, err := n.client.Describe(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		})
		if count != perSignIn {
			t.Errorf("%d requests to sign-in, want one sign-in", count)
		}
	})
}

// If an early replacement hangs, as in a process that slept, a request without a token
// starts another sign-in.
func TestASignInThatWasSleptOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t, func(c *entratest.Config) {
			c.Behaviour.TokenLife, c.Behaviour.TokenRefresh = 10*time.Minute, 5*time.Minute
		})
		if _, err := n.read(t); err != nil {
			t.Fatal(err)
		}
		time.Sleep(9*time.Minute - time.Second)
		if err := n.sim.FailNext(entratest.Fault{Path: "/token$", Delay: time.Hour}); err != nil {
			t.Fatal(err)
		}
		if took, err := n.read(t); err != nil || took != 0 {
			t.Fatalf("still good: %v after %s, want no error and no wait", err, took)
		}
		time.Sleep(2 * time.Second) // now it is good no longer
		if _, err := n.read(t); err != nil {
			t.Errorf("after the replacement was given up: %v, want no error", err)
		}
	})
}

// The client waits as long as the sign-in service says, if that is not too long.
func TestWaitsOfTheSignIn(t *testing.T) {
	for header, want := range map[string]struct{ waited, retryAfter time.Duration }{
		"1,2": {2 * time.Second, 0}, "1.5": {1500 * time.Millisecond, 0}, "0": {time.Second, 0}, "": {time.Second, 0},
		"8,20": {0, 20 * time.Second}, "70": {0, 70 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := simulated(t)
			if err := n.sim.FailNext(entratest.Fault{Path: "/token$", Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": header},
				Body: map[string]any{"error": "temporarily_unavailable", "error_codes": []int{50196}}}); err != nil {
				t.Fatal(err)
			}
			took, err := n.read(t)
			if took != want.waited || (err != nil) != (want.retryAfter > 0) {
				t.Errorf("%q: %v after %s, want %s", header, err, took, want.waited)
			}
			if f := fault.Of(err); f != nil && (f.Kind != fault.Transient || f.RetryAfter != want.retryAfter) {
				t.Errorf("%q: %+v, want a wait of %s", header, f, want.retryAfter)
			}
		})
	}
}

// A sign-in that is refused is not tried again by itself.
func TestARefusedSignInIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t)
		if err := n.sim.SetApp(entratest.DefaultApp().ClientID, func(a *entratest.App) { a.SecretExpired = true }); err != nil {
			t.Fatal(err)
		}
		count := n.signInRequests(func() {
			took, err := n.read(t)
			if f := fault.Of(err); f == nil || f.Kind != fault.Unauthorized || f.Reason != directory.SecretExpired || took != 0 {
				t.Errorf("%v after %s, want Unauthorized (secret expired) at once", err, took)
			}
		})
		if count != perSignIn {
			t.Errorf("%d requests to sign-in, want one sign-in", count)
		}
	})
}

// After a sign-in that was refused the proof is read again from where it is stored, not from a
// cache: somebody may have replaced it.
func TestAProofThatWasRefusedIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t)
		stored, cached := "an expired secret", "an expired secret"
		client, err := entra.New(entra.Config{
			GraphURL: "https://graph.microsoft.com/v1.0", LoginURL: "https://login.microsoftonline.com",
			Tenant: directory.TenantID(entratest.DefaultTenant().ID), ClientID: entratest.DefaultApp().ClientID,
			Proof: func(ctx context.Context) (entra.Proof, error) {
				if secret.WantsFresh(ctx) {
					cached = stored
				}
				return entra.Proof{ClientSecret: cached}, nil
			},
			Transport: counted{entratest.Transport(n.sim), n.signIns},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Describe(t.Context()); !fault.Is(err, fault.Unauthorized) {
			t.Fatalf("with a wrong secret: %v, want Unauthorized", err)
		}
		stored = entratest.DefaultApp().ClientSecret
		if _, err := client.Describe(t.Context()); err != nil {
			t.Errorf("with the secret that was replaced: %v, want no error", err)
		}
	})
}
