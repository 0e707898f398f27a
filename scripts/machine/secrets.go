package machine

import (
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/local/secretfile"
	"entrasync/shared/secret"
)

// secrets are the secrets that the variables hold.
func (c Config) secrets() secretfile.Environment {
	return secretfile.Environment{
		AdminToken: c.AdminToken,
		Entra:      secret.Entra{ClientSecret: c.ClientSecret},
		Organizations: map[directory.OrganizationID]secret.Organization{
			c.Organization: {APIKey: c.JumpCloudKey, WebhookTokens: c.webhookTokens()},
		},
	}
}

// webhookTokens are the tokens that the webhook accepts, the current one first.
func (c Config) webhookTokens() []string {
	var tokens []string
	for token := range strings.SplitSeq(c.WebhookToken, ",") {
		if token = strings.TrimSpace(token); token != "" {
			tokens = append(tokens, token)
		}
	}
	return tokens
}
