package host

import (
	"encoding/json"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"
)

// Schedule is when a function is invoked without a request and without a message, as by a
// schedule of EventBridge Scheduler.
type Schedule struct {
	Name string
	ARN  string // the ARN in the events; "" for that of a schedule on this machine
	// Every is the time from one invocation to the next, above zero. The first invocation
	// is at once, so that it also happens in a process that is restarted often.
	Every time.Duration
}

// Schedule starts to invoke a function at the times of a schedule, until the host stops.
// The function never runs twice at once: a time at which it still runs is skipped. A failed
// invocation is logged and not repeated until the next time.
func (h *Host) Schedule(f Function, s Schedule) {
	h.pollers.Go(func() {
		ticker := time.NewTicker(s.Every)
		defer ticker.Stop()
		for h.ctx.Err() == nil {
			if err := h.Fire(f, s); err != nil {
				h.log.Error().Err(err).Str("schedule", s.Name).Dur("every", s.Every).Msg("a scheduled invocation failed: the next one comes at its time")
			}
			skipMissed(ticker)
			select {
			case <-ticker.C:
			case <-h.ctx.Done():
			}
		}
	})
}

// skipMissed skips a time that passed while the function ran.
func skipMissed(ticker *time.Ticker) {
	select {
	case <-ticker.C:
	default:
	}
}

// Fire invokes a function once, now, as its schedule does, and waits until it has ended.
func (h *Host) Fire(f Function, s Schedule) error {
	ctx, cancel := h.invocation(f)
	defer cancel()
	_, err := invoke[events.EventBridgeEvent, json.RawMessage](ctx, h, f, scheduledEvent(s))
	return err
}

// scheduledEvent is the event that EventBridge Scheduler sends to a function if the
// schedule has no input. The source is an event that somebody captured in June 2024: detail
// is the string "{}", not an object.
func scheduledEvent(s Schedule) events.EventBridgeEvent {
	arn := s.ARN
	if arn == "" {
		arn = "arn:aws:scheduler:local:000000000000:schedule/default/" + s.Name
	}
	return events.EventBridgeEvent{
		Version: "0", ID: uuid.NewString(), DetailType: "Scheduled Event", Source: "aws.scheduler",
		AccountID: partOf(arn, accountOfARN), Region: partOf(arn, regionOfARN), Time: time.Now().UTC().Truncate(time.Second),
		Resources: []string{arn}, Detail: json.RawMessage(`"{}"`),
	}
}
