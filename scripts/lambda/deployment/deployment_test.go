package deployment_test

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"entrasync/scripts/lambda/deployment"
	"entrasync/scripts/lambda/runtimeapi"
	"entrasync/scripts/lambda/size"
	"entrasync/scripts/lambda/stack"
	"entrasync/scripts/play"
	"entrasync/shared/aws/awstest"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/queue"
)

// root is the folder of the module.
const root = "../../.."

// patience is how long anything may take on a busy machine.
const patience = time.Minute

// functions are the logical ids of the functions of the template.
func functions(t *testing.T) []string {
	t.Helper()
	s, err := stack.Read(filepath.Join(root, "template.yaml"), stack.Place{
		StackName: "e2e", Parameters: map[string]string{"EntraClientId": "-"}, QueueURL: func(name string) string { return name }})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range s.Functions {
		names = append(names, f.LogicalID)
	}
	return names
}

// start builds every function and puts everything up.
func start(t *testing.T, entra func(http.Handler) http.Handler) (d *deployment.Deployment, log *journal, bootstraps map[string]string) {
	t.Helper()
	// These skip the test where a server is not installed, and fail it in CI.
	awstest.DynamoDB(t)
	awstest.SQS(t)
	awstest.SES(t)
	awstest.Moto(t)
	if err := deployment.Supported(); err != nil {
		t.Skip(err)
	}
	pollSources(t)
	folder := t.TempDir()
	bootstraps, err := deployment.Build(t.Context(), root, folder, functions(t)...)
	if err != nil {
		t.Fatal(err)
	}
	log = &journal{}
	d, err = deployment.Start(t.Context(), deployment.Config{Root: root, Name: awstest.Name("e2e"), Bootstraps: bootstraps, Entra: entra, Log: log,
		Parameters: map[string]string{"PublishActions": "true", "ResyncEvery": "1m"}})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the log:\n%s", log.end())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
	return d, log, bootstraps
}

