package deployment_test

import (
	"net/http"
	"testing"
	"time"

	"entrasync/scripts/lambda/deployment"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// lostWebhooks loses every webhook about a change: the schedule finds the change, once.
func lostWebhooks(t *testing.T, d *deployment.Deployment) {
	tenant := d.Entra.Tenant(string(d.Administrator.Tenant))
	const upn = "nora.berg@contoso.example"
	var id string
	for _, user := range d.JumpCloud.Users() {
		if user.Text("email") == upn {
			id = user.Text("id")
		}
	}
	d.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.LossRate, b.FeedLag = 1, 0 })
	defer d.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.LossRate = 0 })
	if err := d.JumpCloud.UpdateUser(id, jumpcloudtest.Fields{"lastname": "Falk"}); err != nil {
		t.Fatal(err)
	}
	type organization struct {
		CatchUp struct {
			Found       int
			LastFoundAt time.Time
			Trouble     map[string]any
		}
	}
	var before, after, again organization
	read := func(into *organization) {
		t.Helper()
		if err := d.Administrator.Call(t.Context(), http.MethodGet, "/v1/organizations/"+jumpcloudtest.DefaultOrganizationID, nil, into); err != nil {
			t.Fatal(err)
		}
	}
	read(&before)
	fire := func() {
		t.Helper()
		if err := d.Fire("CatchupFunction"); err != nil {
			t.Fatal(err)
		}
		settle(t, d)
	}
	fire()
	if account, _ := tenant.User(upn); account.Text("surname") != "Falk" {
		t.Errorf("her surname is %s, want Falk, although no webhook came", account.Text("surname"))
	}
	read(&after)
	if after.CatchUp.Found <= before.CatchUp.Found || after.CatchUp.Trouble != nil {
		t.Errorf("the catch-up is %+v, and was %+v; want that it found the event, without trouble", after.CatchUp, before.CatchUp)
	}
	fire()
	if read(&again); again.CatchUp.Found != after.CatchUp.Found {
		t.Errorf("%d events were found then, want none: they were seen", again.CatchUp.Found-after.CatchUp.Found)
	}
}
