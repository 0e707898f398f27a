package webhook_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"

	"entrasync/functions/webhook"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/metric"
	"entrasync/shared/secret"
)

// logged is a handler with a log that the test reads.
type logged struct {
	*fixture
	log    safeBuffer
	logger zerolog.Logger
}

// safeBuffer is a log that timers write too.
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

func newLogged(t *testing.T) *logged {
	t.Helper()
	l := &logged{fixture: newFixture(t)}
	l.logger = zerolog.New(&l.log)
	return l
}

// send handles a request with the log and returns the status of the answer.
func (l *logged) send(r events.APIGatewayV2HTTPRequest) int {
	l.t.Helper()
	response, err := l.handler.Handle(l.logger.WithContext(context.Background()), r)
	if err != nil {
		l.t.Fatal(err)
	}
	return response.StatusCode
}

// lines returns the lines of the log.
func (l *logged) lines() []map[string]any {
	l.t.Helper()
	var lines []map[string]any
	for text := range strings.Lines(l.log.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			l.t.Fatalf("%v: %s", err, text)
		}
		lines = append(lines, line)
	}
	return lines
}

// Every refusal is counted and logged with its cause, and never with the presented
// secret.
func TestARefusalNamesItsCause(t *testing.T) {
	with := func(edit func(*events.APIGatewayV2HTTPRequest)) events.APIGatewayV2HTTPRequest {
		r := request(event)
		edit(&r)
		return r
	}
	authorization := func(value string) events.APIGatewayV2HTTPRequest {
		return with(func(r *events.APIGatewayV2HTTPRequest) { r.Headers["authorization"] = value })
	}
	for _, tc := range []struct {
		name    string
		request events.APIGatewayV2HTTPRequest
		cause   webhook.Cause
	}{
		{"no header", with(func(r *events.APIGatewayV2HTTPRequest) { r.Headers = nil }), webhook.MissingSecret},
		{"an empty bearer token", authorization("Bearer "), webhook.MissingSecret},
		{"an empty custom header", with(func(r *events.APIGatewayV2HTTPRequest) { r.Headers = map[string]string{"X-Entrasync-Token": ""} }), webhook.MissingSecret},
		{"basic without a password", authorization("Basic " + base64.StdEncoding.EncodeToString([]byte("jumpcloud:"))), webhook.MissingSecret},
		{"a wrong bearer token", authorization("Bearer canary-presented"), webhook.WrongSecret},
		{"a scheme we do not know", authorization("Digest canary-presented"), webhook.WrongSecret},
		{"a wrong custom header", with(func(r *events.APIGatewayV2HTTPRequest) {
			r.Headers = map[string]string{"X-Entrasync-Token": "canary-presented"}
		}), webhook.WrongSecret},
		{"an unknown organization", with(func(r *events.APIGatewayV2HTTPRequest) {
			r.RawPath = "/webhooks/jumpcloud/5f0c1e2d3a4b5c6d7e8fffff"
		}), webhook.UnknownOrganization},
		{"over 1 MiB", request(`"` + strings.Repeat("x", webhook.MaxBody) + `"`), webhook.TooLarge},
		{"not JSON", request("canary-presented"), webhook.NotJSON},
		{"base64 that is none", with(func(r *events.APIGatewayV2HTTPRequest) { r.IsBase64Encoded, r.Body = true, "%" }), webhook.NotJSON},
		{"more events than one request may carry", request("[" + strings.Repeat("0,", jumpcloud.MaxElements) + "0]"), webhook.TooManyEvents},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLogged(t)
			if got := l.send(tc.request); got < 400 || got >= 500 {
				t.Errorf("status %d", got)
			}
			if counts := l.metrics.Counts(); counts[metric.Key("webhook_refused", "cause", string(tc.cause))] != 1 {
				t.Errorf("counted: %v", counts)
			}
			lines := l.lines()
			if len(lines) != 1 || lines[0]["level"] != "warn" || lines[0]["cause"] != string(tc.cause) || lines[0]["message"] == "" {
				t.Errorf("logged: %v", lines)
			}
			if text := l.log.String(); strings.Contains(text, "canary") {
				t.Errorf("what was presented is in the log: %s", text)
			}
		})
	}
}

func TestWhatIsAcceptedIsNoRefusal(t *testing.T) {
	l := newLogged(t)
	if got := l.send(request(event)); got != 202 {
		t.Errorf("status %d, want 202", got)
	}
	for key := range l.metrics.Counts() {
		if strings.HasPrefix(key, "webhook_refused") {
			t.Errorf("counted %s", key)
		}
	}
}

