package awstest_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"entrasync/shared/aws/awstest"
)

// childVariable makes this program start a server, print its URL and wait.
const childVariable = "ENTRASYNC_AWSTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		url, err := awstest.Fauxqs.URL()
		fmt.Println(url, err)
		select {}
	}
	os.Exit(m.Run())
}

func TestServersAnswer(t *testing.T) {
	for name, call := range map[string]func(*testing.T) error{
		"DynamoDB": func(t *testing.T) error {
			_, err := awstest.DynamoDB(t).ListTables(t.Context(), &dynamodb.ListTablesInput{})
			return err
		},
		"SQS": func(t *testing.T) error {
			_, err := awstest.SQS(t).ListQueues(t.Context(), &sqs.ListQueuesInput{})
			return err
		},
		"S3": func(t *testing.T) error {
			_, err := awstest.S3(t).ListBuckets(t.Context(), &s3.ListBucketsInput{})
			return err
		},
		"SES": func(t *testing.T) error {
			_, err := awstest.SES(t).ListEmailTemplates(t.Context(), &sesv2.ListEmailTemplatesInput{})
			return err
		},
		"Secrets Manager": func(t *testing.T) error {
			_, err := secretsmanager.NewFromConfig(awstest.Moto(t)).ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := call(t); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOneServerForAll(t *testing.T) {
	one, two := awstest.SQS(t), awstest.SQS(t)
	if a, b := *one.Options().BaseEndpoint, *two.Options().BaseEndpoint; a != b {
		t.Errorf("got two servers, %s and %s, want one", a, b)
	}
}

// The servers of a process end when it is killed.
func TestServerEndsWithItsProcess(t *testing.T) {
	awstest.SQS(t) // skips where there is none
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childVariable+"=1")
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var url string
	if _, err := fmt.Sscan(line, &url); err != nil || !strings.HasPrefix(url, "http://127.0.0.1:") {
		t.Fatalf("the child printed %q, want a URL", line)
	}
	address := strings.TrimPrefix(url, "http://")
	listening := func() bool {
		var dialer net.Dialer
		connection, err := dialer.DialContext(context.Background(), "tcp", address)
		if err == nil {
			connection.Close()
		}
		return err == nil
	}
	if !listening() {
		t.Fatal("the server does not answer while its process lives")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); listening(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the server outlives its process")
		}
	}
	if err := child.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
}
