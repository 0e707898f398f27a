package admin_test

import (
	"context"
	"encoding/json"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/admin"
	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/local/boltqueue"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/local/localtest"
	"entrasync/shared/local/secretfile"
	"entrasync/shared/metric"
	"entrasync/shared/queue"
	"entrasync/shared/readonly"
	"entrasync/shared/reconcile"
	"entrasync/shared/results/resultstest"
	"entrasync/shared/resync"
	"entrasync/shared/secret"
	"entrasync/shared/store"
)

const (
	organization = "5f0c1e2d3a4b5c6d7e8f9012"
	ann          = "64a1b2c3d4e5f60718293a4b"
	token        = "canary-api-token"
	tenant       = "7f1d5c2e-0a4b-4c61-9a58-3d2f6b1e8c90"
)

// outside is a JumpCloud with Ann and the group Engineering, and a tenant that may have
// consented.
type outside struct {
	unlisted
	refusal   error // of the tenant
	jumpCloud error // of JumpCloud
	unread    error // of look-ups in the tenant
	// tenants are the descriptions of tenants, by a name; each also answers by its id. Every
	// other name is one of Contoso.
	tenants map[directory.TenantID]directory.Tenant
	// refusals are those of some tenants alone, by name.
	refusals map[directory.TenantID]error
}

func (o *outside) JumpCloud(context.Context, directory.OrganizationID) (reconcile.JumpCloud, error) {
	return o, nil
}

func (o *outside) Entra(ctx context.Context, _ directory.TenantID) (reconcile.Entra, error) {
	if readonly.Is(ctx) {
		return nil, outOfReach() // nothing can be planned here
	}
	return named{outside: o}, o.refusal
}

// unlisted are the groups of a JumpCloud that lists nothing.
type unlisted struct{}

func (unlisted) GroupMembers(context.Context, directory.GroupID) ([]directory.UserID, []directory.GroupID, error) {
	return nil, nil, outOfReach()
}

func (unlisted) ListMembers(_ context.Context, _ directory.GroupID, from directory.MemberList) (directory.MemberList, error) {
	return from, outOfReach()
}

func (unlisted) GroupsOf(context.Context, directory.UserID) ([]directory.GroupID, error) {
	return nil, outOfReach()
}

func (unlisted) IsGroupFound(context.Context, directory.GroupID) (bool, error) {
	return false, outOfReach()
}

func (unlisted) AssociatedUsers(context.Context, directory.ConnectionSource) ([]directory.UserID, error) {
	return nil, outOfReach()
}

func (unlisted) AssociatedGroups(context.Context, directory.ConnectionSource) ([]directory.GroupID, error) {
	return nil, outOfReach()
}

func (unlisted) ListAssociated(_ context.Context, _ directory.ConnectionSource, from directory.MemberList) (directory.MemberList, error) {
	return from, outOfReach()
}

func (unlisted) IsUserAssociated(context.Context, directory.ConnectionSource, directory.UserID) (bool, error) {
	return false, outOfReach()
}

func (unlisted) IsGroupAssociated(context.Context, directory.ConnectionSource, directory.GroupID) (bool, error) {
	return false, outOfReach()
}

// named is Entra for who looks up sign-in names: it has the account glass@contoso.example, and
// gone@contoso.example as a deleted one.
type named struct {
	reconcile.Entra
	outside *outside
}

func (n named) FindByUPN(_ context.Context, upns []directory.UPN, _ []directory.Attribute) []reconcile.Found {
	found := make([]reconcile.Found, len(upns))
	for i, upn := range upns {
		switch {
		case n.outside.unread != nil:
			found[i].Err = n.outside.unread
		case upn.Same("glass@contoso.example"):
			found[i].Account = &directory.Account{UPN: upn}
		case upn.Same("gone@contoso.example"):
			found[i].Deleted = &directory.DeletedAccount{UPN: upn}
		}
	}
	return found
}

func (o *outside) ProbeKey(context.Context) error { return o.jumpCloud }

func (o *outside) ProbeRead(context.Context, string) error { return o.jumpCloud }

