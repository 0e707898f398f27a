package deployment

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/rs/zerolog"

	"entrasync/scripts/lambda/runtimeapi"
	"entrasync/shared/fault"
	"entrasync/shared/local/host"
)

// writesTo is the variable that makes the test program a scheduled function: the file
// to which it adds what it gets.
const writesTo = "SAMPLE_WRITES_TO"

func TestMain(m *testing.M) {
	if os.Getenv(writesTo) == "" {
		os.Exit(m.Run())
	}
	lambda.Start(sample)
}

// sample is the handler of the sample function. It fails on the schedule "never".
func sample(_ context.Context, e events.EventBridgeEvent) error {
	if strings.HasSuffix(e.Resources[0], "/never") {
		return fault.New(fault.Invalid, "sample", "never say never")
	}
	file, err := os.OpenFile(os.Getenv(writesTo), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return json.NewEncoder(file).Encode(e)
}

// scheduled is a template with a sample function and two schedules for it.
const scheduled = `
Parameters:
  EntraClientId: {Type: String}
  EntraSignIn: {Type: String}
  EntraLoginUrl: {Type: String}
  GraphUrl: {Type: String}
Resources:
  SampleFunction:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub "${AWS::StackName}-sample"
      Timeout: 20
      Environment: {Variables: {SAMPLE_WRITES_TO: FILE}}
      Events:
        Daily: {Type: ScheduleV2, Properties: {Name: daily, ScheduleExpression: rate(1 day)}}
        Weekly: {Type: ScheduleV2, Properties: {Name: weekly, ScheduleExpression: rate(7 days)}}
`

// putUp puts up the parts of a deployment that a function on a schedule needs.
func putUp(t *testing.T, template string) (d *Deployment, file string) {
	t.Helper()
	if err := Supported(); err != nil {
		t.Skip(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	file = filepath.Join(folder, "events")
	if err := os.WriteFile(filepath.Join(folder, "template.yaml"), []byte(strings.Replace(template, "FILE", file, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	d = &Deployment{
		config:    Config{Root: folder, Name: "test", Bootstraps: map[string]string{"SampleFunction": program}, Log: &bytes.Buffer{}},
		Functions: map[string]*runtimeapi.Function{}, hosted: map[string]host.Function{}, host: host.New(zerolog.Nop()),
	}
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
	for _, step := range []func(context.Context) error{d.readTemplate, d.startFunctions} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return d, file
}

// A shipped program is invoked as each of its schedules does, and not before.
func TestAFunctionIsFired(t *testing.T) {
	d, file := putUp(t, scheduled)
	if _, err := os.Stat(file); err == nil {
		t.Error("it ran before anybody fired it")
	}
	if err := d.Fire("SampleFunction"); err != nil {
		t.Fatal(err)
	}
	written, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = written.Close() }()
	decoder := json.NewDecoder(written)
	for _, want := range []string{"daily", "weekly"} {
		var got events.EventBridgeEvent
		if err := decoder.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if arn := "arn:aws:scheduler:us-east-1:000000000000:schedule/default/" + want; got.Source != "aws.scheduler" || got.Resources[0] != arn || got.Region != "us-east-1" {
			t.Errorf("the function got %+v, want an event of %s", got, arn)
		}
	}
	if decoder.More() {
		t.Error("it ran more often than it has schedules")
	}
}

// A run that fails, and a function without a schedule, are errors with the reason.
func TestFiringInVain(t *testing.T) {
	d, _ := putUp(t, strings.Replace(scheduled, "Name: weekly", "Name: never", 1))
	if err := d.Fire("SampleFunction"); err == nil || !strings.Contains(err.Error(), "never say never") {
		t.Errorf("the run failed: %v, want its reason", err)
	}
	if err := d.Fire("OtherFunction"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a function that the template does not have: %v, want %s", err, fault.NotFound)
	}
}
