package simulate

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	seed  = flag.Uint64("seed", 0, "the seed of the day that TestDay plays")
	text  = flag.String("history", "", "the steps of the day that TestDay plays, instead of those of the seed")
	short = flag.Int("shrink", 0, "how many times TestDay plays a day that fails to make it shorter")
	logs  = flag.String("log", "", "the file that gets the product's log of TestDay")
)

// TestDay plays the day of one seed.
func TestDay(t *testing.T) {
	day := Draw(*seed)
	if *text != "" {
		var err error
		if day, err = Parse(*seed, *text); err != nil {
			t.Fatal(err)
		}
	}
	result := Play(t, day)
	if *logs != "" {
		if err := os.WriteFile(*logs, result.Log, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%s\n%s of virtual time", day, result.Took)
	for _, wrong := range result.Wrong {
		t.Error(wrong)
	}
	if *short > 0 && t.Failed() {
		shorter := Shrink(day, *short, func(d Day) bool { return len(Play(t, d).Wrong) > 0 })
		t.Logf("shorter: -seed %d -history %q\n%s", shorter.Seed, shorter, strings.Join(Play(t, shorter).Wrong, "\n"))
	}
}

var (
	days = flag.Int("days", 0, "how many days TestDays plays; 0 for the few that a usual run of the tests has time for")
	from = flag.Uint64("from", 1, "the first seed of TestDays")
	skip = flag.String("skip", "", "seeds that TestDays leaves out, separated by commas")
	most = flag.Int("failures", 3, "after how many failed days TestDays ends")
)

// usualDays is how many days a usual run of the tests plays, with the race detector. `make
// check` plays a thousand without it.
const usualDays = 20

// TestDays plays the days of many seeds, on all cores.
func TestDays(t *testing.T) {
	wanted := *days
	if wanted == 0 {
		wanted = usualDays
	}
	run := &campaign{first: *from, days: wanted, most: *most, progress: *days > 0, start: time.Now()}
	t.Run("all", func(t *testing.T) {
		for n := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				run.work(t)
			})
		}
	})
	t.Log(run.summary())
}

// campaign is the work on many days.
type campaign struct {
	mu       sync.Mutex
	first    uint64
	days     int
	most     int
	progress bool
	start    time.Time
	begun    int
	ended    int
	virtual  time.Duration
	failed   []uint64
}

// next is the next seed; ok is false at the end.
func (c *campaign) next() (seed uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun >= c.days || len(c.failed) >= c.most {
		return 0, false
	}
	c.begun++
	return c.first + uint64(c.begun) - 1, true
}

// work plays days until there are none left.
func (c *campaign) work(t *testing.T) {
	t.Helper()
	for {
		seed, ok := c.next()
		if !ok {
			return
		}
		if slices.Contains(strings.Split(*skip, ","), fmt.Sprint(seed)) {
			continue
		}
		day := Draw(seed)
		result := Play(t, day)
		c.done(seed, result)
		if len(result.Wrong) > 0 {
			t.Errorf("seed %d: %s\nreplay: go test ./scripts/simulate -run TestDay$ -seed %d\n%s", seed, strings.Join(result.Wrong, "\n  "), seed, day)
		}
	}
}

// done counts a day that has ended.
func (c *campaign) done(seed uint64, result Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended++
	c.virtual += result.Took
	if len(result.Wrong) > 0 {
		c.failed = append(c.failed, seed)
	}
	if each := 100; c.progress && c.ended%each == 0 {
		fmt.Println(c.text())
	}
}

// summary says what came of all.
func (c *campaign) summary() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text()
}

// text is the summary so far.
func (c *campaign) text() string {
	took := time.Since(c.start)
	return fmt.Sprintf("%d days (%s of virtual time) in %s, %.1f a second; failed: %d %v", c.ended, c.virtual.Round(time.Minute),
		took.Round(time.Second), float64(c.ended)/took.Seconds(), len(c.failed), c.failed)
}
