package deployment

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"entrasync/shared/aws/awstest"
	"entrasync/shared/aws/ports"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/secret"
	"entrasync/shared/store"
)

// adminSecret and entraSecret are the names of secrets below the stack's own.
const (
	adminSecret = "/admin-token"
	entraSecret = "/entra"
)

// createResources creates what CloudFormation would create, and the one secret that an
// administrator has to create.
func (d *Deployment) createResources(ctx context.Context) error {
	if err := d.createQueues(ctx); err != nil {
		return err
	}
	for _, t := range d.Stack.Tables {
		if err := dynamoDB.call(ctx, d.servers.dynamoDB, "CreateTable", t.Definition); err != nil {
			return err
		}
		d.Store = store.New(ports.Table(awstest.Config(d.servers.dynamoDB), t.Name))
	}
	files := s3.NewFromConfig(awstest.Config(d.servers.s3))
	for _, name := range d.Stack.Buckets {
		if _, err := files.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name}); err != nil {
			return fault.Wrap(err, fault.Internal, "deployment.CreateBucket")
		}
	}
	for _, name := range d.Stack.Buses {
		if err := eventBridge.call(ctx, d.servers.moto, "CreateEventBus", map[string]string{"Name": name}); err != nil {
			return err
		}
	}
	for _, name := range d.Stack.Secrets {
		made := rand.Text()
		if name == d.config.Name+adminSecret {
			d.Administrator.Token = made
		}
		if err := d.createSecret(ctx, name, made); err != nil {
			return err
		}
	}
	proof, err := json.Marshal(secret.Entra{ClientSecret: entratest.DefaultApp().ClientSecret}) //nolint:gosec // the secret of a simulator, on its way into a secret store
	if err != nil {
		return err
	}
	return d.createSecret(ctx, d.config.Name+entraSecret, string(proof))
}

// createQueues creates the dead-letter queues first, because the others name
// them.
func (d *Deployment) createQueues(ctx context.Context) error {
	for _, feeding := range []bool{false, true} {
		for _, q := range d.Stack.Queues {
			if (q.DeadLetterARN != "") != feeding {
				continue
			}
			if err := sqs.call(ctx, d.servers.sqs, "CreateQueue", map[string]any{"QueueName": q.Name, "Attributes": q.Attributes}); err != nil {
				return err
			}
			opened := ports.Queue(awstest.Config(d.servers.sqs), q.URL)
			if feeding {
				d.Queues[q.Name] = datedQueue{opened, q.Name, &d.counter.postponed}
			} else {
				d.DeadLetters[q.Name] = opened
			}
		}
	}
	return nil
}

// createSecret creates a secret.
func (d *Deployment) createSecret(ctx context.Context, name, value string) error {
	return secretsManager.call(ctx, d.servers.moto, "CreateSecret", map[string]string{
		"Name": name, "SecretString": value, "ClientRequestToken": "00000000-0000-0000-0000-000000000000",
	})
}

// HideFor changes the visibility time-out of every queue, from the next receive on. With
// the template's times a test would wait minutes for the message of a killed function.
func (d *Deployment) HideFor(ctx context.Context, visibility time.Duration) error {
	for _, q := range d.Stack.Queues {
		if err := sqs.call(ctx, d.servers.sqs, "SetQueueAttributes", map[string]any{
			"QueueUrl": q.URL, "Attributes": map[string]string{"VisibilityTimeout": strconv.Itoa(int(visibility.Seconds()))},
		}); err != nil {
			return err
		}
	}
	return nil
}

// serveOrganization does what an administrator does after `sam deploy`: it adds the
// organization through the API and the webhook in JumpCloud.
func (d *Deployment) serveOrganization(ctx context.Context) error {
	d.Administrator.Organization = jumpcloudtest.DefaultOrganizationID
	d.Administrator.Tenant = directory.TenantID(entratest.DefaultTenant().ID)
	token := rand.Text()
	if err := d.Administrator.Call(ctx, http.MethodPost, "/v1/organizations", map[string]any{
		"id": d.Administrator.Organization, "name": "Example", "apiKey": SimulatedKey, "webhookTokens": []string{token},
	}, nil); err != nil {
		return err
	}
	_, err := d.JumpCloud.Notify(d.Administrator.API+"/webhooks/jumpcloud/"+string(d.Administrator.Organization), token)
	return err
}
