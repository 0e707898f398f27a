package redact_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"entrasync/shared/fault"
	"entrasync/shared/redact"
)

// asJSON is a text inside the quotes of JSON.
func asJSON(text string) string {
	encoded, _ := json.Marshal(text)
	return string(encoded[1 : len(encoded)-1])
}

// plainJSON is the same as writers other than Go's make it.
func plainJSON(text string) string {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text)
	return strings.TrimSuffix(out.String()[1:], "\"\n")
}

// javaScript is encodeURIComponent.
func javaScript(text string) string {
	return strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*").Replace(url.QueryEscape(text))
}

// forms are what an outside system may make of a secret before it repeats it.
var forms = map[string]func(string) string{
	"as it is":         func(s string) string { return s },
	"query":            url.QueryEscape,
	"path":             url.PathEscape,
	"lower-case query": func(s string) string { return lowerHex(url.QueryEscape(s)) },
	"JavaScript":       javaScript,
	"query twice":      func(s string) string { return url.QueryEscape(url.QueryEscape(s)) },
	"JSON":             asJSON,
	"plain JSON":       plainJSON,
	"JSON in JSON":     func(s string) string { return asJSON(asJSON(s)) },
	"JSON in a query":  func(s string) string { return url.QueryEscape(plainJSON(s)) },
	"quoted by Go":     func(s string) string { q := fmt.Sprintf("%q", s); return q[1 : len(q)-1] },
	"HTML":             html.EscapeString,
	"JSON in HTML":     func(s string) string { return html.EscapeString(plainJSON(s)) },
	"base64":           func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64 for URLs":  func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
	"basic":            func(s string) string { return base64.StdEncoding.EncodeToString([]byte("entrasync:" + s)) },
	"JSON in base64":   func(s string) string { return base64.StdEncoding.EncodeToString([]byte(`{"password":"` + s + `"}`)) },
	"base64 in base64": func(s string) string { return base64.StdEncoding.EncodeToString([]byte("ab" + s + "cd")) },
}

func lowerHex(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			out.WriteString(strings.ToLower(text[i : i+3]))
			i += 2
			continue
		}
		out.WriteByte(text[i])
	}
	return out.String()
}

func TestEveryFormOfASecret(t *testing.T) {
	for _, secret := range []string{"jca_canary-key-0123456789", `P@ss "w\o<r>d' & 100% +/=ü€😀?`, "correct horse battery staple", "canary", "токен-пароль", "a+b c%20d"} {
		r := redact.New("another secret", secret, "")
		for name, form := range forms {
			encoded := form(secret)
			for _, text := range []string{encoded, "JumpCloud refuses " + encoded + " because of it", `{"message":"x` + encoded + `y"}`} {
				got := r.Text(text)
				for kind, other := range forms {
					if strings.Contains(got, other(secret)) {
						t.Errorf("%s of %q shows it as %s: %s", name, secret, kind, got)
					}
				}
				if !strings.Contains(got, redact.Hidden) || strings.HasPrefix(text, "JumpCloud") && !strings.HasSuffix(got, "because of it") && len(got) < redact.MaxText {
					t.Errorf("%s of %q in %q: %q", name, secret, text, got)
				}
			}
		}
	}
}

// Hardly anything is left of a secret in base64, whatever is beside it.
func TestSecretWithinBase64(t *testing.T) {
	const secret = "canary-0123456789-canary-0123456789"
	for before := range 7 {
		for after := range 7 {
			text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("b", before) + secret + strings.Repeat("a", after)))
			got := redact.New(secret).Text("got " + text)
			left := strings.Replace(strings.TrimPrefix(got, "got "), redact.Hidden, "", 1)
			if !strings.Contains(got, redact.Hidden) || len(left) > 4*(before+after)/3+8 {
				t.Errorf("%d before, %d after: %s of %s", before, after, got, text)
			}
		}
	}
}

