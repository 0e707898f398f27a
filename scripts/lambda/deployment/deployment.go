// Package deployment puts the product up on this machine as it is shipped: the bootstraps
// run as processes with exactly the environment that template.yaml gives them. They are
// invoked by an HTTP API and by event source mappings as in the template, and by its
// schedules when a test says so. DynamoDB, SQS, S3, SES, Secrets Manager and EventBridge are
// local servers, JumpCloud and Entra are simulated.
package deployment

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"entrasync/scripts/lambda/runtimeapi"
	"entrasync/scripts/lambda/stack"
	"entrasync/scripts/play"
	"entrasync/scripts/simulated"
	"entrasync/shared/aws/awstest"
	"entrasync/shared/aws/ports"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/local/host"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// accountID is the account of a stack on this machine.
const accountID = "000000000000"

// Config says what to put up.
type Config struct {
	Root       string            // of the module
	Name       string            // of the stack; one that no other has
	Bootstraps map[string]string // by logical id; what Build gives
	Parameters map[string]string // of the template, beside those that point it at the simulators; nil for the defaults
	// Entra wraps the simulated Entra, so that a test can hold up requests and answers; nil
	// for nothing.
	Entra func(http.Handler) http.Handler
	Log   io.Writer // gets the logs of everything
}

// Deployment is the running product.
type Deployment struct {
	Stack         *stack.Stack
	Functions     map[string]*runtimeapi.Function // by logical id
	Queues        map[string]queue.Queue          // by name, dead letters apart; not counted
	DeadLetters   map[string]queue.Queue          // by name; not counted
	Administrator simulated.Administrator
	Store         *store.Store // not counted
	JumpCloud     *jumpcloudtest.Simulator
	Entra         *entratest.Simulator

	config  Config
	servers servers
	gateway gateway
	counter counter
	host    *host.Host
	hosted  map[string]host.Function // by logical id
	closer  []func() error           // in the order of starting
}

// servers are the URLs of the services, and those at which they are counted.
type servers struct {
	dynamoDB, sqs, moto                      string
	countedDynamoDB, countedSQS, countedMoto string
	s3, ses                                  string // not counted
}

// Start puts everything up. If it fails, it stops what was started. A server that is not
// installed is the error of awstest.
func Start(ctx context.Context, c Config) (*Deployment, error) {
	if c.Log == nil {
		c.Log = io.Discard
	}
	d := &Deployment{config: c, Functions: map[string]*runtimeapi.Function{}, hosted: map[string]host.Function{}, Queues: map[string]queue.Queue{}, DeadLetters: map[string]queue.Queue{}}
	log := zerolog.New(zerolog.SyncWriter(c.Log)).With().Timestamp().Logger()
	d.host = host.New(log)
	for _, step := range []func(context.Context) error{d.startServers, d.startSimulators, d.readTemplate, d.createResources, d.startFunctions, d.serveOrganization} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, d.Stop())
		}
	}
	return d, nil
}

// startServers starts the services of AWS, those of every change with a counting proxy.
func (d *Deployment) startServers(context.Context) error {
	d.closer = append(d.closer, d.counter.close)
	for _, s := range []struct {
		server          *awstest.Server
		direct, counted *string
	}{
		{awstest.DynamoDBLocal, &d.servers.dynamoDB, &d.servers.countedDynamoDB},
		{awstest.Fauxqs, &d.servers.sqs, &d.servers.countedSQS},
		{awstest.MotoServer, &d.servers.moto, &d.servers.countedMoto},
	} {
		var err error
		if *s.direct, err = s.server.URL(); err != nil {
			return err
		}
		if *s.counted, err = d.counter.front(*s.direct); err != nil {
			return err
		}
	}
	d.servers.s3 = d.servers.sqs // one server for both
	var err error
	d.servers.ses, err = awstest.SESLocal.URL()
	return err
}

// SimulatedKey is the API key of the simulated JumpCloud: no secret.
const SimulatedKey = "simulated-api-key"

// startSimulators starts both outside systems over TCP.
func (d *Deployment) startSimulators(context.Context) error {
	var err error
	if d.Entra, err = entratest.New(entratest.Config{Seed: 1}); err != nil {
		return err
	}
	d.closer = append(d.closer, d.Entra.Close)
	if d.JumpCloud, err = jumpcloudtest.New(jumpcloudtest.Config{APIKey: SimulatedKey, Seed: 1}); err != nil {
		return err
	}
	d.closer = append(d.closer, d.JumpCloud.Close)
	return simulated.SeedPeople(d.JumpCloud)
}

// sender is the sender's address of mails.
const sender = "entrasync@contoso.example"

// readTemplate resolves the template with the addresses of the simulators as parameters.
func (d *Deployment) readTemplate(context.Context) error {
	var around http.Handler = d.Entra
	if d.config.Entra != nil {
		around = d.config.Entra(d.Entra)
	}
	entra, err := d.counter.serve(around)
	if err != nil {
		return err
	}
	jumpCloud, err := d.counter.serve(d.JumpCloud)
	if err != nil {
		return err
	}
	if d.Administrator.API, err = d.counter.serve(&d.gateway); err != nil {
		return err
	}
	parameters := map[string]string{
		"EntraClientId": entratest.DefaultApp().ClientID, "EntraSignIn": "secret", "EntraLoginUrl": entra, "GraphUrl": entra + "/v1.0",
		"JumpCloudApiUrl": jumpCloud + "/api", "JumpCloudInsightsUrl": jumpCloud + "/insights/directory/v1", "JumpCloudTokenUrl": jumpCloud + "/oauth2/token", "LogLevel": "debug",
		"MailFrom": sender, "MailIdentity": "contoso.example",
	}
	maps.Copy(parameters, d.config.Parameters)
	d.Stack, err = stack.Read(filepath.Join(d.config.Root, "template.yaml"), stack.Place{
		StackName: d.config.Name, Region: awstest.Region, AccountID: accountID, Parameters: parameters,
		QueueURL: func(name string) string { return d.servers.sqs + "/" + accountID + "/" + name },
		APIURL:   d.Administrator.API,
	})
	return err
}

