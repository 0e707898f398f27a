package admin_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// otherOrganization is a second organization in the same deployment.
const otherOrganization = "5f0c1e2d3a4b5c6d7e8f0002"

// beside creates the second organization.
func (f *fixture) beside() {
	f.t.Helper()
	if err := f.records.CreateOrganization(f.t.Context(), directory.Organization{ID: otherOrganization, Name: "Other", Region: "us", CreatedAt: time.Now().UTC()}); err != nil {
		f.t.Fatal(err)
	}
}

// create requests a new directory.
func (f *fixture) create(name, organization, tenant, settings string) (status int, answer map[string]any) {
	f.t.Helper()
	return f.call("POST", "/v1/directories", fmt.Sprintf(`{"name":%q,"organizationId":%q,"tenantId":%q,"settings":%s}`, name, organization, tenant, settings))
}

// shares returns the directories with which a directory shares its tenant.
func (f *fixture) shares(id string) []string {
	f.t.Helper()
	_, got := f.call("GET", "/v1/directories/"+id, "")
	var shares []string
	listed, _ := got["sharesTenantWith"].([]any)
	for _, each := range listed {
		shares = append(shares, fmt.Sprint(each))
	}
	slices.Sort(shares)
	return shares
}

// idOf returns the id in an answer.
func idOf(created map[string]any) string {
	id, _ := created["id"].(string)
	return id
}

// location returns the field that a refusal names, and its message.
func location(problem map[string]any) (field, says string) {
	details, _ := problem["errors"].([]any)
	if len(details) == 0 {
		return "", fmt.Sprint(problem["detail"])
	}
	detail, _ := details[0].(map[string]any)
	return fmt.Sprint(detail["location"]), fmt.Sprint(detail["message"])
}

// mustSay fails unless a refusal has the status, the field and all the words.
func mustSay(t *testing.T, status int, problem map[string]any, wantStatus int, wantField string, words ...string) {
	t.Helper()
	field, says := location(problem)
	if status != wantStatus || field != wantField {
		t.Errorf("%d at %q, want %d at %q: %v", status, field, wantStatus, wantField, problem)
	}
	for _, word := range words {
		if !strings.Contains(says, word) {
			t.Errorf("%q does not say %q", says, word)
		}
	}
}

const (
	shared  = `{"allowSharedDomains":true}`
	fabrika = "1c2d3e4f-0a4b-4c61-9a58-3d2f6b1e0001"
)

// otherTenants are a tenant with a domain of Contoso, and some tenants without common
// domains.
func otherTenants() map[directory.TenantID]directory.Tenant {
	return map[directory.TenantID]directory.Tenant{
		fabrika:            {ID: fabrika, VerifiedDomains: []string{"fabrika.example", "contoso.example"}},
		"apart.example":    {ID: "apart", VerifiedDomains: []string{"apart.example"}},
		"mainland.example": {ID: "mainland", VerifiedDomains: []string{"mainland.example"}},
	}
}

// One tenant or one domain in two directories is refused, with the names of both and
// what to do.
func TestATenantInTwoDirectoriesIsRefused(t *testing.T) {
	f := newFixture(t)
	f.beside()
	f.outside.tenants = otherTenants()
	first := f.directory("{}")
	for name, tc := range map[string]struct{ organization, tenant, common string }{
		"the same tenant":                {organization, tenant, tenant},
		"by a name of it":                {organization, "contoso.onmicrosoft.com", tenant},
		"the same domain":                {organization, fabrika, "contoso.example"},
		"in another organization":        {otherOrganization, tenant, tenant},
		"a domain, another organization": {otherOrganization, fabrika, "contoso.example"},
	} {
		t.Run(name, func(t *testing.T) {
			status, problem := f.create("Second", tc.organization, tc.tenant, "{}")
			mustSay(t, status, problem, 409, "body.tenantId", `"Second" (new)`, `"Contoso" (`+first+`)`, tc.common,
				`use "Contoso" alone`, `set allowSharedDomains on "Second"`, "stays enabled as long as one directory of the tenant holds the user")
		})
	}
	// The tenant was not read yet, but its name is that of a domain.
	f.outside.refusal = fault.New(fault.Unauthorized, "test", "no consent")
	if status, problem := f.create("Second", organization, "Contoso.example", "{}"); status != 409 {
		t.Errorf("waiting for its authorization: %d %v, want 409", status, problem)
	}
	f.outside.refusal = nil
	if status, created := f.create("Apart", organization, "apart.example", "{}"); status != 201 || created["sharesTenantWith"] != nil {
		t.Errorf("a tenant of its own: %d %v, want 201, no sharesTenantWith", status, created)
	}
	if got := f.shares(first); got != nil {
		t.Errorf("refused directories are known as sharing: %v, want no got", got)
	}
	if _, list := f.call("GET", "/v1/directories", ""); len(list["items"].([]any)) != 2 {
		t.Errorf("directories: %v, want 2 items", list)
	}
}