// pollSources reads the attributes of the files that the functions are built from, so that
// the go command does not take the result of this test from its cache after a change.
func pollSources(t *testing.T) {
	t.Helper()
	for _, folder := range []string{"functions", "shared", "infra", "go.mod", "Makefile"} {
		if err := filepath.WalkDir(filepath.Join(root, folder), func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(path)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// journal is a log that is written from everywhere.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// end is the last few thousand characters.
func (j *journal) end() string {
	s := j.String()
	return s[max(0, len(s)-8000):]
}

// settle waits until nothing is left to do.
func settle(t *testing.T, d *deployment.Deployment) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := d.Settle(ctx, nil); err != nil {
		t.Fatal(err)
	}
}

// deadLetters are the messages that nobody could handle, by queue.
func deadLetters(t *testing.T, d *deployment.Deployment) map[string]int {
	t.Helper()
	found := map[string]int{}
	for name, q := range d.DeadLetters {
		depth, err := q.Depth(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if depth != (queue.Depth{}) {
			found[name] = depth.Visible + depth.InFlight
		}
	}
	return found
}

// TestTheShippedProductOnADay plays the demo's day on the programs that are
// shipped, kills one of them at the worst moment, and sends a message that nobody
// can handle.
func TestTheShippedProductOnADay(t *testing.T) {
	g, q := &gate{}, &queueAtGraph{}
	d, log, bootstraps := start(t, func(entra http.Handler) http.Handler { return g.around(q.around(entra)) })
	t.Run("the day", func(t *testing.T) { theDay(t, d) })
	if t.Failed() {
		return
	}
	t.Run("a suspension goes before a crowd", func(t *testing.T) { aSuspensionGoesFirst(t, d, q) })
	t.Run("a process is killed after its write and before the answer", func(t *testing.T) { killedAtTheWorstMoment(t, d, g) })
	t.Run("a password reaches both sides, and is not sent again after a process was killed", func(t *testing.T) { passwords(t, d, g) })
	t.Run("an event whose webhook is lost is found on a schedule", func(t *testing.T) { lostWebhooks(t, d) })
	t.Run("a change that nobody heard of is found by a resync, on a schedule and when asked for", func(t *testing.T) { resyncs(t, d) })
	t.Run("the sweep runs on its schedule", func(t *testing.T) {
		if err := d.Fire("SweepFunction"); err != nil {
			t.Error(err)
		}
	})
	t.Run("101 users are imported, and the link in the mail leads to their lines", func(t *testing.T) { imports(t, d, log) })
	t.Run("what nobody can handle becomes a dead letter", func(t *testing.T) { poison(t, d) })
	t.Run("at the level warn, what the alarms count comes through", func(t *testing.T) { atLevelWarn(t, bootstraps) })
	t.Run("the programs are small", func(t *testing.T) { sizes(t, bootstraps) })
	for what, secret := range map[string]string{
		"the API's token": d.Administrator.Token, "the client secret": entratest.DefaultApp().ClientSecret, "the API key": deployment.SimulatedKey,
		"a password": goodPassword, "the password after it": lostPassword,
	} {
		if secret == "" || strings.Contains(log.String(), secret) {
			t.Errorf("%s is in the log", what)
		}
	}
}

// sizes compares the programs with their limits.
func sizes(t *testing.T, bootstraps map[string]string) {
	for name, bootstrap := range bootstraps {
		info, err := os.Stat(bootstrap)
		if err != nil {
			t.Fatal(err)
		}
		most, _, err := size.Most(bootstrap)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > most {
			t.Errorf("%s has %d bytes, want at most %d", name, info.Size(), most)
		}
	}
}

// theDay plays the day, and checks the dead letters and what was used of AWS.
func theDay(t *testing.T, d *deployment.Deployment) {
	var printed bytes.Buffer
	if err := play.Day(t.Context(), d.Stage(), &printed); err != nil {
		t.Fatalf("%v\n%s", err, &printed)
	}
	if dead := deadLetters(t, d); len(dead) > 0 {
		t.Errorf("dead letters after the day: %v, want none", dead)
	}
	if used := d.Usage(); used.Requests["Events.PutEvents"] == 0 || used.ReadUnits == 0 || used.WriteUnits == 0 {
		t.Errorf("the day used %+v, want published actions, reads and writes", used)
	}
}

// gate, once it is armed, passes the creation of an account, or the change of a password,
// on to Entra, and keeps the answer back.
type gate struct {
	armed         atomic.Bool
	arrived, open chan struct{}
}

// arm keeps the next answer back until open is closed.
func (g *gate) arm() {
	g.arrived, g.open = make(chan struct{}), make(chan struct{})
	g.armed.Store(true)
}

// kill waits until an answer is kept back, and kills the process that waits for it.
func (g *gate) kill(t *testing.T, users *runtimeapi.Function) {
	t.Helper()
	select {
	case <-g.arrived:
	case <-time.After(patience):
		t.Fatal("nobody wrote to Entra")
	}
	killed := 0
	for _, i := range users.Instances() {
		if i.Busy {
			killed++
			if err := syscall.Kill(i.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(g.open)
	if killed != 1 {
		t.Errorf("%d processes were busy, want 1", killed)
	}
}

// around wraps the simulator.
func (g *gate) around(entra http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the caller was killed
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if !bytes.Contains(body, []byte("passwordProfile")) || !g.armed.CompareAndSwap(true, false) {
			entra.ServeHTTP(w, r)
			return
		}
		kept := httptest.NewRecorder()
		entra.ServeHTTP(kept, r)
		open := g.open // it is another one when the gate is armed again
		close(g.arrived)
		<-open
	})
}

// killedAtTheWorstMoment kills the users function when Entra has made an account
// and the function does not know it yet.
func killedAtTheWorstMoment(t *testing.T, d *deployment.Deployment, g *gate) {
	if err := d.HideFor(t.Context(), 3*time.Second); err != nil {
		t.Fatal(err)
	}
	users, tenant := d.Functions["UsersFunction"], d.Entra.Tenant(string(d.Administrator.Tenant))
	accounts, coldStarts := len(tenant.Users()), users.ColdStarts()
	id, err := d.JumpCloud.CreateUser(jumpcloudtest.Fields{
		"username": "nora.berg", "email": "nora.berg@contoso.example", "firstname": "Nora", "lastname": "Berg", "state": "ACTIVATED"})
	if err != nil {
		t.Fatal(err)
	}
	settle(t, d)
	directories, err := d.Store.Directories(t.Context(), 0, "")
	if err != nil || len(directories.Items) != 1 {
		t.Fatalf("%d directories (%v), want 1", len(directories.Items), err)
	}
	contoso := directories.Items[0].ID
	g.arm()
	if err := d.Administrator.Connect(t.Context(), contoso, id); err != nil {
		t.Fatal(err)
	}
	g.kill(t, users)
	if n := len(tenant.Users()); n != accounts+1 {
		t.Fatalf("%d accounts were made, want 1", n-accounts)
	}
	settle(t, d)
	var link directory.Link
	if err := d.Administrator.Call(t.Context(), http.MethodGet, "/v1/directories/"+string(contoso)+"/users/"+id, nil, &link); err != nil ||
		link.Status != directory.Synced || link.State != directory.Enabled || link.Origin != directory.CreatedByUs {
		t.Errorf("the link is %+v (%v), want %s, %s and %s", link, err, directory.Synced, directory.Enabled, directory.CreatedByUs)
	}
	account, found := tenant.User("nora.berg@contoso.example")
	if !found || !account.AccountEnabled || account.ID != string(link.EntraID) || len(tenant.Users()) != accounts+1 {
		t.Errorf("%d accounts were made, hers is %+v; want 1, enabled, with the id %s", len(tenant.Users())-accounts, account, link.EntraID)
	}
	if users.ColdStarts() <= coldStarts && len(users.Instances()) == 0 {
		t.Error("no process took the place of the killed one")
	}
	if dead := deadLetters(t, d); len(dead) > 0 {
		t.Errorf("dead letters: %v, want none", dead)
	}
}

// Passwords that both sides take.
const (
	goodPassword = "Canary-Passw0rd-9"
	lostPassword = "Canary-Passw0rd-10"
)

// passwords sets a password, and then another one, whose process is killed after Entra has
// taken it. It must not be sent again, and the answer must say that it was interrupted.
func passwords(t *testing.T, d *deployment.Deployment, g *gate) {
	const upn = "nora.berg@contoso.example"
	tenant := d.Entra.Tenant(string(d.Administrator.Tenant))
	account, found := tenant.User(upn)
	if !found {
		t.Fatal("there is no account to give a password")
	}
	path := "/v1/organizations/" + string(d.Administrator.Organization) + "/users/" + account.Text("onPremisesImmutableId") + "/password"
	var answer struct {
		JumpCloud string
		Accounts  []struct{ Status string }
	}
	if err := d.Administrator.Call(t.Context(), http.MethodPut, path, map[string]string{"password": goodPassword}, &answer); err != nil {
		t.Fatal(err)
	}
	set, _ := tenant.User(upn)
	if len(answer.Accounts) != 1 || answer.Accounts[0].Status != "succeeded" || !set.HasPassword(goodPassword) || !d.JumpCloud.HasPassword(account.Text("onPremisesImmutableId"), goodPassword) {
		t.Errorf("the answer is %+v, want one account that succeeded, and the password on both sides", answer)
	}
	settle(t, d)
	g.arm()
	refused := make(chan error, 1)
	go func() {
		refused <- d.Administrator.Call(t.Context(), http.MethodPut, path, map[string]string{"password": lostPassword}, nil)
	}()
	g.kill(t, d.Functions["UsersFunction"])
	if err := <-refused; err == nil || !strings.Contains(err.Error(), "interrupted") || strings.Contains(err.Error(), lostPassword) {
		t.Errorf("the answer is %v, want interrupted, and no password in it", err)
	}
	settle(t, d)
	if lost, _ := tenant.User(upn); !lost.HasPassword(lostPassword) || lost.PasswordChanges != set.PasswordChanges+1 {
		t.Errorf("the password was written %d times (the new one is set: %t), want once", lost.PasswordChanges-set.PasswordChanges, lost.HasPassword(lostPassword))
	}
	if dead := deadLetters(t, d); len(dead) > 0 {
		t.Errorf("dead letters: %v, want none", dead)
	}
}

// poison sends a message that is not a change. It is received as often as the template
// says, and then waits in the dead-letter queue.
func poison(t *testing.T, d *deployment.Deployment) {
	// With 0 the server on this machine would give a message out without end.
	if err := d.HideFor(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	const suffix = "-changes.fifo"
	for name, q := range d.Queues {
		if strings.HasSuffix(name, suffix) {
			if err := q.Send(t.Context(), queue.Message{Body: []byte("not a change"), GroupID: "poison", DedupID: "poison"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	settle(t, d)
	dead := deadLetters(t, d)
	if len(dead) != 1 {
		t.Fatalf("dead letters: %v, want those of one queue", dead)
	}
	for name, n := range dead {
		if !strings.HasSuffix(name, "-changes-dead.fifo") || n != 1 {
			t.Errorf("%d dead letters in %s, want 1 in the queue of changes", n, name)
		}
	}
}
