package sqsqueue_test

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"entrasync/shared/aws/awstest"
	"entrasync/shared/aws/sqsqueue"
	"entrasync/shared/queue"
	"entrasync/shared/queue/queuetest"
)

var bg = context.Background()

// TestMain lets more tests run at a time than there are processors, because they mostly
// wait.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// create makes an SQS queue with these attributes beside those of a FIFO queue.
func create(t *testing.T, client *sqs.Client, attributes map[string]string) (url, arn string) {
	t.Helper()
	name := awstest.Name("queue") + ".fifo"
	attributes[string(types.QueueAttributeNameFifoQueue)] = "true"
	made, err := client.CreateQueue(bg, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteQueue(bg, &sqs.DeleteQueueInput{QueueUrl: made.QueueUrl}); err != nil {
			t.Error(err)
		}
	})
	got, err := client.GetQueueAttributes(bg, &sqs.GetQueueAttributesInput{QueueUrl: made.QueueUrl,
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn}})
	if err != nil {
		t.Fatal(err)
	}
	return *made.QueueUrl, got.Attributes[string(types.QueueAttributeNameQueueArn)]
}

// open makes the queue, and the dead-letter queue, that a test of the suite needs.
func open(t *testing.T, options queuetest.Options) (q, dead queue.Queue) {
	t.Helper()
	client := awstest.SQS(t)
	timeout := map[string]string{"VisibilityTimeout": strconv.Itoa(int(options.Visibility.Seconds()))}
	if options.MaxReceives > 0 {
		url, arn := create(t, client, map[string]string{"VisibilityTimeout": timeout["VisibilityTimeout"]})
		dead = sqsqueue.New(client, url)
		policy, err := json.Marshal(map[string]any{"deadLetterTargetArn": arn, "maxReceiveCount": options.MaxReceives})
		if err != nil {
			t.Fatal(err)
		}
		timeout["RedrivePolicy"] = string(policy)
	}
	url, _ := create(t, client, timeout)
	return sqsqueue.New(client, url), dead
}

// patience is enough for all tests but that of the de-duplication window, which
// needs ten minutes, and the model, which needs virtual time.
const patience = 15 * time.Second

func TestConformance(t *testing.T) {
	queuetest.TestQueue(t, queuetest.Subject{
		Open:     open,
		Patience: patience,
		Run: func(t *testing.T, test func(t *testing.T)) {
			t.Parallel() // each waits most of the time
			test(t)
		},
	})
}
