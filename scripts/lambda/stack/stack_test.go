package stack_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/scripts/lambda/stack"
	"entrasync/shared/fault"
)

// place is where the stacks of these tests are put up.
func place() stack.Place {
	return stack.Place{
		StackName: "test", Region: "us-east-1", AccountID: "000000000000", Parameters: map[string]string{},
		QueueURL: func(name string) string { return "http://sqs/" + name }, APIURL: "http://api",
	}
}

// read reads a template that is given as text.
func read(t *testing.T, text string, parameters map[string]string) (*stack.Stack, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := place()
	p.Parameters = parameters
	return stack.Read(path, p)
}

// everything is a template with one of each kind of resource.
const everything = `
Parameters:
  Level: {Type: String, Default: info}
  Client: {Type: String}
  Minutes: {Type: Number, Default: 90}
Conditions:
  Loud: !Equals [!Ref Level, debug]
  Quiet: !Not [!Condition Loud]
  Never: !And [!Condition Loud, !Condition Quiet]
Globals:
  Function:
    MemorySize: 256
    LoggingConfig: {LogFormat: JSON, ApplicationLogLevel: WARN}
    Environment: {Variables: {LEVEL: !Ref Level, SHADOWED: all}}
Resources:
  WorkFunction:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub "${AWS::StackName}-work"
      Timeout: 30
      LoggingConfig: {LogGroup: mine, ApplicationLogLevel: !If [Loud, DEBUG, !Ref AWS::NoValue]}
      Role: !GetAtt Elsewhere.Outputs.RoleArn
      Environment:
        Variables:
          SHADOWED: own
          CLIENT: !Ref Client
          QUEUE: !Ref Work
          TABLE: !Ref Table
          BUS: !Ref Bus
          BUCKET: !Ref Files
          API: !GetAtt Api.ApiEndpoint
          SELF: !Sub ["${Name} ${!literal} ${Work.Arn}", {Name: !Join ["-", [a, b]]}]
          MOOD: !If [Loud, loud, quiet]
          LEFT_OUT: !If [Loud, x, !Ref AWS::NoValue]
      Events:
        Work:
          Type: SQS
          Properties:
            Queue: !GetAtt Work.Arn
            BatchSize: 5
            MaximumBatchingWindowInSeconds: 2
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {MaximumConcurrency: 3}
        Daily:
          Type: ScheduleV2
          Properties: {Name: !Sub "${AWS::StackName}-daily", ScheduleExpression: rate(1 day)}
        Often:
          Type: ScheduleV2
          Properties: {ScheduleExpression: !Sub "rate(${Minutes} minutes)", State: ENABLED}
  NeverFunction:
    Type: AWS::Serverless::Function
    Condition: Never
  Work:
    Type: AWS::SQS::Queue
    Metadata: {Age: {Minutes: 15}}
    Properties:
      QueueName: !Sub "${AWS::StackName}-work.fifo"
      FifoQueue: true
      VisibilityTimeout: 180
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 10}
  Dead:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Sub "${AWS::StackName}-dead.fifo", FifoQueue: true}
  Table:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    Properties: {BillingMode: PAY_PER_REQUEST, KeySchema: [{AttributeName: pk, KeyType: HASH}], SSESpecification: {SSEEnabled: true}}
  Files: {Type: AWS::S3::Bucket}
  Api: {Type: AWS::ApiGatewayV2::Api}
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: !Ref AWS::StackName}}
  Token:
    Type: AWS::SecretsManager::Secret
    Condition: Quiet
    Properties: {Name: !Sub "${AWS::StackName}/token"}
  Link:
    Type: AWS::ApiGatewayV2::Integration
    Properties: {IntegrationUri: !GetAtt WorkFunction.Arn}
  Route:
    Type: AWS::ApiGatewayV2::Route
    Properties: {RouteKey: "ANY /x/{y}", Target: !Sub "integrations/${Link}"}
`

