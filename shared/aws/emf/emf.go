// Package emf implements metric.Counter with the CloudWatch embedded metric format: it
// writes one line of JSON for each count.
//
// On Lambda, the output of a function goes to its log group, and CloudWatch makes metrics
// from such lines without a request and without a permission. The labels of a count
// become dimensions. So every combination of their values is a metric of its own that
// AWS charges for.
package emf

import (
	"encoding/json"
	"io"
	"slices"
	"sync"
	"time"

	"entrasync/shared/metric"
)

// The limits of the format (Specification: Embedded metric format). CloudWatch ignores a
// line with an empty dimension value, so emptyValue is written instead.
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

// New makes a Counter that writes lines to w, usually standard output. The dimensions are
// pairs of a name and a value; every count has them.
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

// Count implements metric.Counter. It ignores an error of the writer, because it could
// not be reported anywhere.
func (c *Counter) Count(name string, n int, labels ...string) {
	line := map[string]any{}
	names := []string{}
	pairs := slices.Concat(c.dimensions, labels)
	for i := 0; i+1 < len(pairs); i += 2 {
		label, value := pairs[i], pairs[i+1]
		if label == name || len(names) == maxDimensions {
			continue // a label with the metric's name would overwrite it, and CloudWatch refuses more dimensions
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

// fitting returns a value as a dimension may have it.
func fitting(value string) string {
	if value == "" {
		return emptyValue
	}
	return value[:min(len(value), maxValueBytes)]
}
