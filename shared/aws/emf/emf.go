// Package emf counts into CloudWatch by writing: metric.Counter in the CloudWatch
// embedded metric format, one line of JSON for each count.
//
// On Lambda, what a function prints goes to its log group, and CloudWatch makes
// metrics of such lines without a request and without a permission. The labels
// of a count become dimensions, so every combination of their values is a metric
// of its own, and paid for.
package emf

import (
	"encoding/json"
	"io"
	"slices"
	"sync"
	"time"

	"entrasync/shared/metric"
)

// The limits of the format (Specification: Embedded metric format). A dimension
// without a value would make CloudWatch ignore the line, so emptyValue stands
// for none.
const (
	maxDimensions = 30
	maxValueBytes = 1024
	emptyValue    = "none"
)

// Counter is a metric.Counter, safe for concurrent use.
type Counter struct {
	namespace  string
	dimensions []string // pairs

	mu sync.Mutex
	w  io.Writer
}

var _ metric.Counter = (*Counter)(nil)

// New makes a Counter that writes lines to w, usually standard output. The
// dimensions are pairs of a name and a value that every count has.
func New(w io.Writer, namespace string, dimensions ...string) *Counter {
	return &Counter{namespace: namespace, dimensions: dimensions, w: w}
}

// The metadata of a line, with the names of the format.
type (
	metadata struct {
		Timestamp         int64 // milliseconds since 1970
		CloudWatchMetrics []directive
	}
	directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []definition
	}
	definition struct {
		Name string
		Unit string
	}
)

// Count implements metric.Counter. There is nobody to tell of a line that could
// not be written.
func (c *Counter) Count(name string, n int, labels ...string) {
	line := map[string]any{}
	names := []string{}
	pairs := slices.Concat(c.dimensions, labels)
	for i := 0; i+1 < len(pairs); i += 2 {
		label, value := pairs[i], pairs[i+1]
		if label == name || len(names) == maxDimensions {
			continue // the first would be the metric itself, the second is refused
		}
		if !slices.Contains(names, label) {
			names = append(names, label)
		}
		line[label] = fitting(value)
	}
	line[name] = n
	line["_aws"] = metadata{Timestamp: time.Now().UnixMilli(), CloudWatchMetrics: []directive{{
		Namespace: c.namespace, Dimensions: [][]string{names}, Metrics: []definition{{Name: name, Unit: "Count"}}}}}
	text, err := json.Marshal(line)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.w.Write(append(text, '\n'))
}

// fitting is a value that a dimension may have.
func fitting(value string) string {
	if value == "" {
		return emptyValue
	}
	return value[:min(len(value), maxValueBytes)]
}
