package webhook_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/webhook"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/local/boltqueue"
	"entrasync/shared/local/localtest"
	"entrasync/shared/metric"
	"entrasync/shared/queue"
	"entrasync/shared/secret"
)

const (
	organization = "5f0c1e2d3a4b5c6d7e8f9012"
	token        = "canary-token-current"
	nextToken    = "canary-token-next"
)

// tokens has one organization with two tokens, because its secret is being replaced.
type tokens struct{ err error }

func (t tokens) WebhookTokens(_ context.Context, id directory.OrganizationID) ([]string, error) {
	if t.err != nil {
		return nil, t.err
	}
	if id != organization {
		return nil, fault.New(fault.NotFound, "test", "no such organization")
	}
	return []string{token, nextToken}, nil
}

// fixture is a handler with a real queue.
type fixture struct {
	t       *testing.T
	handler webhook.Handler
	changes *boltqueue.Queue
	metrics *metric.Memory
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	db, err := boltqueue.Open(filepath.Join(localtest.Folder(t), "queues.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	changes, err := db.Queue(boltqueue.Config{Name: "changes.fifo"})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, changes: changes, metrics: &metric.Memory{}}
	f.handler, err = webhook.New(webhook.Config{Secrets: tokens{}, Changes: changes, Metrics: f.metrics})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// request is a POST as JumpCloud sends it.
func request(body string) events.APIGatewayV2HTTPRequest {
	r := events.APIGatewayV2HTTPRequest{RawPath: "/webhooks/jumpcloud/" + organization, Body: body,
		Headers: map[string]string{"authorization": "Bearer " + token, "content-type": "application/json"}}
	r.RequestContext.HTTP.Method = "POST"
	return r
}

// status handles a request and returns the status of the answer.
func (f *fixture) status(r events.APIGatewayV2HTTPRequest) int {
	f.t.Helper()
	response, err := f.handler.Handle(f.t.Context(), r)
	if err != nil {
		f.t.Fatal(err)
	}
	if response.StatusCode >= 400 {
		var problem struct {
			Status int    `json:"status"`
			Detail string `json:"detail"`
		}
		if err := json.Unmarshal([]byte(response.Body), &problem); err != nil || problem.Status != response.StatusCode || problem.Detail == "" {
			f.t.Errorf("the answer %q does not say what was wrong", response.Body)
		}
	}
	return response.StatusCode
}

// queued takes all events out of the queue.
func (f *fixture) queued() []jumpcloud.Change {
	f.t.Helper()
	var changes []jumpcloud.Change
	for {
		batch, err := f.changes.Receive(f.t.Context(), queue.MaxBatch, 0)
		if err != nil {
			f.t.Fatal(err)
		}
		if len(batch) == 0 {
			return changes
		}
		for _, m := range batch {
			change, err := jumpcloud.ReadChange(m.Body)
			if err != nil {
				f.t.Fatal(err)
			}
			changes = append(changes, change)
			if err := f.changes.Delete(f.t.Context(), m.Receipt); err != nil {
				f.t.Fatal(err)
			}
		}
	}
}

const event = `{"id":"6650a1b2c3d4e5f607180003","@version":"1","service":"directory","event_type":"user_update","timestamp":"2026-03-02T09:14:07.498Z","organization":"5f0c1e2d3a4b5c6d7e8f9012","resource":{"id":"64a1b2c3d4e5f60718293a4b","type":"user","username":"mira.okafor"},"changes":[{"field":"state","from":"ACTIVATED","to":"SUSPENDED"}]}`

func TestWhoMayCall(t *testing.T) {
	basic := func(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }
	for _, tc := range []struct {
		name    string
		headers map[string]string
		want    int
	}{
		{"bearer", map[string]string{"authorization": "Bearer " + token}, 202},
		{"bearer, scheme in lower case", map[string]string{"authorization": "bearer " + token}, 202},
		{"bearer, header in other case", map[string]string{"Authorization": "Bearer " + token}, 202},
		{"the next secret", map[string]string{"authorization": "Bearer " + nextToken}, 202},
		{"basic", map[string]string{"authorization": basic("jumpcloud:" + token)}, 202},
		{"custom header", map[string]string{"x-entrasync-token": nextToken}, 202},
		{"nothing", nil, 401},
		{"wrong bearer", map[string]string{"authorization": "Bearer wrong"}, 401},
		{"empty bearer", map[string]string{"authorization": "Bearer "}, 401},
		{"only the beginning", map[string]string{"authorization": "Bearer " + token[:10]}, 401},
		{"wrong basic", map[string]string{"authorization": basic(token + ":wrong")}, 401},
		{"basic that cannot be decoded", map[string]string{"authorization": "Basic %%%"}, 401},
		{"another scheme", map[string]string{"authorization": "Digest " + token}, 401},
		{"wrong custom header", map[string]string{"x-entrasync-token": "wrong"}, 401},
		{"empty custom header", map[string]string{"x-entrasync-token": ""}, 401},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			r := request(event)
			r.Headers = tc.headers
			if got := f.status(r); got != tc.want {
				t.Errorf("status %d, want %d", got, tc.want)
			}
			if queued := len(f.queued()); (queued == 1) != (tc.want == 202) {
				t.Errorf("%d events were queued", queued)
			}
		})
	}
}

func TestWhatIsRefused(t *testing.T) {
	f := newFixture(t)
	change := func(edit func(*events.APIGatewayV2HTTPRequest)) events.APIGatewayV2HTTPRequest {
		r := request(event)
		edit(&r)
		return r
	}
	for _, tc := range []struct {
		name    string
		request events.APIGatewayV2HTTPRequest
		want    int
	}{
		{"unknown organization", change(func(r *events.APIGatewayV2HTTPRequest) { r.RawPath = "/webhooks/jumpcloud/unknown" }), 404},
		{"no organization", change(func(r *events.APIGatewayV2HTTPRequest) { r.RawPath = "/webhooks/jumpcloud/" }), 404},
		{"something below", change(func(r *events.APIGatewayV2HTTPRequest) { r.RawPath += "/x" }), 404},
		{"GET", change(func(r *events.APIGatewayV2HTTPRequest) { r.RequestContext.HTTP.Method = "GET" }), 405},
		{"over 1 MiB", request(`"` + strings.Repeat("x", webhook.MaxBody) + `"`), 413},
		{"not JSON", request("user_update"), 400},
		{"empty", request(""), 400},
		{"cut off", request(event[:100]), 400},
		{"bad base64", change(func(r *events.APIGatewayV2HTTPRequest) { r.IsBase64Encoded = true; r.Body = "%" }), 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := f.status(tc.request); got != tc.want {
				t.Errorf("status %d, want %d", got, tc.want)
			}
		})
	}
	if queued := f.queued(); len(queued) > 0 {
		t.Errorf("refused requests left %d events in the queue, want 0 queued", len(queued))
	}
}

