package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"entrasync/scripts/lambda/stack"
)

// watched are the queues and functions of alarms and dashboard, in the order of the
// template.
type watched struct {
	Queues    []queue
	Functions []function
}

// queue is a queue with its dead letters.
type queue struct {
	ID   string // begins the logical ids of its alarms: Changes
	Name string // changes
	// Minutes is how long the oldest message may wait, and Says is what is wrong when it
	// waits longer.
	Minutes int
	Says    string
	// Stranded reports whether a function takes its dead letters out, so that the API lists
	// them.
	Stranded bool
}

// function is a function.
type function struct {
	ID    string // Webhook
	Name  string // webhook
	Every time.Duration
}

// Seconds is how long the oldest message may wait.
func (q queue) Seconds() int { return 60 * q.Minutes }

// The stack's name, for which the templates below have a parameter.
const prefix = "${Prefix}"

// read reads the queues and functions of a template.
func read(path string) (watched, error) {
	var w watched
	text, err := os.ReadFile(path)
	if err != nil {
		return w, err
	}
	s, err := stack.Read(path, stack.Place{
		StackName: prefix, Parameters: map[string]string{"EntraClientId": "00000000-0000-0000-0000-000000000000"},
		QueueURL: func(name string) string { return name },
	})
	if err != nil {
		return w, err
	}
	place := func(logicalID string) int { return strings.Index(string(text), "\n  "+logicalID+":\n") }
	slices.SortFunc(s.Queues, func(a, b stack.Queue) int { return cmp.Compare(place(a.LogicalID), place(b.LogicalID)) })
	slices.SortFunc(s.Functions, func(a, b stack.Function) int {
		return cmp.Compare(place(a.LogicalID), place(b.LogicalID))
	})
	for _, q := range s.Queues {
		if q.DeadLetterARN == "" {
			continue // dead letters themselves
		}
		age, _ := q.Metadata["Age"].(map[string]any)
		minutes, isNumber := age["Minutes"].(int)
		says, isText := age["Says"].(string)
		if !isNumber || !isText || minutes < 1 {
			return w, fmt.Errorf("%s: the queue has no Metadata {Age: {Minutes, Says}} for its alarm", q.LogicalID)
		}
		stranded, err := takenOut(s, q)
		if err != nil {
			return w, err
		}
		w.Queues = append(w.Queues, queue{strings.TrimSuffix(q.LogicalID, "Queue"), nameOf(strings.TrimSuffix(q.Name, ".fifo")), minutes, says, stranded})
	}
	for _, f := range s.Functions {
		watch := function{ID: strings.TrimSuffix(f.LogicalID, "Function"), Name: nameOf(f.Name)}
		for _, schedule := range f.Schedules {
			watch.Every = max(watch.Every, schedule.Every)
		}
		if watch.Every > longestGap {
			return w, fmt.Errorf("%s: an alarm looks back a week at most, so that a schedule must come every %s at least", f.LogicalID, longestGap)
		}
		w.Functions = append(w.Functions, watch)
	}
	return w, nil
}

// takenOut reports whether a function has the URL of a queue's dead letters.
func takenOut(s *stack.Stack, q stack.Queue) (bool, error) {
	dead, err := s.QueueByARN(q.DeadLetterARN)
	return err == nil && slices.ContainsFunc(s.Functions, func(f stack.Function) bool {
		return slices.Contains(slices.Collect(maps.Values(f.Environment)), dead.URL)
	}), err
}

// nameOf is a name without that of the stack.
func nameOf(name string) string { return strings.TrimPrefix(name, prefix+"-") }

// CloudWatch evaluates at most a week with periods of an hour or more, and at most a day
// with shorter ones (Amazon CloudWatch user guide, evaluating an alarm).
const (
	hour       = time.Hour
	short      = 5 * time.Minute
	longestGap = 84 * time.Hour
)

// Period is the period of the alarm for missed runs, in seconds.
func (f function) Period() int {
	if f.Every >= hour {
		return int(hour.Seconds())
	}
	return int(short.Seconds())
}

// Periods is how many periods cover two runs.
func (f function) Periods() int {
	period := time.Duration(f.Period()) * time.Second
	return int((2*f.Every + period - 1) / period)
}
