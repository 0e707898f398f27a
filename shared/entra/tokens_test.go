package entra_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
)

// read is a request that needs a token, and how long it took.
func (n tenant) read(t *testing.T) (took time.Duration, err error) {
	t.Helper()
	start := time.Now()
	_, err = n.client.Describe(t.Context())
	return time.Since(start), err
}

// longLived has tokens that last a day and are to be replaced after half of it.
func longLived(c *entratest.Config) {
	c.Behaviour.TokenLife, c.Behaviour.TokenRefresh = 24*time.Hour, 12*time.Hour
}

// perSignIn is how many requests one sign-in that succeeds makes: the SDK asks first
// where tokens are.
const perSignIn = 2

// asked counts the requests to the sign-in service while do runs, and afterwards what
// is still under way there.
func (n tenant) asked(do func()) int {
	before := n.signIns.Load()
	do()
	time.Sleep(30 * time.Second)
	return int(n.signIns.Load() - before)
}

// While a token is good nobody waits, whatever Entra's sign-in does: the SDK has each
// request wait for a replacement that fails.
func TestNobodyWaitsForAnEarlyReplacement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t, longLived)
		if _, err := n.read(t); err != nil {
			t.Fatal(err)
		}
		time.Sleep(12*time.Hour + time.Minute)
		n.sim.Set(func(b *entratest.Behaviour) { b.SignInDown = true })
		asked := n.asked(func() {
			for i := range 20 {
				if took, err := n.read(t); err != nil || took != 0 {
					t.Errorf("request %d: %v after %s", i, err, took)
				}
			}
		})
		if asked != 3 {
			t.Errorf("20 requests asked for a token %d times: want one sign-in with its three tries", asked)
		}
		asked = n.asked(func() {
			for range 600 {
				if took, err := n.read(t); err != nil || took != 0 {
					t.Fatalf("%v after %s", err, took)
				}
				time.Sleep(time.Second)
			}
		})
		if asked < 9*3 || asked > 11*3 {
			t.Errorf("%d requests to sign-in in ten minutes: want one sign-in a minute", asked)
		}
		n.sim.Set(func(b *entratest.Behaviour) { b.SignInDown = false })
		time.Sleep(time.Minute)
		asked = n.asked(func() {
			for range 100 {
				if took, err := n.read(t); err != nil || took != 0 {
					t.Fatalf("%v after %s", err, took)
				}
				time.Sleep(time.Second)
			}
		})
		if asked != perSignIn {
			t.Errorf("%d requests to sign-in once it is back, want one sign-in", asked)
		}
		n.sim.Set(func(b *entratest.Behaviour) { b.SignInDown = true })
		time.Sleep(13 * time.Hour) // the first token would have ended an hour ago
		if took, err := n.read(t); err != nil || took != 0 {
			t.Errorf("the new token: %v after %s", err, took)
		}
		time.Sleep(30 * time.Second) // for what is under way beside
	})
}

// Without a word of Entra about it a token is replaced some minutes before its end,
// beside; in its last minute it is used no more.
func TestTheEndOfAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t, func(c *entratest.Config) { c.Behaviour.TokenLife = time.Hour })
		read := func(after time.Duration, want int, why string) {
			t.Helper()
			time.Sleep(after)
			asked := n.asked(func() {
				if took, err := n.read(t); err != nil || took != 0 {
					t.Errorf("%s: %v after %s", why, err, took)
				}
			})
			if asked != want {
				t.Errorf("%s: %d requests to sign-in, want %d", why, asked, want)
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
			t.Errorf("in its last minute, with sign-in down: %v", err)
		}
		if waited := time.Since(start); waited < time.Second || waited > 10*time.Second {
			t.Errorf("without a token a request waits for the tries of the sign-in: it waited %s", waited)
		}
		n.sim.Set(func(b *entratest.Behaviour) { b.SignInDown = false })
		read(0, perSignIn, "sign-in is back")
	})
}

// Whoever needs a token at the same time waits for the same sign-in, and nobody's
// context ends that of the others.
func TestOneSignInForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t)
		if err := n.sim.FailNext(entratest.Fault{Path: "/token$", Delay: 3 * time.Second}); err != nil {
			t.Fatal(err)
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var all sync.WaitGroup
		asked := n.asked(func() {
			all.Go(func() {
				if _, err := n.client.Describe(impatient); !fault.Is(err, fault.Transient) {
					t.Errorf("the one that began it and left: %v", err)
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
		if asked != perSignIn {
			t.Errorf("%d requests to sign-in, want one sign-in", asked)
		}
	})
}

// An early replacement that hangs, as in a process that was put to sleep over it, is
// not the last word for who needs a token.
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
			t.Fatalf("still good: %v after %s", err, took)
		}
		time.Sleep(2 * time.Second) // now it is good no longer
		if _, err := n.read(t); err != nil {
			t.Errorf("once the replacement was given up: %v", err)
		}
	})
}

// What the sign-in service asks to wait is waited, if that is worth it.
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
		asked := n.asked(func() {
			took, err := n.read(t)
			if f := fault.Of(err); f == nil || f.Kind != fault.Unauthorized || f.Reason != directory.SecretExpired || took != 0 {
				t.Errorf("%v after %s", err, took)
			}
		})
		if asked != perSignIn {
			t.Errorf("%d requests to sign-in, want one sign-in", asked)
		}
	})
}