func (o *outside) ListUsers(context.Context, []directory.UserID) (map[directory.UserID]directory.User, error) {
	return nil, o.jumpCloud // a list may leave out who is there
}

func (o *outside) IsUserFound(context.Context, directory.UserID) (bool, error) {
	return false, fault.New(fault.Internal, "test", "the API searches no user")
}

func (o *outside) User(_ context.Context, id directory.UserID) (directory.User, error) {
	switch {
	case o.jumpCloud != nil:
		return directory.User{}, o.jumpCloud
	case id != ann:
		return directory.User{}, fault.New(fault.NotFound, "test", "JumpCloud has no user "+string(id))
	}
	return directory.User{ID: ann, Username: "ann"}, nil
}

func (o *outside) Group(_ context.Context, id directory.GroupID) (directory.Group, error) {
	switch {
	case o.jumpCloud != nil:
		return directory.Group{}, o.jumpCloud
	case id != engineering:
		return directory.Group{}, fault.New(fault.NotFound, "test", "no such object")
	}
	return directory.Group{ID: id, Name: "Engineering"}, nil
}

// goodKey is the API key that JumpCloud accepts.
const goodKey = "canary-good-key"

func (o *outside) CheckKey(_ context.Context, _ directory.Organization, credential secret.JumpCloud) (string, time.Time, error) {
	if credential.APIKey != goodKey {
		return "", time.Time{}, fault.New(fault.Unauthorized, "test", "the key is wrong")
	}
	return "Name in JumpCloud", time.Time{}, o.jumpCloud
}

func (o *outside) Describe(_ context.Context, name directory.TenantID) (directory.Tenant, error) {
	if refusal := o.refusals[name]; refusal != nil {
		return directory.Tenant{}, refusal
	}
	if found, known := o.tenants[name]; known {
		return found, o.refusal
	}
	for _, found := range o.tenants {
		if found.ID == name {
			return found, o.refusal
		}
	}
	return directory.Tenant{ID: tenant, Name: "Contoso", VerifiedDomains: []string{"contoso.example", "corp.example"}}, o.refusal
}

func (o *outside) Prove(ctx context.Context, name directory.TenantID, _ time.Time) (directory.Tenant, error) {
	return o.Describe(ctx, name)
}

func (o *outside) ConsentURL(name directory.TenantID, back, state string) (string, error) {
	return "https://login.example/" + string(name) + "?" + url.Values{"redirect_uri": {back}, "state": {state}}.Encode(), nil
}

// fixture is the API with a real table and real queues.
type fixture struct {
	t                      testing.TB
	handler                api.Handler
	api                    admin.API
	outside                *outside
	live, bulk             *boltqueue.Queue
	groupsLive, groupsBulk *boltqueue.Queue
	changes, resyncs       *boltqueue.Queue
	secrets                *secretfile.Store
	records                *store.Store
	table                  *bolttable.Table
	later                  int // tasks from the queues that must be done a minute later
}

// isLater reports whether a task must be done later, and counts it.
func (f *fixture) isLater(notBefore time.Time) bool {
	if notBefore.IsZero() {
		return false
	}
	if wait := time.Until(notBefore); wait < 50*time.Second || wait > time.Minute {
		f.t.Errorf("a task is to be done in %s, want wait at least %v, wait at most %v", wait, 50*time.Second, time.Minute)
	}
	f.later++
	return true
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	return newFixtureOn(t, filepath.Join(localtest.Folder(t), "table.db"))
}

