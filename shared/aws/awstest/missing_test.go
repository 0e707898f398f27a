package awstest

import (
	"errors"
	"strings"
	"testing"
)

func TestMissing(t *testing.T) {
	for name, s := range map[string]*Server{
		"a program":    {name: "X", programs: []string{"no-such-program"}, file: "tether"},
		"the package":  {name: "X", file: "node_modules/no-such-package/package.json"},
		"one of these": {name: "X", file: "*"},
	} {
		_, err := s.URL()
		var missing *missingError
		if !errors.As(err, &missing) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "make aws-servers") {
			t.Errorf("%s: got %v, want one line that says what to do", name, err)
		}
	}
}

// A server that ends at once is an error with its output, not a missing server.
func TestBrokenServer(t *testing.T) {
	s := &Server{name: "X", file: "tether", command: func(string, int) []string { return []string{"bash", "-c", "echo no room; exit 3"} }}
	_, err := s.URL()
	var missing *missingError
	if err == nil || errors.As(err, &missing) || !strings.Contains(err.Error(), "no room") {
		t.Errorf("got %v, want what the server printed", err)
	}
}

// stand is a testing.TB that records how a test ends.
type stand struct {
	testing.TB
	skipped, failed bool
}

func (s *stand) Helper()      {}
func (s *stand) Skip(...any)  { s.skipped = true }
func (s *stand) Fatal(...any) { s.failed = true }

func TestSkippedHereFailedInCI(t *testing.T) {
	for ci, skips := range map[string]bool{"": true, "true": false} {
		t.Setenv("CI", ci)
		s := &stand{TB: t}
		config(s, &Server{name: "X", programs: []string{"no-such-program"}, file: "tether"})
		if s.skipped != skips || s.failed == skips {
			t.Errorf("CI=%q: skipped %t, failed %t, want skipped %t and failed %t", ci, s.skipped, s.failed, skips, !skips)
		}
	}
}
