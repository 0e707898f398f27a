// Package deadline divides the time of an invocation, so that a function ends by itself.
// Lambda kills a function at its time-out: then nothing is recorded, and its messages stay
// hidden for the visibility time-out of their queue. So the work ends [Reserve] before the
// time-out, whatever outside system does not answer; our own records end [Answer] before
// it, and the rest is for the answer: which messages come again, and when.
package deadline

import (
	"context"
	"time"
)

// The parts of an invocation that the work cannot use.
const (
	// Reserve is for recording what happened, and for the answer.
	Reserve = 10 * time.Second
	// Answer is for the answer alone.
	Answer = 3 * time.Second
	// Spare is for what nobody measures: encoding the answer, and sending it to Lambda.
	Spare = time.Second
)

// key marks the deadline of the invocation in a context.
type key struct{}

// ForWork is the context of the work of an invocation: it ends keep before ctx does. A
// context without a deadline stays without one.
func ForWork(ctx context.Context, keep time.Duration) (context.Context, context.CancelFunc) {
	end, limited := ctx.Deadline()
	if !limited {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(context.WithValue(ctx, key{}, end), end.Add(-keep))
}

// ForRecords is the context of writing our own records about work that may have ended with
// its context, because what happened must be recorded: it ends after longest, and Answer
// before the invocation does.
func ForRecords(work context.Context, longest time.Duration) (context.Context, context.CancelFunc) {
	return after(work, longest, Answer)
}

// ForAnswer is the context of saying what is to happen next, such as which messages come
// again, as ForRecords; it ends Spare before the invocation does.
func ForAnswer(work context.Context, longest time.Duration) (context.Context, context.CancelFunc) {
	return after(work, longest, Spare)
}

// after is a context that ends after longest, and keep before the invocation.
func after(work context.Context, longest, keep time.Duration) (context.Context, context.CancelFunc) {
	free := context.WithoutCancel(work)
	until := time.Now().Add(longest)
	if end, limited := work.Value(key{}).(time.Time); limited && end.Add(-keep).Before(until) {
		until = end.Add(-keep)
	}
	return context.WithDeadline(free, until)
}

// Allows reports whether the work has so much time left.
func Allows(ctx context.Context, d time.Duration) bool {
	end, limited := ctx.Deadline()
	return !limited || time.Until(end) > d
}
