// Package queuetest is the conformance suite of the queue.Queue port: it tests every
// sentence of the port's comments. Each adapter passes it, so that results of tests on
// one machine are true on AWS.
//
// The rules of queues are about time, so the suite has a hook that lets time pass. An
// adapter in this process runs the suite in a testing/synctest bubble, where hours cost
// nothing. A real server runs it in real time and says how long one test may wait;
// tests that need more are skipped.
package queuetest

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"testing"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/queue"
)

var bg = context.Background()

// visibility is the timeout of most queues of the suite: short for real servers, and a
// number of seconds, as SQS counts.
const visibility = 2 * time.Second

// tolerance is how late a real server may act.
const tolerance = 2 * time.Second

// Options describe the queue that a test needs.
type Options struct {
	Visibility  time.Duration // timeout of a received message
	MaxReceives int           // then the message goes to the dead-letter queue; 0: there is none
}

// Subject is the adapter under test.
type Subject struct {
	// Open makes an empty queue and, with MaxReceives, its dead-letter queue, otherwise
	// nil. Both have the visibility timeout. It closes them with t.Cleanup.
	Open func(t *testing.T, options Options) (q, dead queue.Queue)
	// Run runs a test, usually synctest.Test; nil runs it directly, in real time.
	Run func(t *testing.T, test func(t *testing.T))
	// Elapse lets at least d pass; nil is time.Sleep.
	Elapse func(d time.Duration)
	// Patience is how much time one test may let pass; 0 is no limit, which is right
	// for a bubble. Without a limit the test against a model runs too.
	Patience time.Duration
}

// bench is one test with its queue.
type bench struct {
	*testing.T
	subject Subject
	spent   time.Duration
	q, dead queue.Queue
}

// TestQueue runs the suite.
func TestQueue(t *testing.T, subject Subject) {
	if subject.Run == nil {
		subject.Run = func(t *testing.T, test func(*testing.T)) { test(t) }
	}
	if subject.Elapse == nil {
		subject.Elapse = time.Sleep
	}
	short, dying, long := Options{Visibility: visibility}, Options{Visibility: visibility, MaxReceives: 2}, Options{Visibility: time.Minute}
	for _, test := range []struct {
		name    string
		options Options
		run     func(*bench)
	}{
		{"no message is not an error", short, testEmpty},
		{"what is sent is received", long, testFields},
		{"no messages to send and no receipts to delete", long, testNothing},
		{"at most max messages", long, testMax},
		{"order within a group", long, testOrder},
		{"order across sends of every size", long, testOrderOfBatches},
		{"a group with messages in flight waits", long, testGroupWaits},
		{"a group waits for the complete batch", long, testPartialDelete},
		{"what is left of a batch comes again in order", short, testLeftOver},
		{"a busy group does not starve others", long, testFairness},
		{"hidden until the visibility timeout ends", short, testVisibility},
		{"deleted for good", short, testDeleted},
		{"receipts that are no longer valid", short, testStaleReceipts},
		{"postpone", short, testPostpone},
		{"postpone to now", long, testPostponeNow},
		{"postpone holds the group", short, testPostponeGroup},
		{"received too often", dying, testDeadLetter},
		{"a dead letter lets its group go on", dying, testDeadLetterGroup},
		{"dead letters are taken", dying, testDeadLetterTaken},
		{"no dead-letter queue", short, testNoDeadLetter},
		{"de-duplication", long, testDedup},
		{"de-duplication after the delete", long, testDedupDeleted},
		{"de-duplication window", long, testDedupWindow},
		{"a batch that was kept in part is sent again", long, testSendAgain},
		{"depth", short, testDepth},
		{"limits of a message", long, testMessageLimits},
		{"limits of a batch", long, testBatchLimits},
		{"limits of receive, delete and postpone", long, testCallLimits},
		{"wait is woken by a send", long, testWaitSend},
		{"wait is woken by a visibility timeout", short, testWaitVisibility},
		{"wait is woken by the end of a batch", long, testWaitGroup},
		{"cancelled context", long, testCancelled},
		{"producers and consumers", short, testConcurrent},
		{"timeouts between receives", short, testTimeoutsBetweenReceives},
		{"model", Options{Visibility: visibility, MaxReceives: 3}, testModel},
	} {
		t.Run(test.name, func(t *testing.T) {
			subject.Run(t, func(t *testing.T) {
				b := &bench{T: t, subject: subject}
				b.q, b.dead = subject.Open(t, test.options)
				test.run(b)
			})
		})
	}
}

