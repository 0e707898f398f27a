package size_test

import (
	"os"
	"path/filepath"
	"testing"

	"entrasync/scripts/lambda/size"
)

// The test's own program has no Graph SDK in it. The end-to-end tests of the shipped
// programs cover those with it.
func TestMost(t *testing.T) {
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if bytes, graph, err := size.Most(own); bytes != 12e6 || graph || err != nil {
		t.Errorf("got %d, %v, %v, want 12 MB without the Graph SDK", bytes, graph, err)
	}
	none := filepath.Join(t.TempDir(), "none")
	if err := os.WriteFile(none, []byte("#!/bin/sh"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := size.Most(none); err == nil {
		t.Error("what is no Go program has a limit, want an error")
	}
}
