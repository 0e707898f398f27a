package users_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/secret"
)

// A service account keeps users in sync until its secret ends. From then on the link says
// on which day it ended, and with another secret all goes on.
func TestAServiceAccountWhoseSecretEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		account, err := f.jumpcloud.AddServiceAccount("entrasync", jumpcloudtest.ClientSecret, "30 Days")
		f.must(err)
		f.prove(account)
		ann := f.person("ann")
		f.run(ann)
		if link := f.link(ann); link.Status != directory.Synced {
			t.Errorf("got %+v, want status %s by a service account", link, directory.Synced)
		}
		time.Sleep(31 * 24 * time.Hour)
		f.update(ann, jumpcloudtest.Fields{"jobTitle": "Lead"})
		f.run(ann)
		if link := f.link(ann); link.Reason != directory.JumpCloudRefused || !strings.Contains(link.Message, "service account, which ended on 2000-01-31; make a new secret") || link.State != directory.Enabled {
			t.Errorf("got %+v, want an enabled account with the reason %s and the day on which the secret ended", link, directory.JumpCloudRefused)
		}
		another, err := f.jumpcloud.AddCredential(account.Account, "90 Days")
		f.must(err)
		f.prove(another)
		f.drain() // what waited goes on by itself
		if link, title := f.link(ann), f.account("ann@contoso.example").Text("jobTitle"); link.Status != directory.Synced || title != "Lead" {
			t.Errorf("got %+v and the title %q, want status %s and Lead after the secret was replaced", link, title, directory.Synced)
		}
		f.jumpcloud.Close()
	})
}

// prove gives a new process a credential of a service account, and its end.
func (f *fixture) prove(c jumpcloudtest.Credential) {
	f.t.Helper()
	f.Credential = secret.JumpCloud{ClientID: c.ClientID, ClientSecret: c.ClientSecret}
	o, err := f.store.Organization(f.t.Context(), organization)
	f.must(err)
	o.CredentialKind, o.CredentialsExpireAt = f.Credential.Kind(), &c.ExpiresAt
	f.must(f.store.PutOrganization(f.t.Context(), o))
	f.restart()
}