// elapse lets time pass, or skips the test if that is more than the subject's patience.
func (b *bench) elapse(d time.Duration) {
	b.Helper()
	b.spent += d
	if b.subject.Patience > 0 && b.spent > b.subject.Patience {
		b.Skipf("this needs %s to pass", b.spent)
	}
	b.subject.Elapse(d)
}

// message returns a message with the name as its body and its de-duplication id.
func message(group, name string) queue.Message {
	return queue.Message{Body: []byte(name), GroupID: group, DedupID: name}
}

// send sends messages to a group one call after the other.
func (b *bench) send(group string, names ...string) {
	b.Helper()
	for _, name := range names {
		b.sendAll(message(group, name))
	}
}

func (b *bench) sendAll(messages ...queue.Message) {
	b.Helper()
	if err := b.q.Send(bg, messages...); err != nil {
		b.Fatalf("send: %v", err)
	}
}

// receive receives from the queue and fails unless exactly the named messages come, in
// this order. Without names it does not wait.
func (b *bench) receive(names ...string) []queue.Received {
	b.Helper()
	return b.receiveFrom(b.q, queue.MaxBatch, names...)
}

func (b *bench) receiveFrom(q queue.Queue, limit int, names ...string) []queue.Received {
	b.Helper()
	wait := time.Duration(0)
	if len(names) > 0 {
		wait = tolerance
	}
	got, err := q.Receive(bg, limit, wait)
	if err != nil {
		b.Fatalf("receive: %v", err)
	}
	if !slices.Equal(bodies(got), names) {
		b.Fatalf("received %q, want %q", bodies(got), names)
	}
	return got
}

func bodies(messages []queue.Received) []string {
	var names []string
	for _, m := range messages {
		names = append(names, string(m.Body))
	}
	return names
}

// delete deletes messages.
func (b *bench) delete(messages ...queue.Received) {
	b.Helper()
	var receipts []string
	for _, m := range messages {
		receipts = append(receipts, m.Receipt)
	}
	if err := b.q.Delete(bg, receipts...); err != nil {
		b.Fatalf("delete: %v", err)
	}
}

func (b *bench) postpone(m queue.Received, d time.Duration) {
	b.Helper()
	if err := b.q.Postpone(bg, m.Receipt, d); err != nil {
		b.Fatalf("postpone: %v", err)
	}
}

// drain receives and deletes until no message comes, and returns the bodies.
func (b *bench) drain(q queue.Queue) []string {
	b.Helper()
	var names []string
	for {
		got, err := q.Receive(bg, queue.MaxBatch, time.Second)
		if err != nil {
			b.Fatalf("receive: %v", err)
		}
		if len(got) == 0 {
			return names
		}
		names = append(names, bodies(got)...)
		for _, m := range got {
			if err := q.Delete(bg, m.Receipt); err != nil {
				b.Fatalf("delete: %v", err)
			}
		}
	}
}

// wantDepth reads the depth until the numbers are right, because those of a server may
// lag.
func (b *bench) wantDepth(want queue.Depth) {
	b.Helper()
	var got queue.Depth
	for range 20 {
		var err error
		if got, err = b.q.Depth(bg); err != nil {
			b.Fatalf("depth: %v", err)
		}
		if got == want {
			return
		}
		if b.subject.Patience == 0 {
			b.Fatalf("depth is %+v, want %+v", got, want)
		}
		b.subject.Elapse(50 * time.Millisecond)
	}
	b.Fatalf("depth stays %+v, want %+v", got, want)
}

func (b *bench) wantKind(err error, want fault.Kind) {
	b.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != want {
		b.Fatalf("got %v, want a fault of kind %s", err, want)
	}
}

// unique returns a name that no other message has.
func unique() string { return rand.Text() }
