// Package lambdaenv is the environment of a function on Lambda: the table, the queues,
// the secrets, the bus and the metrics that its environment variables name. With it a
// function's main is a few lines of wiring.
//
// If variables are missing, the function logs their names when it starts, before it
// receives its first event.
package lambdaenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/rs/zerolog"

	"entrasync/shared/aws/bus"
	"entrasync/shared/aws/dynamotable"
	"entrasync/shared/aws/emf"
	"entrasync/shared/aws/patience"
	"entrasync/shared/aws/secrets"
	"entrasync/shared/aws/sqsqueue"
	"entrasync/shared/fault"
	"entrasync/shared/metric"
	"entrasync/shared/reconcile"
	"entrasync/shared/secret"
	"entrasync/shared/store"
)

// The variables that the template sets.
const (
	Table            = "ENTRASYNC_TABLE"
	ChangesQueue     = "ENTRASYNC_CHANGES_QUEUE_URL"
	UsersLiveQueue   = "ENTRASYNC_USERS_LIVE_QUEUE_URL"
	UsersBulkQueue   = "ENTRASYNC_USERS_BULK_QUEUE_URL"
	UsersReceives    = "ENTRASYNC_USERS_RECEIVES" // how often a users queue delivers a message before it is a dead letter
	GroupsLiveQueue  = "ENTRASYNC_GROUPS_LIVE_QUEUE_URL"
	GroupsBulkQueue  = "ENTRASYNC_GROUPS_BULK_QUEUE_URL"
	GroupsReceives   = "ENTRASYNC_GROUPS_RECEIVES" // the same of a groups queue
	ImportsQueue     = "ENTRASYNC_IMPORTS_QUEUE_URL"
	ResyncQueue      = "ENTRASYNC_RESYNC_QUEUE_URL"
	ResyncEvery      = "ENTRASYNC_RESYNC_EVERY"  // the time between two resyncs of a directory, such as 24h
	CatchUpEvery     = "ENTRASYNC_CATCHUP_EVERY" // the time between two runs of the catch-up as a schedule has it, such as 5 minutes
	ResultsBucket    = "ENTRASYNC_RESULTS_BUCKET"
	MailFrom         = "ENTRASYNC_MAIL_FROM" // empty: no mail is sent
	APIURL           = "ENTRASYNC_API_URL"   // where people reach the API
	SecretsPrefix    = "ENTRASYNC_SECRETS_PREFIX"
	Bus              = "ENTRASYNC_BUS"
	MetricsNamespace = "ENTRASYNC_METRICS_NAMESPACE"
	APIAuth          = "ENTRASYNC_API_AUTH"
	LogLevel         = "LOG_LEVEL"
	GraphURL         = "GRAPH_URL"
	LoginURL         = "ENTRA_LOGIN_URL"
	ClientID         = "ENTRA_CLIENT_ID"
	SignIn           = "ENTRA_SIGN_IN"
	JumpCloudAPI     = "JUMPCLOUD_API_URL"
	JumpCloudInsight = "JUMPCLOUD_INSIGHTS_URL"
	JumpCloudToken   = "JUMPCLOUD_TOKEN_URL" // empty: JumpCloud's own
)

// The variables with the queues of dead letters, for whoever takes messages out of them.
const (
	ChangesDead    = "ENTRASYNC_CHANGES_DEAD_QUEUE_URL"
	UsersLiveDead  = "ENTRASYNC_USERS_LIVE_DEAD_QUEUE_URL"
	UsersBulkDead  = "ENTRASYNC_USERS_BULK_DEAD_QUEUE_URL"
	GroupsLiveDead = "ENTRASYNC_GROUPS_LIVE_DEAD_QUEUE_URL"
	GroupsBulkDead = "ENTRASYNC_GROUPS_BULK_DEAD_QUEUE_URL"
)

// Federated is the value of [SignIn] when the application signs in to Entra with a token
// of its role, and without a stored credential.
const Federated = "federated"