func TestWhatIsAccepted(t *testing.T) {
	rule := `{"alert_id":"a","rule_id":"r","di_event":` + event + `}`
	for _, tc := range []struct {
		name, body string
		events     int
		shape      jumpcloud.Shape
	}{
		{"bare event", event, 1, jumpcloud.BareEvent},
		{"rule notification", rule, 1, jumpcloud.RuleNotification},
		{"array", "[" + strings.Replace(event, "180003", "180004", 1) + "," + rule + "]", 2, jumpcloud.RuleNotification},
		{"array with something odd in it", "[" + event + `,{"hello":"world"},7]`, 1, jumpcloud.Unrecognized},
		{"test payload", `{"type":"user_lockout","tags":[{"key":"event_type","value":"lockout"}],"channels":{"channel_object_ids":["channel_456"]},"organization_object_id":"org_789"}`, 0, jumpcloud.Test},
		{"unknown event type", strings.Replace(event, "user_update", "coffee_brewed", 1), 1, jumpcloud.BareEvent},
		{"unknown form", `{"hello":"world"}`, 0, jumpcloud.Unrecognized},
		{"a number", `7`, 0, jumpcloud.Unrecognized},
		{"exactly 1 MiB", `"` + strings.Repeat("x", webhook.MaxBody-2) + `"`, 0, jumpcloud.Unrecognized},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			if got := f.status(request(tc.body)); got != 202 {
				t.Errorf("status %d, want 202", got)
			}
			if got := f.queued(); len(got) != tc.events {
				t.Errorf("%d events queued, want %d", len(got), tc.events)
			}
			if key := metric.Key("webhook_events", "shape", string(tc.shape)); f.metrics.Counts()[key] == 0 {
				t.Errorf("%s was not counted: %v", key, f.metrics.Counts())
			}
		})
	}
}

