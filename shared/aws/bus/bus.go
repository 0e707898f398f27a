// Package bus publishes actions as events on an EventBridge bus, so that other systems
// can follow what entrasync does: audit, chat, tickets.
//
// The source of an event is "entrasync", its detail type is the type of the action
// (provision, update, deprovision, …), and its detail is the recorded action, which has
// more fields than the event in the API. So rules can filter by type, directory, status
// and reason.
package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"entrasync/shared/aws/awsfault"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// Source is the source of every event.
const Source = "entrasync"

// The limits of PutEvents (Amazon EventBridge quotas), and what the size of an entry
// includes besides its texts (Calculating PutEvents event entry size: 14 bytes for Time).
const (
	maxEntries = 10
	maxBytes   = 256 << 10
	timeBytes  = 14
)

// Publisher publishes on one bus, and is safe for concurrent use.
type Publisher struct {
	client *eventbridge.Client
	bus    string
}

// New makes a Publisher for the bus with that name or ARN.
func New(client *eventbridge.Client, busName string) *Publisher {
	return &Publisher{client: client, bus: busName}
}

// Publish puts an event on the bus for each action, in as few requests as possible. It
// goes on after a failure and returns one fault that names all actions without an event.
// The kind is that of the first failure: Invalid for an action that is too large,
// otherwise the kind of EventBridge's error. Publishing again repeats the events that
// were put.
func (p *Publisher) Publish(ctx context.Context, actions ...plan.Action) error {
	const op = "bus.publish"
	var failures failed
	var batch []types.PutEventsRequestEntry
	var ids []string
	total := 0
	flush := func() {
		if len(batch) > 0 {
			p.put(ctx, op, batch, ids, &failures)
		}
		batch, ids, total = nil, nil, 0
	}
	for _, action := range actions {
		entry, err := p.entry(action)
		if err != nil {
			failures.add(action.ID, fault.Internal, err)
			continue
		}
		size := timeBytes + len(*entry.Source) + len(*entry.DetailType) + len(*entry.Detail)
		if size > maxBytes {
			failures.add(action.ID, fault.Invalid, fmt.Errorf("%d bytes are more than the %d of an event", size, maxBytes))
			continue
		}
		if len(batch) == maxEntries || total+size > maxBytes {
			flush()
		}
		batch, ids, total = append(batch, entry), append(ids, action.ID), total+size
	}
	flush()
	return failures.fault(op, len(actions))
}

// entry is the event of an action. Its time is when the action reached its status.
func (p *Publisher) entry(action plan.Action) (types.PutEventsRequestEntry, error) {
	detail, err := json.Marshal(action)
	at := action.CompletedAt
	if at.IsZero() {
		at = action.At
	}
	if at.IsZero() {
		at = time.Now()
	}
	return types.PutEventsRequestEntry{
		EventBusName: &p.bus, Source: aws.String(Source), Time: &at,
		DetailType: aws.String(string(action.Type)), Detail: aws.String(string(detail)),
	}, err
}

// put sends one batch.
func (p *Publisher) put(ctx context.Context, op string, batch []types.PutEventsRequestEntry, ids []string, failures *failed) {
	answer, err := p.client.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: batch})
	if err != nil {
		err = awsfault.Of(ctx, err, op)
		for _, id := range ids {
			failures.add(id, fault.KindOf(err), err)
		}
		return
	}
	for i, result := range answer.Entries {
		if code := aws.ToString(result.ErrorCode); code != "" && i < len(ids) {
			// InternalFailure and InternalException are EventBridge's own.
			ours := !strings.HasPrefix(code, "Internal")
			failures.add(ids[i], awsfault.Kind(code, ours), fmt.Errorf("%s: %s", code, aws.ToString(result.ErrorMessage)))
		}
	}
}

// failed collects the actions that have no event.
type failed struct {
	ids    []string
	kind   fault.Kind // of the first
	causes []error
}

func (f *failed) add(id string, kind fault.Kind, cause error) {
	if len(f.ids) == 0 {
		f.kind = kind
	}
	if n := len(f.causes); n == 0 || f.causes[n-1].Error() != cause.Error() {
		f.causes = append(f.causes, cause)
	}
	f.ids = append(f.ids, id)
}

// fault is nil when nothing failed.
func (f *failed) fault(op string, of int) error {
	if len(f.ids) == 0 {
		return nil
	}
	return &fault.Error{Op: op, Kind: f.kind, Subject: strings.Join(f.ids, ", "),
		Message: fmt.Sprintf("%d of %d actions have no event", len(f.ids), of), Err: errors.Join(f.causes...)}
}
