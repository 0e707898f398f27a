package main

// actions says which IAM actions a call of the SDK needs (AWS service
// authorization reference). A call that is not in it fails the check: add it
// with its actions.
var actions = map[call][]string{
	{"dynamodb", "GetItem"}:      {"dynamodb:GetItem"},
	{"dynamodb", "BatchGetItem"}: {"dynamodb:BatchGetItem"},
	{"dynamodb", "Query"}:        {"dynamodb:Query"},
	{"dynamodb", "PutItem"}:      {"dynamodb:PutItem"},
	{"dynamodb", "UpdateItem"}:   {"dynamodb:UpdateItem"},
	{"dynamodb", "DeleteItem"}:   {"dynamodb:DeleteItem"},
	// A transaction needs the actions of its parts.
	{"dynamodb", "TransactWriteItems"}: {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}, // no record is only checked

	{"sqs", "SendMessage"}:                  {"sqs:SendMessage"},
	{"sqs", "SendMessageBatch"}:             {"sqs:SendMessage"},
	{"sqs", "ReceiveMessage"}:               {"sqs:ReceiveMessage"},
	{"sqs", "DeleteMessage"}:                {"sqs:DeleteMessage"},
	{"sqs", "DeleteMessageBatch"}:           {"sqs:DeleteMessage"},
	{"sqs", "ChangeMessageVisibility"}:      {"sqs:ChangeMessageVisibility"},
	{"sqs", "ChangeMessageVisibilityBatch"}: {"sqs:ChangeMessageVisibility"},
	{"sqs", "GetQueueAttributes"}:           {"sqs:GetQueueAttributes"},

	{"secretsmanager", "GetSecretValue"}: {"secretsmanager:GetSecretValue"},
	{"secretsmanager", "CreateSecret"}:   {"secretsmanager:CreateSecret"},
	{"secretsmanager", "PutSecretValue"}: {"secretsmanager:PutSecretValue"},
	{"secretsmanager", "DeleteSecret"}:   {"secretsmanager:DeleteSecret"},

	// The parts of a large file are put like a small one. A URL that is signed allows what
	// the role that signed it may do, so that signing is a call here.
	{"s3", "PutObject"}:               {"s3:PutObject"},
	{"s3", "CreateMultipartUpload"}:   {"s3:PutObject"},
	{"s3", "UploadPart"}:              {"s3:PutObject"},
	{"s3", "CompleteMultipartUpload"}: {"s3:PutObject"},
	{"s3", "AbortMultipartUpload"}:    {"s3:AbortMultipartUpload"},
	{"s3", "PresignGetObject"}:        {"s3:GetObject"},

	// SES checks SendRawEmail when SendEmail is called with a mail that is composed already.
	{"sesv2", "SendEmail"}: {"ses:SendEmail", "ses:SendRawEmail"},

	{"eventbridge", "PutEvents"}: {"events:PutEvents"},

	{"sts", "GetWebIdentityToken"}: {"sts:GetWebIdentityToken"},
}

// runtimeActions are the actions of Lambda itself with the role: it writes the log and
// sends the traces.
var runtimeActions = []string{
	"logs:CreateLogStream", "logs:PutLogEvents",
	"xray:PutTelemetryRecords", "xray:PutTraceSegments",
}

// sourceActions are what Lambda does with a queue that feeds a function (AWS
// Lambda documentation, Amazon SQS event source mapping).
var sourceActions = []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}

// limited are the actions with a resource that must have a condition too, each with its key:
// whoever has the identity of a domain could send as anybody there.
var limited = map[string]string{"ses:SendEmail": "ses:FromAddress", "ses:SendRawEmail": "ses:FromAddress"}

// withoutResource are the actions without a resource, for which a role has to name *, each
// with the keys on which it must have a condition.
var withoutResource = map[string][]string{
	"xray:PutTelemetryRecords": nil,
	"xray:PutTraceSegments":    nil,
	"sts:GetWebIdentityToken":  {"sts:IdentityTokenAudience", "sts:DurationSeconds"},
}
