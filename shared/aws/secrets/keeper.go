package secrets

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/rs/zerolog"

	"entrasync/shared/aws/awsfault"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/secret"
)

// Keeper is a Store that also writes the secrets of organizations, and the list of the
// organizations that are served.
type Keeper struct {
	*Store
	records Organizations
	listing *listing
}

var _ secret.Store = Keeper{}

// NewKeeper makes a Keeper of the secrets whose names begin with prefix and a slash.
// records lists the organizations.
func NewKeeper(client *secretsmanager.Client, prefix string, records Organizations) Keeper {
	return Keeper{New(client, prefix), records, &listing{}}
}

// JumpCloud implements secret.Store.
func (k Keeper) JumpCloud(ctx context.Context, id directory.OrganizationID) (secret.JumpCloud, error) {
	k.complete(ctx)
	k.separate(ctx, apiKeys, id)
	return k.Store.JumpCloud(ctx, id)
}

// WebhookTokens implements secret.Store.
func (k Keeper) WebhookTokens(ctx context.Context, id directory.OrganizationID) ([]string, error) {
	const op = "secrets.webhook tokens"
	k.complete(ctx)
	k.separate(ctx, webhookTokens, id)
	o, _, err := k.organization(ctx, op, webhookTokens, id)
	if err == nil && len(o.WebhookTokens) == 0 {
		err = missing(op, string(id))
	}
	return o.WebhookTokens, err
}

// PutJumpCloud implements secret.Store.
func (k Keeper) PutJumpCloud(ctx context.Context, id directory.OrganizationID, credential secret.JumpCloud) error {
	k.complete(ctx)
	k.separate(ctx, webhookTokens, id)
	return k.put(ctx, "secrets.put jumpcloud", apiKeys, id, secret.Organization{}.Proving(credential))
}

// PutWebhookTokens implements secret.Store. It puts the organization on the list first:
// an organization on the list without tokens does no harm, but with tokens and not on
// the list, strangers could keep its webhooks out.
func (k Keeper) PutWebhookTokens(ctx context.Context, id directory.OrganizationID, tokens []string) error {
	const op = "secrets.put webhook tokens"
	if directory.IsJumpCloudID(string(id)) {
		if err := k.enlist(ctx, op, id); err != nil {
			return err
		}
	}
	k.separate(ctx, apiKeys, id)
	return k.put(ctx, op, webhookTokens, id, secret.Organization{WebhookTokens: tokens})
}

// Forget implements secret.Store. An organization without tokens may stay on the list of those that
// are served: that does no harm.
func (k Keeper) Forget(ctx context.Context, id directory.OrganizationID) error {
	const op = "secrets.forget"
	if !directory.IsJumpCloudID(string(id)) {
		return missing(op, string(id))
	}
	for _, kind := range []string{combined, webhookTokens, apiKeys} {
		name, now := k.fullName(kind+string(id)), true
		_, err := k.client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &name, ForceDeleteWithoutRecovery: &now})
		if err != nil && !awsfault.Is(err, codeNotFound) {
			return unwritten(ctx, err, op, name)
		}
		k.cache.forget(kind + string(id))
	}
	return nil
}

// separate writes the two secrets of an organization if its secret of a kind is missing
// and it has a combined one. A secret that exists is newer and stays. The API key is
// written last, because a reader that finds it does not check for the tokens. A failure
// does no harm: the combined secret is still read, and a later call tries again.
func (k Keeper) separate(ctx context.Context, kind string, id directory.OrganizationID) {
	const op = "secrets.separate"
	o, together, err := k.organization(ctx, op, kind, id)
	if err != nil || !together {
		return
	}
	for _, part := range []struct {
		kind  string
		value secret.Organization
		empty bool
	}{
		{webhookTokens, secret.Organization{WebhookTokens: o.WebhookTokens}, len(o.WebhookTokens) == 0},
		{apiKeys, secret.Organization{}.Proving(o.JumpCloud()), !o.JumpCloud().Given()},
	} {
		if part.empty {
			continue
		}
		text, err := encoded(op, part.value)
		if err == nil {
			err = k.create(ctx, op, k.fullName(part.kind+string(id)), text, ofOne)
		}
		if err != nil && !awsfault.Is(err, codeExists) {
			zerolog.Ctx(ctx).Warn().Err(err).Str("organization", string(id)).Msg("the API key and the webhook tokens cannot be kept apart yet")
			return
		}
	}
	zerolog.Ctx(ctx).Info().Str("organization", string(id)).Str("secret", k.fullName(combined+string(id))).
		Msg("the API key and the webhook tokens are kept apart now; the secret that held both is not read any more")
}

// put stores a secret of an organization.
func (k Keeper) put(ctx context.Context, op, kind string, id directory.OrganizationID, o secret.Organization) error {
	if !directory.IsJumpCloudID(string(id)) {
		return &fault.Error{Op: op, Kind: fault.Invalid, Subject: string(id), Message: "this cannot be the id of an organization"}
	}
	text, err := encoded(op, o)
	if err != nil {
		return err
	}
	if err := k.write(ctx, op, k.fullName(kind+string(id)), text); err != nil {
		return err
	}
	k.cache.put(kind+string(id), text)
	return nil
}

// encoded returns a secret of an organization as it is stored.
func encoded(op string, o secret.Organization) (string, error) {
	text, err := json.Marshal(o) //nolint:gosec // what is written to Secrets Manager is the secret
	if err != nil {
		return "", fault.New(fault.Internal, op, "the secret cannot be written as JSON")
	}
	return string(text), nil
}

// write gives a secret a new value, or creates it. Two concurrent calls both succeed;
// one of the values stays.
func (k Keeper) write(ctx context.Context, op, name, text string) error {
	put := func() error {
		_, err := k.client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: &name, SecretString: &text})
		return err
	}
	err := put()
	if awsfault.Is(err, codeNotFound) {
		err = k.create(ctx, op, name, text, ofOne)
		if awsfault.Is(err, codeExists) {
			err = put()
		}
	}
	return unwritten(ctx, err, op, name)
}

// The descriptions of the secrets in Secrets Manager.
const (
	ofOne = "entrasync: a secret of one JumpCloud organization"
	ofAll = "entrasync: the ids of the JumpCloud organizations that are served"
)

// create creates a secret. One that exists is an error with codeExists.
func (k Keeper) create(ctx context.Context, op, name, text, description string) error {
	_, err := k.client.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: &text, Description: &description})
	return awsfault.Of(ctx, err, op)
}

// unwritten makes the fault of a secret that could not be written.
func unwritten(ctx context.Context, err error, op, name string) error {
	if awsfault.Is(err, codeDeleted) {
		return &fault.Error{Op: op, Kind: fault.Conflict, Subject: name, Err: err,
			Message: "the secret " + name + " is scheduled for deletion; restore it in Secrets Manager (RestoreSecret), then try again"}
	}
	return awsfault.Of(ctx, err, op)
}
