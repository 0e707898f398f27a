package stack

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Stack are the resources that a template creates.
type Stack struct {
	Functions []Function // by logical id
	Queues    []Queue    // by logical id
	Tables    []Table
	Buses     []string // names
	Buckets   []string // names
	Secrets   []string // names of those whose value AWS makes up
}

// Function is a Lambda function.
type Function struct {
	LogicalID   string
	Name        string
	Environment map[string]string
	Timeout     time.Duration
	MemoryMB    int
	// LogLevel is the lowest level of lines that reach the log group; "" where the log's
	// format is text, of which all lines do.
	LogLevel  string
	Routes    []Route
	Sources   []Source
	Schedules []Schedule
}

// Route is a route of the HTTP API to a function, as a route key of API Gateway: "GET
// /path/{parameter}", "ANY /path" or "$default".
type Route string

// Source is an event source mapping.
type Source struct {
	QueueARN       string
	BatchSize      int
	Concurrency    int
	Window         time.Duration
	ReportFailures bool
}

// Schedule is a schedule of EventBridge Scheduler that invokes a function at a rate.
type Schedule struct {
	Name, ARN string
	Every     time.Duration
}

// Queue is an SQS queue.
type Queue struct {
	LogicalID, Name, ARN, URL string
	// Attributes are what SQS's CreateQueue takes.
	Attributes map[string]string
	// DeadLetterARN is the queue to which a message moves that was received too often; ""
	// if it stays.
	DeadLetterARN string
	// Metadata is that of the template, which SQS does not get.
	Metadata map[string]any
}

// Table is a DynamoDB table.
type Table struct {
	Name string
	// Definition is what DynamoDB's CreateTable takes.
	Definition map[string]any
}

// The types of resources that a stack has.
const (
	typeFunction = "AWS::Serverless::Function"
	typeQueue    = "AWS::SQS::Queue"
	typeTable    = "AWS::DynamoDB::Table"
	typeBus      = "AWS::Events::EventBus"
	typeSecret   = "AWS::SecretsManager::Secret"
	typeRoute    = "AWS::ApiGatewayV2::Route"
	typeAPI      = "AWS::ApiGatewayV2::Api"
	typeBucket   = "AWS::S3::Bucket"
)

// Read reads a template and resolves it for a place.
func Read(path string, place Place) (*Stack, error) {
	t, err := readTemplate(path)
	if err != nil {
		return nil, err
	}
	r := &resolver{template: t, place: place, physical: map[string]identity{}}
	exists, err := r.existing()
	if err != nil {
		return nil, err
	}
	if err := r.identify(exists); err != nil {
		return nil, err
	}
	s := &Stack{}
	for _, logical := range exists {
		if err := r.add(s, logical); err != nil {
			return nil, err
		}
	}
	return s, r.route(s, exists)
}

// existing are the logical ids of the resources whose condition holds.
func (r *resolver) existing() ([]string, error) {
	var exists []string
	for _, logical := range slices.Sorted(maps.Keys(r.template.Resources)) {
		if condition := r.template.Resources[logical].Condition; condition != "" {
			holds, err := r.condition(condition, logical)
			if err != nil {
				return nil, err
			}
			if !holds {
				continue
			}
		}
		exists = append(exists, logical)
	}
	return exists, nil
}

// named are the properties that name a resource, by its type.
var named = map[string]string{
	typeFunction: "FunctionName", typeQueue: "QueueName", typeTable: "TableName", typeBus: "Name",
	"AWS::Logs::LogGroup": "LogGroupName", typeSecret: "Name",
}

// identify gives every resource what others can refer to. Names hold
// parameters only, so that the order does not matter.
func (r *resolver) identify(exists []string) error {
	for _, logical := range exists {
		res := r.template.Resources[logical]
		name := r.place.StackName + "-" + logical
		if property, has := res.Properties[named[res.Type]]; has {
			value, err := r.value(property, logical+"."+named[res.Type])
			if err != nil {
				return err
			}
			name = fmt.Sprint(value)
		}
		arn := func(service, path string) string {
			return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, r.place.Region, r.place.AccountID, path)
		}
		id := identity{ref: name, attributes: map[string]string{}}
		switch res.Type {
		case typeFunction:
			id.attributes["Arn"] = arn("lambda", "function:"+name)
		case typeQueue:
			id.ref = r.place.QueueURL(name)
			id.attributes["Arn"], id.attributes["QueueName"], id.attributes["QueueUrl"] = arn("sqs", name), name, id.ref
		case typeTable:
			id.attributes["Arn"] = arn("dynamodb", "table/"+name)
		case typeBus:
			id.attributes["Arn"], id.attributes["Name"] = arn("events", "event-bus/"+name), name
		case typeBucket: // a name has small letters only
			id.ref = strings.ToLower(name)
		case typeAPI:
			id.attributes["ApiEndpoint"] = r.place.APIURL
		case "AWS::Logs::LogGroup":
			id.attributes["Arn"] = arn("logs", "log-group:"+name+":*")
		case typeSecret:
			id.ref, id.attributes["Name"] = arn("secretsmanager", "secret:"+name), name
		}
		r.physical[logical] = id
	}
	return nil
}

