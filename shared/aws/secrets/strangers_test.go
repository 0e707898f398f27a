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

// outbox is a queue that is looked at.
type outbox struct {
	mu    sync.Mutex
	holds []queue.Message
}

// Send implements queue.Sender.
func (o *outbox) Send(_ context.Context, messages ...queue.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.holds = append(o.holds, messages...)
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
	p.handler = webhook.Handler{Secrets: secrets.NewTokens(s.client(), "stack"), Changes: &p.changes, Metrics: &metric.Memory{}, Refused: &webhook.Refusals{}}
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

// post handles a webhook for an organization and gives the status of the answer.
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
// 2, 4 and 8 seconds, and nothing else is. It gives the statuses of the answers.
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

// attack has a stranger make up organizations, 10 a second, until end is called,
// which gives how often he was answered what.
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

// A served organization gets in while strangers make up ids, in a process that
// started in the middle of it too. What they do costs a bounded number of requests
// and of lines, and is no outage.
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
				if answers := p.deliver(organization, "right"); answers[len(answers)-1] != 202 || len(p.changes.holds) != 1 {
					t.Errorf("JumpCloud was answered %v, %d events are kept", answers, len(p.changes.holds))
				}
				time.Sleep(time.Minute)
				answers := end()
				synctest.Wait()
				if answers[404] == 0 || answers[404]+answers[429] < 600 || len(answers) > 2 {
					t.Errorf("strangers were answered %v", answers)
				}
				if n := s.calls(); n > 250 {
					t.Errorf("%d requests to Secrets Manager for %v of a stranger's", n, answers)
				}
				if levels := p.levels(); levels["error"] > 0 || len(p.lines()) > 10 {
					t.Errorf("lines of log: %v", levels)
				}
			})
		})
	}
}
