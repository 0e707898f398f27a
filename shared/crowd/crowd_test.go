package crowd_test

import (
	"fmt"
	"testing"
	"time"

	"entrasync/shared/crowd"
)

// A kind lets a few through, and then nothing until fewer come within a minute.
func TestWhatIsSurplus(t *testing.T) {
	var c crowd.Counter
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	kind := crowd.Kind{Name: "one", Most: 2}
	for i, step := range []struct {
		at   time.Duration
		want bool
	}{{0, false}, {10 * time.Second, false}, {20 * time.Second, true}, {69 * time.Second, true}, {80 * time.Second, false}, {2 * time.Minute, true}, {3 * time.Minute, false}} {
		if got := c.Surplus(start.Add(step.at), kind); got != step.want {
			t.Errorf("the %d. one, after %s: surplus %t, want %t", i+1, step.at, got, step.want)
		}
	}
}

// What belongs to a crowd of one kind leaves the next kind to others.
func TestANarrowCrowdDoesNotCountAsAWideOne(t *testing.T) {
	var c crowd.Counter
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	surplus := func(group string) bool {
		return c.Surplus(now, crowd.Kind{Name: group, Most: 2}, crowd.Kind{Name: "all", Most: 3})
	}
	for i, step := range []struct {
		group string
		want  bool
	}{{"a", false}, {"a", false}, {"a", true}, {"a", true}, {"b", false}, {"b", true}, {"c", true}} {
		if got := surplus(step.group); got != step.want {
			t.Errorf("the %d. one, in group %s: surplus %t, want %t", i+1, step.group, got, step.want)
		}
	}
}

// Kinds that are long over make room, and those that still count stay.
func TestOldKindsMakeRoom(t *testing.T) {
	var c crowd.Counter
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	kind := func(n int) crowd.Kind { return crowd.Kind{Name: fmt.Sprint(n), Most: 1} }
	for n := range 3000 {
		if c.Surplus(start.Add(time.Duration(n)*time.Second), kind(n)) {
			t.Fatalf("the first one of kind %d is surplus, want none", n)
		}
	}
	if !c.Surplus(start.Add(3000*time.Second), kind(2999)) {
		t.Error("the second one of a kind within a second is not surplus, want it to be")
	}
}
