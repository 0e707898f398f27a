package fanout_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/jumpcloud"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// timeOut is the function's time-out.
const timeOut = 30 * time.Second

// silentTable is a table that never answers.
type silentTable struct{ store.Table }

// Query implements store.Table.
func (silentTable) Query(ctx context.Context, _ store.Query) (store.Page, error) {
	<-ctx.Done()
	return store.Page{}, ctx.Err()
}

// silentQueue is a queue that never answers.
type silentQueue struct{}

// Send implements queue.Sender.
func (silentQueue) Send(ctx context.Context, _ ...queue.Message) error {
	<-ctx.Done()
	return ctx.Err()
}

// received is a change as it is received for the nth time.
func received(t *testing.T, change jumpcloud.Change, n int) events.SQSMessage {
	t.Helper()
	m, err := change.Message()
	if err != nil {
		t.Fatal(err)
	}
	return events.SQSMessage{MessageId: change.Event.ID, ReceiptHandle: "r-" + change.Event.ID, Body: string(m.Body),
		Attributes: map[string]string{"ApproximateReceiveCount": strconv.Itoa(n)}}
}

// What never answers does not use up the invocation: the events come again.
func TestNothingThatHangsUsesUpTheInvocation(t *testing.T) {
	for name, hang := range map[string]func(*fixture){
		"the table":            func(f *fixture) { f.handler.Store = store.New(silentTable{}) },
		"the queue of users":   func(f *fixture) { f.handler.Lanes.UsersLive = silentQueue{} },
		"the queues of groups": func(f *fixture) { f.handler.Lanes.GroupsLive = silentQueue{} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.connect(one, engineering)
				hang(f)
				ctx, cancel := context.WithTimeout(t.Context(), timeOut)
				defer cancel()
				start := time.Now()
				response, err := f.handler.Handle(ctx, events.SQSEvent{Records: []events.SQSMessage{
					received(t, change("user_update", ann), 1), received(t, groupChange("group_update", engineering), 1)}})
				if err != nil || len(response.BatchItemFailures) == 0 || len(f.postponed) != len(response.BatchItemFailures) {
					t.Errorf("%v come again, %v after a wait: %v", response.BatchItemFailures, f.postponed, err)
				}
				if left := timeOut - time.Since(start); left < 5*time.Second {
					t.Errorf("the handler returns with %s left, want at least 5s", left)
				}
			})
		})
	}
}

// The waits before an event is fanned out again grow from a second to three minutes, and
// all tries together outlast half an hour.
func TestAnEventThatCannotBeFannedOutWaitsLonger(t *testing.T) {
	f := newFixture(t)
	f.handler.Lanes.UsersLive = downQueue{}
	var before, all time.Duration
	for n := 1; n < 20; n++ {
		m := received(t, change("user_update", ann), n)
		response, err := f.handler.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{m}})
		if err != nil || len(response.BatchItemFailures) != 1 {
			t.Fatalf("try %d: %+v, %v, want that the message comes again", n, response, err)
		}
		wait := f.postponed[m.ReceiptHandle]
		if n == 1 && wait != time.Second || wait < before || wait > 3*time.Minute {
			t.Errorf("after try %d it waits %s, after the one before %s", n, wait, before)
		}
		before, all = wait, all+wait
	}
	if all < 30*time.Minute {
		t.Errorf("it is a dead letter after %s, want after at least half an hour", all)
	}
}