// startFunctions prepares the functions with their routes and event source mappings.
func (d *Deployment) startFunctions(context.Context) error {
	d.closer = append(d.closer, d.stopFunctions)
	routes := map[string]http.Handler{}
	for _, f := range d.Stack.Functions {
		environment := maps.Clone(f.Environment)
		environment["AWS_ENDPOINT_URL_DYNAMODB"] = d.servers.countedDynamoDB
		environment["AWS_ENDPOINT_URL_SQS"] = d.servers.countedSQS
		environment["AWS_ENDPOINT_URL_SECRETS_MANAGER"] = d.servers.countedMoto
		environment["AWS_ENDPOINT_URL_EVENTBRIDGE"] = d.servers.countedMoto
		environment["AWS_ENDPOINT_URL_S3"] = d.servers.s3
		environment["AWS_ENDPOINT_URL_SESV2"] = d.servers.ses
		function, err := runtimeapi.New(runtimeapi.Config{
			Name: f.Name, Bootstrap: d.config.Bootstraps[f.LogicalID], Environment: environment, MemoryMB: f.MemoryMB, Timeout: f.Timeout,
			Region: awstest.Region, AccountID: accountID, AccessKey: awstest.AccessKey, SecretKey: awstest.SecretKey, Output: d.config.Log, LogLevel: f.LogLevel,
		})
		if err != nil {
			return err
		}
		d.Functions[f.LogicalID] = function
		// runtimeapi ends an invocation that takes too long; a cold start comes on top.
		hosted := host.Function{Name: f.Name, Handler: function, Timeout: f.Timeout + 2*runtimeapi.MaxInit}
		d.hosted[f.LogicalID] = hosted
		for _, route := range f.Routes {
			routes[string(route)] = d.host.HTTP(hosted)
		}
		for _, source := range f.Sources {
			if err := d.feed(hosted, source); err != nil {
				return err
			}
		}
	}
	gateway, err := host.NewRoutes(routes)
	if err == nil {
		d.gateway.open(gateway)
	}
	return err
}

// gateway is the HTTP API. Its address is known before its functions are, because the
// environment of a function has it.
type gateway struct{ routes atomic.Pointer[http.Handler] }

// open begins to serve the routes.
func (g *gateway) open(routes http.Handler) { g.routes.Store(&routes) }

// ServeHTTP implements http.Handler.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if routes := g.routes.Load(); routes != nil {
		(*routes).ServeHTTP(w, r)
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
}

// feed starts an event source mapping. Its requests to SQS are counted, as AWS bills them.
func (d *Deployment) feed(function host.Function, s stack.Source) error {
	from, err := d.Stack.QueueByARN(s.QueueARN)
	if err != nil {
		return err
	}
	d.host.Feed(function, host.Source{
		Queue: from.Name, ARN: from.ARN, From: ports.Queue(awstest.Config(d.servers.countedSQS), from.URL),
		BatchSize: s.BatchSize, Concurrency: s.Concurrency, Window: s.Window,
	})
	return nil
}

// Fire invokes a function once for each of its schedules, and waits for the end. Schedules
// do not run by themselves here: a test would wait for hours, or a run could disturb it.
func (d *Deployment) Fire(logicalID string) error {
	for _, f := range d.Stack.Functions {
		if f.LogicalID != logicalID || len(f.Schedules) == 0 {
			continue
		}
		var errs []error
		for _, s := range f.Schedules {
			errs = append(errs, d.host.Fire(d.hosted[logicalID], host.Schedule{Name: s.Name, ARN: s.ARN, Every: s.Every}))
		}
		return errors.Join(errs...)
	}
	return fault.New(fault.NotFound, "deployment.Fire", "the template has no schedule for "+logicalID)
}

// stopWithin bounds how long running invocations may take to end.
const stopWithin = 10 * time.Second

// stopFunctions ends the event source mappings, then the processes.
func (d *Deployment) stopFunctions() error {
	ended := d.host.Stop(stopWithin)
	for _, f := range d.Functions {
		f.Stop()
	}
	if !ended {
		d.host.Stop(stopWithin)
	}
	return nil
}

// Stop ends everything but the servers, which end with the process.
func (d *Deployment) Stop() error {
	var errs []error
	for _, stop := range slices.Backward(d.closer) {
		errs = append(errs, stop())
	}
	return errors.Join(errs...)
}

// pollEvery is how often Settle checks the queues.
const pollEvery = 20 * time.Millisecond

// Settle waits until nothing is left to do, see [simulated.Settle].
func (d *Deployment) Settle(ctx context.Context, waiting func()) error {
	return simulated.Settle(ctx, pollEvery, d.JumpCloud, d.Queues, waiting)
}

// Stage is the deployment as the stage of a day.
func (d *Deployment) Stage() play.Stage {
	return play.Stage{Administrator: d.Administrator, Store: d.Store, JumpCloud: d.JumpCloud, Entra: d.Entra, Settle: d.Settle}
}

// Usage is what the functions and the event source mappings used of AWS since the last
// call. What this package itself uses is not in it.
func (d *Deployment) Usage() Usage { return d.counter.since() }
