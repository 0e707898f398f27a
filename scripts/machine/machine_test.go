package machine_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/rs/zerolog"

	"entrasync/scripts/machine"
	"entrasync/scripts/simulated/onemachine"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/metric"
	"entrasync/shared/store"
)

// Secrets that must be nowhere but where they were given.
const (
	adminToken    = "canary-admin-token"
	webhookToken  = "canary-webhook-token"
	previousToken = "canary-webhook-token-before"
	apiKey        = "canary-api-key"
	clientSecret  = "canary-client-secret"
)

// product is the product over TCP, with both simulators.
type product struct {
	t         *testing.T
	folder    string
	address   string         // "" for any on loopback
	given     machine.Config // the variables of the last start
	machine   *onemachine.Machine
	log       *syncBuffer
	directory string
}

// syncBuffer is a log that several goroutines write.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// start starts the product with an active directory.
func start(t *testing.T) *product {
	t.Helper()
	p := &product{t: t, folder: t.TempDir(), log: &syncBuffer{}}
	p.open()
	t.Cleanup(p.close)
	p.directory = p.call("POST", "/v1/directories", map[string]any{
		"name": "Contoso", "organizationId": p.machine.Config.Organization, "tenantId": p.machine.Tenant,
		"settings": map[string]any{"attributes": map[string]bool{"companyName": true, "user_office_location": true}},
	}, 201)["id"].(string)
	return p
}

// startOn starts the product on another address, without a directory.
func startOn(t *testing.T, address string) *product {
	t.Helper()
	p := &product{t: t, folder: t.TempDir(), address: address, log: &syncBuffer{}}
	p.open()
	t.Cleanup(p.close)
	return p
}

// open starts the machine on the product's folder.
func (p *product) open() {
	p.t.Helper()
	config, err := machine.ConfigFrom(func(name string) string {
		return map[string]string{
			"ENTRASYNC_ADDR": cmp.Or(p.address, "127.0.0.1:0"), "ENTRASYNC_DATA": p.folder, "ENTRASYNC_ADMIN_TOKEN": adminToken,
			"ENTRASYNC_WEBHOOK_TOKEN": webhookToken + "," + previousToken, "JUMPCLOUD_API_KEY": apiKey, "ENTRA_CLIENT_SECRET": clientSecret,
		}[name]
	})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.again(config); err != nil {
		p.t.Fatal(err)
	}
}

// close stops the machine, if it runs.
func (p *product) close() {
	if p.machine == nil {
		return
	}
	if err := p.machine.Stop(); err != nil {
		p.t.Error(err)
	}
	p.machine = nil
}

// call sends a request to the API and decodes the answer.
func (p *product) call(method, path string, body any, want int) map[string]any {
	p.t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	status, answer := p.send(method, p.machine.URL()+path, "Bearer "+adminToken, encoded)
	if status != want {
		p.t.Fatalf("%s %s: %d, want %d: %s", method, path, status, want, answer)
	}
	var decoded map[string]any
	if err := json.Unmarshal(answer, &decoded); err != nil {
		p.t.Fatalf("%s %s: %v: %s", method, path, err, answer)
	}
	return decoded
}

// send sends any request.
func (p *product) send(method, url, authorization string, body []byte) (int, []byte) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", authorization)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, answer
}

// post sends a body to the webhook as JumpCloud would.
func (p *product) post(body []byte) int {
	p.t.Helper()
	status, _ := p.send("POST", p.machine.WebhookURL(), "Bearer "+webhookToken, body)
	return status
}

// connect connects a user directly.
func (p *product) connect(user string) {
	p.t.Helper()
	p.call("PUT", "/v1/directories/"+p.directory+"/connections/users/"+user, nil, 202)
}

// settle waits until nothing is left to do.
func (p *product) settle() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	if err := p.machine.Settle(ctx, nil); err != nil {
		p.t.Fatalf("%v\n%s", err, p.log)
	}
}

// account reads an account of Entra.
func (p *product) account(upn string) entratest.User {
	p.t.Helper()
	account, found := p.machine.Entra.Tenant(string(p.machine.Tenant)).User(upn)
	if !found {
		p.t.Fatalf("Entra has no account %s", upn)
	}
	return account
}

