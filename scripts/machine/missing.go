package machine

import (
	"context"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// logMissingSecrets logs the organizations whose API key or webhook token is missing, as
// after the file with the secrets was lost. Without the key nothing can be read in
// JumpCloud, without the token every webhook is refused.
func (m *Machine) logMissingSecrets(ctx context.Context) error {
	return pages(func(cursor string) (store.List[directory.Organization], error) {
		return m.Store.Organizations(ctx, 0, cursor)
	}, func(organizations []directory.Organization) error {
		for _, o := range organizations {
			if o.Deactivating != "" {
				continue
			}
			missing, err := m.missingSecrets(ctx, o.ID)
			if err != nil {
				return err
			}
			if len(missing) > 0 {
				m.log.Warn().Str("organization", string(o.ID)).Str("name", o.Name).Msg("the organization has " + strings.Join(missing, " and ") + " in " + secretsName +
					": PATCH /v1/organizations/{id} with apiKey or webhookTokens gives it new ones, and POST /v1/organizations/{id}/webhook with {\"rotateToken\": true} gives JumpCloud the new token")
			}
		}
		return nil
	})
}

// missingSecrets are the secrets that an organization has not got, in words.
func (m *Machine) missingSecrets(ctx context.Context, id directory.OrganizationID) (missing []string, err error) {
	_, key := m.secrets.JumpCloud(ctx, id)
	_, tokens := m.secrets.WebhookTokens(ctx, id)
	for _, secret := range []struct {
		words string
		err   error
	}{{"no API key", key}, {"no webhook token", tokens}} {
		switch {
		case fault.Is(secret.err, fault.NotFound):
			missing = append(missing, secret.words)
		case secret.err != nil:
			return nil, secret.err
		}
	}
	return missing, nil
}