// GatewayAuth is the value of [APIAuth] when the HTTP API checks JSON web tokens.
const GatewayAuth = "jwt"

// Environment is the environment of a function.
type Environment struct {
	AWS     aws.Config
	Log     zerolog.Logger
	waits   patience.Patience
	missing []string
	err     error
}

// Open reads the AWS configuration and sets up the log. waits are the time-outs and
// retries of calls to AWS.
func Open(waits patience.Patience) *Environment {
	e := &Environment{Log: newLog(os.Stdout), waits: waits}
	takeOver(e.Log)
	e.AWS, e.err = fromLambda()
	e.AWS.Logger = sdkLog{e.Log}
	waits.Configure(&e.AWS)
	return e
}

// fromLambda reads the AWS configuration of a function: region and credentials are only
// in the variables that Lambda sets. The SDK's default search in files, at the sign-in
// service and at the metadata of a machine would make the webhook's program a sixth
// larger.
func fromLambda() (aws.Config, error) {
	variables, err := config.NewEnvConfig()
	if err == nil && (variables.Region == "" || !variables.Credentials.HasKeys()) {
		err = errors.New("these variables of Lambda are needed: AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY")
	}
	role := func(context.Context) (aws.Credentials, error) { return variables.Credentials, nil }
	return aws.Config{Region: variables.Region, Credentials: aws.CredentialsProviderFunc(role), ConfigSources: []any{variables}}, err
}

// Variable is the value of a variable. If it is not set, [Environment.Start] exits.
func (e *Environment) Variable(name string) string {
	value := os.Getenv(name)
	if value == "" {
		e.missing = append(e.missing, name)
	}
	return value
}

// Number is the value of a variable that must be a number above zero.
func (e *Environment) Number(name string) int {
	value := e.Variable(name)
	n, err := strconv.Atoi(value)
	if value != "" && (err != nil || n < 1) {
		e.err = errors.Join(e.err, fmt.Errorf("%s is %q: it must be a number above zero", name, value))
	}
	return n
}

// Duration is the value of a variable that must be a time above zero, such as 24h.
func (e *Environment) Duration(name string) time.Duration {
	value := e.Variable(name)
	d, err := time.ParseDuration(value)
	if value != "" && (err != nil || d <= 0) {
		e.err = errors.Join(e.err, fmt.Errorf("%s is %q: it must be a time above zero, such as 24h", name, value))
	}
	return d
}

// Rate is the value of a variable that must be the time between two runs as a schedule has
// it, such as 1 minute or 2 hours.
func (e *Environment) Rate(name string) time.Duration {
	value := e.Variable(name)
	var n int
	var unit string
	_, err := fmt.Sscanf(value, "%d %s", &n, &unit)
	each := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour}[strings.TrimSuffix(unit, "s")]
	if value != "" && (err != nil || n < 1 || each == 0) {
		e.err = errors.Join(e.err, fmt.Errorf("%s is %q: it must be a number of minutes or hours, such as 5 minutes", name, value))
	}
	return time.Duration(n) * each
}

// Refuse makes Start fail with an error; nil changes nothing.
func (e *Environment) Refuse(err error) { e.err = errors.Join(e.err, err) }

// Optional is the value of a variable that may be empty.
func (e *Environment) Optional(name string) string { return os.Getenv(name) }

// Store is the store on the function's table.
func (e *Environment) Store() *store.Store {
	return store.New(dynamotable.New(dynamodb.NewFromConfig(e.AWS), e.Variable(Table)))
}

// Queue is the queue whose URL is in the variable.
func (e *Environment) Queue(variable string) *sqsqueue.Queue {
	return sqsqueue.New(sqs.NewFromConfig(e.AWS), e.Variable(variable))
}

// Secrets reads the secrets below the stack's prefix.
func (e *Environment) Secrets() *secrets.Store {
	return secrets.New(secretsmanager.NewFromConfig(e.AWS), e.Variable(SecretsPrefix))
}

