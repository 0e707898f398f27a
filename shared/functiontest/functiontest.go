// Package functiontest is the environment for tests of the functions: the simulators of
// JumpCloud and Entra in memory, a table, and the real clients.
package functiontest

import (
	"context"
	"net/http"
	"path/filepath"
	"time"

	"entrasync/shared/clients"
	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/plan"
	"entrasync/shared/secret"
	"entrasync/shared/store"
)

const (
	// Organization is the one organization.
	Organization = directory.OrganizationID(jumpcloudtest.DefaultOrganizationID)
	// APIKey is its key.
	APIKey = "test-key"
	// Domain is the verified domain of the tenant, and that of all e-mail addresses.
	Domain = "contoso.example"
)

// The hosts of the outside systems.
const (
	JumpCloudHost = "jumpcloud.example"
	GraphHost     = "graph.microsoft.com"
	LoginHost     = "login.microsoftonline.com"
)

// T is the common part of tests and property tests.
type T interface {
	Helper()
	Fatal(args ...any)
}

// Config says what differs between tests.
type Config struct {
	Folder  string       // of the table
	Cleanup func(func()) // registers a function that is called at the end
	// Transport sends the requests of the clients; nil sends them to the simulators. A
	// transport of a test calls [Kit.RoundTrip] for that.
	Transport http.RoundTripper
	Tenants   []entratest.Tenant // nil: the default one
	Webhooks  *http.Client       // sends the webhooks of JumpCloud; nil sends none
	// Requests is how many requests to Entra are kept for tests to read; 0: 500.
	Requests int
	Seed     uint64 // of both simulators; 0: 1
}

// Kit is the environment of the functions.
type Kit struct {
	t         T
	transport http.RoundTripper
	Table     store.Table
	Store     *store.Store
	JumpCloud *jumpcloudtest.Simulator
	Entra     *entratest.Simulator
	Tenant    entratest.Directory // the default tenant
	// Key is the API key of the organization, as it is stored; JumpCloud accepts APIKey alone.
	Key string
	// Credential is that of the organization instead of the key, if it is given.
	Credential secret.JumpCloud
}

// New makes the environment.
func New(t T, c Config) *Kit {
	t.Helper()
	k := &Kit{t: t, transport: c.Transport, Key: APIKey}
	if k.transport == nil {
		k.transport = k
	}
	table, err := bolttable.Open(filepath.Join(c.Folder, "table.db"))
	k.Must(err)
	c.Cleanup(func() { k.Must(table.Close()) })
	k.Table, k.Store = table, store.New(table)
	k.Must(k.Store.CreateOrganization(context.Background(), directory.Organization{ID: Organization, Name: "Example", Region: directory.US}))
	seed := max(c.Seed, 1)
	k.JumpCloud, err = jumpcloudtest.New(jumpcloudtest.Config{APIKey: APIKey, Seed: seed, Client: c.Webhooks})
	k.Must(err)
	c.Cleanup(func() { k.Must(k.JumpCloud.Close()) })
	k.Entra, err = entratest.New(entratest.Config{Seed: int64(seed), Log: c.Requests, Tenants: c.Tenants})
	k.Must(err)
	c.Cleanup(func() { k.Must(k.Entra.Close()) })
	k.Tenant = k.Entra.Tenant(entratest.DefaultTenant().ID)
	return k
}

// Must ends the test on an error.
func (k *Kit) Must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// keys knows the credential of the one organization.
type keys struct{ *Kit }

// JumpCloud implements clients.Keys.
func (k keys) JumpCloud(context.Context, directory.OrganizationID) (secret.JumpCloud, error) {
	if k.Credential.Given() {
		return k.Credential, nil
	}
	return secret.JumpCloud{APIKey: k.Key}, nil
}

// Clients are the clients of one process.
func (k *Kit) Clients() *clients.Set { return k.ClientsThrough(k.transport) }

// ClientsThrough are the clients of one process that send their requests through a
// transport.
func (k *Kit) ClientsThrough(transport http.RoundTripper) *clients.Set {
	set, err := NewClients(k.Store, keys{k}, transport)
	k.Must(err)
	return set
}

