package imports_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/functiontest"
	"entrasync/shared/store"
)

// listed asks for a list and returns what it says of each account by its sign-in name
// without the domain: the status and the message.
func (f *fixture) listed(query string) map[string]string {
	f.t.Helper()
	got := f.call("GET", f.ofDirectory("/importable-users"+query), nil)
	if got.Status != http.StatusOK {
		f.t.Fatalf("the list %s: %d %s, want 200", query, got.Status, got.refused())
	}
	said := map[string]string{}
	for _, item := range got.objects("items") {
		name, _, _ := strings.Cut(fmt.Sprint(item["userPrincipalName"]), "@")
		message, _ := item["message"].(string)
		said[name] = strings.TrimSpace(fmt.Sprint(item["status"]) + " " + message)
	}
	return said
}

// The list shows the people of the tenant who may sign in, and what would become of each.
func TestWhoIsListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.account("ann", nil)
		f.account("old", func(u *entratest.User) { u.Properties["userType"] = nil })
		f.account("guest", func(u *entratest.User) { u.Properties["userType"] = "Guest" })
		f.account("agent", func(u *entratest.User) { u.Agent = true })
		f.account("room", nil)
		_, err := f.Tenant.UpdateUser("room@contoso.example", map[string]any{"accountEnabled": false})
		f.Must(err)
		f.account("7", func(u *entratest.User) { u.Properties["mailNickname"] = "007" })
		f.account("moved", func(u *entratest.User) { u.Properties["mail"] = "moved@elsewhere.example" })
		f.HireAs("somebody", "bob@contoso.example")
		f.account("bob", nil)
		f.HireAs("cat", "cat@elsewhere.example")
		f.account("CAT", nil)
		dan := f.HireAs("dan", "dan@elsewhere.example")
		f.account("daniel", func(u *entratest.User) { u.Properties["onPremisesImmutableId"] = string(dan) })
		eva := f.account("eva", nil)
		_, err = f.Store.Claim(t.Context(), f.directory.TenantObject, directory.EntraID(eva), store.Owner{Organization: f.directory.Organization, User: "x", Username: "eva.old"}, f.directory.ID)
		f.Must(err)
		want := map[string]string{
			"ann": "new", "old": "new", "7": "blocked Neither its alias", "moved": "new Its sign-in name moved@contoso.example is not its e-mail address moved@elsewhere.example",
			"bob": "known JumpCloud has the e-mail address bob@contoso.example already, of somebody", "CAT": "known JumpCloud has the username CAT already, of cat",
			"daniel": "known JumpCloud has this person already: dan", "eva": "known JumpCloud has this person already: the account belongs to eva.old",
		}
		for query, status := range map[string]string{"": "", "?status=new": "new", "?status=known": "known", "?status=blocked": "blocked"} {
			got := f.listed(query)
			expected := 0
			for name, says := range want {
				if !strings.HasPrefix(says, status) {
					continue
				}
				if expected++; !strings.HasPrefix(got[name], says) {
					t.Errorf("%q: %s is %q, want %q", query, name, got[name], says)
				}
			}
			if len(got) != expected {
				t.Errorf("%q lists %v, want %d accounts", query, got, expected)
			}
		}
		for _, search := range []string{"ann", "Ms A", "G-a", "ann@con", "ANN"} {
			if got := f.listed("?search=" + url.QueryEscape(search)); len(got) != 1 || got["ann"] == "" {
				t.Errorf("the search %q finds %v, want ann", search, got)
			}
		}
		if got := f.listed("?search=nobody%27s"); len(got) != 0 {
			t.Errorf("a search of nobody finds %v, want none", got)
		}
		item := f.call("GET", f.ofDirectory("/importable-users?search=moved"), nil).objects("items")[0]
		for name, want := range map[string]string{"userPrincipalName": "moved@contoso.example", "displayName": "Ms moved", "firstname": "G-moved", "lastname": "Lee", "email": "moved@elsewhere.example", "username": "moved"} {
			if item[name] != want {
				t.Errorf("%s is %v, want %q", name, item[name], want)
			}
		}
	})
}