// A directory has the federated domains of its tenant from the last read; a directory
// that was stored before there was such a read has none.
func TestADirectoryKnowsTheKindsOfItsDomains(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	view := func() string {
		_, got := f.call("GET", "/v1/directories/"+id, "")
		return fmt.Sprint(got["federatedDomains"], " ", got["initialDomain"])
	}
	if got := view(); got != "<nil> <nil>" {
		t.Errorf("at first %s, want \"<nil> <nil>\"", got)
	}
	f.outside.tenants = map[directory.TenantID]directory.Tenant{tenant: {ID: tenant, VerifiedDomains: []string{"contoso.example", "c.onmicrosoft.example"},
		FederatedDomains: []string{"contoso.example"}, InitialDomain: "c.onmicrosoft.example"}}
	f.call("PATCH", "/v1/directories/"+id, "{}")
	if got := view(); got != "[contoso.example] c.onmicrosoft.example" {
		t.Errorf("then %s, want \"[contoso.example] c.onmicrosoft.example\"", got)
	}
}

// If sharing is allowed, all directories on the tenant name each other.
func TestSharedTenantIsKnownToAll(t *testing.T) {
	f := newFixture(t)
	f.beside()
	f.outside.tenants = otherTenants()
	first := f.directory("{}")
	ids := []string{first}
	for name, o := range map[string]string{"Second": organization, "Third": otherOrganization} {
		status, created := f.create(name, o, tenant, shared)
		if status != 201 || created["status"] != "active" {
			t.Fatalf("%d %v, want 201, \"active\"", status, created)
		}
		ids = append(ids, idOf(created))
	}
	_, apart := f.create("Apart", organization, "apart.example", shared)
	for _, id := range ids {
		want := slices.DeleteFunc(slices.Clone(ids), func(other string) bool { return other == id })
		slices.Sort(want)
		if got := f.shares(id); !cmp.Equal(got, want) {
			t.Errorf("%s shares with %v, want %v", id, got, want)
		}
	}
	if got := f.shares(idOf(apart)); got != nil {
		t.Errorf("a tenant of its own is shared with %v, want no got", got)
	}
	_, got := f.call("GET", "/v1/directories/"+first, "")
	if domains, _ := got["verifiedDomains"].([]any); !cmp.Equal(domains, []any{"contoso.example", "corp.example"}) || got["tenantObjectId"] != tenant {
		t.Errorf("the directory: %v", got)
	}
	// One more directory needs the setting too.
	status, problem := f.create("Fourth", organization, tenant, "{}")
	mustSay(t, status, problem, 409, "body.tenantId", `"Contoso"`, `"Second"`, `"Third"`)
}

func TestSharingCannotBeTurnedOff(t *testing.T) {
	f := newFixture(t)
	f.outside.tenants = otherTenants()
	first := f.directory("{}")
	_, created := f.create("Second", organization, tenant, shared)
	second := idOf(created)
	for _, off := range []string{"false", "null"} {
		status, problem := f.call("PATCH", "/v1/directories/"+second, `{"name":"New","settings":{"allowSharedDomains":`+off+`}}`)
		mustSay(t, status, problem, 409, "body.settings.allowSharedDomains", `"New" (`+second+`)`, `"Contoso" (`+first+`)`)
	}
	for _, id := range []string{first, second} { // everything else may change, on both
		if status, got := f.call("PATCH", "/v1/directories/"+id, `{"settings":{"suspendOnLockout":true}}`); status != 200 || len(f.shares(id)) != 1 {
			t.Errorf("%d %v", status, got)
		}
	}
	_, created = f.create("Apart", organization, "apart.example", shared)
	if status, got := f.call("PATCH", "/v1/directories/"+idOf(created), `{"settings":{"allowSharedDomains":false}}`); status != 200 {
		t.Errorf("with nobody to share with: %d %v, want 200", status, got)
	}
	// A domain that was removed from the tenant is no longer shared.
	_, created = f.create("Fabrika", organization, fabrika, shared)
	fabrikas := idOf(created)
	if got := f.shares(fabrikas); len(got) != 2 {
		t.Errorf("with a domain of Contoso, Fabrika shares with %v, want 2", got)
	}
	f.outside.tenants[fabrika] = directory.Tenant{ID: fabrika, VerifiedDomains: []string{"fabrika.example"}}
	if status, got := f.call("PATCH", "/v1/directories/"+fabrikas, `{"settings":{"allowSharedDomains":false}}`); status != 200 || got["sharesTenantWith"] != nil {
		t.Errorf("without it: %d %v, want 200, no sharesTenantWith", status, got)
	}
	if got := f.shares(first); !cmp.Equal(got, []string{second}) {
		t.Errorf("Contoso still shares with %v", got)
	}
}

