package secrets_test

import (
	"bytes"
	"context"
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
	"entrasync/shared/aws/secrets"
	"entrasync/shared/directory"
	"entrasync/shared/metric"
	"entrasync/shared/queue"
)

// outbox is a queue that keeps its messages for the test.
type outbox struct {
	mu       sync.Mutex
	messages []queue.Message
}

// Send implements queue.Sender.
func (o *outbox) Send(_ context.Context, messages ...queue.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.messages = append(o.messages, messages...)
	return nil
}

// process is a new process of the function webhook on a shelf.
type process struct {
	t       *testing.T
	handler webhook.Handler
	changes outbox
	mu      sync.Mutex
	log     bytes.Buffer
}

func newProcess(t *testing.T, s *shelf) *process {
	t.Helper()
	p := &process{t: t}
	var err error
	p.handler, err = webhook.New(webhook.Config{Secrets: secrets.NewTokens(s.client(), "stack"), Changes: &p.changes, Metrics: &metric.Memory{}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Write implements io.Writer: it is the log.
func (p *process) Write(line []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(line)
}

// lines are the lines of the log.
func (p *process) lines() []map[string]any {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	var lines []map[string]any
	for text := range strings.Lines(p.log.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			p.t.Fatal(err)
		}
		lines = append(lines, line)
	}
	return lines
}

// post handles a webhook for an organization and returns the status of the response.
func (p *process) post(id directory.OrganizationID, token string) int {
	body := fmt.Sprintf(`{"id":"6650a1b2c3d4e5f607180003","@version":"1","service":"directory","event_type":"user_suspended","timestamp":"2026-03-02T09:14:07Z","organization":%q,"resource":{"id":"64a1b2c3d4e5f60718293a4b","type":"user"}}`, id)
	r := events.APIGatewayV2HTTPRequest{RawPath: "/webhooks/jumpcloud/" + string(id), Headers: map[string]string{"authorization": "Bearer " + token}, Body: body}
	r.RequestContext.HTTP.Method = "POST"
	response, err := p.handler.Handle(zerolog.New(p).WithContext(p.t.Context()), r)
	if err != nil {
		p.t.Error(err)
	}
	return response.StatusCode
}

// deliver posts an event as JumpCloud does: a 5xx, 408 or 429 is tried again after
// 2, 4 and 8 seconds, and nothing else is. It returns the statuses of the responses.
func (p *process) deliver(id directory.OrganizationID, token string) (answers []int) {
	for _, wait := range []time.Duration{0, 2, 4, 8} {
		time.Sleep(wait * time.Second)
		status := p.post(id, token)
		answers = append(answers, status)
		if status < 500 && status != 408 && status != 429 {
			break
		}
	}
	return answers
}

// attack sends webhooks for made-up organizations, 10 a second, until end is called. end
// returns how often each status was the response.
func (p *process) attack(seed int) (end func() map[int]int) {
	ctx, cancel := context.WithCancel(p.t.Context())
	done, answers := make(chan struct{}), map[int]int{}
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			answers[p.post(directory.OrganizationID(fmt.Sprintf("%08x%016x", seed, i)), "guess")]++
			time.Sleep(100 * time.Millisecond)
		}
	}()
	return func() map[int]int { cancel(); <-done; return answers }
}

// levels are how many lines of each level are in the log.
func (p *process) levels() map[string]int {
	levels := map[string]int{}
	for _, line := range p.lines() {
		levels[fmt.Sprint(line["level"])]++
	}
	return levels
}

// Webhooks of a served organization are accepted while strangers make up ids, also in a
// process that started during the attack. The attack causes a bounded number of requests
// and of log lines, and no errors.
func TestStrangersKeepNobodyOut(t *testing.T) {
	for seed := range 20 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShelf()
				served(t, s, organization)
				p := newProcess(t, s)
				s.calls()
				end := p.attack(seed)
				time.Sleep(6*time.Second + time.Duration(seed)*450*time.Millisecond)
				if answers := p.deliver(organization, "right"); answers[len(answers)-1] != 202 || len(p.changes.messages) != 1 {
					t.Errorf("JumpCloud got %v and %d events are stored, want 202 in the end and 1", answers, len(p.changes.messages))
				}
				time.Sleep(time.Minute)
				answers := end()
				synctest.Wait()
				if answers[404] == 0 || answers[404]+answers[429] < 600 || len(answers) > 2 {
					t.Errorf("strangers got %v, want 600 or more of 404 and 429, and nothing else", answers)
				}
				if n := s.calls(); n > 250 {
					t.Errorf("%d requests to Secrets Manager for %v of a stranger's, want at most 250", n, answers)
				}
				if levels := p.levels(); levels["error"] > 0 || len(p.lines()) > 10 {
					t.Errorf("log lines by level: %v, want at most 10 and no error", levels)
				}
			})
		})
	}
}
