package machine

import (
	"cmp"
	"context"
	"path/filepath"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/local/secretfile"
	"entrasync/shared/secret"
)

// fromVariables are the secrets that the variables give.
func (m *Machine) fromVariables() secretfile.Environment {
	c := m.Config
	return secretfile.Environment{
		AdminToken: c.AdminToken,
		Entra:      secret.Entra{ClientSecret: c.ClientSecret, ExpiresAt: c.EntraExpiresAt},
		Organizations: map[directory.OrganizationID]secret.Organization{
			c.Organization: secret.Organization{WebhookTokens: c.WebhookTokens()}.Proving(c.credential()),
		},
		APIKeyFrom: cmp.Or(c.KeyFrom, "the variable "+c.keyVariable()), WebhookTokensFrom: "the variable " + webhookVariable,
	}
}

// keyVariable is the variable with the secret for JumpCloud.
func (c Config) keyVariable() string {
	if c.JumpCloudClientSecret != "" {
		return jumpCloudSecretVariable
	}
	return keyVariable
}

// origin is where a token comes from.
type origin string

// The origins, in the words in which they are shown.
const (
	given       origin = "set"
	givenInFull origin = "set; the one that is kept in " + secretsName + " is not used"
	kept        origin = "made up at an earlier start, kept in " + secretsName
	replaced    origin = "replaced through the API, kept in " + secretsName
	madeUp      origin = "made up at this start, kept in " + secretsName
)

// originOf is where a token comes from.
func originOf(isGiven, isKept bool) origin {
	switch {
	case isGiven && isKept:
		return givenInFull
	case isGiven:
		return given
	case isKept:
		return kept
	default:
		return madeUp
	}
}

// shown reports whether the token itself is shown at start: the administrator did not
// choose it, and cannot know it in another way.
func (o origin) shown() bool { return o == kept || o == madeUp }

// openSecrets opens the secret store, which makes up the tokens that no variable gives.
// The config has all of them from then on.
func (m *Machine) openSecrets(ctx context.Context) (err error) {
	c := &m.Config
	if m.secrets, err = secretfile.Open(filepath.Join(c.Data, secretsName), m.fromVariables()); err != nil {
		return err
	}
	m.adminOrigin = originOf(c.AdminToken != "", m.secrets.KeepsAdminToken())
	m.webhookOrigin = originOf(c.WebhookToken != "", m.secrets.KeepsWebhookToken(c.Organization))
	if m.webhookOrigin == kept && m.secrets.ReplacedWebhookToken(c.Organization) {
		m.webhookOrigin = replaced
	}
	if c.AdminToken, err = m.secrets.AdminToken(ctx); err != nil {
		return err
	}
	tokens, err := m.secrets.WebhookTokens(ctx, c.Organization)
	if err != nil {
		return err
	}
	c.WebhookToken = strings.Join(tokens, ",")
	if !m.isNew && m.webhookOrigin == madeUp {
		m.log.Warn().Str("organization", string(c.Organization)).Msg("a new webhook token was made up, as neither " + webhookVariable + " nor " + secretsName +
			" holds one: give it to the channel in JumpCloud, with POST /v1/organizations/{id}/webhook and {\"rotateToken\": true}")
	}
	return nil
}