// newFixtureOn is the API with the table at a path; the table may exist already.
func newFixtureOn(t testing.TB, path string) *fixture {
	t.Helper()
	table, err := bolttable.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	files, err := boltqueue.Open(filepath.Join(localtest.Folder(t), "queues.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, closing := range []func() error{table.Close, files.Close} {
			if err := closing(); err != nil {
				t.Error(err)
			}
		}
	})
	f := &fixture{t: t, outside: &outside{}, table: table}
	for name, q := range map[string]**boltqueue.Queue{"live": &f.live, "bulk": &f.bulk, "groups-live": &f.groupsLive, "groups-bulk": &f.groupsBulk, "changes": &f.changes, "resync": &f.resyncs} {
		if *q, err = files.Queue(boltqueue.Config{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	if f.secrets, err = secretfile.Open(filepath.Join(localtest.Folder(t), "secrets.json"), secretfile.Environment{AdminToken: token}); err != nil {
		t.Fatal(err)
	}
	records := store.New(table)
	f.records = records
	err = records.CreateOrganization(t.Context(), directory.Organization{ID: organization, Name: "Example", Region: "us", CreatedAt: time.Now().UTC()})
	if err != nil && !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.Internal) { // it may exist, or be damaged
		t.Fatal(err)
	}
	f.api = admin.API{Store: records, Auth: api.TokenAuth(f.secrets.AdminToken), Secrets: f.secrets,
		Clients: parts{Clients: f.outside, Tenants: f.outside, Organizations: f.outside, of: onlyGroups{Groups: f.outside}},
		Lanes:   reconcile.Lanes{UsersLive: f.live, UsersBulk: f.bulk, GroupsLive: f.groupsLive, GroupsBulk: f.groupsBulk}, Changes: f.changes,
		Resyncs: resync.Starter{Store: records, Jobs: f.resyncs}, Address: "https://entrasync.example", Results: &resultstest.Memory{}, Metrics: &metric.Memory{}}
	f.serve(f.api)
	return f
}

// serve makes the handler of an API.
func (f *fixture) serve(a admin.API) {
	f.t.Helper()
	var err error
	if f.handler, err = admin.New(a); err != nil {
		f.t.Fatal(err)
	}
}

// parts combines the outside systems.
type parts struct {
	reconcile.Clients
	admin.Tenants
	admin.Organizations
	of admin.Organization
}

func (p parts) Of(context.Context, directory.OrganizationID) (admin.Organization, error) {
	if p.of == nil {
		return nil, outOfReach()
	}
	return p.of, nil
}

// onlyGroups is an organization where only groups can be read.
type onlyGroups struct {
	admin.Groups
	admin.Channels
}

func (onlyGroups) SetPassword(context.Context, directory.UserID, string) error { return outOfReach() }

func (onlyGroups) SetUpWebhook(context.Context, jumpcloud.WebhookSetup) (jumpcloud.WebhookState, error) {
	return jumpcloud.WebhookState{}, outOfReach()
}

// outOfReach is an outside system that does not answer.
func outOfReach() error { return fault.New(fault.Transient, "test", "it does not answer") }

// call sends a request with the token and decodes the answer.
func (f *fixture) call(method, path, body string) (status int, answer map[string]any) {
	f.t.Helper()
	return f.callWith(map[string]string{"authorization": "Bearer " + token}, method, path, body)
}

// callWith sends a request with headers.
func (f *fixture) callWith(headers map[string]string, method, path, body string) (status int, answer map[string]any) {
	f.t.Helper()
	return f.callIn(f.t.Context(), headers, method, path, body)
}

// callIn sends a request with headers in a context.
func (f *fixture) callIn(ctx context.Context, headers map[string]string, method, path, body string) (status int, answer map[string]any) {
	f.t.Helper()
	rawPath, query, _ := strings.Cut(path, "?")
	r := events.APIGatewayV2HTTPRequest{RawPath: rawPath, RawQueryString: query, Body: body, Headers: map[string]string{"content-type": "application/json", "host": "localhost"}}
	for name, value := range headers {
		r.Headers[name] = value
	}
	r.RequestContext.HTTP.Method = method
	r.RequestContext.HTTP.Path = rawPath
	response, err := f.handler.Handle(ctx, r)
	if err != nil {
		f.t.Fatal(err)
	}
	if strings.Contains(response.Body, "canary") {
		f.t.Errorf("%s %s shows a secret", method, path)
	}
	if response.Body == "" {
		return response.StatusCode, nil
	}
	if err := json.Unmarshal([]byte(response.Body), &answer); err != nil {
		f.t.Fatalf("%s %s: %v: %s", method, path, err, response.Body)
	}
	return response.StatusCode, answer
}

// directory creates a directory and returns its id.
func (f *fixture) directory(settings string) string {
	f.t.Helper()
	status, created := f.call("POST", "/v1/directories", `{"name":"Contoso","organizationId":"`+organization+`","tenantId":"`+tenant+`","settings":`+settings+`}`)
	if status != 201 {
		f.t.Fatalf("create directory: %d %v, want 201", status, created)
	}
	id, _ := created["id"].(string)
	return id
}

// bodies takes all messages out of a queue.
func (f *fixture) bodies(q *boltqueue.Queue) [][]byte {
	f.t.Helper()
	var bodies [][]byte
	for {
		messages, err := q.Receive(f.t.Context(), queue.MaxBatch, 0)
		if err != nil {
			f.t.Fatal(err)
		}
		if len(messages) == 0 {
			return bodies
		}
		for _, m := range messages {
			bodies = append(bodies, m.Body)
			if err := q.Delete(f.t.Context(), m.Receipt); err != nil {
				f.t.Fatal(err)
			}
		}
	}
}

// tasks takes all tasks out of a queue of users.
func (f *fixture) tasks(q *boltqueue.Queue) []reconcile.Task {
	f.t.Helper()
	var tasks []reconcile.Task
	for _, body := range f.bodies(q) {
		task, err := reconcile.ReadTask(body)
		if err != nil {
			f.t.Fatal(err)
		}
		if !f.isLater(task.NotBefore) {
			tasks = append(tasks, task)
		}
	}
	return tasks
}

// groupTasks takes all tasks out of a queue of groups and returns those that must be
// done at once.
func (f *fixture) groupTasks(q *boltqueue.Queue) []reconcile.GroupTask {
	f.t.Helper()
	var tasks []reconcile.GroupTask
	for _, body := range f.bodies(q) {
		task, err := reconcile.ReadGroupTask(body)
		if err != nil {
			f.t.Fatal(err)
		}
		if !f.isLater(task.NotBefore) {
			tasks = append(tasks, task)
		}
	}
	return tasks
}

func TestTokenIsNeeded(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	for _, header := range []string{"", "Bearer", "Bearer wrong", "Basic " + token, token} {
		for _, path := range []string{"/v1/organizations", "/v1/directories/" + id, "/v1/directories/" + id + "/users"} {
			if status, problem := f.callWith(map[string]string{"authorization": header}, "GET", path, ""); status != 401 || problem["detail"] == "" {
				t.Errorf("%q on %s: %d %v, want 401, detail not \"\"", header, path, status, problem)
			}
		}
	}
	for _, path := range []string{"/healthz", "/openapi.json"} {
		if status, _ := f.callWith(nil, "GET", path, ""); status != 200 {
			t.Errorf("%s without a token: %d, want 200", path, status)
		}
	}
}

func TestDirectory(t *testing.T) {
	f := newFixture(t)
	id := f.directory(`{"mappedEmail":"alternate","attributes":{"user_city":true},"domains":[{"name":"corp.example","default":true}]}`)
	status, got := f.call("GET", "/v1/directories/"+id, "")
	settings, _ := got["settings"].(map[string]any)
	if status != 200 || got["status"] != "active" || got["tenantId"] != tenant || settings["mappedEmail"] != "alternate" || settings["suspendOnLockout"] != false {
		t.Errorf("%d %v, want 200, \"active\", tenantId %v, mappedEmail \"alternate\", suspendOnLockout %v", status, got, tenant, false)
	}
	status, got = f.call("PATCH", "/v1/directories/"+id, `{"name":"New","settings":{"mappedEmail":null,"attributes":{"user_city":null,"user_job_title":true},"suspendOnLockout":true}}`)
	settings, _ = got["settings"].(map[string]any)
	attributes, _ := settings["attributes"].(map[string]any)
	if status != 200 || got["name"] != "New" || settings["mappedEmail"] != "company" || settings["suspendOnLockout"] != true || len(attributes) != 1 || attributes["user_job_title"] != true {
		t.Errorf("%d %v, want 200, name \"New\", mappedEmail \"company\", suspendOnLockout %v, 1 attributes, user_job_title %v", status, got, true, true)
	}
	if domains, _ := settings["domains"].([]any); len(domains) != 1 {
		t.Errorf("a setting that was not named is now %v", domains)
	}
	if status, list := f.call("GET", "/v1/directories", ""); status != 200 || len(list["items"].([]any)) != 1 || list["cursor"] != nil {
		t.Errorf("%d %v, want 200, 1 items, no cursor", status, list)
	}
}

func TestDirectoryWithoutConsentWaits(t *testing.T) {
	f := newFixture(t)
	f.outside.refusal = fault.New(fault.Unauthorized, "test", "no consent")
	id := f.directory("{}")
	if _, got := f.call("GET", "/v1/directories/"+id, ""); got["status"] != "pending_authorization" {
		t.Errorf("status %v, want \"pending_authorization\"", got["status"])
	}
	f.outside.refusal = nil
	if _, got := f.call("PATCH", "/v1/directories/"+id, `{}`); got["status"] != "active" {
		t.Errorf("after the consent: status %v, want \"active\"", got["status"])
	}
}

func TestRefusalsNameTheField(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	create := func(change string) string {
		return `{"name":"A","organizationId":"` + organization + `","tenantId":"` + tenant + `"` + change + `}`
	}
	for _, tc := range []struct {
		name, method, path, body string
		status                   int
		location, says           string
	}{
		{"unknown directory", "GET", "/v1/directories/nope", "", 404, "path.id", "no directory nope"},
		{"unknown directory of the organization", "PUT", "/v1/directories/" + organization + "-nope/connections/users/" + ann, "", 404, "path.id", "no directory"},
		{"unknown user", "PUT", "/v1/directories/" + id + "/connections/users/64a1b2c3d4e5f60718293fff", "", 404, "path.userId", "JumpCloud has no user 64a1b2c3d4e5f60718293fff"},
		{"user that never was connected", "GET", "/v1/directories/" + id + "/users/" + ann, "", 404, "path.userId", "never connected"},
		{"try again for nobody", "POST", "/v1/directories/" + id + "/users/" + ann + "/sync", "", 404, "path.userId", "never connected"},
		{"disconnect who is not connected", "DELETE", "/v1/directories/" + id + "/connections/users/" + ann, "", 404, "path.userId", "not connected"},
		{"unknown group", "PUT", "/v1/directories/" + id + "/connections/groups/6510000000000000000000ff", "", 404, "path.groupId", "JumpCloud has no user group 6510000000000000000000ff"},
		{"group of an unknown directory", "PUT", "/v1/directories/nope/connections/groups/" + engineering, "", 404, "path.id", "no directory nope"},
		{"disconnect a group of an unknown directory", "DELETE", "/v1/directories/nope/connections/groups/" + engineering, "", 404, "path.id", "no directory nope"},
		{"disconnect a group that is not connected", "DELETE", "/v1/directories/" + id + "/connections/groups/" + engineering, "", 404, "path.groupId", "not connected"},
		{"group that never was connected", "GET", "/v1/directories/" + id + "/groups/" + engineering, "", 404, "path.groupId", "never connected"},
		{"try again for no group", "POST", "/v1/directories/" + id + "/groups/" + engineering + "/sync", "", 404, "path.groupId", "never connected"},
		{"groups of an unknown directory", "GET", "/v1/directories/nope/groups", "", 404, "path.id", "no directory nope"},
		{"odd cursor of groups", "GET", "/v1/directories/" + id + "/groups?cursor=x", "", 422, "query.cursor", ""},
		{"odd cursor of connections", "GET", "/v1/directories/" + id + "/connections?cursor=x", "", 422, "query.cursor", ""},
		{"odd cursor of connected groups", "GET", "/v1/directories/" + id + "/connections?cursor=groups.x", "", 422, "query.cursor", ""},
		{"odd source", "POST", "/v1/directories", create(`,"settings":{"connectionSource":{"type":"ldap"}}`), 422, "body.settings.connectionSource.type", "ldap"},
		{"unknown organization", "GET", "/v1/organizations/nope", "", 404, "path.id", "no organization nope"},
		{"directory of an unknown organization", "POST", "/v1/directories", strings.Replace(create(""), organization, "5f0c1e2d3a4b5c6d7e8fffff", 1), 422, "body.organizationId", "no organization 5f0c1e2d3a4b5c6d7e8fffff"},
		{"directory of no organization", "POST", "/v1/directories", strings.Replace(create(""), organization, "nope", 1), 422, "body.organizationId", "24 hex digits"},
		{"odd tenant", "POST", "/v1/directories", strings.Replace(create(""), tenant, "a/b", 1), 422, "body.tenantId", "GUID"},
		{"no name", "POST", "/v1/directories", `{"organizationId":"` + organization + `","tenantId":"` + tenant + `"}`, 422, "body.name", "name"},
		{"unknown setting", "POST", "/v1/directories", create(`,"settings":{"colour":"red"}`), 422, "body.settings.colour", "no setting colour"},
		{"unknown rule", "POST", "/v1/directories", create(`,"settings":{"attributes":{"user_shoe_size":true}}`), 422, "body.settings.attributes.user_shoe_size", "user_shoe_size"},
		{"setting of the wrong type", "PATCH", "/v1/directories/" + id, `{"settings":{"suspendOnLockout":"yes"}}`, 422, "body.settings.suspendOnLockout", "wrong type"},
		{"unknown key inside a setting", "PATCH", "/v1/directories/" + id, `{"settings":{"domains":[{"name":"a.example","fallback":true}]}}`, 422, "body.settings.domains[0].fallback", "no field fallback"},
		{"unknown field", "PATCH", "/v1/directories/" + id, `{"colour":"red"}`, 422, "body.colour", "no field colour"},
		{"a field in other letters", "PATCH", "/v1/directories/" + id, `{"name":"A","NAME":""}`, 422, "body.NAME", "no field NAME"},
		{"the same tenant again", "POST", "/v1/directories", create(""), 409, "body.tenantId", "Contoso"},
		{"the same tenant by another name", "POST", "/v1/directories", strings.Replace(create(""), tenant, "contoso.example", 1), 409, "body.tenantId", "Contoso"},
		{"no operation", "GET", "/v1/nothing", "", 404, "", ""},
		{"another method", "PUT", "/v1/directories", "{}", 405, "", ""},
		{"odd value", "PATCH", "/v1/directories/" + id, `{"settings":{"mappedEmail":"private"}}`, 422, "body.settings.mappedEmail", "private"},
		{"two defaults", "PATCH", "/v1/directories/" + id, `{"settings":{"domains":[{"name":"a.example","default":true},{"name":"b.example","default":true}]}}`, 422, "body.settings.domains[1].default", "default"},
		{"odd limit", "GET", "/v1/directories?limit=0", "", 422, "query.limit", "from 1 to 100"},
		{"odd limit of users", "GET", "/v1/directories/" + id + "/users?limit=101", "", 422, "query.limit", "from 1 to 100"},
		{"odd limit of connections", "GET", "/v1/directories/" + id + "/connections?limit=x", "", 422, "query.limit", "from 1 to 100"},
		{"odd cursor of users", "GET", "/v1/directories/" + id + "/users?cursor=x", "", 422, "query.cursor", ""},
		{"odd cursor", "GET", "/v1/directories?cursor=%21%21", "", 422, "query.cursor", ""},
		{"not JSON", "POST", "/v1/directories", `{`, 400, "", ""},
		{"too much", "POST", "/v1/directories", create(`,"settings":{"mappedEmail":"` + strings.Repeat("x", 2<<20) + `"}`), 413, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, problem := f.call(tc.method, tc.path, tc.body)
			details, _ := problem["errors"].([]any)
			location, said := "", ""
			if len(details) > 0 {
				detail, _ := details[0].(map[string]any)
				location, _ = detail["location"].(string)
				said, _ = detail["message"].(string)
			}
			if status != tc.status || (tc.location != "" && location != tc.location) || !strings.Contains(said, tc.says) {
				t.Errorf("%d at %q: %q\n%v", status, location, said, problem)
			}
		})
	}
	for _, q := range []*boltqueue.Queue{f.live, f.bulk, f.groupsLive, f.groupsBulk} {
		if left := f.bodies(q); len(left) > 0 {
			t.Errorf("refused requests sent tasks: %s, want 0 left", left)
		}
	}
}

