package host_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"entrasync/shared/local/host"
)

// hourly is a schedule of every hour.
func hourly() host.Schedule { return host.Schedule{Name: "tick", Every: time.Hour} }

// A scheduled function runs at once and then at its times. It never runs twice at once, and
// a run that fails, panics or exceeds its time-out does not prevent a later one.
func TestAScheduledFunctionRunsAtItsTimes(t *testing.T) {
	for name, tc := range map[string]struct {
		run  func(ctx context.Context, n int) error // n counts from 0
		want []time.Duration                        // when the runs begin, in six and a half hours
	}{
		"all is well":         {func(context.Context, int) error { return nil }, hours(0, 1, 2, 3, 4, 5, 6)},
		"a run takes 90 min":  {takes(1, 90*time.Minute), hours(0, 1, 3, 4, 5, 6)},
		"a run takes 150 min": {takes(0, 150*time.Minute), hours(0, 3, 4, 5, 6)},
		"every run takes 90 min": {func(context.Context, int) error {
			time.Sleep(90 * time.Minute)
			return nil
		}, hours(0, 2, 4, 6)},
		"a run fails": {func(_ context.Context, n int) error {
			if n == 1 {
				return errors.New("no")
			}
			return nil
		}, hours(0, 1, 2, 3, 4, 5, 6)},
		"every run panics": {func(context.Context, int) error { panic("no") }, hours(0, 1, 2, 3, 4, 5, 6)},
		"every run waits for ever": {func(ctx context.Context, _ int) error {
			<-ctx.Done()
			return ctx.Err()
		}, hours(0, 4)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, start := host.New(zerolog.Nop()), time.Now()
				var got []time.Duration
				running := 0
				h.Schedule(host.Function{Name: "test", Timeout: 200 * time.Minute, Handler: func(ctx context.Context, _ events.EventBridgeEvent) error {
					if running++; running > 1 {
						t.Errorf("%d runs at once, want 1", running)
					}
					defer func() { running-- }()
					got = append(got, time.Since(start))
					return tc.run(ctx, len(got)-1)
				}}, hourly())
				time.Sleep(6*time.Hour + 30*time.Minute)
				if !h.Stop(4 * time.Hour) {
					t.Error("the host did not stop")
				}
				if !slices.Equal(got, tc.want) {
					t.Errorf("runs began after %v, want %v", got, tc.want)
				}
			})
		})
	}
}

// takes is a function with one long run.
func takes(which int, long time.Duration) func(context.Context, int) error {
	return func(_ context.Context, n int) error {
		if n == which {
			time.Sleep(long)
		}
		return nil
	}
}

// hours are times in hours.
func hours(all ...int) []time.Duration {
	var times []time.Duration
	for _, n := range all {
		times = append(times, time.Duration(n)*time.Hour)
	}
	return times
}

// Stop waits for a running invocation, at most for the given time, and begins no other.
func TestAScheduleEndsWithTheHost(t *testing.T) {
	for name, tc := range map[string]struct {
		takes, within time.Duration
		ended         bool
		stopped       time.Duration // how long Stop takes
	}{
		"nothing runs":          {time.Minute, time.Minute, true, 0},
		"a run ends in time":    {45 * time.Minute, time.Hour, true, 15 * time.Minute},
		"a run takes too long":  {2 * time.Hour, 10 * time.Minute, false, 10 * time.Minute},
		"the next time is over": {70 * time.Minute, time.Hour, true, 40 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var runs atomic.Int64
				h := host.New(zerolog.Nop())
				h.Schedule(host.Function{Name: "test", Timeout: 24 * time.Hour, Handler: func(context.Context, events.EventBridgeEvent) error {
					runs.Add(1)
					time.Sleep(tc.takes)
					return nil
				}}, hourly())
				time.Sleep(30 * time.Minute)
				start := time.Now()
				if ended := h.Stop(tc.within); ended != tc.ended || time.Since(start) != tc.stopped {
					t.Errorf("Stop reports %v after %s, want %v after %s", ended, time.Since(start), tc.ended, tc.stopped)
				}
				time.Sleep(6 * time.Hour)
				if got := runs.Load(); got != 1 {
					t.Errorf("%d runs, want 1", got)
				}
			})
		})
	}
}

// The function receives the event that EventBridge Scheduler sends, in this process and in
// another one.
func TestTheScheduledEvent(t *testing.T) {
	for name, tc := range map[string]struct{ arn, account, region, resource string }{
		"of this machine": {"", "000000000000", "local", "arn:aws:scheduler:local:000000000000:schedule/default/tick"},
		"of AWS": {"arn:aws:scheduler:eu-central-1:123456789012:schedule/default/stack-tick", "123456789012", "eu-central-1",
			"arn:aws:scheduler:eu-central-1:123456789012:schedule/default/stack-tick"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := host.New(zerolog.Nop())
				var got map[string]any
				outside := raw(func(_ context.Context, event []byte) ([]byte, error) {
					return []byte("null"), json.Unmarshal(event, &got)
				})
				s := hourly()
				s.ARN = tc.arn
				if err := h.Fire(host.Function{Name: "test", Handler: outside, Timeout: time.Second}, s); err != nil {
					t.Fatal(err)
				}
				if got["id"] == "" {
					t.Errorf("got event %v, want one with an id", got)
				}
				delete(got, "id")
				want := map[string]any{
					"version": "0", "detail-type": "Scheduled Event", "source": "aws.scheduler", "account": tc.account, "region": tc.region,
					"time": time.Now().UTC().Format(time.RFC3339), "resources": []any{tc.resource}, "detail": "{}",
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("the event (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A run that fails is logged, with the function and the schedule.
func TestAFailedRunIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := host.New(zerolog.New(&log))
		h.Schedule(host.Function{Name: "test", Timeout: time.Second, Handler: func(events.EventBridgeEvent) error { return errors.New("no luck") }}, hourly())
		synctest.Wait()
		h.Stop(time.Minute)
		for _, want := range []string{`"level":"error"`, `"schedule":"tick"`, "no luck", "host.invoke test"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("got log %s, want %s in it", log.String(), want)
			}
		}
	})
}
