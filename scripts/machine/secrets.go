package machine

import (
	"context"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// secrets holds the secrets of the one organization that the variables name.
type secrets struct {
	organization directory.OrganizationID
	apiKey       string
	tokens       []string
}

// secretsOf takes the secrets out of a configuration.
func secretsOf(c Config) secrets {
	s := secrets{organization: c.Organization, apiKey: c.JumpCloudKey}
	for token := range strings.SplitSeq(c.WebhookToken, ",") {
		if token = strings.TrimSpace(token); token != "" {
			s.tokens = append(s.tokens, token)
		}
	}
	return s
}

// WebhookTokens implements webhook.Secrets.
func (s secrets) WebhookTokens(_ context.Context, organization directory.OrganizationID) ([]string, error) {
	return s.tokens, s.known(organization)
}

// APIKey implements systems.Keys.
func (s secrets) APIKey(_ context.Context, organization directory.OrganizationID) (string, error) {
	return s.apiKey, s.known(organization)
}

// known is a fault of kind NotFound for any other organization.
func (s secrets) known(organization directory.OrganizationID) error {
	if organization == s.organization {
		return nil
	}
	return &fault.Error{Op: "secrets", Kind: fault.NotFound, Subject: string(organization), Message: "there are no secrets for this organization"}
}
