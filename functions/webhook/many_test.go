package webhook_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/jumpcloud"
	"entrasync/shared/metric"
)

// sortAndCompare compares two lists in any order.
func sortAndCompare(t *testing.T, got, want []string) {
	t.Helper()
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// array is a body of n elements.
func array(n int, element func(int) string) string {
	var elements []string
	for i := range n {
		elements = append(elements, element(i))
	}
	return "[" + strings.Join(elements, ",") + "]"
}

// numbered returns a different event for each number.
func numbered(i int) string {
	return strings.Replace(event, "6650a1b2c3d4e5f607180003", fmt.Sprintf("%024x", i), 1)
}

// waiting counts the events in the queue.
func (f *fixture) waiting() int {
	f.t.Helper()
	depth, err := f.changes.Depth(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return depth.Visible
}

// One request with any number of events gives one log line and one count for each sort.
func TestOneRequestIsOneLine(t *testing.T) {
	odd := func(int) string { return `{"hello":"world"}` }
	for _, tc := range []struct {
		name   string
		body   string
		events int
		level  string
		shapes map[string]any
	}{
		{"one event", event, 1, "info", map[string]any{"bare_event": 1.0}},
		{"1,000 events", array(jumpcloud.MaxElements, numbered), jumpcloud.MaxElements, "info", map[string]any{"bare_event": float64(jumpcloud.MaxElements)}},
		{"1,000 things that nobody knows", array(jumpcloud.MaxElements, odd), 0, "warn", map[string]any{"unrecognized": float64(jumpcloud.MaxElements)}},
		{"both", "[" + event + "," + odd(0) + "]", 1, "warn", map[string]any{"bare_event": 1.0, "unrecognized": 1.0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLogged(t)
			if got := l.send(request(tc.body)); got != 202 {
				t.Errorf("status %d, want 202", got)
			}
			lines := l.lines()
			if len(lines) != 1 {
				t.Fatalf("%d lines, want 1 lines", len(lines))
			}
			line := lines[0]
			if line["level"] != tc.level || line["organization"] != organization || line["events"] != float64(tc.events) {
				t.Errorf("%v", line)
			}
			if diff := cmp.Diff(tc.shapes, line["shapes"]); diff != "" {
				t.Errorf("shapes: %s", diff)
			}
			if tc.events > 0 {
				ids, _ := line["ids"].([]any)
				if len(ids) != min(tc.events, 5) {
					t.Errorf("ids: %v", line["ids"])
				}
				if diff := cmp.Diff(map[string]any{"user_update": float64(tc.events)}, line["types"]); diff != "" {
					t.Errorf("types: %s", diff)
				}
			}
			if size := len(l.log.String()); size > 1000 {
				t.Errorf("the line has %d bytes, want at most 1000", size)
			}
			if got := l.waiting(); got != tc.events {
				t.Errorf("%d events queued, want %d", got, tc.events)
			}
		})
	}
}

// A caller with the secret cannot make the line long either.
func TestManyTypesAreOneLine(t *testing.T) {
	l := newLogged(t)
	l.send(request(array(500, func(i int) string { return strings.Replace(numbered(i), "user_update", fmt.Sprintf("type_%d", i), 1) })))
	if lines := l.lines(); len(lines) != 1 || len(l.log.String()) > 1000 {
		t.Errorf("%d lines of %d bytes, want 1 lines, at most 1000 String", len(lines), len(l.log.String()))
	}
}

// countingMetrics counts the calls.
type countingMetrics struct {
	metric.Memory
	calls int
}

// Count implements metric.Counter.
func (c *countingMetrics) Count(name string, n int, labels ...string) {
	c.calls++
	c.Memory.Count(name, n, labels...)
}

// On AWS each count is a log line that CloudWatch reads, so there is one for each sort
// and not for each element.
func TestElementsAreCountedTogether(t *testing.T) {
	f := newFixture(t)
	metrics := &countingMetrics{}
	f.handler.Metrics = metrics
	f.status(request(array(100, numbered)))
	if n := metrics.Counts()[metric.Key("webhook_events", "shape", "bare_event")]; n != 100 || metrics.calls > 3 {
		t.Errorf("%d events in %d counts, want 100, calls at most 3", n, metrics.calls)
	}
}

// A request with more events than JumpCloud ever sends is refused completely, with a
// message, before it is parsed: the sender knows that no event was stored.
func TestTooManyEventsAreRefused(t *testing.T) {
	enclosed := func(n int) string { return `{"di_event":` + array(n, numbered) + `}` }
	asText := func(n int) string { return fmt.Sprintf(`{"di_event":%q}`, array(n, numbered)) }
	for _, tc := range []struct {
		name, body string
		want       int
	}{
		{"as many as may be", array(jumpcloud.MaxElements, numbered), 202},
		{"one more", array(jumpcloud.MaxElements+1, numbered), 413},
		{"500,000 numbers", "[" + strings.Repeat("0,", 500_000) + "0]", 413},
		{"as many as may be in one notification", enclosed(jumpcloud.MaxElements), 202},
		{"too many in one notification", enclosed(jumpcloud.MaxElements + 1), 413},
		{"too many as text in one notification", asText(jumpcloud.MaxElements + 1), 413},
		{"too many in two notifications", "[" + enclosed(600) + "," + enclosed(600) + "]", 413},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			if got := f.status(request(tc.body)); got != tc.want {
				t.Errorf("status %d, want %d", got, tc.want)
			}
			if got := f.waiting(); (got > 0) != (tc.want == 202) {
				t.Errorf("%d events queued", got)
			}
		})
	}
}

// The memory for 500,000 elements is a small multiple of the body.
func TestManyElementsCostLittle(t *testing.T) {
	f := newFixture(t)
	zeros := "[" + strings.Repeat("0,", 500_000) + "0]"
	for name, body := range map[string]string{"in an array": zeros, "in a notification": `{"di_event":` + zeros + `}`} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f.status(request(body))
		runtime.ReadMemStats(&after)
		if got, most := after.TotalAlloc-before.TotalAlloc, uint64(8*len(body)); got > most {
			t.Errorf("%s: %d bytes allocated, at most %d", name, got, most)
		}
	}
}
