package events_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/admin"
	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/metric"
	"entrasync/shared/reconcile"
	"entrasync/shared/results/resultstest"
	"entrasync/shared/resync"
	"entrasync/shared/secret"
)

// tenants has one tenant, which has consented.
type tenants struct{}

func (tenants) Describe(context.Context, directory.TenantID) (directory.Tenant, error) {
	return directory.Tenant{Name: "Contoso"}, nil
}

func (t tenants) Prove(ctx context.Context, id directory.TenantID, _ time.Time) (directory.Tenant, error) {
	return t.Describe(ctx, id)
}

func (tenants) ConsentURL(id directory.TenantID, _, _ string) (string, error) {
	return "https://login.example/" + string(id), nil
}

// outsideAPI is the outside systems of the API: groups of an organization can be read.
type outsideAPI struct {
	reconcile.Clients
	tenants
	admin.Organizations
}

func (outsideAPI) Of(context.Context, directory.OrganizationID) (admin.Organization, error) {
	return organizationOf{Groups: &outsideGroups{}}, nil
}

// organizationOf is an organization where only groups can be read.
type organizationOf struct {
	admin.Groups
	admin.Channels
	admin.Passwords
}

// noSecrets is a secret store without secrets.
type noSecrets struct{ secret.Store }

func TestAdmin(t *testing.T) {
	byToken := api.TokenAuth(func(context.Context) (string, error) { return "example-admin-token", nil })
	type want struct {
		auth       api.Auth
		status     int
		live, bulk int // tasks of users
		groups     int // tasks of groups in the bulk lane
	}
	table := map[string]want{
		"health.json":          {byToken, 200, 0, 0, 0},
		"description.json":     {byToken, 200, 0, 0, 0},
		"list.json":            {byToken, 200, 0, 0, 0},
		"callback.json":        {api.GatewayAuth, 404, 0, 0, 0}, // with a state of nobody
		"jwt.json":             {api.GatewayAuth, 200, 0, 0, 0},
		"directory.json":       {byToken, 201, 0, 0, 0},
		"connect.json":         {byToken, 202, 0, 1, 0},
		"connect-group.json":   {byToken, 202, 0, 0, 2}, // at once, and a minute later
		"unknown-setting.json": {byToken, 422, 0, 0, 0},
		"not-json.json":        {byToken, 400, 0, 0, 0},
		"wrong-token.json":     {byToken, 401, 0, 0, 0},
	}
	covers(t, "admin", table)
	for file, want := range table {
		t.Run(file, func(t *testing.T) {
			records, live, bulk, groups := connected(t), newQueue(t), newQueue(t), newQueue(t)
			if err := records.CreateOrganization(t.Context(), directory.Organization{ID: organization, Name: "Example", Region: directory.US}); err != nil {
				t.Fatal(err)
			}
			handler, err := admin.New(admin.API{Store: records, Clients: outsideAPI{&outsideGroups{}, tenants{}, nil}, Auth: want.auth, Secrets: noSecrets{}, Results: &resultstest.Memory{}, Metrics: &metric.Memory{}, Changes: newQueue(t), Resyncs: resync.Starter{Store: records, Jobs: newQueue(t)},
				Lanes: reconcile.Lanes{UsersLive: live, UsersBulk: bulk, GroupsLive: newQueue(t), GroupsBulk: groups}})
			if err != nil {
				t.Fatal(err)
			}
			response, err := handler.Handle(t.Context(), read[events.APIGatewayV2HTTPRequest](t, filepath.Join("admin", file)))
			if err != nil || response.StatusCode != want.status {
				t.Errorf("status %d, want %d: %s %v", response.StatusCode, want.status, response.Body, err)
			}
			if l, b, g := queued(t, live), queued(t, bulk), queued(t, groups); l != want.live || b != want.bulk || g != want.groups {
				t.Errorf("%d, %d and %d tasks, want %d, %d and %d", l, b, g, want.live, want.bulk, want.groups)
			}
		})
	}
}