// A secret that the redactor does not know is found by the word before it, or by its form.
func TestPatterns(t *testing.T) {
	const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLWNhbmFyeQ"
	const sealed = "eyJhbGciOiJFQ0RILUVTIn0..aXY.Y2lwaGVy.dGFn"
	for text, want := range map[string]string{
		"Authorization: Bearer canary-1":                          "Authorization: Bearer [redacted]",
		"authorization: bearer  canary.1~2+3/4==, x":              "authorization: bearer  [redacted], x",
		"got Basic Y2FuYXJ5OmNhbmFyeQ== here":                     "got Basic [redacted] here",
		"Bearer%20canary":                                         "Bearer%20[redacted]",
		"Bearer token is missing":                                 "Bearer token is missing",
		"no bearer authentication, or basic auth":                 "no bearer authentication, or basic auth",
		"the token " + jwt + " is expired":                        "the token [redacted] is expired",
		"a JWE " + sealed + ", and":                               "a JWE [redacted], and",
		"key jca_0123456789abcdef is not allowed":                 "key [redacted] is not allowed",
		"key jcs_0123456789abcdef":                                "key [redacted]",
		"key 0123456789abcdef0123456789abcdef01234567 is":         "key [redacted] is",
		"thumbprint 0123456789ABCDEF0123456789ABCDEF01234567":     "thumbprint 0123456789ABCDEF0123456789ABCDEF01234567",
		"x-api-key: canary":                                       "x-api-key: [redacted]",
		`{"x-api-key":["canary"]}`:                                `{"x-api-key":["canary"]}`, // after nothing that we know
		`{"client_secret":"canary canary","next":1}`:              `{"client_secret":[redacted],"next":1}`,
		`{\"password\":\"can ary\",\"x\":1}`:                      `{\"password\":[redacted],\"x\":1}`,
		"grant=x&client_secret=can%2Bary&scope=y":                 "grant=x&client_secret=[redacted]&scope=y",
		"client_assertion=canary access_token: canary":            "client_assertion=[redacted] access_token: [redacted]",
		"password: choose another one":                            "password: choose another one",
		"password=canary":                                         "password=[redacted]",
		"apiKey = 'canary'":                                       "apiKey = [redacted]",
		"Set-Cookie: session=canary; Path=/":                      "Set-Cookie: [redacted]; Path=/",
		"the property passwordProfile is invalid":                 "the property passwordProfile is invalid",
		"Entra refuses the change: Property displayName too long": "Entra refuses the change: Property displayName too long",
	} {
		if got := redact.Text(text); got != want {
			t.Errorf("%s\n gives %s\n want  %s", text, got, want)
		}
	}
}

func TestTextIsBoundedAndOneLine(t *testing.T) {
	for _, text := range []string{strings.Repeat("x", 10_000_000), strings.Repeat("ü", 200), "a\r\nb\x00c\x1b[31m\t", "\xff\xfebad\xc3", strings.Repeat("\xf0\x9f\x98", 400)} {
		got := redact.Text(text)
		if len(got) > redact.MaxText || !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n\x00\x1b\t") {
			t.Errorf("%.40q: %d bytes %q, want one line of valid UTF-8 of at most %d", text, len(got), got, redact.MaxText)
		}
	}
	if got := redact.Text("short"); got != "short" {
		t.Errorf("got %q, want it unchanged", got)
	}
	// A text that was cut within a secret shows no part of it.
	const secret = "canary-key-0123456789"
	for n := 4; n <= len(secret); n++ {
		if got := redact.New(secret).Text("the key " + secret[:n]); got != "the key "+redact.Hidden {
			t.Errorf("cut after %d: got %s, want no part of the secret", n, got)
		}
	}
	// The same holds where more text follows the part, if the part is long enough.
	for _, form := range []func(string) string{forms["as it is"], url.QueryEscape, asJSON} {
		const secret = `canary "key" 0123456789`
		if got := redact.New(secret).Text("the key " + form(secret[:14]) + ", cut"); got != "the key "+redact.Hidden+", cut" {
			t.Errorf("cut in the middle: got %s, want no part of the secret", got)
		}
	}
	if got := redact.New("Password123!-and-more").Text("the Password is too short"); got != "the Password is too short" {
		t.Errorf("a word that a secret begins with: got %s, want it unchanged", got)
	}
	// And where the redactor itself cuts the text.
	for at := 250; at < 320; at++ {
		if got := redact.New(secret).Text(strings.Repeat(".", at) + secret); strings.Contains(got, "cana") {
			t.Errorf("at %d: got %s, want no part of the secret", at, got)
		}
	}
}

