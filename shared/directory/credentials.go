package directory

import (
	"fmt"
	"strings"
	"time"
)

// CredentialKind is what somebody proves themselves with.
type CredentialKind string

// The kinds of credentials: those for JumpCloud, of which each organization has one, and
// those of the application for Entra, of which the deployment has one at most.
const (
	AdministratorKey     CredentialKind = "jumpcloud_api_key" // of an administrator, also the forms without a prefix
	ServiceAccountKey    CredentialKind = "jumpcloud_service_account_key"
	ServiceAccountSecret CredentialKind = "jumpcloud_service_account_secret"
	EntraSecret          CredentialKind = "entra_client_secret"
	EntraCertificate     CredentialKind = "entra_certificate"
)

// KeyKind is the kind of an API key of JumpCloud. Keys of service accounts begin with
// jcs_, newer ones of administrators with jca_, and older ones have 40 hex digits
// (JumpCloud API documentation, service accounts; support article on its APIs).
func KeyKind(key string) CredentialKind {
	if strings.HasPrefix(key, "jcs_") {
		return ServiceAccountKey
	}
	return AdministratorKey
}

// Credential is a credential and what is known of its end. It is no secret.
type Credential struct {
	Kind CredentialKind
	// Organization is whose it is; "" for that of the deployment.
	Organization OrganizationID
	// ExpiresAt is its end; zero if nobody said it.
	ExpiresAt time.Time
	// Unreadable is why the end that somebody gave cannot be used; "" as a rule.
	Unreadable string
}

// CredentialStatus says whether a credential has to be replaced.
type CredentialStatus string

// The statuses of a credential.
const (
	CredentialOK      CredentialStatus = "ok"
	CredentialEnding  CredentialStatus = "ending" // within EndingDays
	CredentialEnded   CredentialStatus = "ended"
	CredentialUnknown CredentialStatus = "unknown" // nobody said when it ends
)

// How many whole days before its end a credential is announced, and announced urgently.
const (
	EndingDays = 30
	UrgentDays = 7
)

// CredentialState is what is known of a credential at a moment.
type CredentialState struct {
	What      CredentialKind   `json:"what" enum:"jumpcloud_api_key,jumpcloud_service_account_key,jumpcloud_service_account_secret,entra_client_secret,entra_certificate"`
	ExpiresAt *time.Time       `json:"expiresAt,omitempty" doc:"Missing if nobody said when it ends"`
	DaysLeft  *int             `json:"daysLeft,omitempty" doc:"Whole days until then; 0 on the last day and after it"`
	Status    CredentialStatus `json:"status" enum:"ok,ending,ended,unknown"`
	Message   string           `json:"message,omitempty" doc:"What to do; missing if that is nothing"`
}

// At is the state of a credential at a time.
func (c Credential) At(now time.Time) CredentialState {
	state := CredentialState{What: c.Kind, Status: CredentialUnknown, Message: c.unknown()}
	if c.ExpiresAt.IsZero() {
		return state
	}
	end, left := c.ExpiresAt.UTC(), c.ExpiresAt.Sub(now)
	days := max(0, int(left/(24*time.Hour)))
	state.ExpiresAt, state.DaysLeft = &end, &days
	switch {
	case left <= 0:
		state.Status = CredentialEnded
		state.Message = fmt.Sprintf("%s ended on %s: %s", c.named(), day(end), c.advice())
	case days <= EndingDays:
		state.Status = CredentialEnding
		state.Message = fmt.Sprintf("%s ends on %s, %s: %s", c.named(), day(end), daysLeft(days), c.advice())
	default:
		state.Status, state.Message = CredentialOK, ""
	}
	return state
}

// Urgent reports whether the credential has ended or does so within UrgentDays.
func (s CredentialState) Urgent() bool {
	return s.Status == CredentialEnded || s.Status == CredentialEnding && *s.DaysLeft <= UrgentDays
}

// Announced reports whether people are to be warned of the credential.
func (s CredentialState) Announced() bool {
	return s.Status == CredentialEnding || s.Status == CredentialEnded
}

// day writes the day of a time.
func day(t time.Time) string { return t.Format(time.DateOnly) }

// daysLeft is a number of whole days in words.
func daysLeft(days int) string {
	switch days {
	case 0:
		return "within a day"
	case 1:
		return "in 1 day"
	default:
		return fmt.Sprintf("in %d days", days)
	}
}

// named names the credential for a sentence.
func (c Credential) named() string {
	switch c.Kind {
	case ServiceAccountKey:
		return "the API key of the JumpCloud service account"
	case ServiceAccountSecret:
		return "the client secret of the JumpCloud service account"
	case EntraSecret:
		return "the application's client secret for Entra"
	case EntraCertificate:
		return "the application's certificate for Entra"
	default:
		return "the JumpCloud API key"
	}
}

// advice says how to replace the credential.
func (c Credential) advice() string {
	switch c.Kind {
	case ServiceAccountKey:
		return "make a new key for the service account in JumpCloud, and PATCH /v1/organizations/{id} with it as apiKey"
	case ServiceAccountSecret:
		return "make a second secret for the service account in JumpCloud, PATCH /v1/organizations/{id} with clientId and clientSecret, and delete the first one"
	case EntraSecret:
		return "make a new one in Entra under Certificates & secrets, give it to entrasync together with its end, and delete the old one"
	case EntraCertificate:
		return "add a new one in Entra under Certificates & secrets, give it to entrasync, and remove the old one"
	default:
		return "make a new one in JumpCloud, and PATCH /v1/organizations/{id} with it as apiKey and its end as credentialsExpireAt"
	}
}

// unknown says why the end is not known, and what to do about that.
func (c Credential) unknown() string {
	if c.Unreadable != "" {
		return c.Unreadable
	}
	switch c.Kind {
	case ServiceAccountKey, ServiceAccountSecret:
		return "JumpCloud did not say when " + c.named() + " ends: give its role the scope serviceaccounts.readonly and PATCH the organization with the key or secret again, or PATCH it with credentialsExpireAt"
	case EntraSecret:
		return "Entra does not say when " + c.named() + " ends: put expiresAt beside clientSecret in the secret of the stack, or set ENTRA_CREDENTIAL_EXPIRES_AT on one machine"
	case EntraCertificate:
		return c.named() + " cannot be read: it must be PEM with its private key"
	default:
		return "JumpCloud does not say when an administrator's key ends: PATCH the organization with credentialsExpireAt"
	}
}
