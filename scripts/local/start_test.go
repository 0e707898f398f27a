package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// untilServing keeps what a program says, and kills one that serves: a test that it
// has to end then fails at once.
type untilServing struct {
	said    bytes.Buffer
	command *exec.Cmd
}

// Write implements io.Writer.
func (u *untilServing) Write(p []byte) (int, error) {
	n, err := u.said.Write(p)
	if strings.Contains(u.said.String(), "Press Ctrl-C") {
		_ = u.command.Process.Kill()
	}
	return n, err
}

// ended runs the program until it ends, and gives what it said. One that serves instead
// is killed.
func ended(t *testing.T, variables map[string]string, arguments ...string) (code int, out, errs string) {
	t.Helper()
	command := program(t, variables, arguments...)
	stdout, stderr := untilServing{command: command}, bytes.Buffer{}
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return code, stdout.said.String(), stderr.String()
}

func TestHelpIsPrinted(t *testing.T) {
	for _, argument := range []string{"--help", "-h", "help"} {
		code, out, errs := ended(t, map[string]string{"GRAPH_URL": "nonsense"}, argument)
		if code != 0 || errs != "" || !strings.Contains(out, "ENTRASYNC_ADDR") || !strings.Contains(out, "127.0.0.1:8080") || !strings.Contains(out, "restore") {
			t.Errorf("%s: code %d, %q, %q; want 0 and the help", argument, code, out, errs)
		}
	}
}

func TestUnknownArgumentsAreRefused(t *testing.T) {
	for _, arguments := range [][]string{{"--port=8080"}, {"serve"}, {"--help", "me"}, {"restore", "a", "b"}, {"restore", "--newest"}, {""}} {
		code, out, errs := ended(t, nil, arguments...)
		if code != 2 || out != "" || !strings.Contains(errs, "--help") || strings.Count(errs, "\n") != 1 {
			t.Errorf("%q: code %d, %q, %q; want 2, and one line that names --help", arguments, code, out, errs)
		}
	}
}

func TestMissingVariableIsSaid(t *testing.T) {
	code, _, errs := ended(t, map[string]string{"GRAPH_URL": "https://graph.microsoft.com/v1.0"})
	if code != 1 || !strings.Contains(errs, "ENTRA_LOGIN_URL is missing: GRAPH_URL is set, and a token") {
		t.Errorf("code %d: %s; want 1 and ENTRA_LOGIN_URL", code, errs)
	}
}

func TestAllWrongVariablesAreSaid(t *testing.T) {
	code, out, errs := ended(t, map[string]string{"ENTRASYNC_ADDR": "0.0.0.0:0", "ENTRASYNC_ADMIN_TOKEN": "canary", "JUMPCLOUD_ORG_ID": "contoso", "GRAPH_URL": "graph.microsoft.com"})
	for _, want := range []string{"ENTRASYNC_ADMIN_TOKEN", "JUMPCLOUD_ORG_ID", "GRAPH_URL", "ENTRA_LOGIN_URL", "ENTRA_CLIENT_ID", "ENTRA_CLIENT_SECRET"} {
		if !strings.Contains(errs, "\n"+want) {
			t.Errorf("%s is not named", want)
		}
	}
	if code != 1 || out != "" || strings.Contains(errs, "canary") {
		t.Errorf("code %d, %q, %q; want 1, nothing printed, no secret", code, out, errs)
	}
}

// mustBeJSON fails unless every line of a log is a JSON object with a level and a
// message.
func mustBeJSON(t *testing.T, log string) (lines []map[string]any) {
	t.Helper()
	for text := range strings.Lines(log) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil || line["level"] == nil || line["time"] == nil {
			t.Errorf("the line %s (%v), want JSON with level and time", text, err)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestUnknownVariablesAreWarnedAbout(t *testing.T) {
	p := startWith(t, map[string]string{"ENTRASYNC_ADRR": "127.0.0.1:1"})
	p.kill()
	for _, line := range mustBeJSON(t, p.log.String()) {
		if line["variable"] == "ENTRASYNC_ADRR" && line["level"] == "warn" && strings.Contains(line["message"].(string), "ENTRASYNC_ADDR?") {
			return
		}
	}
	t.Errorf("the log is %s, want a warning about ENTRASYNC_ADRR", p.log.String())
}

// Everything that ends up on standard error is a JSON object, also what Microsoft's
// SDK writes there by itself when it is asked to.
func TestStandardErrorIsJSON(t *testing.T) {
	p := startWith(t, map[string]string{"AZURE_SDK_GO_LOGGING": "all", "ENTRASYNC_ADMIN_TOKEN": token})
	var created struct{ ID string }
	p.must("POST", p.api+"/directories", `{"name":"Contoso","organizationId":"5f0c1e2d3a4b5c6d7e8f9012","tenantId":"`+p.tenant+`"}`, &created)
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.command.Wait(); err != nil {
		t.Error(err)
	}
	mustBeJSON(t, p.log.String())
}

// What keeps the product from starting is said to people, and is in the log.
func TestAStartThatFailsIsSaid(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	code, out, errs := ended(t, map[string]string{"ENTRASYNC_ADDR": taken.Addr().String()})
	lines := mustBeJSON(t, errs)
	if code != 1 || !strings.Contains(out, "entrasync: ENTRASYNC_ADDR: cannot listen on "+taken.Addr().String()) || strings.Count(out, "\n") != 1 {
		t.Errorf("code %d, %q; want 1, and one line about ENTRASYNC_ADDR", code, out)
	}
	if len(lines) == 0 || !strings.Contains(errs, "ENTRASYNC_ADDR") || lines[len(lines)-1]["level"] != "error" {
		t.Errorf("the log is %s, want an error about ENTRASYNC_ADDR at its end", errs)
	}
}
