package catchup_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// For as long as webhooks are missing although there are events, each run counts that; an
// organization whose events come by webhook, or that has none, is not counted.
func TestMissingWebhooksAreCounted(t *testing.T) {
	for name, tc := range map[string]struct {
		lost bool
		want bool
	}{"all lost": {true, true}, "all delivered": {false, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				for hour := range 8 {
					f.hire(1)
					if !tc.lost {
						f.seenByWebhook()
					}
					time.Sleep(20 * time.Minute)
					f.run()
					time.Sleep(40 * time.Minute)
					f.run()
					if n := f.metrics.Counts()["webhooks_missing"]; hour < 5 && n > 0 {
						t.Errorf("%d counted after %d hours, want none before six", n, hour+1)
					}
				}
				if n := f.metrics.Counts()["webhooks_missing"]; n > 0 != tc.want {
					t.Errorf("%d counted, want some: %t", n, tc.want)
				}
			})
		})
	}
}

// A feed that cannot be read is counted in each run after a quarter of an hour, until it can.
func TestAFeedThatCannotBeReadIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		refusal(http.StatusForbidden)(f)
		failing := func(minutes int) int {
			before := f.metrics.Counts()["catchup_failing"]
			for range minutes {
				f.run()
				time.Sleep(time.Minute)
			}
			return f.metrics.Counts()["catchup_failing"] - before
		}
		if n := failing(15); n != 0 {
			t.Errorf("%d counted in the first quarter of an hour, want none", n)
		}
		if n := failing(30); n < 28 {
			t.Errorf("%d counted in the half hour after that, want one in each run", n)
		}
		refusal(0)(f)
		time.Sleep(time.Hour)
		f.run()
		if n := failing(10); n != 0 {
			t.Errorf("%d counted when it can be read again, want none", n)
		}
	})
}
