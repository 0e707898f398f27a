package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const arn = "arn:aws:%:eu-central-1:123456789012:"

// example is a function that reads a table and is fed from a queue.
func example() function {
	return function{
		Environment: map[string]string{
			"ENTRASYNC_TABLE": "table", "ENTRASYNC_METRICS_NAMESPACE": "stack", "ENTRASYNC_SECRETS_PREFIX": "stack",
			"ENTRASYNC_USERS_LIVE_QUEUE_URL": "https://sqs.example/123456789012/live.fifo", "ENTRA_SIGN_IN": "federated",
		},
		Sources: []string{resource("sqs", "changes.fifo")},
		Statements: []statement{
			allow("logs:CreateLogStream logs:PutLogEvents", resource("logs", "log-group:/aws/lambda/stack-fanout:*")),
			allow("xray:PutTraceSegments xray:PutTelemetryRecords", "*"),
			allow("dynamodb:Query", resource("dynamodb", "table/table")),
			allow("sqs:SendMessage", resource("sqs", "live.fifo")),
			allow("sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes", resource("sqs", "changes.fifo")),
			{Effect: "Allow", Action: list{"sts:GetWebIdentityToken"}, Resource: list{"*"}, Condition: map[string]any{
				"ForAllValues:StringEquals": map[string]any{"sts:IdentityTokenAudience": "entra"},
				"NumericLessThanEquals":     map[string]any{"sts:DurationSeconds": 300},
			}},
		},
	}
}

// exampleCalls are what the example can call.
var exampleCalls = []call{{"dynamodb", "Query"}, {"sqs", "SendMessageBatch"}, {"sts", "GetWebIdentityToken"}}

func resource(service, name string) string { return strings.Replace(arn, "%", service, 1) + name }

func allow(actions string, resources ...string) statement {
	return statement{Effect: "Allow", Action: strings.Fields(actions), Resource: resources}
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(*function, *[]call)
		want string // "" for none
	}{
		{"what fits", func(*function, *[]call) {}, ""},
		{"a call that is not allowed", func(_ *function, can *[]call) { *can = append(*can, call{"dynamodb", "PutItem"}) }, "dynamodb:PutItem is needed for dynamodb.PutItem, but not allowed"},
		{"events without a bus", func(_ *function, can *[]call) { *can = append(*can, call{"eventbridge", "PutEvents"}) }, ""},
		{"events with a bus", func(f *function, can *[]call) {
			f.Environment["ENTRASYNC_BUS"] = "stack"
			*can = append(*can, call{"eventbridge", "PutEvents"})
		}, "events:PutEvents is needed for eventbridge.PutEvents, but not allowed"},
		{"a call that nobody knows", func(_ *function, can *[]call) { *can = append(*can, call{"sqs", "PurgeQueue"}) }, "it can call sqs.PurgeQueue"},
		{"a right that nothing needs", func(_ *function, can *[]call) { *can = (*can)[1:] }, "dynamodb:Query is allowed, but nothing needs it"},
		{"everything of a service", func(f *function, _ *[]call) { f.Statements[3].Action = list{"sqs:*"} }, "sqs:* is allowed, but nothing needs it"},
		{"any resource", func(f *function, _ *[]call) { f.Statements[2].Resource = list{"*"} }, "dynamodb:Query is allowed on *"},
		{"another table", func(f *function, _ *[]call) { f.Statements[2].Resource = list{resource("dynamodb", "table/other")} }, "which its environment does not name"},
		{"the table's index", func(f *function, _ *[]call) {
			f.Statements[2].Resource = append(f.Statements[2].Resource, resource("dynamodb", "table/table/index/index"))
		}, ""},
		{"only the table's index", func(f *function, _ *[]call) {
			f.Statements[2].Resource = list{resource("dynamodb", "table/table/index/index")}
		}, "nothing is allowed on the table"},
		{"another queue", func(f *function, _ *[]call) { f.Statements[3].Resource = list{resource("sqs", "bulk.fifo")} }, "nothing is allowed on the queue live.fifo"},
		{"another function's log", func(f *function, _ *[]call) {
			f.Statements[0].Resource = list{resource("logs", "log-group:/aws/lambda/stack-users:*")}
		}, "which its environment does not name"},
		{"another stack's secrets", func(f *function, can *[]call) {
			*can = append(*can, call{"secretsmanager", "GetSecretValue"})
			f.Statements = append(f.Statements, allow("secretsmanager:GetSecretValue", resource("secretsmanager", "secret:other/entra-??????")))
		}, "which its environment does not name"},
		{"a source without its rights", func(f *function, _ *[]call) { f.Sources = append(f.Sources, resource("sqs", "live.fifo")) }, "sqs:ReceiveMessage is not allowed on " + resource("sqs", "live.fifo")},
		{"a token for anybody", func(f *function, _ *[]call) { delete(f.Statements[5].Condition, "ForAllValues:StringEquals") }, "no condition on sts:IdentityTokenAudience"},
		{"a token that nobody asks for", func(f *function, _ *[]call) { f.Environment["ENTRA_SIGN_IN"] = "secret" }, "sts:GetWebIdentityToken is allowed, but nothing needs it"},
		{"a statement that denies", func(f *function, _ *[]call) { f.Statements[2].Effect = "Deny" }, "does not allow"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, can := example(), slices.Clone(exampleCalls)
			tc.edit(&f, &can)
			got := check("fanout", f, can)
			found := slices.ContainsFunc(got, func(problem string) bool { return strings.Contains(problem, tc.want) })
			if tc.want == "" && len(got) > 0 || tc.want != "" && !found {
				t.Errorf("problems %q, want %q", got, tc.want)
			}
		})
	}
}

