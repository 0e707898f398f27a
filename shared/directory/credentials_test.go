package directory_test

import (
	"strings"
	"testing"
	"time"

	"entrasync/shared/directory"
)

func TestWhenACredentialIsAnnounced(t *testing.T) {
	end := time.Date(2026, 12, 31, 10, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for name, tc := range map[string]struct {
		before            time.Duration // the end
		status            directory.CredentialStatus
		days              int
		announced, urgent bool
		says              string
	}{
		"in a year":            {365 * day, directory.CredentialOK, 365, false, false, ""},
		"31 days":              {31 * day, directory.CredentialOK, 31, false, false, ""},
		"a second less":        {31*day - time.Second, directory.CredentialEnding, 30, true, false, "ends on 2026-12-31, in 30 days"},
		"30 days":              {30 * day, directory.CredentialEnding, 30, true, false, "ends on 2026-12-31, in 30 days"},
		"8 days":               {8 * day, directory.CredentialEnding, 8, true, false, "in 8 days"},
		"7 days":               {7 * day, directory.CredentialEnding, 7, true, true, "in 7 days"},
		"1 day":                {day, directory.CredentialEnding, 1, true, true, "in 1 day:"},
		"the last hours":       {time.Hour, directory.CredentialEnding, 0, true, true, "within a day"},
		"the moment":           {0, directory.CredentialEnded, 0, true, true, "ended on 2026-12-31"},
		"long after the end":   {-90 * day, directory.CredentialEnded, 0, true, true, "ended on 2026-12-31"},
		"just before midnight": {10*time.Hour + time.Second, directory.CredentialEnding, 0, true, true, "ends on 2026-12-31, within a day"},
	} {
		t.Run(name, func(t *testing.T) {
			got := directory.Credential{Kind: directory.AdministratorKey, ExpiresAt: end}.At(end.Add(-tc.before))
			if got.Status != tc.status || got.Announced() != tc.announced || got.Urgent() != tc.urgent {
				t.Errorf("got status %s, announced %v, urgent %v, want %s, %v, %v", got.Status, got.Announced(), got.Urgent(), tc.status, tc.announced, tc.urgent)
			}
			if got.ExpiresAt == nil || !got.ExpiresAt.Equal(end) || got.DaysLeft == nil || *got.DaysLeft != tc.days {
				t.Errorf("got end %v and days %v, want %v and %d", got.ExpiresAt, got.DaysLeft, end, tc.days)
			}
			if !strings.Contains(got.Message, tc.says) || (tc.says == "") != (got.Message == "") {
				t.Errorf("got message %q, want %q in it", got.Message, tc.says)
			}
		})
	}
}

// An end that nobody gave is said to be unknown, with what to do, and is announced to
// nobody.
func TestAnEndThatIsNotKnownIsSaid(t *testing.T) {
	for kind, want := range map[directory.CredentialKind]string{
		directory.AdministratorKey:     "JumpCloud does not say when an administrator's key ends: PATCH the organization with credentialsExpireAt",
		directory.ServiceAccountKey:    "serviceaccounts.readonly",
		directory.ServiceAccountSecret: "serviceaccounts.readonly",
		directory.EntraSecret:          "expiresAt",
		directory.EntraCertificate:     "PEM",
		"":                             "credentialsExpireAt", // of an organization that an earlier version stored
	} {
		got := directory.Credential{Kind: kind}.At(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		if got.Status != directory.CredentialUnknown || got.ExpiresAt != nil || got.DaysLeft != nil || got.Announced() || got.Urgent() || !strings.Contains(got.Message, want) {
			t.Errorf("%s: got %+v, want it unknown and %q in the message", kind, got, want)
		}
	}
	unreadable := directory.Credential{Kind: directory.EntraSecret, Unreadable: "expiresAt is no time"}.At(time.Time{})
	if unreadable.Status != directory.CredentialUnknown || unreadable.Message != "expiresAt is no time" {
		t.Errorf("got %+v, want it unknown with the reason", unreadable)
	}
}

func TestKindsOfKeys(t *testing.T) {
	for key, want := range map[string]directory.CredentialKind{
		"jcs_BWx3a": directory.ServiceAccountKey,
		"jca_BWx3a": directory.AdministratorKey,
		"0123456789abcdef0123456789abcdef01234567": directory.AdministratorKey,
	} {
		if got := directory.KeyKind(key); got != want {
			t.Errorf("%s: got %s, want %s", key, got, want)
		}
	}
}
