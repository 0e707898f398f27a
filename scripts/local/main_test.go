package main

import (
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the program: the tests start it as a process
// of its own, which can be killed.
func TestMain(m *testing.M) {
	if os.Getenv("ENTRASYNC_TEST_AS_PROGRAM") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// The secrets of the product under test.
const (
	token        = "test-token" // of the API
	webhookToken = "test-webhook-token"
)

// process is a running program.
type process struct {
	t       *testing.T
	command *exec.Cmd
	log     *safeBuffer // its standard error
	printed []string    // its standard output at the start
	api     string
	webhook string
	jc      string // the simulated JumpCloud
	entra   string // the simulated Entra
	tenant  string
}

// safeBuffer is what a process writes while it is read.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// program is the program with arguments, on a folder of its own unless a variable
// says otherwise. No variable of ours comes from outside.
func program(t *testing.T, variables map[string]string, arguments ...string) *exec.Cmd {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(executable, arguments...)
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "ENTRASYNC_") {
			command.Env = append(command.Env, entry)
		}
	}
	command.Env = append(command.Env, "ENTRASYNC_TEST_AS_PROGRAM=1", "ENTRASYNC_ADDR=127.0.0.1:0", "ENTRASYNC_DATA="+t.TempDir())
	for name, value := range variables {
		command.Env = append(command.Env, name+"="+value)
	}
	return command
}

// startProcess starts the program on a folder and waits until it serves.
func startProcess(t *testing.T, folder string) *process {
	t.Helper()
	return startWith(t, map[string]string{"ENTRASYNC_DATA": folder, "ENTRASYNC_ADMIN_TOKEN": token})
}

// startWith starts the program with variables and waits until it serves.
func startWith(t *testing.T, variables map[string]string) *process {
	t.Helper()
	p := &process{t: t, command: program(t, variables), log: &safeBuffer{}}
	out, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.command.Stderr = p.log
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		p.printed = append(p.printed, lines.Text())
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) > 1 && fields[0] == "API":
			p.api = fields[1]
		case len(fields) > 1 && fields[0] == "Webhook":
			p.webhook = fields[1]
		case len(fields) > 1 && fields[0] == "JumpCloud":
			p.jc = fields[1]
		case len(fields) > 1 && fields[0] == "Entra":
			p.entra, p.tenant = fields[1], fields[len(fields)-1]
		case strings.HasPrefix(lines.Text(), "Press"):
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return p
		}
	}
	t.Fatalf("the program ended, want that it serves: %s", p.log.String())
	return nil
}

// kill kills the program without a signal that it could handle.
func (p *process) kill() {
	if p.command.ProcessState != nil {
		return
	}
	_ = p.command.Process.Kill()
	_ = p.command.Wait()
}

// call sends a request and decodes the answer.
func (p *process) call(method, url, body string, answer any) (int, error) {
	r, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("x-api-key", "simulated-api-key")
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	if answer != nil && (response.StatusCode < 300 || response.Header.Get("Content-Type") == "application/problem+json") {
		err = json.Unmarshal(text, answer)
	}
	return response.StatusCode, err
}

// must is call for what has to succeed.
func (p *process) must(method, url, body string, answer any) {
	p.t.Helper()
	if status, err := p.call(method, url, body, answer); err != nil || status >= 300 {
		p.t.Fatalf("%s %s: %d (%v), want a status below 300", method, url, status, err)
	}
}

// accounts are the UPNs of the accounts in Entra whose name begins with "kill".
func (p *process) accounts() []string {
	p.t.Helper()
	var state struct {
		Tenants []struct {
			Users []struct {
				UserPrincipalName string `json:"userPrincipalName"`
			} `json:"users"`
		} `json:"tenants"`
	}
	p.must("GET", p.entra+"_sim/state", "", &state)
	var names []string
	for _, t := range state.Tenants {
		for _, u := range t.Users {
			if strings.HasPrefix(u.UserPrincipalName, "kill") {
				names = append(names, u.UserPrincipalName)
			}
		}
	}
	return names
}

// patience is how long a test waits for what must happen: far more than an idle machine
// needs.
const patience = 5 * time.Minute

