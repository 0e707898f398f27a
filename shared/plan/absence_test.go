package plan_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"entrasync/shared/plan"
)

// Each case: the times of the reads, the number of people in doubt, and the read that
// believes the absence.
func TestWhenAnAbsenceIsBelieved(t *testing.T) {
	for name, tc := range map[string]struct {
		reads    []int // seconds
		people   int
		believed int // by which read; 0: by none
	}{
		"one read":                         {[]int{0}, 1, 0},
		"two, some seconds apart":          {[]int{0, 5}, 1, 2},
		"two at once":                      {[]int{0, 1, 4}, 1, 0},
		"three people":                     {[]int{0, 6}, 3, 2},
		"four people, twice":               {[]int{0, 6}, 4, 0},
		"four people, a minute later":      {[]int{0, 6, 66}, 4, 3},
		"four people, half a minute later": {[]int{0, 6, 36}, 4, 0},
		"everybody":                        {[]int{0, 5, 60, 65}, 5000, 4},
		"ten minutes apart":                {[]int{0, 600}, 1, 0},
		"ten minutes apart, and again":     {[]int{0, 600, 605}, 1, 3},
	} {
		var a plan.Absence
		start, got := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 0
		for i, second := range tc.reads {
			after, believed, _ := a.Shown(start.Add(time.Duration(second)*time.Second), tc.people)
			if a = after; believed {
				got = i + 1
				break
			}
		}
		if got != tc.believed {
			t.Errorf("%s: got believed by read %d, want %d", name, got, tc.believed)
		}
	}
}

// A reader that reads again at the returned times, and sees the absence each time, believes
// it in the end, never at the first read, and later the more people it concerns.
func TestReadingAtTheReturnedTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		people := rapid.IntRange(1, 10).Draw(t, "people")
		var a plan.Absence
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		start, reads := now, 0
		for believed := false; !believed; reads++ {
			var again time.Time
			if a, believed, again = a.Shown(now, people); !believed {
				if !again.After(now) {
					t.Fatalf("got %s as the time of the next read, want one after now (%s)", again, now)
				}
				now = again
			}
			if reads > 3 {
				t.Fatalf("got %d reads without belief, want it believed", reads)
			}
		}
		want, least := 2, plan.SecondRead
		if people > plan.FewPeople {
			want, least = 3, plan.SecondRead+plan.ThirdRead
		}
		if reads != want || now.Sub(start) != least {
			t.Errorf("%d people: %d reads in %s, want %d in %s", people, reads, now.Sub(start), want, least)
		}
	})
}
