package emf_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/aws/emf"
)

// lines parses the output; each line must be a JSON object.
func lines(t *testing.T, w *bytes.Buffer) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(w.String()) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil || !strings.HasSuffix(line, "}\n") {
			t.Fatalf("%q is not a line of JSON: %v", line, err)
		}
		all = append(all, object)
	}
	return all
}

func TestFormat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w bytes.Buffer
		counter := emf.New(&w, "entrasync", "Function", "users")
		counter.Count("users_settled", 3, "status", "parked", "reason", "")
		want := []map[string]any{{
			"_aws": map[string]any{
				"Timestamp": float64(time.Now().UnixMilli()),
				"CloudWatchMetrics": []any{map[string]any{
					"Namespace":  "entrasync",
					"Dimensions": []any{[]any{"Function", "status", "reason"}},
					"Metrics":    []any{map[string]any{"Name": "users_settled", "Unit": "Count"}},
				}},
			},
			"Function": "users", "status": "parked", "reason": "none", "users_settled": 3.0,
		}}
		if diff := cmp.Diff(want, lines(t, &w)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestDimensions(t *testing.T) {
	many := make([]string, 0, 80)
	for i := range 40 {
		many = append(many, strings.Repeat("x", i+1), "v")
	}
	for _, test := range []struct {
		name   string
		labels []string
		want   []any // the dimensions
		values map[string]string
	}{
		{"none", nil, []any{}, nil},
		{"half a pair", []string{"kind", "a", "left over"}, []any{"kind"}, map[string]string{"kind": "a"}},
		{"twice the same", []string{"kind", "a", "kind", "b"}, []any{"kind"}, map[string]string{"kind": "b"}},
		{"named like the metric", []string{"events", "a", "kind", "b"}, []any{"kind"}, map[string]string{"kind": "b"}},
		{"a value too long", []string{"kind", strings.Repeat("v", 2000)}, []any{"kind"}, map[string]string{"kind": strings.Repeat("v", 1024)}},
		{"line ends and quotes", []string{"kind", "a\n\"b\""}, []any{"kind"}, map[string]string{"kind": "a\n\"b\""}},
		{"too many", many, func() (first []any) {
			for i := range 30 {
				first = append(first, many[2*i])
			}
			return first
		}(), nil},
	} {
		var w bytes.Buffer
		emf.New(&w, "entrasync").Count("events", 1, test.labels...)
		line := lines(t, &w)[0]
		directive := line["_aws"].(map[string]any)["CloudWatchMetrics"].([]any)[0].(map[string]any)
		if diff := cmp.Diff([]any{test.want}, directive["Dimensions"]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		for name, value := range test.values {
			if line[name] != value {
				t.Errorf("%s: %s is %v, want %q", test.name, name, line[name], value)
			}
		}
		if line["events"] != 1.0 {
			t.Errorf("%s: the count is %v, want 1", test.name, line["events"])
		}
	}
}

// Concurrent counts do not write into each other's lines.
func TestConcurrent(t *testing.T) {
	var w bytes.Buffer
	counter := emf.New(&w, "entrasync")
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { counter.Count("events", 1, "kind", "a") })
	}
	all.Wait()
	if got := len(lines(t, &w)); got != 50 {
		t.Errorf("%d lines, want 50", got)
	}
}
