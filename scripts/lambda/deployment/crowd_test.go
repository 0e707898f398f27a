package deployment_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"entrasync/scripts/lambda/deployment"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// queueAtGraph sees the writes that disable accounts, in the order in which they reach
// Graph. Once it has a crowd, it lets one request for accounts of the crowd through, and
// holds the next ones up until the write for another account has come.
type queueAtGraph struct {
	mu     sync.Mutex
	crowd  map[string]bool // accounts
	other  string          // the account that the crowd waits for
	passed int             // accounts of the crowd that were disabled before
	held   chan struct{}   // closed when a request for the crowd is held up
	came   chan struct{}   // closed when the write for the other account has come
}

// watch begins to hold up the writes for a crowd.
func (q *queueAtGraph) watch(crowd map[string]bool, other string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.crowd, q.other, q.held, q.came = crowd, other, make(chan struct{}), make(chan struct{})
}

// release lets everything through.
func (q *queueAtGraph) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !closed(q.came) {
		close(q.came)
	}
}

// around wraps the simulator.
func (q *queueAtGraph) around(entra http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the caller was killed
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if wait := q.see(disabledBy(r, body)); wait != nil {
			select {
			case <-wait:
			case <-r.Context().Done():
				return
			}
		}
		entra.ServeHTTP(w, r)
	})
}

// see takes the accounts that a request disables. The request waits for the channel, unless
// it is nil.
func (q *queueAtGraph) see(accounts []string) (wait <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	of := 0
	for _, id := range accounts {
		if id == q.other && !closed(q.came) {
			close(q.came)
		}
		if q.crowd[id] {
			of++
		}
	}
	switch {
	case of == 0 || closed(q.came):
		return nil
	case q.passed == 0:
		q.passed = of
		return nil
	case !closed(q.held):
		close(q.held)
	}
	return q.came
}

// closed reports whether a channel, on which nothing is sent, is closed.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// disabledBy are the accounts that a request to Graph disables, by itself or as a batch.
func disabledBy(r *http.Request, body []byte) (accounts []string) {
	type write struct {
		URL  string
		Body struct{ AccountEnabled *bool }
	}
	var batch struct{ Requests []write }
	if strings.HasSuffix(r.URL.Path, "/$batch") {
		_ = json.Unmarshal(body, &batch) // the simulator refuses what cannot be read
	} else {
		alone := write{URL: r.URL.Path}
		_ = json.Unmarshal(body, &alone.Body)
		batch.Requests = []write{alone}
	}
	for _, each := range batch.Requests {
		if enabled := each.Body.AccountEnabled; enabled != nil && !*enabled {
			accounts = append(accounts, each.URL[strings.LastIndex(each.URL, "/")+1:])
		}
	}
	return accounts
}

// aSuspensionGoesFirst suspends one person while a crowd loses its access: the write for the
// one reaches Graph while most of the crowd still waits.
func aSuspensionGoesFirst(t *testing.T, d *deployment.Deployment, q *queueAtGraph) {
	const many = 200
	directories, err := d.Store.Directories(t.Context(), 0, "")
	if err != nil || len(directories.Items) != 1 {
		t.Fatalf("%d directories (%v), want 1", len(directories.Items), err)
	}
	contoso := directories.Items[0].ID
	group, err := d.JumpCloud.CreateGroup("Interns")
	if err != nil {
		t.Fatal(err)
	}
	hire := func(name string) string {
		id, err := d.JumpCloud.CreateUser(jumpcloudtest.Fields{"username": name, "email": name + "@contoso.example", "firstname": name, "lastname": "Intern", "state": "ACTIVATED"})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	for i := range many {
		if err := d.JumpCloud.AddMember(group, hire(fmt.Sprintf("intern%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	other := hire("tova")
	if err := d.Administrator.Connect(t.Context(), contoso, other); err != nil {
		t.Fatal(err)
	}
	if err := d.Administrator.TurnGuardOff(t.Context(), contoso); err != nil { // it would hold the crowd
		t.Fatal(err)
	}
	if err := d.Administrator.ConnectGroup(t.Context(), contoso, group); err != nil {
		t.Fatal(err)
	}
	settle(t, d)
	tenant := d.Entra.Tenant(string(d.Administrator.Tenant))
	account := func(name string) (id string, enabled bool) {
		found, _ := tenant.User(name + "@contoso.example")
		return found.ID, found.AccountEnabled
	}
	crowd := map[string]bool{}
	for i := range many {
		if id, enabled := account(fmt.Sprintf("intern%d", i)); enabled {
			crowd[id] = true
		}
	}
	one, enabled := account("tova")
	if len(crowd) != many || !enabled {
		t.Fatalf("%d of the crowd are enabled, and the other one %t, want %d and true", len(crowd), enabled, many)
	}
	q.watch(crowd, one)
	if err := d.Administrator.Call(t.Context(), http.MethodDelete, "/v1/directories/"+string(contoso)+"/connections/groups/"+group, nil, nil); err != nil {
		t.Fatal(err)
	}
	wait := func(what string, until <-chan struct{}) {
		t.Helper()
		select {
		case <-until:
		case <-time.After(patience):
			q.release()
			t.Fatalf("after %s it is not true that %s", patience, what)
		}
	}
	wait("the crowd loses its access", q.held)
	if err := d.JumpCloud.SuspendUser(other); err != nil {
		t.Fatal(err)
	}
	wait("the write for the suspended one has come", q.came)
	if left := many - q.passed; left < many/2 {
		t.Errorf("when the suspension came, %d of the crowd still waited, want at least %d", left, many/2)
	}
	settle(t, d)
	if _, enabled := account("tova"); enabled {
		t.Error("the suspended one is enabled")
	}
	for i := range many {
		if _, enabled := account(fmt.Sprintf("intern%d", i)); enabled {
			t.Errorf("intern%d is enabled, want disabled", i)
		}
	}
	if dead := deadLetters(t, d); len(dead) > 0 {
		t.Errorf("dead letters: %v, want none", dead)
	}
}