// A domain that is added to a tenant later is found when the directory is changed.
func TestChangedDirectoryMustNotOverlapAnother(t *testing.T) {
	f := newFixture(t)
	f.outside.tenants = otherTenants()
	first := f.directory("{}")
	_, created := f.create("Mainland", organization, "mainland.example", "{}")
	mainland := idOf(created)
	f.outside.tenants["mainland.example"] = directory.Tenant{ID: "mainland", VerifiedDomains: []string{"contoso.example", "mainland.example"}}
	status, problem := f.call("PATCH", "/v1/directories/"+mainland, `{"name":"New"}`)
	mustSay(t, status, problem, 409, "path.id", `"New" (`+mainland+`)`, `"Contoso" (`+first+`)`, "the domain contoso.example")
	if _, got := f.call("GET", "/v1/directories/"+mainland, ""); got["name"] != "Mainland" {
		t.Errorf("a refused change was kept: %v, want name \"Mainland\"", got)
	}
	if status, got := f.call("PATCH", "/v1/directories/"+mainland, `{"settings":`+shared+`}`); status != 200 || !cmp.Equal(f.shares(first), []string{mainland}) {
		t.Errorf("allowed: %d %v", status, got)
	}
}

// Of directories that are created at once on one tenant, only one is stored. If they
// may share it, all are stored and name each other.
func TestCreationsAtOnce(t *testing.T) {
	for settings, want := range map[string]int32{"{}": 1, shared: 8} {
		f := newFixture(t)
		f.beside()
		var created, refused atomic.Int32
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				switch status, problem := f.create(fmt.Sprintf("D%d", i), []string{organization, otherOrganization}[i%2], []string{tenant, "contoso.example"}[i/2%2], settings); status {
				case 201:
					created.Add(1)
				case 409:
					refused.Add(1)
				default:
					t.Errorf("%d %v", status, problem)
				}
			})
		}
		all.Wait()
		if created.Load() != want || refused.Load() != 8-want {
			t.Errorf("%s: %d created, %d refused, want Load %v, Load %d", settings, created.Load(), refused.Load(), want, 8-want)
		}
		_, list := f.call("GET", "/v1/directories", "")
		items, _ := list["items"].([]any)
		if len(items) != int(want) {
			t.Errorf("%s: %d directories", settings, len(items))
		}
		for _, item := range items {
			each, _ := item.(map[string]any)
			if got := f.shares(idOf(each)); len(got) != int(want)-1 {
				t.Errorf("%s: %v shares with %v", settings, each["name"], got)
			}
		}
	}
}

// When a user is connected or disconnected in one directory of a tenant, a task is also
// sent for each other directory of the tenant that has the user, and only there.
func TestTasksGoToAllDirectoriesOfATenant(t *testing.T) {
	f := newFixture(t)
	f.outside.tenants = otherTenants()
	first := f.directory("{}")
	_, created := f.create("Second", organization, tenant, shared)
	second := idOf(created)
	_, created = f.create("Third", organization, tenant, shared)
	third := idOf(created)
	_, created = f.create("Apart", organization, "apart.example", "{}")
	apart := idOf(created)
	sent := func() []string {
		var ids []string
		for _, task := range append(f.tasks(f.live), f.tasks(f.bulk)...) {
			if task.User != ann {
				t.Errorf("a task for %s, want %v", task.User, ann)
			}
			ids = append(ids, string(task.Directory))
		}
		slices.Sort(ids)
		return ids
	}
	for _, step := range []struct {
		method, directory string
		want              []string
	}{
		{"PUT", apart, []string{apart}},
		{"PUT", first, []string{first}},
		{"PUT", second, []string{first, second}},
		{"DELETE", first, []string{first, second}},
		{"DELETE", apart, []string{apart}},
		{"DELETE", second, []string{first, second}},
	} {
		if status, got := f.call(step.method, "/v1/directories/"+step.directory+"/connections/users/"+ann, ""); status != 202 {
			t.Errorf("%d %v, want 202", status, got)
		}
		slices.Sort(step.want)
		if got := sent(); !cmp.Equal(got, step.want) {
			t.Errorf("%s %s sent tasks for %v, want %v (third is %s)", step.method, step.directory, got, step.want, third)
		}
	}
}