// A channel with a wrong secret fills neither the log nor the memory: one line at once,
// then one line a minute with the number of refusals.
func TestRefusalsAreSummedUpEachMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLogged(t)
		wrong := request(event)
		wrong.Headers = map[string]string{"authorization": "Bearer wrong"}
		refuse := func(times int, r events.APIGatewayV2HTTPRequest) {
			for range times {
				l.send(r)
			}
		}
		refuse(1000, wrong)
		refuse(10, request("not JSON")) // another cause has a line of its own
		if lines := l.lines(); len(lines) != 2 {
			t.Fatalf("at once: %d lines, want 2 lines", len(lines))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		refuse(50, wrong)
		time.Sleep(time.Minute)
		synctest.Wait()
		time.Sleep(time.Hour) // no refusal meanwhile
		synctest.Wait()
		var said []string
		for _, line := range l.lines()[2:] {
			said = append(said, fmt.Sprint(line["cause"], " ", line["organization"], " ", line["refused"]))
		}
		sortAndCompare(t, said, []string{"not_json " + organization + " 9", "wrong_secret " + organization + " 50", "wrong_secret " + organization + " 999"})
		refuse(1, wrong)
		if lines := l.lines(); len(lines) != 6 {
			t.Errorf("after an hour of quiet a refusal is not logged at once: %d lines", len(lines))
		}
	})
}

// Strangers choose the organization's id, so all unknown organizations share a line.
func TestUnknownOrganizationsShareALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLogged(t)
		for i := range 1000 {
			r := request(event)
			r.RawPath = fmt.Sprintf("/webhooks/jumpcloud/%024x", i)
			l.send(r)
		}
		if lines := l.lines(); len(lines) != 1 {
			t.Errorf("%d lines, want 1 lines", len(lines))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if lines := l.lines(); len(lines) != 2 || lines[1]["refused"] != 999.0 {
			t.Errorf("after a minute: %v", lines[1:])
		}
	})
}

// If it is unknown whether an organization is served, the answer makes JumpCloud send
// the webhook again, and one line a minute is logged for all organizations: an error
// for an outage, a warning if strangers request too many organizations. Neither counts
// as refused.
func TestWhatCannotBeLookedUp(t *testing.T) {
	for _, tc := range []struct {
		name   string
		err    error
		status int
		level  string
		cause  webhook.Cause
	}{
		{"strangers", &fault.Error{Op: "test", Kind: fault.Throttled, Reason: secret.TooManyUnknown, Message: "there are many"}, 429, "warn", webhook.TooManyUnknown},
		{"asked to slow down", fault.New(fault.Throttled, "test", "there are many"), 503, "error", webhook.SecretsUnreadable},
		{"an outage", fault.New(fault.Transient, "test", "there are many"), 503, "error", webhook.SecretsUnreadable},
		{"something wrong", fault.New(fault.Internal, "test", "there are many"), 503, "error", webhook.SecretsUnreadable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLogged(t)
				l.handler.Secrets = tokens{tc.err}
				for i := range 1000 {
					r := request(event)
					r.RawPath = fmt.Sprintf("/webhooks/jumpcloud/%024x", i)
					if got := l.send(r); got != tc.status {
						t.Errorf("status %d, want %v", got, tc.status)
					}
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				lines := l.lines()
				if len(lines) != 2 {
					t.Fatalf("%d lines, want 2 lines", len(lines))
				}
				for i, refused := range []float64{1, 999} {
					if line := lines[i]; line["level"] != tc.level || line["cause"] != string(tc.cause) || line["refused"] != refused ||
						line["organization"] != "" || line["message"] == "" || !strings.Contains(fmt.Sprint(line["error"]), "there are many") {
						t.Errorf("%v", line)
					}
				}
				for key := range l.metrics.Counts() {
					if strings.HasPrefix(key, "webhook_refused") {
						t.Errorf("counted %s", key)
					}
				}
			})
		})
	}
}

// A request that can be refused without its body is refused before the body is read.
func TestAdmit(t *testing.T) {
	for _, tc := range []struct {
		name   string
		edit   func(*events.APIGatewayV2HTTPRequest)
		size   int64
		status int // 0: the body may be read
	}{
		{"a request of JumpCloud's", func(*events.APIGatewayV2HTTPRequest) {}, 500, 0},
		{"of unknown size", func(*events.APIGatewayV2HTTPRequest) {}, -1, 0},
		{"just small enough", func(*events.APIGatewayV2HTTPRequest) {}, webhook.MaxBody, 0},
		{"too large", func(*events.APIGatewayV2HTTPRequest) {}, webhook.MaxBody + 1, 413},
		{"no secret", func(r *events.APIGatewayV2HTTPRequest) { r.Headers = nil }, 500, 401},
		{"no secret, and too large", func(r *events.APIGatewayV2HTTPRequest) { r.Headers = nil }, webhook.MaxBody + 1, 401},
		{"unknown organization", func(r *events.APIGatewayV2HTTPRequest) { r.RawPath = "/webhooks/jumpcloud/x" }, 500, 404},
		{"GET", func(r *events.APIGatewayV2HTTPRequest) { r.RequestContext.HTTP.Method = "GET" }, 0, 405},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			r := request("")
			tc.edit(&r)
			response, admitted := f.handler.Admit(t.Context(), r, tc.size)
			if admitted != (tc.status == 0) || response.StatusCode != tc.status {
				t.Errorf("admitted %v, status %d, want %d", admitted, response.StatusCode, tc.status)
			}
			requests := 0
			for key, n := range f.metrics.Counts() {
				if strings.HasPrefix(key, "webhook_requests") {
					requests += n
				}
			}
			if (requests == 1) == admitted {
				t.Errorf("counted %d requests: Handle counts an admitted one", requests)
			}
		})
	}
}