func TestConnectAndDisconnect(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	path := "/v1/directories/" + id + "/connections/users/" + ann
	for range 2 { // a repetition is harmless
		status, link := f.call("PUT", path, "")
		if status != 202 || link["status"] != "pending" || link["state"] != "absent" || link["userId"] != ann {
			t.Errorf("%d %v, want 202, \"pending\", state \"absent\", userId %v", status, link, ann)
		}
		if tasks := f.tasks(f.bulk); len(tasks) != 1 || tasks[0].User != ann || tasks[0].Cause.Type != "connected" {
			t.Errorf("tasks: %+v, want 1 tasks, User %v, Type \"connected\"", tasks, ann)
		}
	}
	if _, list := f.call("GET", "/v1/directories/"+id+"/connections", ""); len(list["items"].([]any)) != 1 {
		t.Errorf("connections: %v, want 1 items", list)
	}
	_, users := f.call("GET", "/v1/directories/"+id+"/users", "")
	first, _ := users["items"].([]any)[0].(map[string]any)
	if by, _ := first["connectedBy"].([]any); len(by) != 1 || by[0] != "direct" {
		t.Errorf("users: %v, want 1 by, by \"direct\"", users)
	}
	if status, _ := f.call("POST", "/v1/directories/"+id+"/users/"+ann+"/sync", ""); status != 202 {
		t.Errorf("sync: %d, want 202", status)
	}
	if tasks := f.tasks(f.live); len(tasks) != 1 || tasks[0].Cause.Type != "retried" || !tasks[0].Cause.Requested {
		t.Errorf("tasks: %+v, want 1 tasks, Type \"retried\", Requested true", tasks)
	}
	if status, link := f.call("DELETE", path, ""); status != 202 || len(link["connectedBy"].([]any)) != 0 {
		t.Errorf("disconnect: %d %v, want 202, 0 connectedBy", status, link)
	}
	if tasks := f.tasks(f.live); len(tasks) != 1 || tasks[0].Cause.Type != "disconnected" {
		t.Errorf("tasks: %+v, want 1 tasks, Type \"disconnected\"", tasks)
	}
	if status, link := f.call("GET", "/v1/directories/"+id+"/users/"+ann, ""); status != 200 || link["userId"] != ann {
		t.Errorf("the link is gone: %d %v, want 200, userId %v", status, link, ann)
	}
}