// A secret of a few letters is removed only where it is a complete word: otherwise hardly
// any text could be read.
func TestShortSecrets(t *testing.T) {
	for secret, want := range map[string]string{
		"":    "a cat sat, a!b",
		"a":   "[redacted] cat sat, [redacted]!b",
		"cat": "a [redacted] sat, a!b",
		"at":  "a cat sat, a!b",
		"!b":  "a cat sat, a[redacted]",
	} {
		if got := redact.New(secret).Text("a cat sat, a!b"); got != want {
			t.Errorf("%q: got %s, want %s", secret, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	const secret = "canary-key-0123456789"
	r := redact.New(secret)
	if r.Error(nil) != nil {
		t.Error("got an error for nil, want nil")
	}
	plain := errors.New("nothing secret")
	if got := r.Error(plain); fmt.Sprintf("%p", got) != fmt.Sprintf("%p", plain) {
		t.Errorf("got %v, want the same error where it has no secret", got)
	}
	cause := fmt.Errorf("sending %s: %w", url.QueryEscape(secret+"/"), context.DeadlineExceeded)
	err := r.Error(fmt.Errorf("over all %s: %w", secret, &fault.Error{Op: "op", Kind: fault.Throttled, Reason: "why", Subject: "id " + secret, Message: "no " + secret, RetryAfter: 5, Err: cause}))
	f := fault.Of(err)
	if f.Kind != fault.Throttled || f.Op != "op" || f.Reason != "why" || f.RetryAfter != 5 || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Errorf("got %+v, want the fault unchanged but for its texts", f)
	}
	var shown []string
	for e := err; e != nil; e = errors.Unwrap(e) {
		shown = append(shown, e.Error(), fmt.Sprintf("%v %+v %#v %s %q", e, e, e, e, e))
	}
	for _, text := range append(shown, fmt.Sprintf("%v %+v %#v", r, r, r), fmt.Sprintf("%v %+v %#v", &r, &r, &r)) {
		if strings.Contains(text, "canary") {
			t.Errorf("got %s, want no secret", text)
		}
	}
}

// No form of any secret is left, and what is not secret stays.
func TestNoFormComesThrough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringOfN(rapid.RuneFrom([]rune(`abcXYZ019 "'\<>&%+/=?#!~-_.:;,{}()[]@$*^|ü€😀`)), 6, 40, -1).Draw(t, "secret")
		name := rapid.SampledFrom(slices.Sorted(maps.Keys(forms))).Draw(t, "form")
		around := rapid.StringOfN(rapid.RuneFrom([]rune("qjk ")), 0, 20, -1)
		before, after := around.Draw(t, "before"), around.Draw(t, "after")
		encoded := forms[name](secret)
		got := redact.New(secret).Known(before + encoded + after)
		if strings.Contains(got, encoded) || strings.Contains(got, secret) {
			t.Fatalf("%s: %q shows in %q", name, encoded, got)
		}
		// Backslashes at its ends may be left.
		got = strings.NewReplacer(`\`, "", "%5C", "", "%5c", "", "%255C", "").Replace(got)
		if !strings.Contains(name, "base64") && name != "basic" && got != before+redact.Hidden+after {
			t.Fatalf("%s: %q became %q", name, before+encoded+after, got)
		}
	})
}

// An answer that is JSON can still be read afterwards.
func TestJSONStaysJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringOfN(rapid.RuneFrom([]rune(`abcXYZ019 "'\<>&%+/=?ü€`)), 6, 20, -1).Draw(t, "secret")
		name := rapid.SampledFrom(slices.Sorted(maps.Keys(forms))).Draw(t, "form")
		body, err := json.Marshal(map[string]any{"error": map[string]any{"message": "no " + forms[name](secret) + " here", "code": "x"}})
		if err != nil {
			t.Fatal(err)
		}
		var read struct {
			Error struct{ Message, Code string }
		}
		clean := redact.New(secret).Known(string(body))
		if err := json.Unmarshal([]byte(clean), &read); err != nil || read.Error.Code != "x" || !strings.HasSuffix(read.Error.Message, " here") {
			t.Fatalf("%s became %s: %v", body, clean, err)
		}
	})
}
