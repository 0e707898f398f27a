// Package secrets is the secrets of entrasync on AWS: secret.Store in Secrets
// Manager.
//
// All names begin with the prefix of the stack: "<prefix>/admin-token" and
// "<prefix>/password-key" are plain text, "<prefix>/organizations/<id>" and
// "<prefix>/entra" are JSON. What was
// read is kept for a few minutes, and served for a while longer when Secrets
// Manager does not answer, so that an outage there does not stop webhooks. A
// value is never part of an error or of the log.
package secrets

import (
	"context"
	"encoding/json"
	"regexp"

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
	organizations = "organizations/"
)

// The codes of Secrets Manager (GetSecretValue, CreateSecret and PutSecretValue,
// errors). An invalid request is one about a secret that is scheduled for
// deletion.
const (
	codeNotFound = "ResourceNotFoundException"
	codeExists   = "ResourceExistsException"
	codeDeleted  = "InvalidRequestException"
)

// organizationID is what an id may look like as a part of a name; anything else
// is not asked for.
var organizationID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Store is the secrets of one stack, safe for concurrent use.
type Store struct {
	client *secretsmanager.Client
	prefix string
	cache  cache
}

var _ secret.Store = (*Store)(nil)

// New makes a Store of the secrets whose names begin with prefix and a slash.
func New(client *secretsmanager.Client, prefix string) *Store {
	return &Store{client: client, prefix: prefix, cache: cache{entries: map[string]*entry{}}}
}

// Organization implements secret.Store.
func (s *Store) Organization(ctx context.Context, id directory.OrganizationID) (secret.Organization, error) {
	const op = "secrets.organization"
	if !organizationID.MatchString(string(id)) {
		return secret.Organization{}, missing(op, string(id))
	}
	return parsed[secret.Organization](ctx, s, op, organizations+string(id))
}

// AdminToken implements secret.Store.
func (s *Store) AdminToken(ctx context.Context) (string, error) {
	return s.text(ctx, "secrets.admin token", adminToken)
}

// PasswordSeed implements secret.Store. CloudFormation made the secret, and the
// role of one function lets it be read.
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

// Entra implements secret.Store.
func (s *Store) Entra(ctx context.Context) (secret.Entra, error) {
	return parsed[secret.Entra](ctx, s, "secrets.entra", entraSignIn)
}

// parsed reads a secret of JSON. What is wrong with it is not said in the words
// of the parser, which repeats pieces of its input.
func parsed[T any](ctx context.Context, s *Store, op, name string) (T, error) {
	var value T
	text, err := s.read(ctx, op, name)
	if err != nil {
		return value, err
	}
	if json.Unmarshal([]byte(text), &value) != nil {
		var none T
		return none, &fault.Error{Op: op, Kind: fault.Invalid, Subject: s.fullName(name), Message: "the secret is not the JSON it should be"}
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

// PutOrganization implements secret.Store.
func (s *Store) PutOrganization(ctx context.Context, id directory.OrganizationID, o secret.Organization) error {
	const op = "secrets.put organization"
	if !organizationID.MatchString(string(id)) {
		return &fault.Error{Op: op, Kind: fault.Invalid, Subject: string(id), Message: "this cannot be the id of an organization"}
	}
	text, err := json.Marshal(o) //nolint:gosec // what is written to Secrets Manager is the secret
	if err != nil {
		return fault.New(fault.Internal, op, "the secret cannot be written as JSON")
	}
	name := organizations + string(id)
	if err := s.write(ctx, op, s.fullName(name), string(text)); err != nil {
		return err
	}
	s.cache.put(name, string(text))
	return nil
}

// write gives a secret a new value, or makes it. Two that make it at once both
// succeed; one of the values stays.
func (s *Store) write(ctx context.Context, op, name, text string) error {
	put := func() error {
		_, err := s.client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: &name, SecretString: &text})
		return err
	}
	err := put()
	if awsfault.Is(err, codeNotFound) {
		_, err = s.client.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: &text,
			Description: aws.String("entrasync: API key and webhook tokens of one JumpCloud organization")})
		if awsfault.Is(err, codeExists) {
			err = put()
		}
	}
	if awsfault.Is(err, codeDeleted) {
		return &fault.Error{Op: op, Kind: fault.Conflict, Subject: name, Err: err,
			Message: "the secret is scheduled for deletion; restore it in Secrets Manager (RestoreSecret), then try again"}
	}
	return awsfault.Of(ctx, err, op)
}