func TestOrganization(t *testing.T) {
	f := newFixture(t)
	const id = "5f0c1e2d3a4b5c6d7e8f0001"
	for _, tc := range []struct {
		name, body, location string
		status               int
	}{
		{"odd id", `{"id":"x","apiKey":"` + goodKey + `"}`, "body.id", 422},
		{"one that is there", `{"id":"` + organization + `","apiKey":"` + goodKey + `"}`, "body.id", 409},
		{"odd region", `{"id":"` + id + `","region":"mars","apiKey":"` + goodKey + `"}`, "body.region", 422},
		{"wrong key", `{"id":"` + id + `","apiKey":"canary-bad-key"}`, "body.apiKey", 422},
		{"a token that can be guessed", `{"id":"` + id + `","apiKey":"` + goodKey + `","webhookTokens":["canary"]}`, "body.webhookTokens[0]", 422},
	} {
		status, problem := f.call("POST", "/v1/organizations", tc.body)
		details, _ := problem["errors"].([]any)
		if status != tc.status || len(details) == 0 || details[0].(map[string]any)["location"] != tc.location {
			t.Errorf("%s: %d %v, want %v, not 0 details, location %v", tc.name, status, problem, tc.status, tc.location)
		}
	}
	status, created := f.call("POST", "/v1/organizations", `{"id":"`+id+`","region":"eu","apiKey":"`+goodKey+`"}`)
	made, _ := created["webhookToken"].(string)
	if status != 201 || created["name"] != "Name in JumpCloud" || created["region"] != "eu" || len(made) < 20 || created["apiKey"] != nil {
		t.Errorf("%d %v, want 201, name \"Name in JumpCloud\", region \"eu\", at least 20 made, no apiKey", status, created)
	}
	if key, tokens := f.kept(id); key != goodKey || !slices.Equal(tokens, []string{made}) {
		t.Errorf("the stored secrets differ from the given ones")
	}
	status, got := f.call("PATCH", "/v1/organizations/"+id, `{"name":"New","webhookTokens":["canary-token-number-2","`+made+`"]}`)
	if status != 200 || got["name"] != "New" || got["webhookToken"] != nil {
		t.Errorf("%d %v, want 200, name \"New\", no webhookToken", status, got)
	}
	if key, tokens := f.kept(id); key != goodKey || len(tokens) != 2 {
		t.Errorf("the stored secrets differ from the given ones")
	}
	if status, _ := f.call("PATCH", "/v1/organizations/"+id, `{"apiKey":"canary-bad-key"}`); status != 422 {
		t.Errorf("a wrong key: %d, want 422", status)
	}
	if _, list := f.call("GET", "/v1/organizations", ""); len(list["items"].([]any)) != 2 {
		t.Errorf("list: %v, want 2 items", list)
	}
}

