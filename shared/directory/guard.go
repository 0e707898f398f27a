package directory

import (
	"encoding/json"
	"fmt"
	"time"
)

// Guard says from how many people on it takes a person's approval to take access away. It
// counts two kinds apart, see [plan.HoldKind], each over a sliding window.
type Guard struct {
	// MaxCount is how many people may lose access within the window; nil turns the guard off.
	MaxCount *int `json:"maxCount"`
	// MaxPercent is how many percent of the linked users may, or of the members of a group
	// whose members are taken out.
	MaxPercent int `json:"maxPercent"`
	// Minimum is how many always may, so that one leaver does not stop a small directory.
	Minimum int `json:"minimum"`
	// Window is a duration as Go writes it.
	Window string `json:"window"`
}

// The limits of the guard's settings.
const (
	MostGuarded    = 5000 // of maxCount and minimum: all who were counted are in one record
	ShortestWindow = time.Minute
	LongestWindow  = 24 * time.Hour
)

// DefaultGuard is the guard of a directory whose settings do not name another.
func DefaultGuard() Guard {
	const count = 20
	most := count
	return Guard{MaxCount: &most, MaxPercent: 10, Minimum: 3, Window: "1h"}
}

// Off reports whether there is no guard.
func (g Guard) Off() bool { return g.MaxCount == nil }

// Span is the length of the window.
func (g Guard) Span() time.Duration {
	span, err := time.ParseDuration(g.Window)
	if err != nil { // the settings were checked
		return time.Hour
	}
	return span
}

// ExceedsCount reports whether so many people within the window are more than may lose access,
// whatever their share is.
func (g Guard) ExceedsCount(next int) bool {
	return !g.Off() && next > g.Minimum && next > *g.MaxCount
}

// ExceedsShare reports whether so many people within the window are more than the share of
// all that may lose access.
func (g Guard) ExceedsShare(next, all int) bool {
	return !g.Off() && next > g.Minimum && next*100 > g.MaxPercent*all
}

// Enough is of how many people so many are no more than the share that may lose access; 0 says
// that no number is enough.
func (g Guard) Enough(next int) int {
	if g.MaxPercent == 0 {
		return 0
	}
	return (next*100 + g.MaxPercent - 1) / g.MaxPercent
}

// UnmarshalJSON reads a guard. What is missing has its default; a maxCount that is null is
// none.
func (g *Guard) UnmarshalJSON(data []byte) error {
	type plain Guard
	read := plain(DefaultGuard())
	if err := json.Unmarshal(data, &read); err != nil {
		return err
	}
	*g = Guard(read)
	return nil
}

// check returns a fault for the first value that cannot be used.
func (g Guard) check() error {
	for _, number := range []struct {
		path        string
		value, most int
	}{{"maxCount", g.most(), MostGuarded}, {"maxPercent", g.MaxPercent, 100}, {"minimum", g.Minimum, MostGuarded}} {
		if number.value < 0 || number.value > number.most {
			return refuse("guard."+number.path, fmt.Sprintf("%s is %d: it must be from 0 to %d", number.path, number.value, number.most))
		}
	}
	span, err := time.ParseDuration(g.Window)
	if err != nil || span < ShortestWindow || span > LongestWindow {
		return refuse("guard.window", fmt.Sprintf("the window is %q: it must be a duration from 1m to 24h, such as 1h or 90m", g.Window))
	}
	return nil
}

// most is MaxCount, 0 without a guard.
func (g Guard) most() int {
	if g.Off() {
		return 0
	}
	return *g.MaxCount
}
