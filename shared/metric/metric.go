// Package metric counts what happens, by a name and a few labels.
//
// It is a port: [Memory] stores the counts of one process; on AWS they become CloudWatch
// embedded metrics. Labels are words of a closed list (a shape, a reason, a kind), never
// ids or names of people.
package metric

import (
	"slices"
	"strings"
	"sync"
)

// Counter counts.
type Counter interface {
	// Count adds n to the counter of that name and labels. Labels come in
	// pairs: a label's name, then its value.
	Count(name string, n int, labels ...string)
}

// Memory is a Counter that keeps its counts. The zero value is ready to use.
type Memory struct {
	mu     sync.Mutex
	counts map[string]*Count
}

// Count is the state of one counter: its labels are pairs of a name and a value.
type Count struct {
	Name   string
	Labels []string
	N      int
}

// Count adds n to a counter.
func (m *Memory) Count(name string, n int, labels ...string) {
	key := Key(name, labels...)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.counts == nil {
		m.counts = map[string]*Count{}
	}
	if m.counts[key] == nil {
		m.counts[key] = &Count{Name: name, Labels: slices.Clone(labels)}
	}
	m.counts[key].N += n
}

// All is a copy of all counters, in any order.
func (m *Memory) All() []Count {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]Count, 0, len(m.counts))
	for _, c := range m.counts {
		all = append(all, *c)
	}
	return all
}

// Counts is a copy of all counters, by [Key].
func (m *Memory) Counts() map[string]int {
	counts := map[string]int{}
	for _, c := range m.All() {
		counts[Key(c.Name, c.Labels...)] = c.N
	}
	return counts
}

// Key is how a counter is written: name{label="value",…}.
func Key(name string, labels ...string) string {
	if len(labels) < 2 {
		return name
	}
	pairs := make([]string, 0, len(labels)/2)
	for i := 0; i+1 < len(labels); i += 2 {
		pairs = append(pairs, labels[i]+`="`+labels[i+1]+`"`)
	}
	return name + "{" + strings.Join(pairs, ",") + "}"
}