// recorded reads a recorded event.
func recorded(t *testing.T, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "..", "shared", "jumpcloud", "testdata", "events", "sekoia-"+name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// The simulated JumpCloud changes and loses its own webhooks, and then the recorded events
// are sent. So the test shows that a recorded event alone starts the task.
func TestRecordedEvents(t *testing.T) {
	p := start(t)
	jc := p.machine.JumpCloud
	people := map[string]string{"jane.doe": "6127579ec58b6d6144c06492", "jane.roe": "627232d9c2bb20373d84eb63", "john.wick": "628cf9c0d6f4831f8192fa8d"}
	for name, id := range people {
		if err := jc.CreateUserAs(id, jumpcloudtest.Fields{"username": name, "email": name + "@contoso.example", "firstname": name, "state": "ACTIVATED", "company": "SEKOIA.IO", "location": "Paris"}); err != nil {
			t.Fatal(err)
		}
		p.connect(id)
	}
	p.settle()
	jc.Set(func(b *jumpcloudtest.Behaviour) { b.LossRate = 1 }) // its own webhooks are lost from here on
	for id, fields := range map[string]jumpcloudtest.Fields{
		people["jane.roe"]:  {"company": "Sekoia.io", "location": "France"},
		people["john.wick"]: {"company": "Sekoia.io", "location": "France"},
	} {
		if err := jc.UpdateUser(id, fields); err != nil {
			t.Fatal(err)
		}
	}
	if err := jc.SuspendUser(people["john.wick"]); err != nil {
		t.Fatal(err)
	}
	p.settle()
	if !p.account("john.wick@contoso.example").AccountEnabled || p.account("jane.roe@contoso.example").Text("companyName") != "SEKOIA.IO" {
		t.Fatal("john.wick or jane.roe changed before the recordings were sent, want no change")
	}

	writes := p.machine.Entra.Counters().WriteUnits
	for _, name := range []string{"admin_login", "association_change", "user_update"} {
		if got := p.post(recorded(t, name)); got != 202 {
			t.Errorf("%s: %d, want 202", name, got)
		}
	}
	p.settle()
	if now := p.machine.Entra.Counters().WriteUnits; now != writes {
		t.Errorf("events that change nothing that is mapped cost %d write units, want 0", now-writes)
	}
	for _, name := range []string{"user_update2", "user_update3"} {
		if got := p.post(recorded(t, name)); got != 202 {
			t.Errorf("%s: %d, want 202", name, got)
		}
	}
	p.settle()
	if account := p.account("jane.roe@contoso.example"); account.Text("companyName") != "Sekoia.io" || account.Text("officeLocation") != "France" || !account.AccountEnabled {
		t.Errorf("jane.roe: enabled %t, %+v; want enabled, Sekoia.io in France", account.AccountEnabled, account.Properties)
	}
	if account := p.account("john.wick@contoso.example"); account.AccountEnabled || account.Text("companyName") != "Sekoia.io" {
		t.Errorf("john.wick: enabled %t, %+v; want disabled, of Sekoia.io", account.AccountEnabled, account.Properties)
	}
	counts := p.machine.Metrics.Counts()
	for _, want := range []string{
		metric.Key("fanout_events", "concern", "irrelevant", "outcome", "dropped"),
		metric.Key("fanout_events", "concern", "user_changed", "outcome", "fanned_out"),
	} {
		if counts[want] < 2 {
			t.Errorf("%s is %d: %v", want, counts[want], counts)
		}
	}
}

// Every form in which JumpCloud may deliver reaches Entra.
func TestEveryShapeOfDelivery(t *testing.T) {
	p := start(t)
	jc := p.machine.JumpCloud
	ada := jc.Users()[0]
	p.connect(ada.Text("_id"))
	p.settle()
	location := 0
	for _, shape := range []jumpcloudtest.Shape{jumpcloudtest.RuleNotification, jumpcloudtest.BareEvent, jumpcloudtest.Array} {
		for _, behaviour := range []func(*jumpcloudtest.Behaviour){
			func(*jumpcloudtest.Behaviour) {},
			func(b *jumpcloudtest.Behaviour) { b.OmitEventIDs = true },
			func(b *jumpcloudtest.Behaviour) { b.DuplicateRate = 1 },
		} {
			jc.Set(func(b *jumpcloudtest.Behaviour) {
				*b = jumpcloudtest.DefaultBehaviour()
				b.Shape = shape
				behaviour(b)
			})
			location++
			want := fmt.Sprintf("Office %d", location)
			if err := jc.UpdateUser(ada.Text("_id"), jumpcloudtest.Fields{"location": want}); err != nil {
				t.Fatal(err)
			}
			p.settle()
			if got := p.account(ada.Text("email")).Text("officeLocation"); got != want {
				t.Errorf("%s: the office is %q, want %q", shape, got, want)
			}
		}
	}
}

func TestTheOldTokenWorksWhileItIsReplaced(t *testing.T) {
	p := start(t)
	for token, want := range map[string]int{webhookToken: 202, previousToken: 202, "other": 401} {
		if got, _ := p.send("POST", p.machine.WebhookURL(), "Bearer "+token, recorded(t, "admin_login")); got != want {
			t.Errorf("%s: %d, want %d", token, got, want)
		}
	}
}

// Requests that were accepted and not done when the machine stops are done when it starts
// again.
func TestRestartGoesOn(t *testing.T) {
	p := start(t)
	if err := p.machine.Entra.FailNext(entratest.Fault{Path: `batch$`, Status: 503, Times: 1}); err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for _, u := range p.machine.JumpCloud.Users() {
		ids[u.Text("email")] = u.Text("_id")
		p.connect(u.Text("_id"))
	}
	p.close()
	p.open()
	p.settle()
	for email, id := range ids {
		if account := p.account(email); account.Text("onPremisesImmutableId") != id {
			t.Errorf("%s: %+v, want the immutable id %s", email, account, id)
		}
	}
	if n := len(p.machine.Entra.Tenant(string(p.machine.Tenant)).Users()); n != len(ids) {
		t.Errorf("%d accounts, want %d", n, len(ids))
	}
}

// Nothing secret is in the log, in a file, in the counters or in an answer, even
// when everything goes wrong.
func TestSecretsStayWhereTheyAre(t *testing.T) {
	p := start(t)
	entra, jc := p.machine.Entra, p.machine.JumpCloud
	people := jc.Users()
	for i, u := range people {
		switch i % 4 {
		case 1:
			if err := entra.FailNext(entratest.Fault{Path: `batch$`, Status: 401}); err != nil {
				t.Fatal(err)
			}
		case 2:
			jc.FailNext(jumpcloudtest.Fault{Status: 401, Times: 1})
		case 3:
			if err := entra.FailNext(entratest.Fault{Path: `batch$`, Status: 400, Body: "<html>"}); err != nil {
				t.Fatal(err)
			}
		}
		status, answer := p.send("PUT", p.machine.URL()+"/v1/directories/"+p.directory+"/connections/users/"+u.Text("_id"), "Bearer "+adminToken, nil)
		p.mustHaveNoSecret("the answer", string(answer))
		if status != 202 && status != 502 {
			t.Errorf("connect: %d %s, want 202 or 502", status, answer)
		}
	}
	p.post([]byte(`{"secret":"` + webhookToken + `"}`))
	_, counters := p.send("GET", p.machine.URL()+"/metrics", "", nil)
	p.mustHaveNoSecret("/metrics", string(counters))
	var described bytes.Buffer
	p.machine.Describe(&described)
	p.mustHaveNoSecret("the description at start", described.String())
	p.close()
	p.mustHaveNoSecret("the log", p.log.String())
	files := 0
	err := filepath.WalkDir(p.folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		p.mustHaveNoSecret(path, string(content))
		files++
		return err
	})
	if err != nil || files < 4 {
		t.Errorf("read %d files (%v), want at least 4", files, err)
	}
}

