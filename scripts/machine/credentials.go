package machine

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"entrasync/shared/credentials"
	"entrasync/shared/directory"
	"entrasync/shared/secret"
	"entrasync/shared/store"
)

// credential is the credential for JumpCloud that the variables give.
func (c Config) credential() secret.JumpCloud {
	return secret.JumpCloud{APIKey: c.JumpCloudKey, ClientID: c.JumpCloudClientID, ClientSecret: c.JumpCloudClientSecret}
}

// oneCredential refuses variables with two credentials for JumpCloud, or with a half one.
func (c Config) oneCredential() []error {
	hasID, hasSecret := c.JumpCloudClientID != "", c.JumpCloudClientSecret != ""
	switch {
	case c.JumpCloudKey != "" && (hasID || hasSecret):
		return []error{fmt.Errorf("%s is set, and so is a client id or secret of a service account: set one or the other, such as only %s", keyVariable, keyVariable)}
	case hasID && !hasSecret:
		return []error{missingFor(jumpCloudSecretVariable, jumpCloudClientVariable, "both are sent together")}
	case hasSecret && !hasID:
		return []error{missingFor(jumpCloudClientVariable, jumpCloudSecretVariable, "both are sent together")}
	case hasID && c.JumpCloudAPI == "":
		return []error{missingFor(apiVariable, jumpCloudClientVariable, "the simulator knows no such service account")}
	default:
		return nil
	}
}

// keepCredential notes in the organization of the variables what they give for JumpCloud
// and when it ends, and what is known of the ends for [Machine.Describe]. An end that was
// given through the API stays, unless a variable has one or the kind of the credential
// is another one.
func (m *Machine) keepCredential(ctx context.Context) error {
	end, _ := secret.ParseEnd(m.Config.JumpCloudExpiresAt)
	kind := m.Config.credential().Kind()
	var kept directory.Organization
	err := store.Contended(ctx, func() error {
		before, err := m.Store.Organization(ctx, m.Config.Organization)
		if err != nil {
			return err
		}
		kept = before
		if kept.CredentialKind != kind {
			kept.CredentialKind, kept.CredentialsExpireAt = kind, nil
		}
		if !end.IsZero() {
			kept.CredentialsExpireAt = &end
		}
		if reflect.DeepEqual(before, kept) {
			return nil
		}
		return m.Store.PutOrganization(ctx, kept)
	})
	if err != nil {
		return err
	}
	m.jumpCloudEnd = kept.Credential().At(time.Now())
	if c, known := m.entraCredential().Read(ctx); known {
		m.entraEnd = c.At(time.Now())
	}
	return nil
}

// entraCredential is what is known of the credential for Entra.
func (m *Machine) entraCredential() credentials.Source { return credentials.OfEntra(m.secrets) }

// ending is what is known of the end of a credential that is set. variable gives the end.
func ending(s directory.CredentialState, isSimulator bool, variable string) string {
	switch {
	case s.Status == directory.CredentialEnded:
		return "set; ended on " + s.ExpiresAt.Format(time.DateOnly)
	case s.ExpiresAt != nil:
		return fmt.Sprintf("set; ends on %s (%d days left)", s.ExpiresAt.Format(time.DateOnly), *s.DaysLeft)
	case isSimulator:
		return "set"
	default:
		return "set; its end is not known, and nobody is warned of it: set " + variable
	}
}

// checkEnd checks the end of a credential.
func checkEnd(_ Config, value string) string {
	if _, wrong := secret.ParseEnd(value); wrong != "" {
		return fmt.Sprintf("is %q: it must be the time or the day on which the credential ends", value)
	}
	return ""
}