// A directory stays in its tenant, whatever a request names: only its names of that tenant may
// be given. Nothing of a refused change is kept.
func TestADirectoryStaysInItsTenant(t *testing.T) {
	const instead = "create another directory"
	for name, tc := range map[string]struct {
		tenant string
		tells  error // of the tenant that is named
		status int
		words  []string
		kept   string
	}{
		"by another of its domains":  {"corp.example", nil, 200, nil, "corp.example"},
		"by its id":                  {strings.ToUpper(tenant), nil, 200, nil, strings.ToUpper(tenant)},
		"the id of another":          {fabrika, nil, 409, []string{fabrika, tenant, instead}, ""},
		"a domain of another":        {"apart.example", nil, 409, []string{"apart.example", "apart", tenant, instead}, ""},
		"one that does not exist":    {"nobody.example", &fault.Error{Kind: fault.Unauthorized, Reason: directory.TenantNotFound, Message: "there is no such tenant"}, 422, []string{"no such tenant"}, ""},
		"one that lets nobody in":    {"closed.example", &fault.Error{Kind: fault.Unauthorized, Reason: directory.PendingConsent, Message: "no consent"}, 409, []string{"closed.example", tenant, instead}, ""},
		"one that cannot be read":    {"slow.example", fault.New(fault.Transient, "test", "no answer"), 503, []string{"try again"}, ""},
		"the name of all tenants":    {"common", nil, 422, []string{"GUID of a tenant or one of its domains"}, ""},
		"a domain that moved there":  {"contoso.example", nil, 409, []string{"contoso.example", fabrika, instead}, ""},
		"one of nothing, with typos": {"contoso example", nil, 422, []string{"GUID of a tenant or one of its domains"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			id := f.directory("{}")
			f.outside.tenants = otherTenants()
			f.outside.tenants["contoso.example"] = f.outside.tenants[fabrika]
			if tc.tells != nil {
				f.outside.refusals = map[directory.TenantID]error{directory.TenantID(tc.tenant): tc.tells}
			}
			for _, query := range []string{"?dryRun=true", ""} {
				status, got := f.call("PATCH", "/v1/directories/"+id+query, fmt.Sprintf(`{"name":"New","tenantId":%q}`, tc.tenant))
				if tc.status != 200 {
					mustSay(t, status, got, tc.status, "body.tenantId", tc.words...)
				} else if status != 200 {
					t.Errorf("got %d %v, want 200", status, got)
				}
			}
			_, got := f.call("GET", "/v1/directories/"+id, "")
			want := map[string]any{"name": "Contoso", "tenantId": tenant}
			if tc.kept != "" {
				want = map[string]any{"name": "New", "tenantId": tc.kept}
			}
			if got["name"] != want["name"] || got["tenantId"] != want["tenantId"] || got["tenantObjectId"] != tenant {
				t.Errorf("the directory is %v with the tenant %v (%v), want %v with %v (%s)", got["name"], got["tenantId"], got["tenantObjectId"], want["name"], want["tenantId"], tenant)
			}
		})
	}
}

// A directory whose tenant never let the application in has nothing in it: a wrong tenant is
// corrected.
func TestAWrongTenantIsCorrected(t *testing.T) {
	f := newFixture(t)
	f.outside.tenants = otherTenants()
	f.outside.refusals = map[directory.TenantID]error{"typo.example": &fault.Error{Kind: fault.Unauthorized, Reason: directory.PendingConsent, Message: "no consent"},
		"nobody.example": &fault.Error{Kind: fault.Unauthorized, Reason: directory.TenantNotFound, Message: "there is no such tenant"}}
	status, created := f.create("Apart", organization, "typo.example", "{}")
	if status != 201 || created["status"] != "pending_authorization" {
		t.Fatalf("got %d %v, want 201 and a directory that waits", status, created)
	}
	path := "/v1/directories/" + idOf(created)
	status, problem := f.call("PATCH", path, `{"tenantId":"nobody.example"}`)
	mustSay(t, status, problem, 422, "body.tenantId", "there is no such tenant")
	if status, got := f.call("PATCH", path, `{"tenantId":"apart.example"}`); status != 200 || got["status"] != "active" || got["tenantObjectId"] != "apart" {
		t.Errorf("got %d %v, want 200 and an active directory of apart", status, got)
	}
}

// A domain by which a directory names its tenant may move to another one: the directory goes on
// in the tenant that it has.
func TestADomainThatMovedLeadsNowhere(t *testing.T) {
	f := newFixture(t)
	f.outside.tenants = otherTenants()
	_, created := f.create("Apart", organization, "apart.example", "{}")
	f.outside.tenants["mainland.example"] = f.outside.tenants["apart.example"]
	f.outside.tenants["apart.example"] = directory.Tenant{ID: "stranger", VerifiedDomains: []string{"apart.example"}}
	status, got := f.call("PATCH", "/v1/directories/"+idOf(created), `{"name":"Still"}`)
	if status != 200 || got["tenantObjectId"] != "apart" || got["status"] != "active" {
		t.Errorf("got %d %v, want 200 and an active directory of apart", status, got)
	}
}
