package fanout_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/reconcile"
)

// What an event claims counts from when it happened, and if the event does not say when, from
// when it was sent to the queue.
func TestWhenAClaimCounts(t *testing.T) {
	happened := time.Date(2026, 3, 2, 9, 14, 7, 498_000_000, time.UTC)
	sent := happened.Add(3 * time.Second)
	inQueue := map[string]string{"SentTimestamp": strconv.FormatInt(sent.UnixMilli(), 10)}
	for name, tc := range map[string]struct {
		happened   time.Time
		attributes map[string]string
		want       time.Time
	}{
		"the event says when":              {happened, inQueue, happened},
		"the event does not say when":      {time.Time{}, inQueue, sent},
		"nor does the message":             {time.Time{}, nil, time.Time{}},
		"the message says it in no number": {time.Time{}, map[string]string{"SentTimestamp": "today"}, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			suspended := change("user_suspended", bob)
			suspended.Event.Timestamp = tc.happened
			m := received(t, suspended, 1)
			m.Attributes = tc.attributes
			if response, err := f.handler.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{m}}); err != nil || len(response.BatchItemFailures) > 0 {
				t.Fatalf("%+v, %v, want no failure", response, err)
			}
			bodies := f.bodies(f.users)
			if len(bodies) != 1 {
				t.Fatalf("%d tasks, want 1", len(bodies))
			}
			task, err := reconcile.ReadTask(bodies[0])
			if err != nil || len(task.Claims) != 1 || !task.Claims[0].At.Equal(tc.want) {
				t.Errorf("%+v, %v, want one claim at %s", task.Claims, err, tc.want)
			}
		})
	}
}
