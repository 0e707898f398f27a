package reconcile

import (
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// What waits for long stays bounded, and is a first read if one of its tasks was.
func TestTasksThatWaitAreJoined(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	event := func(n int) Task {
		at := begin.Add(time.Duration(n) * time.Minute)
		return Task{Directory: "d", User: "u", Cause: plan.Cause{Type: "e", At: at, Many: true}, NotBefore: at,
			Claims: []directory.Claim{{Kind: directory.Altered, User: "u", Field: "title", To: "x", At: at}}}
	}
	joined := event(0)
	for n := 1; n <= 300; n++ {
		joined = joined.Merge(event(n))
	}
	last := begin.Add(300 * time.Minute)
	if n := len(joined.Claims); n != maxClaims || !joined.Claims[n-1].At.Equal(last) {
		t.Errorf("%d claims, the last at %s; want the last %d", n, joined.Claims[n-1].At, maxClaims)
	}
	if !joined.NotBefore.Equal(last) || !joined.Cause.At.Equal(last) || !joined.Cause.Many {
		t.Errorf("%+v, want the latest time and cause, of many", joined)
	}
	urgent := Task{Directory: "d", User: "u", Memberships: true, Cause: plan.Cause{Type: "e", At: begin}}
	if joined = joined.Merge(urgent); !joined.NotBefore.IsZero() || !joined.Memberships || joined.Cause.Many {
		t.Errorf("with a first read: %+v, want no NotBefore, Memberships, not of many", joined)
	}
	group := GroupTask{Directory: "d", Group: "g", NotBefore: begin}.Merge(GroupTask{Directory: "d", Group: "g", AllMembers: true, NotBefore: last})
	if !group.AllMembers || !group.NotBefore.Equal(last) {
		t.Errorf("a group: %+v, want AllMembers, NotBefore %s", group, last)
	}
}

func TestWhatIsUrgentAfterASuspension(t *testing.T) {
	for name, tc := range map[string]struct {
		cause  plan.Cause
		claims []directory.Claim
		want   bool
	}{
		"suspended":                  {plan.Cause{Type: "user_suspended"}, []directory.Claim{{Kind: directory.InState, State: directory.Suspended}}, true},
		"activated":                  {plan.Cause{Type: "user_activated"}, []directory.Claim{{Kind: directory.InState, State: directory.Activated}}, false},
		"deleted":                    {plan.Cause{Type: "user_delete"}, []directory.Claim{{Kind: directory.Removed}}, true},
		"locked, and that suspends":  {plan.Cause{Type: "user_lockout"}, []directory.Claim{{Kind: directory.LockedOut}}, true},
		"expired, which does not":    {plan.Cause{Type: "user_password_expired"}, []directory.Claim{{Kind: directory.Expired}}, false},
		"left a group":               {plan.Cause{Type: "association_change"}, []directory.Claim{{Kind: directory.Joined}, {Kind: directory.Left}}, true},
		"joined a group":             {plan.Cause{Type: "association_change"}, []directory.Claim{{Kind: directory.Joined}}, false},
		"one of many who left":       {plan.Cause{Type: "association_change", Many: true}, []directory.Claim{{Kind: directory.Left}}, false},
		"an attribute":               {plan.Cause{Type: "user_update"}, []directory.Claim{{Kind: directory.Altered, Field: "title"}}, false},
		"an event that does not say": {plan.Cause{Type: "user_update"}, nil, true},
		"disconnected on request":    {plan.Cause{Type: "disconnected", Requested: true}, nil, true},
		"connected on request":       {plan.Cause{Type: Connected, Requested: true}, nil, false},
	} {
		if got := isUrgent(tc.cause, tc.claims, directory.Settings{SuspendOnLockout: true}); got != tc.want {
			t.Errorf("%s: urgent %t, want %t", name, got, tc.want)
		}
	}
}
