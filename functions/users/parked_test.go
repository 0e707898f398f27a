package users_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// parkings returns the failed actions of a user that were never sent and change
// nothing.
func (f *fixture) parkings(id directory.UserID) []plan.Action {
	f.t.Helper()
	var parkings []plan.Action
	for _, a := range f.actions() {
		if a.Subject.ID == string(id) && a.Status == plan.Failed && len(a.Changes) == 0 {
			parkings = append(parkings, a)
		}
	}
	return parkings
}

// A user who is parked before any write has an event with the reason and what to do,
// once for each reason and not at every sync.
func TestWhoIsParkedBeforeAWriteIsInTheEvents(t *testing.T) {
	f := newFixture(t)
	f.settings(func(s *directory.Settings) { s.Domains = []directory.Domain{{Name: "contoso.example"}} })
	_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "cyd@contoso.example", Properties: map[string]any{"onPremisesSyncEnabled": true}})
	f.must(err)
	ann, bob, cyd := f.unconnected("ann", "ann@unlisted.example"), f.unconnected("bob", "bo+b@contoso.example"), f.person("cyd")
	f.connect(ann)
	f.connect(bob)
	for range 3 {
		f.run(ann, bob, cyd)
	}
	for _, tc := range []struct {
		user   directory.UserID
		event  plan.EventType
		kind   string
		reason directory.Reason
	}{
		{ann, plan.UserCreateProvision, "invalid", directory.DomainNotListed},
		{bob, plan.UserCreateProvision, "invalid", directory.UPNInvalid},
		{cyd, plan.UserUpdateProvision, "forbidden", directory.SyncedFromOnPremises},
	} {
		parkings := f.parkings(tc.user)
		if len(parkings) != 1 {
			t.Errorf("%s: %+v, want 1 parkings", tc.reason, parkings)
			continue
		}
		event, link := parkings[0].Event("main"), f.link(tc.user)
		if event.Type != tc.event || event.Success || event.MessageChain.Code != tc.kind || event.MessageChain.Details != string(tc.reason) ||
			event.ErrorMessage != link.Message || link.Message == "" || event.Correlation.Type != "user_update" || event.Timestamp.IsZero() {
			t.Errorf("%s: %+v, the link says %q", tc.reason, event, link.Message)
		}
	}
	// A new reason is a new event, and so is the same reason when it comes back.
	f.settings(func(s *directory.Settings) {
		s.Domains = append(s.Domains, directory.Domain{Name: "unlisted.example"})
	})
	f.run(ann)
	f.run(ann)
	if parkings := f.parkings(ann); len(parkings) != 2 || parkings[1].Error.Reason != directory.DomainNotVerified {
		t.Errorf("another reason: %+v, want 2 parkings, Reason %v", parkings, directory.DomainNotVerified)
	}
	f.update(ann, jumpcloudtest.Fields{"email": "ann@contoso.example"})
	f.run(ann)
	f.update(ann, jumpcloudtest.Fields{"email": "ann@unlisted.example"})
	f.run(ann)
	if parkings := f.parkings(ann); len(parkings) != 3 || parkings[2].Type != plan.Update || parkings[2].EntraID == "" {
		t.Errorf("the same reason again: %+v, want 3 parkings, Type %v, EntraID not \"\"", parkings, plan.Update)
	}
}

// A write that Entra refused has its own event and no second one; an attribute that is
// not even sent has an event.
func TestARefusalIsInTheEventsOnce(t *testing.T) {
	f := newFixture(t)
	ann, bob := f.person("ann"), f.person("bob")
	f.run(ann, bob)
	_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "taken@contoso.example"})
	f.must(err)
	f.update(bob, jumpcloudtest.Fields{"email": "taken@contoso.example"})
	f.run(bob)
	if parkings := f.parkings(bob); len(parkings) != 0 || f.link(bob).Status != directory.Parked {
		t.Errorf("refused by Entra: %+v, %+v, want 0 parkings, Status %v", parkings, f.link(bob), directory.Parked)
	}
	f.settings(func(s *directory.Settings) { s.Attributes["employeeId"] = true })
	f.update(ann, jumpcloudtest.Fields{"employeeIdentifier": "much-longer-than-Entra-takes"})
	f.run(ann)
	f.run(ann)
	if parkings := f.parkings(ann); len(parkings) != 1 || parkings[0].Error.Reason != directory.InvalidValue || parkings[0].Type != plan.Update {
		t.Errorf("an attribute that is not sent: %+v", parkings)
	}
}