// A page of a large tenant costs as much as one of a small tenant.
func TestAPageCostsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		const people, limit, mostOfJumpCloud = 3000, 100, 3
		f.accounts(people)
		for i := range 50 {
			f.Hire(fmt.Sprintf("p%04d", 60*i))
		}
		seen, known, pages := map[any]bool{}, 0, 0
		for cursor := ""; pages == 0 || cursor != ""; pages++ {
			query := fmt.Sprintf("/importable-users?limit=%d", limit)
			if cursor != "" {
				query += "&cursor=" + url.QueryEscape(cursor)
			}
			f.Entra.ResetCounters()
			before := f.JumpCloud.Counters().Requests
			page := f.call("GET", f.ofDirectory(query), nil)
			if graph, jumpCloud := f.Entra.Counters().Operations, f.JumpCloud.Counters().Requests-before; graph != 1 || jumpCloud > mostOfJumpCloud {
				t.Errorf("page %d cost %d requests to Graph and %d to JumpCloud, want 1 and at most %d", pages, graph, jumpCloud, mostOfJumpCloud)
			}
			if page.Status != http.StatusOK || len(page.objects("items")) > limit {
				t.Fatalf("page %d: %d %s with %d items, want 200 and at most %d", pages, page.Status, page.refused(), len(page.objects("items")), limit)
			}
			for _, item := range page.objects("items") {
				seen[item["id"]] = true
				if item["status"] == "known" {
					known++
				}
			}
			cursor = page.text("cursor")
		}
		if len(seen) != people || known != 50 || pages != people/limit {
			t.Errorf("%d accounts on %d pages, %d of them known, want %d on %d and 50", len(seen), pages, known, people, people/limit)
		}
	})
}

// When few accounts have the wanted status, a page reads a bounded number of others, and may
// be empty and still have a next one.
func TestAPageOfAStatusIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		const known = 60
		for i := range known {
			f.Hire(fmt.Sprintf("p%04d", i))
		}
		f.accounts(known + 1)
		var found []any
		pages := 0
		for cursor := ""; pages == 0 || cursor != ""; pages++ {
			query := "/importable-users?limit=10&status=new"
			if cursor != "" {
				query += "&cursor=" + url.QueryEscape(cursor)
			}
			f.Entra.ResetCounters()
			page := f.call("GET", f.ofDirectory(query), nil)
			if graph := f.Entra.Counters().Operations; page.Status != http.StatusOK || graph > 5 {
				t.Errorf("page %d: %d %s with %d requests to Graph, want 200 and at most 5", pages, page.Status, page.refused(), graph)
			}
			for _, item := range page.objects("items") {
				found = append(found, item["username"])
			}
			if page.Body["items"] == nil {
				t.Errorf("page %d has no list, want an empty one", pages)
			}
			cursor = page.text("cursor")
		}
		if len(found) != 1 || found[0] != fmt.Sprintf("p%04d", known) || pages < 2 {
			t.Errorf("new: %v on %d pages, want only the last account, after an empty page", found, pages)
		}
	})
}

// A list that cannot be read says why.
func TestListsThatAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		unread := f.unread()
		for _, tc := range []struct {
			path   string
			status int
			says   string
		}{
			{f.ofDirectory("/importable-users?limit=0"), 422, "query.limit"},
			{f.ofDirectory("/importable-users?limit=101"), 422, "query.limit"},
			{f.ofDirectory("/importable-users?status=all"), 422, "query.status"},
			{f.ofDirectory("/importable-users?cursor=nonsense"), 422, "query.cursor"},
			{f.ofDirectory("/importable-users?page=2"), 422, "query.page"},
			{f.ofDirectory("/imports?cursor=nonsense"), 422, "query.cursor"},
			{"/v1/directories/" + string(functiontest.Organization) + "-nobodys/importable-users", 404, "path.id"},
			{"/v1/directories/" + string(functiontest.Organization) + "-nobodys/imports", 404, "path.id"},
			{"/v1/directories/" + string(unread.ID) + "/importable-users", 409, "authorize the directory first"},
		} {
			if got := f.call("GET", tc.path, nil); got.Status != tc.status || !strings.Contains(got.refused(), tc.says) {
				t.Errorf("%s: %d %s, want %d and %q", tc.path, got.Status, got.refused(), tc.status, tc.says)
			}
		}
		f.Must(f.Entra.FailNext(entratest.Fault{Path: "users", Status: 403}))
		if got := f.call("GET", f.ofDirectory("/importable-users"), nil); got.Status != http.StatusBadGateway {
			t.Errorf("a tenant that refuses: %d %s, want 502", got.Status, got.refused())
		}
		f.outside.Begin(1)
		if got := f.call("GET", f.ofDirectory("/importable-users"), nil); got.Status != http.StatusServiceUnavailable {
			t.Errorf("a tenant that hangs: %d %s, want 503", got.Status, got.refused())
		}
	})
}

// unread is a directory whose tenant was never read.
func (f *fixture) unread() directory.Directory {
	f.t.Helper()
	d := directory.Directory{ID: directory.NewID(functiontest.Organization, "unread"), Organization: functiontest.Organization, Name: "unread", Tenant: "fabrikam.example",
		Status: directory.PendingAuthorization, Settings: directory.DefaultSettings(), CreatedAt: time.Now().UTC()}
	var err error
	d.Version, err = f.Store.PutDirectory(f.t.Context(), d)
	f.Must(err)
	return d
}