// KeptSecrets reads and writes the secrets below the stack's prefix. records lists all
// organizations.
func (e *Environment) KeptSecrets(records *store.Store) secret.Store {
	return secrets.NewKeeper(secretsmanager.NewFromConfig(e.AWS), e.Variable(SecretsPrefix), records)
}

// WebhookTokens reads the webhook tokens below the stack's prefix and nothing else.
func (e *Environment) WebhookTokens() *secrets.Tokens {
	return secrets.NewTokens(secretsmanager.NewFromConfig(e.AWS), e.Variable(SecretsPrefix))
}

// Publisher publishes actions on the bus; nil when the stack has none.
func (e *Environment) Publisher() reconcile.Publisher {
	name := e.Optional(Bus)
	if name == "" {
		return nil
	}
	return bus.New(eventbridge.NewFromConfig(e.AWS), name)
}

// Metrics writes the counts to the function's log, from where CloudWatch reads them.
func (e *Environment) Metrics() metric.Counter {
	return emf.New(os.Stdout, e.Variable(MetricsNamespace))
}

// Lanes are the queues of tasks.
func (e *Environment) Lanes() reconcile.Lanes {
	return reconcile.Lanes{
		UsersLive: e.Queue(UsersLiveQueue), UsersBulk: e.Queue(UsersBulkQueue),
		GroupsLive: e.Queue(GroupsLiveQueue), GroupsBulk: e.Queue(GroupsBulkQueue),
	}
}

// Parts are the dependencies of the functions that bring objects up to date.
func (e *Environment) Parts(records *store.Store, outside reconcile.Clients) reconcile.Parts {
	return reconcile.Parts{Store: records, Clients: outside, Lanes: e.Lanes(), Metrics: e.Metrics(), Publisher: e.Publisher()}
}

// Postponer postpones messages of the queues whose URLs are in the variables.
func (e *Environment) Postponer(variables ...string) Queues {
	queues := Queues{}
	for _, variable := range variables {
		url := e.Variable(variable)
		queues[url[strings.LastIndexByte(url, '/')+1:]] = e.Queue(variable)
	}
	return queues
}

// Queues are queues by name.
type Queues map[string]*sqsqueue.Queue

// Postpone hides a message of the queue with the ARN source for d.
func (q Queues) Postpone(ctx context.Context, source, receipt string, d time.Duration) error {
	name := source[strings.LastIndexByte(source, ':')+1:]
	queue, known := q[name]
	if !known {
		return fault.New(fault.Internal, "lambdaenv.postpone", "no queue has the ARN "+source)
	}
	return queue.Postpone(ctx, receipt, d)
}

// Start registers a handler with Lambda and does not return. The handler is a function
// of any form that aws-lambda-go accepts. The log of every invocation has the request
// id. unmade is the error if the handler could not be made, or nil.
func (e *Environment) Start(handler any, unmade error) {
	if err := errors.Join(e.check(), unmade); err != nil {
		e.Log.Error().Err(err).Msg("the function cannot start")
		os.Exit(1)
	}
	lambda.Start(invoked{lambda.NewHandler(handler), e.Log, e.waits.Answer})
}

// check returns an error if the function cannot start.
func (e *Environment) check() error {
	if len(e.missing) > 0 {
		return errors.Join(e.err, fmt.Errorf("the template does not set %s", strings.Join(e.missing, ", ")))
	}
	return e.err
}

// invoked gives every invocation its log and its time limit.
type invoked struct {
	next   lambda.Handler
	log    zerolog.Logger
	answer time.Duration // 0: Lambda's own time-out
}

// Invoke implements lambda.Handler.
func (i invoked) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if i.answer > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, i.answer)
		defer cancel()
	}
	log := i.log
	if lc, known := lambdacontext.FromContext(ctx); known {
		log = log.With().Str("request", lc.AwsRequestID).Logger()
	}
	return i.next.Invoke(log.WithContext(ctx), payload)
}