// A user who waits because the tenant refuses our credentials has the reason in the
// link.
func TestAWaitForTheTenantHasItsReason(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	dir, err := f.store.Directory(t.Context(), f.directory.ID)
	f.must(err)
	dir.TenantObject, dir.Status, dir.Reason, dir.Message = "", directory.PendingAuthorization, directory.TenantNotFound, "Entra has no such tenant"
	_, err = f.store.PutDirectory(t.Context(), dir)
	f.must(err)
	f.run(ann)
	link := f.link(ann)
	if link.Status != directory.Pending || link.Reason != directory.TenantNotFound ||
		link.Message != "the tenant "+string(dir.Tenant)+" does not let the application in: Entra has no such tenant. When that is done it works by itself within a minute or two, or at once with a PATCH of this directory (an empty object will do)" {
		t.Errorf("%+v", link)
	}
}

// When an administrator requests a sync, the tenant is read again, because a domain may
// be verified now. An event alone does not read it again.
func TestARequestedSyncReadsTheTenantAgain(t *testing.T) {
	f := newFixture(t)
	ann := f.unconnected("ann", "ann@elsewhere.example")
	f.connect(ann)
	reads := 0
	f.before = func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/organization") {
			reads++
		}
	}
	for range 2 {
		f.run(ann)
	}
	if link := f.link(ann); link.Reason != directory.DomainNotVerified || reads != 0 {
		t.Errorf("by an event: the tenant was read %d times, %+v, want Reason %v, reads 0", reads, link, directory.DomainNotVerified)
	}
	at := time.Now().UTC()
	for range 2 {
		f.sync(ann, at)
	}
	if reads != 1 {
		t.Errorf("by a person: the tenant was read %d times, want once", reads)
	}
}

// sync handles what an administrator asked for with POST …/sync.
func (f *fixture) sync(id directory.UserID, at time.Time) {
	f.t.Helper()
	m, err := reconcile.Task{Directory: f.directory.ID, User: id, Cause: plan.Cause{Type: "retried", ID: "r1", At: at, Requested: true}}.Message()
	f.must(err)
	f.handle(oneMessage(events.SQSMessage{MessageId: "m", ReceiptHandle: "r", Body: string(m.Body), EventSourceARN: "queue", Attributes: map[string]string{"ApproximateReceiveCount": "1"}}))
}

// The source of authority of an account may move from on-premises to the cloud: an explicit
// sync looks again, and takes the account over or goes on with it.
func TestAnAccountThatIsManagedInTheCloudNow(t *testing.T) {
	for _, linked := range []bool{false, true} {
		t.Run(fmt.Sprintf("linked %t", linked), func(t *testing.T) {
			f := newFixture(t)
			account, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example", DisplayName: "Ann of old"})
			f.must(err)
			ann := f.person("ann")
			if linked {
				f.run(ann)
			}
			_, err = f.accounts.UpdateUser(account.ID, map[string]any{"onPremisesSyncEnabled": true})
			f.must(err)
			f.update(ann, jumpcloudtest.Fields{"jobTitle": "Lead"})
			f.run(ann)
			if link := f.link(ann); link.Status != directory.Parked || link.Reason != directory.SyncedFromOnPremises || f.account(account.ID).Text("jobTitle") != "" {
				t.Fatalf("mastered on premises: %+v, want Status %v, Reason %v and no write", link, directory.Parked, directory.SyncedFromOnPremises)
			}
			_, err = f.accounts.UpdateUser(account.ID, map[string]any{"onPremisesSyncEnabled": false})
			f.must(err)
			f.sync(ann, time.Now().UTC())
			link, now := f.link(ann), f.account(account.ID)
			if link.Status != directory.Synced || string(link.EntraID) != account.ID || link.Reason != "" || now.Text("jobTitle") != "Lead" || now.Text("displayName") != "ann Lee" {
				t.Errorf("after a sync: link %+v, account %+v, want it synced with the title Lead", link, now)
			}
		})
	}
}