// Requests about an organization have secrets, and a refusal does not repeat them: call
// fails on any canary in an answer.
func TestRefusalsDoNotRepeatSecrets(t *testing.T) {
	f := newFixture(t)
	for _, body := range []string{
		`{"id":"x","apiKey":"canary-key"}`, `{"apiKey":"canary-key","unknown":1}`, `{"id":"5f0c1e2d3a4b5c6d7e8f0001","apiKey":"canary key"}`,
		`{"apiKey":"canary-key",}`, `{"apiKey":["canary-key"]}`, `{"webhookTokens":"canary-token-of-sixteen"}`, `["canary-key"]`, `"canary-key"`, `canary-key`,
		`{"id":"5f0c1e2d3a4b5c6d7e8f0001","apiKey":"` + goodKey + `","webhookTokens":["canary with spaces in it"]}`,
	} {
		for _, target := range [][2]string{{"POST", "/v1/organizations"}, {"PATCH", "/v1/organizations/" + organization}} {
			if status, problem := f.call(target[0], target[1], body); status < 400 && target[0] == "POST" {
				t.Errorf("%s %s: %d %v", target[0], body, status, problem)
			}
		}
	}
}

func TestJumpCloudOutageIsSaidSo(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	f.outside.jumpCloud = fault.New(fault.Transient, "test", "JumpCloud did not answer")
	if status, problem := f.call("PUT", "/v1/directories/"+id+"/connections/users/"+ann, ""); status != 503 {
		t.Errorf("%d %v, want 503", status, problem)
	}
}

