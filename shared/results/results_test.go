package results_test

import (
	"mime"
	"strings"
	"testing"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/results"
)

func TestCheckName(t *testing.T) {
	for name, good := range map[string]bool{
		"imports/job-1/results.csv": true, "a": true, "A_1.b": true, strings.Repeat("a", 200): true,
		"": false, "/a": false, "a/": false, "a//b": false, ".": false, "..": false, "../a": false, "a/../b": false, "a/.b": false,
		`a\b`: false, "a b": false, "a\x00": false, "ä": false, "a:b": false, "a%2e": false, strings.Repeat("a", 201): false,
	} {
		if err := results.CheckName(name); (err == nil) != good || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: got %v, want good %t", name, err, good)
		}
	}
}

func TestCheckLink(t *testing.T) {
	for life, good := range map[time.Duration]bool{0: false, -1: false, time.Second: true, results.MaxLife: true, results.MaxLife + 1: false} {
		if err := results.CheckLink("a", life); (err == nil) != good || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, want good %t", life, err, good)
		}
	}
	if err := results.CheckLink("..", time.Hour); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v, want kind %s", err, fault.Invalid)
	}
}

// A browser reads the name as it was, and the header has one line of ASCII.
func TestDisposition(t *testing.T) {
	for _, name := range []string{"results.csv", "Müller & Söhne.csv", "a\"b\\c;.csv", "نتائج.csv", "a\r\nSet-Cookie: b.csv", ""} {
		header := results.Disposition(name)
		kind, parameters, err := mime.ParseMediaType(header)
		if err != nil || kind != "attachment" || parameters["filename"] != name {
			t.Errorf("%q: got %q, which is read as %q, %q (%v)", name, header, kind, parameters["filename"], err)
		}
		for _, b := range []byte(header) {
			if b < ' ' || b > '~' {
				t.Errorf("%q: got %q, want printable ASCII", name, header)
			}
		}
	}
}
