package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// sample is a function on a schedule, as deploy.py writes it; deploy_test.py compares its
// output with the same file.
func sample(t *testing.T) function {
	t.Helper()
	text, err := os.ReadFile("testdata/scheduled.json")
	if err != nil {
		t.Fatal(err)
	}
	var f function
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Schedules) != 1 {
		t.Fatalf("the sample has %d schedules, want 1", len(f.Schedules))
	}
	return f
}

func TestSchedules(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*function, *schedule)
		want string // "" for none
	}{
		"what SAM makes":         {func(*function, *schedule) {}, ""},
		"every 2 minutes":        {func(_ *function, s *schedule) { s.Expression = "rate(2 minutes)" }, ""},
		"a role without a right": {func(_ *function, s *schedule) { s.Statements = nil }, "may not invoke the function"},
		"another function":       {func(f *function, _ *schedule) { f.ARN += "s" }, "may not invoke the function"},
		"a denial":               {func(_ *function, s *schedule) { s.Statements[0].Effect = "Deny" }, "may not invoke the function"},
		"any function":           {func(_ *function, s *schedule) { s.Statements[0].Resource = list{"*"} }, "lambda:InvokeFunction on *"},
		"another right on top": {func(_ *function, s *schedule) {
			s.Statements[0].Action = append(s.Statements[0].Action, "lambda:UpdateFunctionCode")
		}, "more than it needs: Allow lambda:UpdateFunctionCode"},
		"dead letters": {func(_ *function, s *schedule) {
			s.Statements = append(s.Statements, allow(deadLetter, "arn:aws:sqs:eu-central-1:123456789012:stack-schedules-dead"))
		}, ""},
		"letters to another queue": {func(_ *function, s *schedule) {
			s.Statements = append(s.Statements, allow(deadLetter, "arn:aws:sqs:eu-central-1:123456789012:stack-changes.fifo"))
		}, "more than it needs: Allow sqs:SendMessage"},
		"a role that nobody takes":  {func(_ *function, s *schedule) { s.Trusted = nil }, "it must be scheduler.amazonaws.com alone"},
		"a role that others take":   {func(_ *function, s *schedule) { s.Trusted = append(s.Trusted, "ec2.amazonaws.com") }, "it must be scheduler.amazonaws.com alone"},
		"a schedule that is off":    {func(_ *function, s *schedule) { s.State = "DISABLED" }, "nothing runs"},
		"a run longer than the gap": {func(_ *function, s *schedule) { s.Expression = "rate(1 minute)" }, "it would run beside itself"},
		"a schedule by the clock":   {func(_ *function, s *schedule) { s.Expression = "cron(0 3 * * ? *)" }, "not understood here"},
		"an unknown unit":           {func(_ *function, s *schedule) { s.Expression = "rate(2 weeks)" }, "not understood here"},
	} {
		t.Run(name, func(t *testing.T) {
			f := sample(t)
			tc.edit(&f, &f.Schedules[0])
			got := scheduled("sample", f, f.Schedules[0])
			found := slices.ContainsFunc(got, func(problem string) bool { return strings.Contains(problem, tc.want) })
			if tc.want == "" && len(got) > 0 || tc.want != "" && !found {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// A function whose work has leases may run beside itself.
func TestALeaseAllowsRunsSideBySide(t *testing.T) {
	f := sample(t)
	f.Timeout, f.Schedules[0].Expression = 900, "rate(1 minute)"
	for name, want := range map[string]int{"sample": 1, "largeimport": 0} {
		if got := scheduled(name, f, f.Schedules[0]); len(got) != want {
			t.Errorf("%s: got %q, want %d problems", name, got, want)
		}
	}
}

// A schedule is checked together with the role of its function.
func TestScheduledFunctionsAreChecked(t *testing.T) {
	f := example()
	f.ARN, f.Timeout = "arn:aws:lambda:eu-central-1:123456789012:function:stack-fanout", 60
	f.Schedules = []schedule{{Name: "daily", Expression: "rate(1 day)", State: "ENABLED", Trusted: []string{scheduler}}}
	if got := check("fanout", f, exampleCalls); len(got) != 1 || !strings.Contains(got[0], "the schedule daily has a role that may not invoke") {
		t.Errorf("got %q, want that the schedule may not invoke", got)
	}
	f.Schedules[0].Statements = []statement{allow(invocation, f.ARN)}
	if got := check("fanout", f, exampleCalls); len(got) != 0 {
		t.Errorf("got %q, want nothing", got)
	}
}
