package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestMain lets the test binary be the program.
func TestMain(m *testing.M) {
	if os.Getenv("ENTRASYNC_TEST_AS_PROGRAM") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestArguments(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for argument, want := range map[string]int{"--help": 0, "-h": 0, "--fast": 2, "": 2} {
		command := exec.Command(executable, argument)
		command.Env = append(os.Environ(), "ENTRASYNC_TEST_AS_PROGRAM=1")
		said, err := command.CombinedOutput()
		code := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != want || !strings.Contains(string(said), "--help") || strings.Contains(string(said), "Starting") {
			t.Errorf("%q: code %d, %q; want %d and --help", argument, code, said, want)
		}
	}
}
