package queuetest

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/queue"
)

// longWait is how long a waiting receive would wait if nothing woke it.
const longWait = 15 * time.Second

// wantWoken starts a waiting receive, lets a second pass, calls wake, and fails unless
// the named messages come at the right time.
func (b *bench) wantWoken(after time.Duration, wake func(), names ...string) {
	b.Helper()
	type result struct {
		messages []queue.Received
		err      error
		waited   time.Duration
	}
	done := make(chan result, 1)
	start := time.Now()
	go func() {
		messages, err := b.q.Receive(bg, queue.MaxBatch, longWait)
		done <- result{messages, err, time.Since(start)}
	}()
	b.elapse(time.Second)
	wake()
	r := <-done
	if r.err != nil || !slices.Equal(bodies(r.messages), names) {
		b.Fatalf("received %q, %v, want %q", bodies(r.messages), r.err, names)
	}
	slack := tolerance
	if b.subject.Patience == 0 {
		slack = 0 // virtual time is exact
	}
	if r.waited < after-slack || r.waited > after+slack {
		b.Fatalf("waited %s, want %s", r.waited, after)
	}
}

func testWaitSend(b *bench) {
	b.wantWoken(time.Second, func() { b.send("g", "a") }, "a")
}

func testWaitVisibility(b *bench) {
	b.send("g", "a")
	b.receive("a")
	b.wantWoken(visibility, func() {}, "a")
	m := b.receiveAfter(visibility)
	// A timeout that is changed to an earlier or later time wakes the receive at that
	// time.
	b.wantWoken(2*time.Second, func() { b.postpone(m, time.Second) }, "a")
	m = b.receiveAfter(visibility)
	b.wantWoken(4*time.Second, func() { b.postpone(m, 3*time.Second) }, "a")
}

// receiveAfter lets the timeout of the message pass and receives it again.
func (b *bench) receiveAfter(timeout time.Duration) queue.Received {
	b.Helper()
	b.elapse(timeout)
	return b.receive("a")[0]
}

func testWaitGroup(b *bench) {
	b.send("g", "a", "b", "c", "d")
	first := b.receiveFrom(b.q, 2, "a", "b")
	b.wantWoken(time.Second, func() { b.delete(first...) }, "c", "d")
	b.send("h", "e")
	second := b.receive("e")
	b.wantWoken(time.Second, func() { b.postpone(second[0], 0) }, "e")
}

func testCancelled(b *bench) {
	ctx, cancel := context.WithCancel(bg)
	start := time.Now()
	done := make(chan error, 1)
	go func() {
		_, err := b.q.Receive(ctx, 1, longWait)
		done <- err
	}()
	b.elapse(time.Second)
	cancel()
	b.wantKind(<-done, fault.Transient)
	if waited := time.Since(start); waited > time.Second+tolerance {
		b.Fatalf("a cancelled receive went on for %s", waited)
	}
	b.wantKind(b.q.Send(ctx, message("g", "a")), fault.Transient)
	b.receive() // no message was stored
	b.send("g", "b")
	_, err := b.q.Receive(ctx, 1, 0)
	b.wantKind(err, fault.Transient)
	m := b.receive("b")[0]
	if m.ReceiveCount != 1 {
		b.Fatalf("a cancelled receive was counted: %d", m.ReceiveCount)
	}
	b.wantKind(b.q.Delete(ctx, m.Receipt), fault.Transient)
	b.wantKind(b.q.Postpone(ctx, m.Receipt, 0), fault.Transient)
	_, err = b.q.Depth(ctx)
	b.wantKind(err, fault.Transient)
	b.wantDepth(queue.Depth{InFlight: 1})
}