// add puts a resource into the stack.
func (r *resolver) add(s *Stack, logical string) error {
	res := r.template.Resources[logical]
	switch res.Type {
	case typeFunction:
		f, err := r.function(logical)
		if err == nil {
			s.Functions = append(s.Functions, f)
		}
		return err
	case typeQueue:
		q, err := r.queue(logical)
		if err == nil {
			s.Queues = append(s.Queues, q)
		}
		return err
	case typeTable:
		t, err := r.table(logical)
		if err == nil {
			s.Tables = append(s.Tables, t)
		}
		return err
	case typeBus:
		s.Buses = append(s.Buses, r.physical[logical].ref)
	case typeBucket:
		s.Buckets = append(s.Buckets, r.physical[logical].ref)
	case typeSecret:
		s.Secrets = append(s.Secrets, r.physical[logical].attributes["Name"])
	}
	return nil
}

// queueAttributes are the properties of a queue that CreateQueue takes as
// attributes of the same name.
var queueAttributes = []string{
	"FifoQueue", "VisibilityTimeout", "MessageRetentionPeriod", "ContentBasedDeduplication", "DeduplicationScope",
	"FifoThroughputLimit", "DelaySeconds", "MaximumMessageSize", "ReceiveMessageWaitTimeSeconds",
}

// queue makes a queue of its properties.
func (r *resolver) queue(logical string) (Queue, error) {
	id := r.physical[logical]
	q := Queue{LogicalID: logical, Name: id.attributes["QueueName"], ARN: id.attributes["Arn"], URL: id.ref, Attributes: map[string]string{}, Metadata: r.template.Resources[logical].Metadata}
	properties, err := r.properties(logical, append([]string{"RedrivePolicy"}, queueAttributes...)...)
	if err != nil {
		return q, err
	}
	for _, name := range queueAttributes {
		if value, has := properties[name]; has {
			q.Attributes[name] = fmt.Sprint(value)
		}
	}
	redrive, has := properties["RedrivePolicy"].(map[string]any)
	if !has {
		return q, nil
	}
	q.DeadLetterARN = fmt.Sprint(redrive["deadLetterTargetArn"])
	encoded, err := json.Marshal(map[string]string{"deadLetterTargetArn": q.DeadLetterARN, "maxReceiveCount": fmt.Sprint(redrive["maxReceiveCount"])})
	q.Attributes["RedrivePolicy"] = string(encoded)
	return q, err
}

// table makes a table of its properties.
func (r *resolver) table(logical string) (Table, error) {
	definition, err := r.properties(logical, "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
	t := Table{Name: r.physical[logical].ref, Definition: definition}
	t.Definition["TableName"] = t.Name
	return t, err
}

// properties are some of the properties of a resource, computed. The others may have
// functions that this package does not know.
func (r *resolver) properties(logical string, names ...string) (map[string]any, error) {
	return r.some(r.template.Resources[logical].Properties, logical, names...)
}

// some computes some of the values of a map.
func (r *resolver) some(of map[string]any, at string, names ...string) (map[string]any, error) {
	wanted := map[string]any{}
	for _, name := range names {
		if value, has := of[name]; has {
			wanted[name] = value
		}
	}
	value, err := r.value(wanted, at)
	computed, isMap := value.(map[string]any)
	if !isMap {
		computed = map[string]any{}
	}
	return computed, err
}

// QueueByARN is the queue with an ARN.
func (s *Stack) QueueByARN(arn string) (Queue, error) {
	for _, q := range s.Queues {
		if q.ARN == arn {
			return q, nil
		}
	}
	return Queue{}, refuse(arn, "no queue of the stack has this ARN")
}

// Variable is the value of an environment variable, which is the same in all functions that
// have it; "" if none has.
func (s *Stack) Variable(name string) string {
	for _, f := range s.Functions {
		if value := f.Environment[name]; value != "" {
			return value
		}
	}
	return ""
}

// seconds is a number of seconds of the template.
func seconds(v any) (time.Duration, error) {
	d, err := time.ParseDuration(fmt.Sprint(v) + "s")
	return d, err
}

// number is an integer of the template; fallback when it is not there.
func number(v any, fallback int) (int, error) {
	if v == nil {
		return fallback, nil
	}
	var n int
	_, err := fmt.Sscanf(strings.TrimSpace(fmt.Sprint(v)), "%d", &n)
	return cmp.Or(n, fallback), err
}