func TestBase64Body(t *testing.T) {
	f := newFixture(t)
	r := request(base64.StdEncoding.EncodeToString([]byte(event)))
	r.IsBase64Encoded = true
	if got := f.status(r); got != 202 || len(f.queued()) != 1 {
		t.Errorf("status %d, want 202, 1 queued", got)
	}
}

func TestRepeatedEventIsKeptOnce(t *testing.T) {
	f := newFixture(t)
	for range 3 {
		f.status(request(event))
	}
	if got := f.queued(); len(got) != 1 {
		t.Errorf("%d events queued, want 1", len(got))
	}
}

// Two equal changes within minutes are two events, also if JumpCloud sends neither id
// nor time: suspended, unsuspended and suspended again must end suspended.
func TestEventsThatLookAlikeAreAllKept(t *testing.T) {
	for name, form := range map[string]string{
		"bare event":     `{"service":"directory","event_type":"%s","resource":{"id":"64a1b2c3d4e5f60718293a4b","type":"user"}}`,
		"event of alert": `{"alert_id":"66d1f0a2b3c4d5e6f7080910","di_event":{"service":"directory","event_type":"%s","resource":{"id":"64a1b2c3d4e5f60718293a4b","type":"user"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			var want, got []string
			for _, happened := range []string{"user_suspended", "user_unsuspended", "user_suspended"} {
				want = append(want, happened)
				if status := f.status(request(fmt.Sprintf(form, happened))); status != 202 {
					t.Fatalf("status %d, want 202", status)
				}
			}
			for _, change := range f.queued() {
				got = append(got, change.Event.Type)
			}
			if !slices.Equal(got, want) {
				t.Errorf("kept were %v, want %v", got, want)
			}
		})
	}
}

func TestMoreEventsThanOneSendTakes(t *testing.T) {
	f := newFixture(t)
	var list []string
	for i := range 25 {
		list = append(list, strings.Replace(event, "180003", string(rune('a'+i))+"80003", 1))
	}
	if got := f.status(request("[" + strings.Join(list, ",") + "]")); got != 202 {
		t.Errorf("status %d, want 202", got)
	}
	if got := f.queued(); len(got) != 25 {
		t.Errorf("%d events queued, want 25", len(got))
	}
}

// Messages in the queue have keys only, and no personal data of the event.
func TestQueueCarriesKeysOnly(t *testing.T) {
	f := newFixture(t)
	files, err := filepath.Glob("../../shared/jumpcloud/testdata/events/*.json")
	if err != nil || len(files) < 5 {
		t.Fatalf("the recorded events are missing: %v, %v", files, err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.status(request(string(body))); got != 202 {
			t.Errorf("%s: status %d, want 202", file, got)
		}
	}
	for _, change := range f.queued() {
		encoded, err := json.Marshal(change)
		if err != nil {
			t.Fatal(err)
		}
		for _, private := range []string{"jane.doe", "john.wick", "john.doe", "@sekoia.io", "Marketing", "Petites", "JDOE-DESKTOP"} {
			if strings.Contains(string(encoded), private) {
				t.Errorf("%s is in the queue: %s", private, encoded)
			}
		}
	}
}

// cachedTokens returns an old token until a fresh one is requested.
type cachedTokens struct{ reads *int }

func (c cachedTokens) WebhookTokens(ctx context.Context, _ directory.OrganizationID) ([]string, error) {
	*c.reads++
	if secret.WantsFresh(ctx) {
		return []string{nextToken}, nil
	}
	return []string{token}, nil
}

func TestReplacedTokenIsKnownAtOnce(t *testing.T) {
	f := newFixture(t)
	reads := 0
	f.handler.Secrets = cachedTokens{&reads}
	r := request(event)
	for presented, want := range map[string]int{token: 202, nextToken: 202, "wrong": 401} {
		r.Headers["authorization"] = "Bearer " + presented
		if got := f.status(r); got != want {
			t.Errorf("%s: %d, want %d", presented, got, want)
		}
	}
	if reads != 5 {
		t.Errorf("the secrets were read %d times, want 5: a second time only when no token matched", reads)
	}
}

// brokenQueue accepts no message.
type brokenQueue struct{}

func (brokenQueue) Send(context.Context, ...queue.Message) error {
	return fault.New(fault.Transient, "test", "the queue is down")
}

func TestOutagesMakeJumpCloudTryAgain(t *testing.T) {
	f := newFixture(t)
	f.handler.Changes = brokenQueue{}
	if got := f.status(request(event)); got != 503 {
		t.Errorf("queue down: status %d, want 503", got)
	}
	f.handler.Secrets = tokens{err: errors.New("the secret store is down")}
	if got := f.status(request(event)); got != 503 {
		t.Errorf("secrets down: status %d, want 503", got)
	}
}

func TestAPartIsMissing(t *testing.T) {
	for name, remove := range map[string]func(*webhook.Config){
		"Secrets": func(c *webhook.Config) { c.Secrets = nil },
		"Changes": func(c *webhook.Config) { c.Changes = nil },
		"Metrics": func(c *webhook.Config) { c.Metrics = nil },
	} {
		config := webhook.Config{Secrets: tokens{}, Changes: acceptingQueue{}, Metrics: &metric.Memory{}}
		remove(&config)
		if _, err := webhook.New(config); fault.Of(err) == nil || fault.Of(err).Subject != name {
			t.Errorf("without %s: %v, want a fault that names it", name, err)
		}
	}
}

func BenchmarkHandle(b *testing.B) {
	handler, err := webhook.New(webhook.Config{Secrets: tokens{}, Changes: acceptingQueue{}, Metrics: &metric.Memory{}})
	if err != nil {
		b.Fatal(err)
	}
	r := request(event)
	b.ReportAllocs()
	for b.Loop() {
		if response, err := handler.Handle(b.Context(), r); err != nil || response.StatusCode != 202 {
			b.Fatal(response, err)
		}
	}
}

// acceptingQueue accepts every message at once.
type acceptingQueue struct{}

func (acceptingQueue) Send(context.Context, ...queue.Message) error { return nil }

// silentQueue never answers.
type silentQueue struct{}

// Send implements queue.Sender.
func (silentQueue) Send(ctx context.Context, _ ...queue.Message) error {
	<-ctx.Done()
	return ctx.Err()
}

// A queue that never answers does not use up the invocation: the handler answers when its
// time is over, and JumpCloud sends again. On AWS that time is shorter than the time-out of
// the function (shared/aws/patience, Webhook.Answer).
func TestAQueueThatHangsIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const answer = 3 * time.Second
		f := newFixture(t)
		f.handler.Changes = silentQueue{}
		ctx, cancel := context.WithTimeout(t.Context(), answer)
		defer cancel()
		start := time.Now()
		response, err := f.handler.Handle(ctx, request(event))
		if err != nil || response.StatusCode != 503 {
			t.Errorf("got %d, %v, want 503", response.StatusCode, err)
		}
		if took := time.Since(start); took > answer {
			t.Errorf("answered after %s, want at most %s", took, answer)
		}
	})
}
