package host

import (
	"encoding/json"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"
)

// Schedule says when a function is invoked without a request and without a
// message, as a schedule of EventBridge Scheduler does.
type Schedule struct {
	Name string
	ARN  string // what the function knows it by; "" for that of a schedule on this machine
	// Every is the time from one invocation to the next, above zero. The first one
	// comes at once, so that a process which is often started anew leaves none out
	// for ever.
	Every time.Duration
}

// Schedule starts invoking a function at the times of a schedule, until the host
// stops. The function never runs twice side by side: a time at which it still runs
// is left out. An invocation that fails is logged and not repeated; the next time
// takes its place.
func (h *Host) Schedule(f Function, s Schedule) {
	h.pollers.Go(func() {
		ticker := time.NewTicker(s.Every)
		defer ticker.Stop()
		for h.ctx.Err() == nil {
			if err := h.Fire(f, s); err != nil {
				h.log.Error().Err(err).Str("schedule", s.Name).Dur("every", s.Every).Msg("a scheduled invocation failed: the next one comes at its time")
			}
			leaveOut(ticker)
			select {
			case <-ticker.C:
			case <-h.ctx.Done():
			}
		}
	})
}

// leaveOut forgets a time that passed while the function ran.
func leaveOut(ticker *time.Ticker) {
	select {
	case <-ticker.C:
	default:
	}
}

// Fire invokes a function once, now, as its schedule does, and waits for the end.
func (h *Host) Fire(f Function, s Schedule) error {
	ctx, cancel := h.invocation(f)
	defer cancel()
	_, err := invoke[events.EventBridgeEvent, json.RawMessage](ctx, h, f, scheduledEvent(s))
	return err
}

// scheduledEvent is what EventBridge Scheduler sends to a function when the schedule
// names no input. The source is an event that somebody captured in June 2024: detail
// is the text {}, not an object.
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
