// Package secrets is the secrets of entrasync on AWS, in Secrets Manager. Three
// types read them, so that a program holds no more than what its function may
// do: [Tokens] reads webhook tokens alone, [Store] reads, and [Keeper] is the
// secret.Store that writes too.
//
// All names begin with the prefix of the stack: "<prefix>/admin-token" and
// "<prefix>/password-key" are plain text, "<prefix>/api-keys/<id>",
// "<prefix>/webhook-tokens/<id>" and "<prefix>/entra" are JSON. Before keys and
// tokens were kept apart, "<prefix>/organizations/<id>" held both; it is still
// read where the others are missing, and a Keeper that reads it writes the others.
// It stays as it was, and nothing reads it then.
//
// "<prefix>/webhook-tokens/served" is no token, but the list of the organizations
// that are served. It lies where the webhook may read, and no id looks like it. With
// it the webhook tells them from those that strangers make up, without asking for
// each; it is a help, and where it is missing the webhook asks as long as few are
// unknown.
//
// What was read is kept for a few minutes, and served for a while longer when
// Secrets Manager does not answer, so that an outage there does not stop
// webhooks. A value is never part of an error or of the log.
package secrets

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"entrasync/shared/aws/awsfault"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/secret"
)

// The names below the prefix.
const (
	adminToken    = "admin-token"
	passwordSeed  = "password-key"
	entraSignIn   = "entra"
	apiKeys       = "api-keys/"
	webhookTokens = "webhook-tokens/"
	servedList    = webhookTokens + "served" // the ids of the organizations that are served
	combined      = "organizations/"         // key and tokens together, as they were kept before
)

// The codes of Secrets Manager (GetSecretValue, CreateSecret and PutSecretValue,
// errors). An invalid request is one about a secret that is scheduled for
// deletion. That a secret is not there is said to a role that may read the name;
// AWS makes up the end of its ARN to find out (assumed, from reports of others).
const (
	codeNotFound = "ResourceNotFoundException"
	codeExists   = "ResourceExistsException"
	codeDeleted  = "InvalidRequestException"
	codeLimit    = "LimitExceededException"
)

// Store reads the secrets of one stack. It is safe for concurrent use.
type Store struct {
	client *secretsmanager.Client
	prefix string
	cache  cache
}

// New makes a Store of the secrets whose names begin with prefix and a slash.
func New(client *secretsmanager.Client, prefix string) *Store {
	return &Store{client: client, prefix: prefix, cache: cache{entries: map[string]*entry{}}}
}

// APIKey is what an organization's JumpCloud is called with. One that does not
// exist is a fault of kind NotFound, like everything else that does not.
func (s *Store) APIKey(ctx context.Context, id directory.OrganizationID) (string, error) {
	o, _, err := s.organization(ctx, "secrets.api key", apiKeys, id)
	if err == nil && o.APIKey == "" {
		err = missing("secrets.api key", string(id))
	}
	return o.APIKey, err
}

// organization reads the secret of a kind, or, where there is none, the one that
// holds both kinds; together says which of them it was.
func (s *Store) organization(ctx context.Context, op, kind string, id directory.OrganizationID) (o secret.Organization, together bool, err error) {
	if !directory.IsJumpCloudID(string(id)) {
		return o, false, missing(op, string(id))
	}
	o, err = parsed[secret.Organization](ctx, s, op, kind+string(id))
	if !fault.Is(err, fault.NotFound) {
		return o, false, err
	}
	o, err = parsed[secret.Organization](ctx, s, op, combined+string(id))
	return o, err == nil, err
}

// AdminToken is the bearer token of the API.
func (s *Store) AdminToken(ctx context.Context) (string, error) {
	return s.text(ctx, "secrets.admin token", adminToken)
}

// PasswordSeed is what the key is made of that opens sealed passwords.
// CloudFormation made the secret, and the role of one function lets it be read.
func (s *Store) PasswordSeed(ctx context.Context) (string, error) {
	return s.text(ctx, "secrets.password seed", passwordSeed)
}

// text reads a secret of plain text; an empty one is as none.
func (s *Store) text(ctx context.Context, op, name string) (string, error) {
	text, err := s.read(ctx, op, name)
	if err == nil && text == "" {
		err = missing(op, name)
	}
	return text, err
}

// Entra is what the application signs in to Entra with.
func (s *Store) Entra(ctx context.Context) (secret.Entra, error) {
	return parsed[secret.Entra](ctx, s, "secrets.entra", entraSignIn)
}

// parsed reads a secret of JSON.
func parsed[T any](ctx context.Context, s *Store, op, name string) (T, error) {
	text, err := s.read(ctx, op, name)
	if err != nil {
		var none T
		return none, err
	}
	return decoded[T](op, s.fullName(name), text)
}

// decoded is the value of a secret of JSON. What is wrong with it is not said in the
// words of the parser, which repeats pieces of its input.
func decoded[T any](op, fullName, text string) (T, error) {
	var value T
	if json.Unmarshal([]byte(text), &value) != nil {
		var none T
		return none, &fault.Error{Op: op, Kind: fault.Invalid, Subject: fullName, Message: "the secret is not the JSON it should be"}
	}
	return value, nil
}

func (s *Store) fullName(name string) string { return s.prefix + "/" + name }

// read gives a secret from the cache or from Secrets Manager.
func (s *Store) read(ctx context.Context, op, name string) (string, error) {
	return s.cache.get(ctx, name, func(ctx context.Context) (string, error) { return s.fetch(ctx, op, name) })
}

func (s *Store) fetch(ctx context.Context, op, name string) (string, error) {
	answer, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(s.fullName(name))})
	if awsfault.Is(err, codeNotFound, codeDeleted) {
		return "", missing(op, s.fullName(name))
	}
	if err != nil {
		return "", awsfault.Of(ctx, err, op)
	}
	return aws.ToString(answer.SecretString), nil
}

func missing(op, name string) error {
	return &fault.Error{Op: op, Kind: fault.NotFound, Subject: name, Message: "there is no such secret"}
}
