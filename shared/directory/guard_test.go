package directory

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/fault"
)

// guardOf is a guard with a count.
func guardOf(count, percent, minimum int) Guard {
	return Guard{MaxCount: &count, MaxPercent: percent, Minimum: minimum, Window: "1h"}
}

// A hold begins with the next person who makes more than maxCount or more than maxPercent, but
// never at or below minimum: in directories of every size.
func TestFromHowManyPeopleOnTheGuardAsks(t *testing.T) {
	for _, c := range []struct {
		guard Guard
		all   int
		last  int // how many lose access before the guard asks
	}{
		{DefaultGuard(), 1, 3}, {DefaultGuard(), 3, 3}, {DefaultGuard(), 10, 3}, {DefaultGuard(), 30, 3}, {DefaultGuard(), 39, 3},
		{DefaultGuard(), 40, 4}, {DefaultGuard(), 99, 9}, {DefaultGuard(), 100, 10}, {DefaultGuard(), 109, 10}, {DefaultGuard(), 199, 19},
		{DefaultGuard(), 200, 20}, {DefaultGuard(), 201, 20}, {DefaultGuard(), 1000, 20}, {DefaultGuard(), 100_000, 20},
		{guardOf(5000, 1, 0), 100_000, 1000}, {guardOf(500, 1, 0), 100_000, 500}, {guardOf(5000, 100, 0), 100_000, 5000},
		{guardOf(0, 100, 0), 100_000, 0}, {guardOf(0, 100, 3), 100_000, 3}, {guardOf(20, 0, 3), 100_000, 3}, {guardOf(20, 0, 0), 1, 0},
		{guardOf(5, 100, 50), 1000, 50},
	} {
		exceeds := func(next int) bool { return c.guard.ExceedsCount(next) || c.guard.ExceedsShare(next, c.all) }
		for next := 1; next <= c.last; next++ {
			if exceeds(next) {
				t.Fatalf("with maxCount %d, maxPercent %d and minimum %d the guard asks at %d of %d, want it at %d", *c.guard.MaxCount, c.guard.MaxPercent, c.guard.Minimum, next, c.all, c.last+1)
			}
		}
		if !exceeds(c.last + 1) {
			t.Errorf("with maxCount %d, maxPercent %d and minimum %d the guard does not ask at %d of %d", *c.guard.MaxCount, c.guard.MaxPercent, c.guard.Minimum, c.last+1, c.all)
		}
	}
}

// As many as Enough says is the smallest number of which so many are no more than the share.
func TestHowManyAreEnoughForAShare(t *testing.T) {
	for _, percent := range []int{1, 3, 10, 33, 50, 99, 100} {
		for next := 1; next < 300; next++ {
			g := guardOf(5000, percent, 0)
			if all := g.Enough(next); g.ExceedsShare(next, all) || !g.ExceedsShare(next, all-1) {
				t.Fatalf("Enough says that %d are no more than %d %% of %d: want the smallest such number", next, percent, all)
			}
		}
	}
}

func TestAGuardThatIsOffAsksNever(t *testing.T) {
	g := Guard{MaxPercent: 0, Minimum: 0, Window: "1h"}
	if g.ExceedsCount(100_000) || g.ExceedsShare(100_000, 100_000) {
		t.Error("a guard without maxCount asks, want it never to")
	}
}

// Settings that are older than the guard have the default, and one that is off stays off.
func TestHowAGuardIsRead(t *testing.T) {
	for stored, want := range map[string]Guard{
		`{}`:                          DefaultGuard(),
		`{"guard":{}}`:                DefaultGuard(),
		`{"guard":{"maxCount":null}}`: {MaxPercent: 10, Minimum: 3, Window: "1h"},
		`{"guard":{"maxCount":0}}`:    guardOf(0, 10, 3),
		`{"guard":{"window":"24h"}}`:  func() Guard { g := DefaultGuard(); g.Window = "24h"; return g }(),
		`{"guard":{"maxPercent":0}}`:  guardOf(20, 0, 3),
		`{"guard":{"minimum":0}}`:     guardOf(20, 10, 0),
	} {
		var s Settings
		if err := json.Unmarshal([]byte(stored), &s); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, s.Guard); diff != "" {
			t.Errorf("%s is read as another guard (-want +got):\n%s", stored, diff)
		}
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Settings
		if err := json.Unmarshal(again, &back); err != nil || !cmp.Equal(back.Guard, want) {
			t.Errorf("%s is %s when it is stored again, and read as %+v (%v)", stored, again, back.Guard, err)
		}
	}
}

func TestAGuardThatCannotBeIsRefusedByName(t *testing.T) {
	for _, c := range []struct {
		guard Guard
		names string
	}{
		{guardOf(-1, 10, 3), "settings.guard.maxCount"}, {guardOf(5001, 10, 3), "settings.guard.maxCount"},
		{guardOf(20, -1, 3), "settings.guard.maxPercent"}, {guardOf(20, 101, 3), "settings.guard.maxPercent"},
		{guardOf(20, 10, -1), "settings.guard.minimum"}, {guardOf(20, 10, 5001), "settings.guard.minimum"},
		{Guard{Window: "59s"}, "settings.guard.window"}, {Guard{Window: "24h1s"}, "settings.guard.window"}, {Guard{Window: ""}, "settings.guard.window"},
		{Guard{Window: "an hour"}, "settings.guard.window"}, {Guard{Window: "-1h"}, "settings.guard.window"},
		{Guard{Window: "1m"}, ""}, {Guard{Window: "24h"}, ""}, {guardOf(0, 0, 0), ""}, {guardOf(5000, 100, 5000), ""}, {DefaultGuard(), ""},
	} {
		s := DefaultSettings()
		s.Guard = c.guard
		err := s.Check()
		if c.names == "" {
			if err != nil {
				t.Errorf("%+v is refused: %v", c.guard, err)
			}
			continue
		}
		if f := fault.Of(err); err == nil || f.Subject != c.names || f.Kind != fault.Invalid || !strings.Contains(f.Message, "must be") {
			t.Errorf("%+v is refused with %v, want a fault about %s that says what it must be", c.guard, err, c.names)
		}
	}
}

func TestTheSpanOfAWindow(t *testing.T) {
	for window, want := range map[string]time.Duration{"1m": time.Minute, "90m": 90 * time.Minute, "24h": 24 * time.Hour, "": time.Hour} {
		if got := (Guard{Window: window}).Span(); got != want {
			t.Errorf("the window %q spans %s, want %s", window, got, want)
		}
	}
}