// importer is a function that puts files into the bucket, and sends mail.
func importer() (function, []call) {
	f := example()
	f.Environment["ENTRASYNC_RESULTS_BUCKET"], f.Environment["ENTRASYNC_MAIL_FROM"] = "files", "sender@mail.example.com"
	put, send := allow("s3:PutObject", "arn:aws:s3:::files/imports/*"), allow("ses:SendEmail ses:SendRawEmail", resource("ses", "identity/example.com"))
	send.Condition = map[string]any{"StringEquals": map[string]any{"ses:FromAddress": "sender@mail.example.com"}}
	f.Statements = append(f.Statements, put, send)
	return f, append(slices.Clone(exampleCalls), call{"s3", "UploadPart"}, call{"sesv2", "SendEmail"})
}

func TestFilesAndMail(t *testing.T) {
	const put, send = 6, 7 // the statements
	for name, tc := range map[string]struct {
		edit func(*function, *[]call)
		want string // "" for none
	}{
		"what fits": {func(*function, *[]call) {}, ""},
		"the address": {func(f *function, _ *[]call) {
			f.Statements[send].Resource = list{resource("ses", "identity/sender@mail.example.com")}
		}, ""},
		"another bucket":                     {func(f *function, _ *[]call) { f.Statements[put].Resource = list{"arn:aws:s3:::other/imports/*"} }, "s3:PutObject is allowed on arn:aws:s3:::other/imports/*"},
		"all of the bucket":                  {func(f *function, _ *[]call) { f.Statements[put].Resource = list{"arn:aws:s3:::files/*"} }, "nothing is allowed on the bucket"},
		"a right to read that nothing needs": {func(f *function, _ *[]call) { f.Statements[put].Action = list{"s3:PutObject", "s3:GetObject"} }, "s3:GetObject is allowed, but nothing needs it"},
		"a signed URL":                       {func(_ *function, can *[]call) { *can = append(*can, call{"s3", "PresignGetObject"}) }, "s3:GetObject is needed for s3.PresignGetObject, but not allowed"},
		"no right to send what is composed":  {func(f *function, _ *[]call) { f.Statements[send].Action = list{"ses:SendEmail"} }, "ses:SendRawEmail is needed for sesv2.SendEmail, but not allowed"},
		"another identity": {func(f *function, _ *[]call) {
			f.Statements[send].Resource = list{resource("ses", "identity/other.example")}
		}, "ses:SendEmail is allowed on"},
		"any identity":       {func(f *function, _ *[]call) { f.Statements[send].Resource = list{resource("ses", "identity/*")} }, "ses:SendEmail is allowed on"},
		"a top-level domain": {func(f *function, _ *[]call) { f.Statements[send].Resource = list{resource("ses", "identity/com")} }, "ses:SendEmail is allowed on"},
		"any sender":         {func(f *function, _ *[]call) { f.Statements[send].Condition = nil }, "ses:SendEmail has no condition on ses:FromAddress"},
		"mail that is off":   {func(f *function, _ *[]call) { f.Environment["ENTRASYNC_MAIL_FROM"] = "" }, "ses:SendEmail is allowed, but nothing needs it"},
	} {
		t.Run(name, func(t *testing.T) {
			f, can := importer()
			tc.edit(&f, &can)
			got := check("fanout", f, can)
			found := slices.ContainsFunc(got, func(problem string) bool { return strings.Contains(problem, tc.want) })
			if tc.want == "" && len(got) > 0 || tc.want != "" && !found {
				t.Errorf("problems %q, want %q", got, tc.want)
			}
		})
	}
}

