package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// root is the folder of the module.
const root = "../../.."

// file is a file of the module.
func file(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheFilesAreDerived(t *testing.T) {
	derived, err := derive(root, templateFile)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range derived {
		if diff := cmp.Diff(want, file(t, name)); diff != "" {
			t.Errorf("%s is not what follows from the template, run `make derive` (-want +got):\n%s", name, diff)
		}
	}
}

// changed is the template with a queue and a function on a schedule more.
func changed(t *testing.T, edits ...string) watched {
	t.Helper()
	text := file(t, templateFile)
	const more = `
Resources:
  SampleFunction:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub "${AWS::StackName}-sample"
      Events:
        Daily: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 day)}}
  SampleLiveQueue:
    Type: AWS::SQS::Queue
    Metadata: {Age: {Minutes: 7, Says: Samples do not arrive}}
    Properties:
      QueueName: !Sub "${AWS::StackName}-sample-live.fifo"
      RedrivePolicy: {deadLetterTargetArn: !GetAtt ChangesDeadQueue.Arn, maxReceiveCount: 1}
`
	text = strings.Replace(text, "\nResources:\n", strings.NewReplacer(edits...).Replace(more), 1)
	path := filepath.Join(t.TempDir(), templateFile)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := read(path)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// A queue and a function that are added to the template get their alarms and rows.
func TestWhatComesIsWatched(t *testing.T) {
	w := changed(t)
	alarms, err := withAlarms(file(t, alarmsFile), w)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`!Sub "${Prefix}-sample-live-dead"`, `!Sub "${Prefix}-sample-live-stranded"`, `{Name: queue, Value: sample-live}`, "Samples do not arrive; the oldest message has waited for over 7 minutes.", "Threshold: 420",
		`!Sub "${Prefix}-sample-errors"`, `!Sub "${Prefix}-sample-throttles"`, `!Sub "${Prefix}-sample-missed"`,
	} {
		if n := strings.Count(alarms, want); n != 1 {
			t.Errorf("%d times %q in the alarms, want 1", n, want)
		}
	}
	dashboard := withRows(file(t, dashboardFile), alarms, w)
	for want, times := range map[string]int{
		`"${Account}-sample-live-dead"`: 1, `"${Account}-sample-live-stranded"`: 1, `"${Account}-sample-live-age"`: 1, `"${Account}-sample-missed"`: 1, `"${Account}-sample-errors"`: 1,
		`"${Prefix}-sample-live.fifo",{"label":"sample-live","stat":"Maximum"}`: 2, `"${Prefix}-sample-live-dead.fifo",{"label":"sample-live-dead"`: 1,
		`["AWS/Lambda","Duration","FunctionName","${Prefix}-sample",{"label":"sample","stat":"p95"}]`: 1, `"FunctionName","${Prefix}-sample"`: 3,
	} {
		if n := strings.Count(dashboard, want); n != times {
			t.Errorf("%d times %s in the dashboard, want %d", n, want, times)
		}
	}
	body := regexp.MustCompile(`(?s)DashboardBody: !Sub\n +- \|\n(.*)\n +- Account:`).FindStringSubmatch(dashboard)
	if body == nil || !json.Valid([]byte(body[1])) {
		t.Error("the body of the dashboard is not JSON any more")
	}
}

// Dead letters that no function takes out are in no list of the API: to be told of them is
// all.
func TestDeadLettersThatStay(t *testing.T) {
	w := changed(t, "ChangesDeadQueue.Arn", "SampleDeadQueue.Arn", "Resources:", `Resources:
  SampleDeadQueue:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Sub "${AWS::StackName}-sample-dead.fifo"}`)
	alarms, err := withAlarms(file(t, alarmsFile), w)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(alarms, `!Sub "${Prefix}-sample-live-dead"`) || strings.Contains(alarms, "sample-live-stranded") {
		t.Error("the queue of samples has no alarm of its dead letters, or one of stranded messages; want only the first")
	}
}

// What is removed from the template leaves nothing behind: the files are as they were.
func TestWhatGoesIsForgotten(t *testing.T) {
	w := changed(t)
	alarms, err := withAlarms(file(t, alarmsFile), w)
	if err != nil {
		t.Fatal(err)
	}
	dashboard := withRows(file(t, dashboardFile), alarms, w)
	own, err := read(filepath.Join(root, templateFile))
	if err != nil {
		t.Fatal(err)
	}
	back, err := withAlarms(alarms, own)
	if diff := cmp.Diff(file(t, alarmsFile), back); err != nil || diff != "" {
		t.Errorf("the alarms (-want +got): %v\n%s", err, diff)
	}
	if diff := cmp.Diff(file(t, dashboardFile), withRows(dashboard, back, own)); diff != "" {
		t.Errorf("the dashboard (-want +got):\n%s", diff)
	}
}

// The alarm for missed runs covers two runs, as far as CloudWatch can: a day with periods
// under an hour, a week else.
func TestTheAlarmOfWhatDoesNotRun(t *testing.T) {
	for rate, want := range map[string][2]int{
		"rate(1 minute)": {300, 1}, "rate(30 minutes)": {300, 12}, "rate(59 minutes)": {300, 24}, "rate(1 hour)": {3600, 2}, "rate(1 day)": {3600, 48}, "rate(84 hours)": {3600, 168},
	} {
		f := changed(t, "rate(1 day)", rate).Functions[0]
		if got := [2]int{f.Period(), f.Periods()}; got != want {
			t.Errorf("%s: period and periods %v, want %v", rate, got, want)
		}
	}
}

// What cannot be watched is refused by name.
func TestWhatCannotBeWatched(t *testing.T) {
	text := file(t, templateFile)
	for name, tc := range map[string]struct{ from, to, says string }{
		"a queue without words":     {"    Metadata: {Age: {Minutes: 15, Says: Events are not fanned out in time}}\n", "", "ChangesQueue: the queue has no Metadata"},
		"a wait of nothing":         {"Minutes: 15", "Minutes: 0", "ChangesQueue: the queue has no Metadata"},
		"a schedule of every week":  {"      Events:\n        Changes:", "      Events:\n        Weekly: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(7 days)}}\n        Changes:", "FanoutFunction: an alarm looks back a week"},
		"a file that is not a list": {"Resources:", "Resources: none\nOthers:", "template.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(text, tc.from) {
				t.Fatalf("the template does not have %q", tc.from)
			}
			path := filepath.Join(t.TempDir(), templateFile)
			if err := os.WriteFile(path, []byte(strings.Replace(text, tc.from, tc.to, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := read(path); err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v, want %q", err, tc.says)
			}
		})
	}
	if _, err := withAlarms("nothing to replace", watched{}); err == nil {
		t.Error("a file without the two lines: no error, want one")
	}
}