func TestSettingsChangeSendsTasksForEverybody(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	f.call("PUT", "/v1/directories/"+id+"/connections/users/"+ann, "")
	f.tasks(f.bulk)
	f.call("PATCH", "/v1/directories/"+id, `{"settings":{"attributes":{"user_city":true}}}`)
	if tasks := f.tasks(f.bulk); len(tasks) != 1 || tasks[0].User != ann {
		t.Errorf("tasks: %+v, want 1 tasks, User %v", tasks, ann)
	}
}

func TestDescriptionIsComplete(t *testing.T) {
	f := newFixture(t)
	_, document := f.callWith(nil, "GET", "/openapi.json", "")
	paths, _ := document["paths"].(map[string]any)
	if document["openapi"] != "3.1.0" {
		t.Errorf("openapi %v, want \"3.1.0\"", document["openapi"])
	}
	for _, path := range []string{
		"/healthz", "/v1/organizations", "/v1/organizations/{id}", "/v1/organizations/{id}/users/{userId}/password", "/v1/directories", "/v1/directories/{id}",
		"/v1/directories/{id}/connections", "/v1/directories/{id}/connections/users/{userId}",
		"/v1/directories/{id}/users", "/v1/directories/{id}/users/{userId}", "/v1/directories/{id}/users/{userId}/sync", "/v1/events",
	} {
		if paths[path] == nil {
			t.Errorf("%s is not described", path)
		}
	}
}
