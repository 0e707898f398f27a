// Package awstest gives tests the services of AWS that entrasync uses, as
// servers on this machine: Amazon's own DynamoDB Local, fauxqs for SQS and S3,
// aws-ses-v2-local for SES, moto for Secrets Manager, EventBridge and
// CloudFormation. scripts/aws/install (`make aws-servers`) installs them.
//
// A server starts when the process first asks for it, on a free port, keeps
// everything in memory, and ends with the process, however that ends. Tests
// therefore share it and give their tables, queues, buckets and secrets names
// of their own ([Name]). Where a server is not installed the test is skipped, and fails
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
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
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

// S3 is a client of fauxqs. The name of a bucket is in the path, because it cannot be in
// the name of the host there.
func S3(t testing.TB) *s3.Client {
	t.Helper()
	return s3.NewFromConfig(config(t, Fauxqs), func(o *s3.Options) { o.UsePathStyle = true })
}

// SES is a client of aws-ses-v2-local. GET /store at its address lists the mails.
func SES(t testing.TB) *sesv2.Client {
	t.Helper()
	return sesv2.NewFromConfig(config(t, SESLocal))
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