// waitFor waits until done is true.
func (p *process) waitFor(what string, done func() bool) {
	p.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for !done() {
		select {
		case <-deadline.C:
			p.t.Fatalf("%s did not happen within %s; the queues: %+v", what, patience, p.queues())
		case <-poll.C:
		}
	}
}

// depth is how many messages of a queue wait and how many somebody has.
type depth struct{ Visible, InFlight int }

// queues are the depths of all queues by name, without those of dead letters.
func (p *process) queues() map[string]depth {
	p.t.Helper()
	queues := map[string]depth{}
	for _, m := range p.metrics()["entrasync_queue_messages"].GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		name, n := labels["queue"], int(m.GetGauge().GetValue())
		if strings.HasSuffix(name, "-dead") {
			continue
		}
		of := queues[name]
		if labels["state"] == "visible" {
			of.Visible = n
		} else {
			of.InFlight = n
		}
		queues[name] = of
	}
	return queues
}

// metrics are the metrics of the program by their names.
func (p *process) metrics() map[string]*dto.MetricFamily {
	p.t.Helper()
	response, err := http.Get(strings.TrimSuffix(p.api, "/v1") + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return families
}

// slow makes every batch to the simulated Graph take 100 ms, so that a kill finds work half
// done. It ends with the process.
func (p *process) slow() {
	p.t.Helper()
	p.must("POST", p.entra+"_sim/faults", fmt.Sprintf(`{"path":"batch$","times":1000,"delay":%d}`, 100*time.Millisecond), nil)
}

// Killed with 200 users half connected, and killed twice more if it has not caught
// up by then, the program ends with 200 accounts, none of them twice.
func TestKilledWhileConnecting200Users(t *testing.T) {
	const people = 200
	folder := t.TempDir()
	p := startProcess(t, folder)
	p.slow()
	var ids []string
	for i := range people {
		var user struct {
			ID string `json:"_id"`
		}
		p.must("POST", p.jc+"api/systemusers", fmt.Sprintf(`{"username":"kill%03d","email":"kill%03d@contoso.example","firstname":"Kill","lastname":"%d","state":"ACTIVATED"}`, i, i, i), &user)
		ids = append(ids, user.ID)
	}
	var created struct{ ID, Status string }
	p.must("POST", p.api+"/directories", `{"name":"Contoso","organizationId":"5f0c1e2d3a4b5c6d7e8f9012","tenantId":"`+p.tenant+`"}`, &created)
	for _, id := range ids {
		p.must("PUT", p.api+"/directories/"+created.ID+"/connections/users/"+id, "", nil)
	}
	made := 0
	for kill := range 3 {
		p.waitFor("progress", func() bool { return len(p.accounts()) > made })
		p.kill()
		p = startProcess(t, folder)
		if made = len(p.accounts()); kill == 0 && (made == 0 || made == people) {
			t.Errorf("the first kill found %d accounts, want more than 0 and less than %d", made, people)
		}
		p.slow()
		if made == people {
			break
		}
	}
	for _, id := range ids {
		var link struct{ Status, State, Owner, Message string }
		p.waitFor("the end of the work for "+id, func() bool {
			p.must("GET", p.api+"/directories/"+created.ID+"/users/"+id, "", &link)
			return link.Status == "synced"
		})
		if link.State != "enabled" || link.Owner != "created" {
			t.Errorf("%s: %+v, want enabled, created", id, link)
		}
	}
	seen := map[string]bool{}
	for _, name := range p.accounts() {
		if seen[name] {
			t.Errorf("%s is there twice, want once", name)
		}
		seen[name] = true
	}
	if len(seen) != people {
		t.Errorf("%d accounts, want %d", len(seen), people)
	}
}

func TestSIGTERMEndsItInTime(t *testing.T) {
	p := startProcess(t, t.TempDir())
	start := time.Now()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.command.Wait() }()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("it ended with %v, want no error", err)
		}
		t.Logf("ended after %s", time.Since(start))
	case <-limit.C:
		t.Error("it still runs 20 s after SIGTERM, want that it ended")
	}
}
