// Package secrets stores the secrets of entrasync on AWS, in Secrets Manager. It has
// three types, so that a program has no more rights than its function needs: [Tokens]
// reads only webhook tokens, [Store] reads all secrets, and [Keeper], the secret.Store,
// writes too.
//
// All names begin with the prefix of the stack: "<prefix>/admin-token" and
// "<prefix>/password-key" are plain text, "<prefix>/api-keys/<id>",
// "<prefix>/webhook-tokens/<id>" and "<prefix>/entra" are JSON. Older versions stored
// API key and tokens together in "<prefix>/organizations/<id>". It is still read where
// one of the others is missing, and a Keeper that reads it writes the two others. It is
// not changed, and not read after that.
//
// "<prefix>/webhook-tokens/served" is not a token but the list of the organizations that
// are served. The webhook may read this name, and no id can have this form. With the list
// the webhook distinguishes served organizations from ids that strangers make up,
// without a request for each. Without the list it sends a request for each while few ids
// are unknown.
//
// A secret is cached for five minutes, and for an hour longer when Secrets Manager does
// not answer, so that an outage does not stop webhooks. A value is never part of an error
// or of the log.
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
	apiKeys       = "api-keys/" // or the client credentials of service accounts
	webhookTokens = "webhook-tokens/"
	servedList    = webhookTokens + "served" // the ids of the organizations that are served
	combined      = "organizations/"         // key and tokens together, as older versions stored them
)

// The error codes of Secrets Manager (GetSecretValue, CreateSecret and PutSecretValue).
// An invalid request is one for a secret that is scheduled for deletion. Only a role
// that may read the name gets codeNotFound; to check this, AWS makes up the random end
// of the ARN (assumed, from reports of others).
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

// JumpCloud is the credential for an organization's JumpCloud. Here and below, a secret
// that does not exist is a fault of kind NotFound.
func (s *Store) JumpCloud(ctx context.Context, id directory.OrganizationID) (secret.JumpCloud, error) {
	o, _, err := s.organization(ctx, "secrets.jumpcloud", apiKeys, id)
	if err == nil && !o.JumpCloud().Given() {
		err = missing("secrets.jumpcloud", string(id))
	}
	return o.JumpCloud(), err
}

// organization reads the secret of a kind or, if there is none, the combined one;
// together says whether it was the combined one.
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

// PasswordSeed is the text from which the key that opens sealed passwords is derived.
// CloudFormation made the secret, and the role of only one function may read it.
func (s *Store) PasswordSeed(ctx context.Context) (string, error) {
	return s.text(ctx, "secrets.password seed", passwordSeed)
}

// text reads a secret of plain text; an empty one counts as missing.
func (s *Store) text(ctx context.Context, op, name string) (string, error) {
	text, err := s.read(ctx, op, name)
	if err == nil && text == "" {
		err = missing(op, name)
	}
	return text, err
}

// Entra is the application's credentials for Entra.
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

// decoded parses a secret of JSON. The fault does not have the parser's error, because
// that repeats parts of its input.
func decoded[T any](op, fullName, text string) (T, error) {
	var value T
	if json.Unmarshal([]byte(text), &value) != nil {
		var none T
		return none, &fault.Error{Op: op, Kind: fault.Invalid, Subject: fullName, Message: "the secret is not the JSON it should be"}
	}
	return value, nil
}

func (s *Store) fullName(name string) string { return s.prefix + "/" + name }

// read returns a secret from the cache or from Secrets Manager.
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