func TestWhatATemplateBecomes(t *testing.T) {
	got, err := read(t, everything, map[string]string{"Client": "42"})
	if err != nil {
		t.Fatal(err)
	}
	arn := "arn:aws:sqs:us-east-1:000000000000:"
	want := &stack.Stack{
		Functions: []stack.Function{{
			LogicalID: "WorkFunction", Name: "test-work", Timeout: 30 * time.Second, MemoryMB: 256, LogLevel: "WARN",
			Environment: map[string]string{
				"LEVEL": "info", "SHADOWED": "own", "CLIENT": "42", "QUEUE": "http://sqs/test-work.fifo", "TABLE": "test-Table", "BUS": "test", "BUCKET": "test-files", "API": "http://api",
				"SELF": "a-b ${literal} " + arn + "test-work.fifo", "MOOD": "quiet",
			},
			Routes:  []stack.Route{"ANY /x/{y}"},
			Sources: []stack.Source{{QueueARN: arn + "test-work.fifo", BatchSize: 5, Concurrency: 3, Window: 2 * time.Second, ReportFailures: true}},
			Schedules: []stack.Schedule{
				{Name: "test-daily", ARN: "arn:aws:scheduler:us-east-1:000000000000:schedule/default/test-daily", Every: 24 * time.Hour},
				{Name: "WorkFunctionOften", ARN: "arn:aws:scheduler:us-east-1:000000000000:schedule/default/WorkFunctionOften", Every: 90 * time.Minute},
			},
		}},
		Queues: []stack.Queue{
			{LogicalID: "Dead", Name: "test-dead.fifo", ARN: arn + "test-dead.fifo", URL: "http://sqs/test-dead.fifo", Attributes: map[string]string{"FifoQueue": "true"}},
			{LogicalID: "Work", Name: "test-work.fifo", ARN: arn + "test-work.fifo", URL: "http://sqs/test-work.fifo", DeadLetterARN: arn + "test-dead.fifo",
				Metadata:   map[string]any{"Age": map[string]any{"Minutes": 15}},
				Attributes: map[string]string{"FifoQueue": "true", "VisibilityTimeout": "180", "RedrivePolicy": `{"deadLetterTargetArn":"` + arn + `test-dead.fifo","maxReceiveCount":"10"}`}},
		},
		Tables: []stack.Table{{Name: "test-Table", Definition: map[string]any{
			"TableName": "test-Table", "BillingMode": "PAY_PER_REQUEST", "KeySchema": []any{map[string]any{"AttributeName": "pk", "KeyType": "HASH"}},
		}}},
		Buses: []string{"test"}, Buckets: []string{"test-files"}, Secrets: []string{"test/token"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the stack (-want +got):\n%s", diff)
	}
	loud, err := read(t, everything, map[string]string{"Client": "42", "Level": "debug"})
	if err != nil {
		t.Fatal(err)
	}
	if level := loud.Functions[0].LogLevel; level != "DEBUG" {
		t.Errorf("the function's own log level is %s, want DEBUG", level)
	}
	for logging, want := range map[string]string{"{LogFormat: Text, ApplicationLogLevel: WARN}": "", "{LogFormat: JSON}": "INFO"} {
		s, err := read(t, strings.Replace(everything, "{LogFormat: JSON, ApplicationLogLevel: WARN}", logging, 1), map[string]string{"Client": "42"})
		if err != nil || s.Functions[0].LogLevel != want {
			t.Errorf("with %s the log level is %+v, want %q (%v)", logging, s, want, err)
		}
	}
	if e := loud.Functions[0].Environment; e["MOOD"] != "loud" || e["LEFT_OUT"] != "x" || len(loud.Secrets) != 0 {
		t.Errorf("with the other level: %v, secrets %v; want MOOD loud, LEFT_OUT x, no secret", e, loud.Secrets)
	}
}

func TestWhatATemplateForgets(t *testing.T) {
	for name, tc := range map[string]struct{ from, to, says string }{
		"a resource that is not there":    {"!Ref Work", "!Ref Nowhere", "Nowhere is neither a parameter nor a resource"},
		"a parameter without a value":     {"{Type: String, Default: info}", "{Type: String}", "Level has no default"},
		"an attribute nobody has":         {"!GetAtt Work.Arn", "!GetAtt Work.Name", "the attribute Name of Work"},
		"a condition that is not there":   {"!If [Loud, loud, quiet]", "!If [Laud, loud, quiet]", "no condition Laud"},
		"a function that we do not know":  {"!Ref Bus", "!Base64 x", "Fn::Base64"},
		"an event that we do not know":    {"Type: SQS", "Type: Kinesis", "Kinesis"},
		"a route that leads nowhere":      {"integrations/${Link}", "integrations/${Bus}", "no integration of this stack"},
		"a number that is none":           {"BatchSize: 5", "BatchSize: five", "the batch size is five"},
		"a schedule that is no rate":      {"rate(1 day)}", "'cron(0 3 * * ? *)'}", "only rate(…) is known here"},
		"a rate of nothing":               {"rate(1 day)", "rate(0 days)", "the rate is rate(0 days)"},
		"a schedule that is off":          {"State: ENABLED", "State: DISABLED", "the schedule is DISABLED"},
		"a schedule with an input":        {"State: ENABLED", "Input: x", "the property Input of a schedule"},
		"an integration with no function": {"!GetAtt WorkFunction.Arn", "!GetAtt Bus.Arn", "no function of this stack"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(everything, tc.from) {
				t.Fatalf("the template does not have %q", tc.from)
			}
			_, err := read(t, strings.Replace(everything, tc.from, tc.to, 1), map[string]string{"Client": "42"})
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v, want %q", err, tc.says)
			}
		})
	}
	if _, err := stack.Read(filepath.Join(t.TempDir(), "none"), place()); !fault.Is(err, fault.NotFound) {
		t.Errorf("no file: %v, want %s", err, fault.NotFound)
	}
}

func TestOurTemplate(t *testing.T) {
	p := place()
	p.Parameters["EntraClientId"] = "00000000-0000-0000-0000-000000000001"
	s, err := stack.Read("../../../template.yaml", p)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Functions) < 5 || len(s.Queues) < 10 || len(s.Tables) != 1 || len(s.Buses) != 1 || len(s.Buckets) != 1 {
		t.Fatalf("the stack has %d functions, %d queues, %d tables, %d buses and %d buckets, want at least 5 and 10, and 1 of the others", len(s.Functions), len(s.Queues), len(s.Tables), len(s.Buses), len(s.Buckets))
	}
	for _, f := range s.Functions {
		if f.LogLevel != "TRACE" {
			t.Errorf("Lambda drops lines of %s below %s: those without a level, which are its metrics, must come through", f.LogicalID, f.LogLevel)
		}
		if len(f.Routes)+len(f.Sources)+len(f.Schedules) == 0 {
			t.Errorf("nothing invokes %s", f.LogicalID)
		}
		for _, source := range f.Sources {
			q, err := s.QueueByARN(source.QueueARN)
			if err != nil || q.DeadLetterARN == "" || !source.ReportFailures {
				t.Errorf("%s is fed by %+v from %+v (%v), want a queue with dead letters, and reported failures", f.LogicalID, source, q, err)
			}
		}
	}
}