// Each function may read and write its own secrets of the stack and no other.
func TestSecrets(t *testing.T) {
	everybody := []string{"webhook", "fanout", "users", "groups", "admin", "imports", "largeimport", "resync"}
	for secret, may := range map[string][]string{
		"stack/password-key-??????":                     {"users"},
		"stack/admin-token-??????":                      {"admin", "imports"},
		"stack/entra-??????":                            {"users", "groups", "admin", "imports", "largeimport", "resync"},
		"stack/api-keys/*":                              {"users", "groups", "admin", "imports", "largeimport", "resync"},
		"stack/webhook-tokens/*":                        {"webhook", "admin"},
		"stack/organizations/*":                         {"users", "groups", "admin", "imports", "largeimport", "resync"},
		"stack/webhook-tokens/5f0c1e2d3a4b5c6d7e8f9012": {"webhook", "admin"},
		"stack/*":                nil,
		"stack/api*":             nil,
		"stack/?pi-keys/*":       nil,
		"stack/webhook-tokens*":  nil,
		"other/webhook-tokens/*": nil,
		"*":                      nil,
	} {
		for _, name := range everybody {
			for _, action := range []string{"secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"} {
				problems := about(name, example(), action, resource("secretsmanager", "secret:"+secret), nil)
				if allowed := len(problems) == 0; allowed != slices.Contains(may, name) {
					t.Errorf("%s on %s for %s is allowed: %t, want %t: %v", action, secret, name, allowed, !allowed, problems)
				}
			}
		}
	}
}

func TestListIsOneOrSeveral(t *testing.T) {
	for text, want := range map[string]list{`"a"`: {"a"}, `["a","b"]`: {"a", "b"}} {
		var got list
		if err := json.Unmarshal([]byte(text), &got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v (%v), want %v", text, got, err, want)
		}
	}
}

// The test's own program is a Go program that calls nothing of AWS.
func TestCallsOfAProgram(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("programs of this system are not ELF")
	}
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if found, err := calls(own); err != nil || len(found) > 0 {
		t.Errorf("calls %v (%v), want none", found, err)
	}
	none := filepath.Join(t.TempDir(), "none")
	if err := os.WriteFile(none, []byte("#!/bin/sh"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := calls(none); err == nil {
		t.Error("a file that is no program: no error, want one")
	}
}

// The sweep reads only the application's proof, and only if there is one.
func TestTheProofOfTheSweep(t *testing.T) {
	read := allow("secretsmanager:GetSecretValue", resource("secretsmanager", "secret:stack/entra-??????"))
	for _, tc := range []struct {
		name, function, signIn string
		allowed                bool
		want                   string // "" for none
	}{
		{"a proof", "sweep", "certificate", true, ""},
		{"no right to a proof", "sweep", "certificate", false, "secretsmanager:GetSecretValue is needed"},
		{"no proof", "sweep", "federated", false, ""},
		{"a right without a proof", "sweep", "federated", true, "secretsmanager:GetSecretValue is allowed, but nothing needs it"},
		{"one that reads keys too", "users", "federated", false, "secretsmanager:GetSecretValue is needed"},
		{"somebody else", "fanout", "certificate", true, "none of its business"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, can := example(), append(slices.Clone(exampleCalls), call{"secretsmanager", "GetSecretValue"})
			f.Environment["ENTRA_SIGN_IN"], f.Environment["ENTRASYNC_SECRETS_PREFIX"] = tc.signIn, "stack"
			if tc.allowed {
				f.Statements = append(f.Statements, read)
			}
			var got []string
			for _, problem := range check(tc.function, f, can) {
				if strings.Contains(problem, "secretsmanager") {
					got = append(got, problem)
				}
			}
			if (tc.want == "") != (len(got) == 0) || tc.want != "" && !strings.Contains(strings.Join(got, "; "), tc.want) {
				t.Errorf("problems %q, want %q", got, tc.want)
			}
		})
	}
}