// NewClients makes the clients of a process that has no kit, because the simulators are in
// another one.
func NewClients(records *store.Store, keys clients.Keys, transport http.RoundTripper) (*clients.Set, error) {
	app := entratest.DefaultApp()
	return clients.New(clients.Config{
		JumpCloudAPI: "https://" + JumpCloudHost + "/api", JumpCloudInsights: "https://" + JumpCloudHost + "/insights/directory/v1",
		JumpCloudToken: "https://" + JumpCloudHost + "/oauth2/token",
		GraphURL:       "https://" + GraphHost + "/v1.0", LoginURL: "https://" + LoginHost,
		ClientID: app.ClientID, Keys: keys, Regions: records, Slowdowns: records, Transport: transport,
		Proof: func(context.Context) (entra.Proof, error) { return entra.Proof{ClientSecret: app.ClientSecret}, nil },
	})
}

// RoundTrip sends a request to the simulator that it is for.
func (k *Kit) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == JumpCloudHost {
		return jumpcloudtest.Transport(k.JumpCloud).RoundTrip(r)
	}
	return entratest.Transport(k.Entra).RoundTrip(r)
}

// Directory stores a directory of the organization and the default tenant; edit, if any,
// changes its settings first. Its guard is off: most tests are about other rules, and take
// access from everybody of their few people.
func (k *Kit) Directory(name string, edit func(*directory.Settings)) directory.Directory {
	k.t.Helper()
	tenant := directory.TenantID(entratest.DefaultTenant().ID)
	d := directory.Directory{
		ID: directory.NewID(Organization, name), Organization: Organization, Name: name,
		Tenant: tenant, TenantObject: tenant, Status: directory.Active, Settings: directory.DefaultSettings(),
	}
	d.Settings.Guard.MaxCount = nil
	if edit != nil {
		edit(&d.Settings)
	}
	return k.keep(d)
}

// Settings changes the settings of a directory.
func (k *Kit) Settings(d directory.Directory, edit func(*directory.Settings)) directory.Directory {
	k.t.Helper()
	known, err := k.Store.Directory(context.Background(), d.ID)
	k.Must(err)
	settings := known.Settings
	edit(&settings)
	return k.keep(known.WithSettings(settings, time.Now().UTC()))
}

// Exclude stores who is excluded from a directory, as the API does: what is known of the
// members of a group begins anew.
func (k *Kit) Exclude(d directory.Directory, e directory.Exclude) directory.Directory {
	k.t.Helper()
	ctx := context.Background()
	known, err := k.Store.Directory(ctx, d.ID)
	k.Must(err)
	neighbours, err := k.Store.Neighbours(ctx, known)
	k.Must(err)
	rollout, err := k.Store.Rollout(ctx, d.ID, store.Selection{})
	k.Must(err)
	rollout = rollout.Begin(d.ID, plan.Cause{Type: "settings_changed", At: time.Now().UTC(), Many: true}, false)
	rollout.ExcludedBefore, rollout.ExcludedNow = known.Settings.Exclude.Group, e.Group
	known.Settings.Exclude = e
	known.Version, err = k.Store.PutDirectoryAmong(ctx, known, &rollout, neighbours)
	k.Must(err)
	return known
}

// keep stores a directory.
func (k *Kit) keep(d directory.Directory) directory.Directory {
	k.t.Helper()
	var err error
	d.Version, err = k.Store.PutDirectory(context.Background(), d)
	k.Must(err)
	return d
}

// Hire adds an active user to JumpCloud with an address that begins with the name.
func (k *Kit) Hire(name string) directory.UserID { return k.HireAs(name, name+"@"+Domain) }

// HireAs adds an active user with an address.
func (k *Kit) HireAs(name, email string) directory.UserID {
	k.t.Helper()
	id, err := k.JumpCloud.CreateUser(jumpcloudtest.Fields{"username": name, "email": email, "firstname": name, "lastname": "Lee", "state": "ACTIVATED"})
	k.Must(err)
	return directory.UserID(id)
}

// Group adds a group with members to JumpCloud.
func (k *Kit) Group(name string, members ...directory.UserID) directory.GroupID {
	k.t.Helper()
	id, err := k.JumpCloud.CreateGroup(name)
	k.Must(err)
	for _, member := range members {
		k.Must(k.JumpCloud.AddMember(id, string(member)))
	}
	return directory.GroupID(id)
}

// Connect connects a user directly.
func (k *Kit) Connect(d directory.Directory, id directory.UserID) {
	k.t.Helper()
	k.Must(k.Store.Connect(context.Background(), d.ID, id, directory.Direct, time.Now().UTC()))
}

// ConnectGroup connects a group.
func (k *Kit) ConnectGroup(d directory.Directory, id directory.GroupID) {
	k.t.Helper()
	_, err := k.Store.ConnectGroup(context.Background(), d.ID, id, directory.Direct, time.Now().UTC())
	k.Must(err)
}
