package bus_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"entrasync/shared/aws/awstest"
	"entrasync/shared/aws/bus"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

var bg = context.Background()

func action(id string, kind plan.Type) plan.Action {
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	return plan.Action{
		ID: id, Type: kind, Directory: "o-d", Subject: plan.Subject{Kind: "user", ID: "u1", Name: "ada"}, EntraID: "e1",
		Changes: []directory.Change{{Attribute: directory.AccountEnabled, To: directory.Bool(false)}},
		Cause:   plan.Cause{Type: "user_suspended", At: at}, Status: plan.Succeeded, At: at, CompletedAt: at.Add(time.Second),
	}
}

// follow makes a bus and a queue to which a rule sends the events of one type.
func follow(t *testing.T, kind plan.Type) (publisher *bus.Publisher, receive func() []string) {
	t.Helper()
	config := awstest.Moto(t)
	events, queues := eventbridge.NewFromConfig(config), sqs.NewFromConfig(config)
	name := awstest.Name("bus")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := events.CreateEventBus(bg, &eventbridge.CreateEventBusInput{Name: &name})
	must(err)
	queue, err := queues.CreateQueue(bg, &sqs.CreateQueueInput{QueueName: &name})
	must(err)
	attributes, err := queues.GetQueueAttributes(bg, &sqs.GetQueueAttributesInput{QueueUrl: queue.QueueUrl,
		AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn}})
	must(err)
	_, err = events.PutRule(bg, &eventbridge.PutRuleInput{Name: &name, EventBusName: &name,
		EventPattern: aws.String(fmt.Sprintf(`{"source":["entrasync"],"detail-type":[%q]}`, kind))})
	must(err)
	_, err = events.PutTargets(bg, &eventbridge.PutTargetsInput{Rule: &name, EventBusName: &name,
		Targets: []types.Target{{Id: aws.String("queue"), Arn: aws.String(attributes.Attributes["QueueArn"])}}})
	must(err)
	return bus.New(events, name), func() (bodies []string) {
		for {
			got, err := queues.ReceiveMessage(bg, &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl, MaxNumberOfMessages: 10})
			must(err)
			if len(got.Messages) == 0 {
				return bodies
			}
			for _, m := range got.Messages {
				bodies = append(bodies, *m.Body)
			}
		}
	}
}

func TestPublish(t *testing.T) {
	publisher, receive := follow(t, plan.Deprovision)
	want := action("a1", plan.Deprovision)
	if err := publisher.Publish(bg, want, action("a2", plan.Update)); err != nil {
		t.Fatal(err)
	}
	bodies := receive()
	if len(bodies) != 1 {
		t.Fatalf("the rule let %d events through, want 1: %q", len(bodies), bodies)
	}
	var event struct {
		Source     string      `json:"source"`
		DetailType string      `json:"detail-type"`
		Time       time.Time   `json:"time"`
		Detail     plan.Action `json:"detail"`
	}
	if err := json.Unmarshal([]byte(bodies[0]), &event); err != nil {
		t.Fatal(err)
	}
	if event.Source != bus.Source || event.DetailType != "deprovision" || !event.Time.Equal(want.CompletedAt) {
		t.Errorf("got event %+v, want source %q, type deprovision, time %s", event, bus.Source, want.CompletedAt)
	}
	if diff := cmp.Diff(want, event.Detail); diff != "" {
		t.Errorf("the action (-want +got):\n%s", diff)
	}
}

func TestPublishMany(t *testing.T) {
	publisher, receive := follow(t, plan.Update)
	var actions []plan.Action
	for i := range 25 {
		actions = append(actions, action(fmt.Sprint("a", i), plan.Update))
	}
	if err := publisher.Publish(bg, actions...); err != nil {
		t.Fatal(err)
	}
	if got := len(receive()); got != len(actions) {
		t.Errorf("%d events, want %d", got, len(actions))
	}
	if err := publisher.Publish(bg); err != nil {
		t.Errorf("no actions: got %v, want no error", err)
	}
}

func TestNoSuchBus(t *testing.T) {
	publisher := bus.New(eventbridge.NewFromConfig(awstest.Moto(t)), awstest.Name("none"))
	if err := publisher.Publish(bg, action("a1", plan.Update)); !fault.Is(err, fault.Internal) && !fault.Is(err, fault.Transient) {
		t.Errorf("got %v, want kind %s or %s", err, fault.Internal, fault.Transient)
	}
}

// service answers PutEvents and refuses the entries with one of some words in the detail.
type service struct {
	refuse map[string]string // word: error code
	down   bool
	sizes  []int // entries of each request
}

// Do implements aws.HTTPClient.
func (s *service) Do(r *http.Request) (*http.Response, error) {
	if s.down {
		return nil, errors.New("connection refused")
	}
	var request struct{ Entries []struct{ Detail string } }
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		return nil, err
	}
	s.sizes = append(s.sizes, len(request.Entries))
	results, refused := []map[string]string{}, 0
	for _, entry := range request.Entries {
		result := map[string]string{"EventId": "e"}
		for word, code := range s.refuse {
			if strings.Contains(entry.Detail, word) {
				result, refused = map[string]string{"ErrorCode": code, "ErrorMessage": "no"}, refused+1
			}
		}
		results = append(results, result)
	}
	text, err := json.Marshal(map[string]any{"FailedEntryCount": refused, "Entries": results})
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(text)), Request: r}, err
}

func (s *service) publisher() *bus.Publisher {
	config := awstest.Config("http://events.invalid")
	config.HTTPClient = s
	config.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return bus.New(eventbridge.NewFromConfig(config), "bus")
}

func TestPartialFailure(t *testing.T) {
	large := action("large", plan.Update)
	large.Subject.Name = strings.Repeat("x", 256<<10)
	half := func(id string) plan.Action {
		a := action(id, plan.Update)
		a.Subject.Name = strings.Repeat("x", 200<<10)
		return a
	}
	many := make([]plan.Action, 12)
	for i := range many {
		many[i] = action(fmt.Sprintf("many-%02d", i), plan.Update)
	}
	for _, test := range []struct {
		name    string
		service service
		actions []plan.Action
		want    fault.Kind
		subject string
		sizes   []int
	}{
		{"all", service{}, many, "", "", []int{10, 2}},
		{"one refused", service{refuse: map[string]string{"many-03": "ThrottlingException"}}, many, fault.Throttled, "many-03", []int{10, 2}},
		{"their failure", service{refuse: map[string]string{"many-11": "InternalFailure"}}, many, fault.Transient, "many-11", []int{10, 2}},
		{"no permission", service{refuse: map[string]string{"many-1": "NotAuthorizedForSourceException"}}, many, fault.Internal, "many-10, many-11", []int{10, 2}},
		{"one too large", service{}, []plan.Action{large, many[0]}, fault.Invalid, "large", []int{1}},
		{"together too large", service{}, []plan.Action{half("h1"), half("h2")}, "", "", []int{1, 1}},
		{"down", service{down: true}, many[:2], fault.Transient, "many-00, many-01", nil},
	} {
		err := test.service.publisher().Publish(t.Context(), test.actions...)
		if fault.KindOf(err) != test.want || err != nil && fault.Of(err).Subject != test.subject {
			t.Errorf("%s: got %v, want kind %q for %s", test.name, err, test.want, test.subject)
		}
		if diff := cmp.Diff(test.sizes, test.service.sizes); diff != "" {
			t.Errorf("%s: the entries of each request (-want +got):\n%s", test.name, diff)
		}
	}
}
