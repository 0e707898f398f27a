package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"entrasync/scripts/lambda/stack"
)

// What a schedule needs (EventBridge Scheduler user guide, setting up the execution
// role): the service may take the role, and the role may invoke the function.
const (
	scheduler  = "scheduler.amazonaws.com"
	invocation = "lambda:InvokeFunction"
)

// A schedule may send what it could not start to the queue of dead letters of all schedules.
const (
	deadLetter    = "sqs:SendMessage"
	deadSchedules = "-schedules-dead"
)

// besideItself are the functions that may run again before the last run has ended: two runs
// of largeimport never work on the same import, since each import has a lease, and so it is
// with catchup and its organizations, and with resync.
var besideItself = []string{"catchup", "largeimport", "resync"}

// scheduled gives what is wrong with a schedule of a function: its role allows less or more
// than is needed; it never runs; or a run may take so long that the next one begins before
// its end, which Lambda does not prevent.
func scheduled(name string, f function, s schedule) []string {
	var problems []string
	say := func(format string, values ...any) {
		problems = append(problems, "the schedule "+s.Name+" "+fmt.Sprintf(format, values...))
	}
	if !slices.Equal(s.Trusted, []string{scheduler}) {
		say("has a role that %v may take: it must be %s alone", s.Trusted, scheduler)
	}
	invokes := false
	for _, statement := range s.Statements {
		for _, action := range statement.Action {
			for _, resource := range statement.Resource {
				switch {
				case statement.Effect == "Allow" && action == invocation && resource == f.ARN:
					invokes = true
				case statement.Effect == "Allow" && action == deadLetter && strings.HasSuffix(resource, deadSchedules):
				default:
					say("has a role with more than it needs: %s %s on %s", statement.Effect, action, resource)
				}
			}
		}
	}
	if !invokes {
		say("has a role that may not invoke the function: %s is needed on %s", invocation, f.ARN)
	}
	if s.State != "ENABLED" {
		say("is %s: nothing runs", s.State)
	}
	every, err := stack.Rate(s.Expression)
	if timeout := time.Duration(f.Timeout) * time.Second; err != nil {
		say("is not understood here: %v", err)
	} else if every <= timeout && !slices.Contains(besideItself, name) {
		say("comes every %s, and a run may take %s: it would run beside itself", every, timeout)
	}
	return problems
}
