package seal_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/seal"
)

const (
	password = "canary-Passw0rd ü"
	seed     = "a seed that is random and long enough"
)

// purpose is what the passwords of these tests are for.
var purpose = seal.Purpose{Directory: "5f0c1e2d3a4b5c6d7e8f9012-main", User: "64a1b2c3d4e5f60718293a4b", Account: "e1", Action: "a1"}

func opener(t *testing.T, seed string) *seal.Opener {
	t.Helper()
	o, err := seal.NewOpener(seed)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func sealed(t *testing.T, o *seal.Opener) string {
	t.Helper()
	s, err := seal.Seal(o.Public(), password, purpose)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOpensWhatWasSealed(t *testing.T) {
	first := sealed(t, opener(t, seed))
	again := opener(t, seed) // another process with the same seed
	if got, err := again.Open(first, purpose); err != nil || got != password {
		t.Errorf("got %q, %v, want %q", got, err, password)
	}
	if strings.Contains(first, "canary") || strings.Count(first, ".") != 4 {
		t.Errorf("not a compact JWE: %s", first)
	}
	if second := sealed(t, again); second == first {
		t.Error("got the same text twice for one password, want two")
	}
}

func TestTheKeyFollowsFromTheSeed(t *testing.T) {
	one := opener(t, seed)
	if !bytes.Equal(one.Public(), opener(t, seed).Public()) || bytes.Equal(one.Public(), opener(t, seed+"!").Public()) {
		t.Error("want the same key from the same seed, and another key from another seed")
	}
	var key map[string]string
	if err := json.Unmarshal(one.Public(), &key); err != nil || key["kid"] == "" || key["kty"] != "EC" || key["crv"] != "P-256" || key["d"] != "" {
		t.Errorf("the public key is %s: %v", one.Public(), err)
	}
	// Somebody may have sealed with the key before an update of the program.
	if want := "VvwGfuQA87eS"; !strings.HasPrefix(key["kid"], want) {
		t.Errorf("the key of a known seed is %s, want %s…", key["kid"], want)
	}
	if _, err := seal.NewOpener("short"); !fault.Is(err, fault.Invalid) {
		t.Errorf("a short seed: got %v, want kind %s", err, fault.Invalid)
	}
}

func TestWhatIsNotOpened(t *testing.T) {
	own := opener(t, seed)
	good := sealed(t, own)
	parts := strings.Split(good, ".")
	with := func(n int, edit func(string) string) string {
		changed := strings.Split(good, ".")
		changed[n] = edit(changed[n])
		return strings.Join(changed, ".")
	}
	flip := func(s string) string {
		other := byte('A')
		if s[len(s)/2] == other {
			other = 'B'
		}
		return s[:len(s)/2] + string(other) + s[len(s)/2+1:]
	}
	other := sealed(t, own)
	for name, tc := range map[string]struct {
		sealed string
		edit   func(*seal.Purpose)
		says   string
	}{
		"nothing":                       {"", nil, "another key"},
		"no JWE":                        {"a.b.c.d.e", nil, "another key"},
		"cut off":                       {strings.Join(parts[:4], "."), nil, "another key"},
		"another key":                   {sealed(t, opener(t, seed+"!")), nil, "another key"},
		"another header":                {with(0, flip), nil, ""},
		"another wrapped key":           {with(1, flip), nil, "changed"},
		"another nonce":                 {with(2, flip), nil, "changed"},
		"another content":               {with(3, flip), nil, "changed"},
		"another tag":                   {with(4, flip), nil, "changed"},
		"the content of another one":    {with(3, func(string) string { return strings.Split(other, ".")[3] }), nil, "changed"},
		"for another action":            {good, func(p *seal.Purpose) { p.Action = "a2" }, "another account or action"},
		"for another account":           {good, func(p *seal.Purpose) { p.Account = "e2" }, "another account or action"},
		"for another user":              {good, func(p *seal.Purpose) { p.User = "64a1b2c3d4e5f60718293fff" }, "another account or action"},
		"for an account elsewhere":      {good, func(p *seal.Purpose) { p.Directory += "x" }, "another account or action"},
		"an algorithm that is not ours": {"eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.YQ.YQ.YQ.YQ", nil, "another key"},
	} {
		t.Run(name, func(t *testing.T) {
			meant := purpose
			if tc.edit != nil {
				tc.edit(&meant)
			}
			got, err := own.Open(tc.sealed, meant)
			if got != "" || !fault.Is(err, fault.Invalid) || fault.Of(err).Reason != directory.PasswordUnopened || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %q, %v, want kind %s, reason %s and %q", got, err, fault.Invalid, directory.PasswordUnopened, tc.says)
			}
		})
	}
	if !own.Fits(good) || own.Fits(sealed(t, opener(t, seed+"!"))) || own.Fits("x") {
		t.Error("want Fits to be true only for a password that was sealed for this key")
	}
}

func TestWhatIsTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := opener(t, seed)
		s := sealed(t, own)
		time.Sleep(seal.Life - 2*time.Second)
		if got, err := own.Open(s, purpose); err != nil || got != password {
			t.Errorf("shortly before it expires: got %q, %v, want %q", got, err, password)
		}
		time.Sleep(2 * time.Second)
		if _, err := own.Open(s, purpose); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "too long") {
			t.Errorf("after it expired: got %v, want kind %s and \"too long\"", err, fault.Invalid)
		}
	})
}

func TestOnlyAPublicKeySeals(t *testing.T) {
	for _, key := range []string{"", "{}", "canary", `{"kty":"oct","k":"c2VjcmV0"}`} {
		if got, err := seal.Seal([]byte(key), password, purpose); got != "" || !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %q, %v, want kind %s without the key", key, got, err, fault.Invalid)
		}
	}
}
