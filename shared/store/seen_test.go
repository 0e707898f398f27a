package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A time is covered by few prefixes of sort keys, and by all that it needs.
func TestAFewPrefixesCoverATime(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 14, 7, 0, time.UTC)
	for name, tc := range map[string]struct {
		from time.Time
		want []string
	}{
		"a moment":               {now, []string{"2026-03-02T09:1"}},
		"some minutes":           {now.Add(-11 * time.Minute), []string{"2026-03-02T09:0", "2026-03-02T09:1"}},
		"from a ten":             {now.Add(-4*time.Minute - 7*time.Second), []string{"2026-03-02T09:1"}},
		"an hour":                {now.Add(-time.Hour), []string{"2026-03-02T08:1", "2026-03-02T08:2", "2026-03-02T08:3", "2026-03-02T08:4", "2026-03-02T08:5", "2026-03-02T09:0", "2026-03-02T09:1"}},
		"more":                   {now.Add(-2 * time.Hour), []string{"2026-03-02T07", "2026-03-02T08", "2026-03-02T09"}},
		"a time that is to come": {now.Add(time.Hour), nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, seenPrefixes(tc.from, now)); diff != "" {
				t.Errorf("the prefixes since %s (-want +got):\n%s", tc.from, diff)
			}
		})
	}
	if got := len(seenPrefixes(now.AddDate(-1, 0, 0), now)); got != 25 {
		t.Errorf("a year takes %d prefixes, want the 25 with a part of the last 24 hours: %s", got, fmt.Sprint(seenPrefixes(now.AddDate(-1, 0, 0), now)))
	}
}
