package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"entrasync/shared/fault"
)

func TestEveryKindHasADecision(t *testing.T) {
	want := map[fault.Kind]fault.Decision{
		fault.Invalid: fault.Park, fault.NotFound: fault.Park, fault.Conflict: fault.Park, fault.Forbidden: fault.Park,
		fault.Unauthorized: fault.Retry, fault.Changed: fault.Retry, fault.Throttled: fault.Retry, fault.Transient: fault.Retry,
		fault.Internal: fault.Fail,
	}
	for _, kind := range fault.Kinds {
		if got := kind.Decide(); got != want[kind] {
			t.Errorf("%s: got %s, want %s", kind, got, want[kind])
		}
	}
	if len(want) != len(fault.Kinds) {
		t.Errorf("got %d kinds in the list, want %d", len(fault.Kinds), len(want))
	}
}

func TestWrapKeepsWhatDecides(t *testing.T) {
	inner := &fault.Error{Op: "entra.batch", Kind: fault.Throttled, Reason: "throttled", Subject: "u1", Message: "slow down", RetryAfter: 17 * time.Second, Err: context.DeadlineExceeded}
	outer := fault.Of(fault.Wrap(fmt.Errorf("between: %w", inner), fault.Internal, "reconcile"))
	if outer.Kind != fault.Throttled || outer.Reason != "throttled" || outer.Subject != "u1" || outer.Message != "slow down" || outer.RetryAfter != 17*time.Second {
		t.Errorf("got the wrapped fault %+v, want kind, reason, subject, message and wait of %+v", outer, inner)
	}
	if !errors.Is(outer, context.DeadlineExceeded) {
		t.Errorf("got %v, want one with the cause %v", outer, context.DeadlineExceeded)
	}
	if want := "reconcile: u1: throttled (throttled): slow down: context deadline exceeded"; outer.Error() != want {
		t.Errorf("got Error() %q, want %q", outer.Error(), want)
	}
}

func TestOtherErrorsBecomeFaults(t *testing.T) {
	plain := errors.New("plain")
	if got := fault.KindOf(plain); got != fault.Internal {
		t.Errorf("got KindOf %s, want %s", got, fault.Internal)
	}
	if got := fault.KindOf(fault.Wrap(plain, fault.Transient, "op")); got != fault.Transient {
		t.Errorf("got KindOf %s of a wrapped error, want %s", got, fault.Transient)
	}
	if fault.Wrap(nil, fault.Transient, "op") != nil || fault.Of(nil) != nil || fault.KindOf(nil) != "" {
		t.Error("got a fault of nil, want nil")
	}
	if got := fault.New(fault.Invalid, "op", "bad").Error(); got != "op: invalid: bad" {
		t.Errorf("got Error() %q, want %q", got, "op: invalid: bad")
	}
}