// mustHaveNoSecret greps for every canary.
func (p *product) mustHaveNoSecret(where, text string) {
	p.t.Helper()
	for _, secret := range []string{adminToken, webhookToken, previousToken, apiKey, clientSecret} {
		if strings.Contains(text, secret) {
			p.t.Errorf("%s is in %s, want it nowhere", secret, where)
		}
	}
}

func TestASecondProcessIsRefusedClearly(t *testing.T) {
	p := start(t)
	config := p.machine.Config
	config.Addr = "127.0.0.1:0"
	if second, err := onemachine.Start(t.Context(), config, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second process on the same folder: %v, want that it is in use", err)
		if second != nil {
			_ = second.Stop()
		}
	}
	other := config
	other.Data, other.Addr = t.TempDir(), p.machine.Config.Addr
	if second, err := onemachine.Start(t.Context(), other, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), "ENTRASYNC_ADDR") {
		t.Errorf("a second process on the same address: %v, want ENTRASYNC_ADDR in the error", err)
		if second != nil {
			_ = second.Stop()
		}
	}
}

func TestLinksShowWhatWasWritten(t *testing.T) {
	p := start(t)
	ada := p.machine.JumpCloud.Users()[0]
	p.connect(ada.Text("_id"))
	p.settle()
	if err := p.machine.JumpCloud.UpdateUser(ada.Text("_id"), jumpcloudtest.Fields{"location": "Stockholm"}); err != nil {
		t.Fatal(err)
	}
	p.settle()
	link := p.call("GET", "/v1/directories/"+p.directory+"/users/"+ada.Text("_id"), nil, 200)
	for field, want := range map[string]any{"status": "synced", "state": "enabled", "owner": "created", "userPrincipalName": ada.Text("email"), "entraId": p.account(ada.Text("email")).ID} {
		if link[field] != want {
			t.Errorf("%s is %v, want %v", field, link[field], want)
		}
	}
	for _, field := range []string{"lastEventAt", "lastWriteAt"} {
		if _, err := time.Parse(time.RFC3339, fmt.Sprint(link[field])); err != nil {
			t.Errorf("%s is %v, want a time", field, link[field])
		}
	}
	if applied, _ := link["applied"].(map[string]any); applied["givenName"] != ada.Text("firstname") || applied["accountEnabled"] != true {
		t.Errorf("applied: %v, want the first name %s and accountEnabled", link["applied"], ada.Text("firstname"))
	}
}

