// Package awstest gives tests the services of AWS that entrasync uses, as
// servers on this machine: Amazon's own DynamoDB Local, fauxqs for SQS, moto
// for Secrets Manager, EventBridge and CloudFormation. scripts/aws/install
// (`make aws-servers`) installs them.
//
// A server starts when the process first asks for it, on a free port, keeps
// everything in memory, and ends with the process, however that ends. Tests
// therefore share it and give their tables, queues and secrets names of their
// own ([Name]). Where a server is not installed the test is skipped, and fails
// when CI=true.
package awstest

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Region and the two halves of the credentials, for programs that are configured by
// environment variables. The servers accept any; DynamoDB Local has one database for
// each key and region.
const (
	Region    = "us-east-1"
	AccessKey = "entrasync"
	SecretKey = "entrasync"
)

// DynamoDB is a client of DynamoDB Local.
func DynamoDB(t testing.TB) *dynamodb.Client {
	t.Helper()
	return dynamodb.NewFromConfig(config(t, DynamoDBLocal))
}

// SQS is a client of fauxqs.
func SQS(t testing.TB) *sqs.Client {
	t.Helper()
	return sqs.NewFromConfig(config(t, Fauxqs))
}

// Moto is the configuration of a client of any service of moto.
func Moto(t testing.TB) aws.Config {
	t.Helper()
	return config(t, MotoServer)
}

// Name makes a name that no other test uses, of letters, digits and hyphens.
func Name(prefix string) string { return prefix + "-" + rand.Text() }

// config starts the server, or skips the test where it is not installed.
func config(t testing.TB, server *Server) aws.Config {
	t.Helper()
	url, err := server.URL()
	var missing *missingError
	switch {
	case errors.As(err, &missing) && os.Getenv("CI") != "true":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	return Config(url)
}

// Config is what a client of the server at url is made with.
func Config(url string) aws.Config {
	credentials := func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: AccessKey, SecretAccessKey: SecretKey}, nil
	}
	return aws.Config{Region: Region, Credentials: aws.CredentialsProviderFunc(credentials), BaseEndpoint: aws.String(url)}
}
