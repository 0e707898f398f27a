package deployment

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path"
	"sync"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/queue"
)

// postponed keeps which messages the functions postponed, and until when: SQS counts them
// among the messages in flight.
type postponed struct {
	mu    sync.Mutex
	until map[string][]time.Time // by the name of the queue
}

// note reads a request to SQS, and keeps the time of one that postpones a message.
func (p *postponed) note(r *http.Request) error {
	if r.Header.Get("X-Amz-Target") != "AmazonSQS.ChangeMessageVisibility" {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fault.Wrap(err, fault.Transient, "deployment.postponed")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var change struct {
		QueueURL          string `json:"QueueUrl"`
		VisibilityTimeout int
	}
	if err := json.Unmarshal(body, &change); err != nil {
		return fault.Wrap(err, fault.Invalid, "deployment.postponed")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.until == nil {
		p.until = map[string][]time.Time{}
	}
	name := path.Base(change.QueueURL)
	p.until[name] = append(p.until[name], time.Now().Add(time.Duration(change.VisibilityTimeout)*time.Second))
	return nil
}

// after counts the messages of a queue that were postponed until after a time.
func (p *postponed) after(name string, at time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, until := range p.until[name] {
		if until.After(at) {
			n++
		}
	}
	return n
}

// datedQueue is a queue that knows which of its messages were postponed.
type datedQueue struct {
	queue.Queue
	name      string
	postponed *postponed
}

// Busy reports whether the queue has a message that is due within a time.
func (q datedQueue) Busy(ctx context.Context, within time.Duration) (bool, error) {
	later := q.postponed.after(q.name, time.Now().Add(within))
	depth, err := q.Depth(ctx)
	return depth.Visible+depth.InFlight > later, err
}