// One request to the API sets the webhook up in JumpCloud; a second one changes nothing.
// The channel and the rule that JumpCloud has already are used, as they have the same
// address.
func TestWebhookIsSetUpInJumpCloud(t *testing.T) {
	p := start(t)
	org := string(p.machine.Config.Organization)
	for attempt := range 2 {
		// The rule is one by hand, which makes alerts.
		got := p.call("POST", "/v1/organizations/"+org+"/webhook", map[string]any{"repair": true}, 200)
		channel, _ := got["channel"].(map[string]any)
		test, _ := got["test"].(map[string]any)
		health, _ := got["health"].(map[string]any)
		rule, _ := got["rule"].(map[string]any)
		if channel["created"] == true || rule["created"] == true || channel["name"] != "M365 sync" || (rule["changed"] != nil) != (attempt == 0) || got["advice"] != nil || test["statusCode"] != 202.0 || health["enabled"] != true || got["url"] != p.machine.WebhookURL() {
			t.Errorf("attempt %d: %v, want the existing channel, changed by the first attempt only, and a test with 202", attempt+1, got)
		}
	}
	p.call("POST", "/v1/organizations/nope/webhook", map[string]any{}, 404)
	if status, _ := p.send("POST", p.machine.URL()+"/v1/organizations/"+org+"/webhook", "Bearer "+adminToken, nil); status != 200 {
		t.Errorf("without a body: %d, want 200", status)
	}
}

// The metrics are in the format of Prometheus: counters with their labels, and how many
// messages each queue and its dead letters have.
func TestMetricsAreOfPrometheus(t *testing.T) {
	p := start(t)
	if got := p.post(recorded(t, "admin_login")); got != 202 {
		t.Fatalf("the webhook answers %d, want 202", got)
	}
	p.settle()
	id := directory.NewID("5f0000000000000000000001", "main")
	_, err := p.machine.Store.PutDirectory(t.Context(), directory.Directory{ID: id, Organization: id.Organization(), Status: directory.Active, CreatedAt: time.Now()})
	if err == nil {
		err = p.machine.Store.PutCounts(t.Context(), store.Counts{Directory: id, CountedAt: time.Now(), Users: store.Tally{Total: 7, ByStatus: map[directory.LinkStatus]int{directory.Synced: 7}}})
	}
	if err != nil {
		t.Fatal(err)
	}
	status, text := p.send("GET", p.machine.URL()+"/metrics", "", nil)
	for _, want := range []string{
		`entrasync_directory_suspended{directory="5f0000000000000000000001-main"} 0`,
		`entrasync_directory_users{directory="5f0000000000000000000001-main",status="synced"} 7`,
		`entrasync_directory_oldest_pending_seconds{directory="5f0000000000000000000001-main"} 0`,
		`entrasync_directory_catchup_lag_seconds{directory="5f0000000000000000000001-main"}`,
		`entrasync_webhook_events_total{shape="bare_event"} 1`,
		`entrasync_queue_messages{queue="changes.fifo",state="visible"} 0`,
		`entrasync_queue_messages{queue="changes.fifo-dead",state="visible"} 0`,
	} {
		if status != 200 || !strings.Contains(string(text), want) {
			t.Errorf("got %d %s, want the line %s", status, text, want)
		}
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	if _, err := parser.TextToMetricFamilies(bytes.NewReader(text)); err != nil {
		t.Errorf("got %v, want metrics that a reader of the format can parse", err)
	}
}
