package entratest_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"entrasync/shared/entra/entratest"
)

// team is the body that creates a security group.
func team(name string, more ...any) object {
	body := object{"displayName": name, "mailEnabled": false, "securityEnabled": true, "mailNickname": strings.ToLower(name), "groupTypes": []string{}}
	for i := 0; i+1 < len(more); i += 2 {
		key, _ := more[i].(string)
		if more[i+1] == absent {
			delete(body, key)
			continue
		}
		body[key] = more[i+1]
	}
	return body
}

// people seeds n users and returns their ids.
func (g *graph) people(n int) []string {
	g.t.Helper()
	var ids []string
	for i := range n {
		ids = append(ids, g.seed(entratest.User{UserPrincipalName: fmt.Sprintf("u%d@contoso.example", i)}).ID)
	}
	return ids
}

func TestCreateGroup(t *testing.T) {
	g := start(t)
	ids := g.people(3)
	r := g.must(http.StatusCreated, http.MethodPost, "/groups", team("Eng", "members@odata.bind", references(ids[0], ids[1]), "owners@odata.bind", references(ids[2])))
	for name, want := range (object{"displayName": "Eng", "mailEnabled": false, "securityEnabled": true, "visibility": "Private", "mail": nil, "isAssignableToRole": nil, "uniqueName": nil}) {
		if got, has := r.body[name]; got != want || !has {
			t.Errorf("%s = %v (%v), want %v", name, got, has, want)
		}
	}
	if _, has := r.body["isManagementRestricted"]; has {
		t.Error("isManagementRestricted is returned without $select, want it left out")
	}
	stored, _ := g.dir.Group(text(r.body, "id"))
	if !slices.Equal(stored.Members, ids[:2]) || !slices.Equal(stored.Owners, ids[2:]) {
		t.Errorf("stored: %+v, want two members and the owners", stored)
	}
	g.must(http.StatusCreated, http.MethodPost, "/groups", team("Eng")) // names are not unique
	if found := g.must(http.StatusOK, http.MethodGet, "/groups?$filter=displayName%20eq%20'ENG'&$select=id,groupTypes", nil); len(texts(found.body["value"], "id")) != 2 {
		t.Errorf("by name: %v, want two groups", found.body)
	}
	m365 := team("All", "mailEnabled", true, "securityEnabled", false, "groupTypes", []string{"Unified"})
	if r := g.must(http.StatusCreated, http.MethodPost, "/groups", m365); text(r.body, "mail") != "all@contoso.example" {
		t.Errorf("Microsoft 365 group: %v, want all@contoso.example", r.body)
	}
	many := references(g.seed(entratest.User{UserPrincipalName: "x@contoso.example"}).ID)
	for len(many) < 21 {
		many = append(many, many[0])
	}
	rows := []struct {
		name, message string
		body          object
	}{
		{"no name", "A value is required for property 'displayName' of resource 'Group'.", team("A", "displayName", absent)},
		{"no mailNickname", "A value is required for property 'mailNickname'", team("A", "mailNickname", absent)},
		{"no mailEnabled", "A value is required for property 'mailEnabled'", team("A", "mailEnabled", absent)},
		{"no securityEnabled", "A value is required for property 'securityEnabled'", team("A", "securityEnabled", absent)},
		{"mail-enabled security", "mail-enabled groups", team("A", "mailEnabled", true)},
		{"neither", "mail-enabled groups", team("A", "securityEnabled", false)},
		{"nickname", "Invalid value specified for property 'mailNickname' of resource 'Group'.", team("A", "mailNickname", "a b")},
		{"nickname 65", "Invalid value", team("A", "mailNickname", strings.Repeat("n", 65))},
		{"name 257", "Invalid value", team(strings.Repeat("n", 257), "mailNickname", "n")},
		{"dynamic without rule", "'membershipRule'", team("A", "groupTypes", []string{"DynamicMembership"})},
		{"kind", "Invalid value", team("A", "groupTypes", []string{"Odd"})},
		{"unknown property", "Invalid property 'colour'.", team("A", "colour", "red")},
		{"21 members", "more than 20 relationships", team("A", "members@odata.bind", many)},
		{"twice the same", "already exist", team("A", "members@odata.bind", many[:2])},
		{"m365 name", "property mailNickname already exists", team("All", "mailEnabled", true, "groupTypes", []string{"Unified"})},
	}
	before := len(g.dir.Groups())
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			wantError(t, g.do(http.MethodPost, "/groups", row.body), http.StatusBadRequest, "Request_BadRequest", row.message)
		})
	}
	wantError(t, g.do(http.MethodPost, "/groups", team("A", "members@odata.bind", references("00000000-0000-4000-8000-000000000009"))), http.StatusNotFound, "Request_ResourceNotFound", "")
	if len(g.dir.Groups()) != before {
		t.Error("a refused group was created, want none")
	}
}

func TestUpsertGroup(t *testing.T) {
	g := start(t)
	ids := g.people(1)
	const path = "/groups(uniqueName='jc.1')"
	prefer := []string{"Prefer", "create-if-missing"}
	g.must(http.StatusNotFound, http.MethodPatch, path, team("Eng"))
	r := g.must(http.StatusCreated, http.MethodPatch, path, team("Eng", "members@odata.bind", references(ids[0])), prefer...)
	if text(r.body, "uniqueName") != "jc.1" {
		t.Errorf("created: %v, want jc.1", r.body)
	}
	g.must(http.StatusNoContent, http.MethodPatch, path, team("Engineering"), prefer...)
	got := g.must(http.StatusOK, http.MethodGet, path+"?$select=id,displayName", nil)
	if text(got.body, "displayName") != "Engineering" || text(got.body, "id") != text(r.body, "id") {
		t.Errorf("updated: %v, want the same group named Engineering", got.body)
	}
	wantError(t, g.do(http.MethodPatch, "/groups/"+text(r.body, "id"), object{"uniqueName": "other"}), http.StatusBadRequest, "Request_BadRequest", "read-only")
	wantError(t, g.do(http.MethodPost, "/groups", team("Again", "uniqueName", "JC.1")), http.StatusBadRequest, "Request_BadRequest", "property uniqueName already exists")
	g.must(http.StatusNoContent, http.MethodDelete, path, nil)
	g.must(http.StatusNotFound, http.MethodGet, path, nil)
}

func TestMembers(t *testing.T) {
	g := start(t)
	ids := g.people(25)
	group := g.seedGroup(entratest.Group{DisplayName: "Eng", Members: ids[:1]})
	path := "/groups/" + group.ID
	count := func() int { stored, _ := g.dir.Group(group.ID); return len(stored.Members) }

	g.must(http.StatusNoContent, http.MethodPost, path+"/members/$ref", reference(ids[1]))
	wantError(t, g.do(http.MethodPost, path+"/members/$ref", reference(ids[1])), http.StatusBadRequest, "Request_BadRequest",
		"One or more added object references already exist for the following modified properties: 'members'.")
	g.must(http.StatusNotFound, http.MethodPost, path+"/members/$ref", reference("00000000-0000-4000-8000-000000000009"))
	g.must(http.StatusBadRequest, http.MethodPost, path+"/members/$ref", object{"@odata.id": "x"})
	g.must(http.StatusBadRequest, http.MethodPost, path+"/members/$ref", reference(group.ID))

	// 20 at once are all or nothing
	g.must(http.StatusBadRequest, http.MethodPatch, path, object{"members@odata.bind": references(append(slices.Clone(ids[2:10]), ids[0])...)})
	g.must(http.StatusNotFound, http.MethodPatch, path, object{"members@odata.bind": references(ids[2], "00000000-0000-4000-8000-000000000009")})
	g.must(http.StatusBadRequest, http.MethodPatch, path, object{"members@odata.bind": references(ids[2:23]...)})
	if count() != 2 {
		t.Fatalf("after refused binds: %d members, want 2", count())
	}
	g.must(http.StatusNoContent, http.MethodPatch, path, object{"@odata.type": "#microsoft.graph.group", "members@odata.bind": references(ids[2:22]...)})
	if count() != 22 {
		t.Errorf("%d members after binding 20, want 22", count())
	}

	var seen []string
	for link := path + "/members?$select=id&$top=10"; link != ""; {
		r := g.must(http.StatusOK, http.MethodGet, link, nil)
		seen = append(seen, texts(r.body["value"], "id")...)
		link = text(r.body, "@odata.nextLink")
	}
	if !slices.Equal(seen, ids[:22]) {
		t.Errorf("members page by page: %v, want all 22 in order", seen)
	}
	g.must(http.StatusNoContent, http.MethodDelete, path+"/members/"+ids[0]+"/$ref", nil)
	g.must(http.StatusNoContent, http.MethodDelete, path+"/members/$ref?@id=https://graph.microsoft.com/v1.0/directoryObjects/"+ids[1], nil)
	wantError(t, g.do(http.MethodDelete, path+"/members/"+ids[0]+"/$ref", nil), http.StatusNotFound, "Request_ResourceNotFound", "does not exist")
	g.sim.Set(func(b *entratest.Behaviour) { b.RemoveAbsent400 = true })
	wantError(t, g.do(http.MethodDelete, path+"/members/"+ids[0]+"/$ref", nil), http.StatusBadRequest, "Request_BadRequest",
		"One or more removed object references do not exist for the following modified properties: 'members'.")
	wantError(t, g.do(http.MethodPost, path+"/members", reference(ids[0])), http.StatusBadRequest, "BadRequest", "contained entities")
	wantError(t, g.do(http.MethodGet, "/groups/eng", nil), http.StatusBadRequest, "Request_BadRequest", "Invalid object identifier 'eng'.")

	// without /$ref the member itself is deleted
	g.must(http.StatusNoContent, http.MethodDelete, path+"/members/"+ids[5], nil)
	if u, _ := g.dir.User(ids[5]); u.Deleted.IsZero() {
		t.Error("a DELETE without /$ref kept the user, want it deleted")
	}
}

func TestNestedGroups(t *testing.T) {
	g := start(t)
	ids := g.people(2)
	inner := g.seedGroup(entratest.Group{DisplayName: "Inner", Members: ids[:1]})
	outer := g.seedGroup(entratest.Group{DisplayName: "Outer", Members: []string{inner.ID, ids[1]}, Owners: ids[:1]})
	rows := []struct {
		path    string
		headers []string
		want    []string
	}{
		{"/groups/" + outer.ID + "/members", nil, []string{inner.ID, ids[1]}},
		{"/groups/" + outer.ID + "/transitiveMembers", nil, []string{ids[0], ids[1], inner.ID}},
		{"/groups/" + outer.ID + "/members/microsoft.graph.user?$count=true", []string{"ConsistencyLevel", "eventual"}, []string{ids[1]}},
		{"/groups/" + outer.ID + "/owners", nil, ids[:1]},
		{"/users/" + ids[0] + "/memberOf", nil, []string{inner.ID}},
		{"/users/" + ids[0] + "/transitiveMemberOf", nil, []string{inner.ID, outer.ID}},
	}
	for _, row := range rows {
		r := g.must(http.StatusOK, http.MethodGet, row.path, nil, row.headers...)
		if got := texts(r.body["value"], "id"); !slices.Equal(got, row.want) {
			t.Errorf("%s: %v, want %v", row.path, got, row.want)
		}
	}
	g.must(http.StatusBadRequest, http.MethodGet, "/groups/"+outer.ID+"/members/graph.user", nil)
	r := g.must(http.StatusOK, http.MethodPost, "/directoryObjects/getByIds", object{"ids": []string{ids[0], outer.ID, "00000000-0000-4000-8000-000000000009"}, "types": []string{"user", "group"}})
	if got := texts(r.body["value"], "@odata.type"); !slices.Equal(got, []string{"#microsoft.graph.user", "#microsoft.graph.group"}) {
		t.Errorf("getByIds: %v, want a user and a group", r.body)
	}
	if refs := g.must(http.StatusOK, http.MethodGet, "/groups/"+outer.ID+"/members/$ref", nil); len(texts(refs.body["value"], "@odata.id")) != 2 {
		t.Errorf("refs: %v, want two", refs.body)
	}
}

func TestGroupKinds(t *testing.T) {
	g := start(t, func(c *entratest.Config) { c.Apps[0].Roles = entratest.RecommendedRoles })
	ids := g.people(2)
	const synced = "on-premises mastered Directory Sync objects"
	rows := []struct {
		kind          entratest.GroupKind
		member, patch int // status of adding a member, of renaming
		message       string
	}{
		{entratest.Security, 204, 204, ""}, {entratest.Microsoft365, 204, 204, ""},
		{entratest.MailEnabledSecurity, 403, 403, "Insufficient privileges"}, {entratest.Distribution, 403, 403, "Insufficient privileges"},
		{entratest.DynamicSecurity, 403, 204, "Insufficient privileges"}, {entratest.RoleAssignable, 403, 403, "Insufficient privileges"},
		{entratest.SyncedSecurity, 400, 400, synced},
	}
	for _, row := range rows {
		group := g.seedGroup(entratest.Group{DisplayName: string(row.kind), Kind: row.kind, Members: ids[:1]})
		if stored, _ := g.dir.Group(group.ID); stored.Kind != row.kind {
			t.Errorf("%s is stored as %s, want its own kind", row.kind, stored.Kind)
		}
		path := "/groups/" + group.ID
		for _, call := range []struct {
			method, path string
			body         any
			want         int
		}{
			{http.MethodPost, path + "/members/$ref", reference(ids[1]), row.member},
			{http.MethodDelete, path + "/members/" + ids[0] + "/$ref", nil, row.member},
			{http.MethodPatch, path, object{"members@odata.bind": references(ids[0])}, row.member},
			{http.MethodPatch, path, object{"description": "x"}, row.patch},
		} {
			r := g.do(call.method, call.path, call.body)
			if r.status != call.want || r.status >= 400 && !strings.Contains(text(r.body, "error", "message"), row.message) {
				t.Errorf("%s: %s %s: %d %v, want %d", row.kind, call.method, call.path, r.status, r.body, call.want)
			}
		}
	}
	soft, hard := g.dir.GroupsNamed("microsoft365")[0], g.dir.GroupsNamed("security")[0]
	g.sim.Set(func(b *entratest.Behaviour) { b.HardDeleteGroups = true })
	g.must(http.StatusNoContent, http.MethodDelete, "/groups/"+soft.ID, nil)
	g.must(http.StatusNoContent, http.MethodDelete, "/groups/"+hard.ID, nil)
	list := g.must(http.StatusOK, http.MethodGet, "/directory/deletedItems/microsoft.graph.group?$select=id", nil)
	if got := texts(list.body["value"], "id"); !slices.Equal(got, []string{soft.ID}) {
		t.Errorf("deleted groups: %v, want the softly deleted one only", got)
	}
	g.must(http.StatusOK, http.MethodPost, "/directory/deletedItems/"+soft.ID+"/restore", object{})
	g.must(http.StatusForbidden, http.MethodPost, "/groups", team("Admins", "isAssignableToRole", true))
	g.must(http.StatusForbidden, http.MethodDelete, "/groups/"+g.dir.GroupsNamed("distribution")[0].ID, nil)
}

// A deleted security group can be restored for 30 days, with its members, and no other
// group can get its uniqueName until then; afterwards both are free.
func TestDeletedSecurityGroups(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := start(t, func(c *entratest.Config) { c.Behaviour.TokenLife = 60 * 24 * time.Hour })
		ids := g.people(2)
		upsert := func(status int) reply {
			t.Helper()
			return g.must(status, http.MethodPatch, "/groups(uniqueName='jc.1')", team("Eng"), "Prefer", "create-if-missing")
		}
		first := text(upsert(http.StatusCreated).body, "id")
		g.must(http.StatusNoContent, http.MethodPatch, "/groups/"+first, object{"members@odata.bind": references(ids...)})
		g.must(http.StatusNoContent, http.MethodDelete, "/groups/"+first, nil)
		g.must(http.StatusNotFound, http.MethodGet, "/groups/"+first, nil)
		g.must(http.StatusNotFound, http.MethodGet, "/groups(uniqueName='jc.1')", nil)
		refused := upsert(http.StatusBadRequest)
		wantError(t, refused, http.StatusBadRequest, "Request_BadRequest", "Another object with the same value for property uniqueName already exists.")
		if text(refused.body, "error", "details", 0, "target") != "uniqueName" || text(refused.body, "error", "details", 1, "target") != first {
			t.Errorf("refused with %v, want a conflict about uniqueName with the deleted group", refused.body)
		}
		g.must(http.StatusBadRequest, http.MethodPost, "/groups", team("Eng", "uniqueName", "JC.1"))
		list := g.must(http.StatusOK, http.MethodGet, "/directory/deletedItems/graph.group?$select=id,displayName,uniqueName,deletedDateTime&$top=999", nil)
		if text(list.body, "value", 0, "id") != first || text(list.body, "value", 0, "uniqueName") != "jc.1" || text(list.body, "value", 0, "deletedDateTime") == "" {
			t.Errorf("deleted groups: %v, want the group with its uniqueName and the time", list.body)
		}
		r := g.must(http.StatusOK, http.MethodPost, "/directory/deletedItems/"+first+"/restore", nil)
		if stored, _ := g.dir.Group(first); text(r.body, "uniqueName") != "jc.1" || !slices.Equal(stored.Members, ids) || !stored.Deleted.IsZero() {
			t.Errorf("restored: %v, %+v, want the group with its uniqueName and members", r.body, stored)
		}
		upsert(http.StatusNoContent)

		g.must(http.StatusNoContent, http.MethodDelete, "/groups/"+first, nil)
		g.must(http.StatusNoContent, http.MethodDelete, "/directory/deletedItems/"+first, nil)
		second := text(upsert(http.StatusCreated).body, "id")
		g.must(http.StatusNoContent, http.MethodDelete, "/groups/"+second, nil)
		time.Sleep(30*24*time.Hour - time.Second)
		upsert(http.StatusBadRequest)
		time.Sleep(time.Second)
		upsert(http.StatusCreated)

		if third := text(upsert(http.StatusNoContent).body, "id"); third != "" {
			t.Errorf("an update answers with the id %q, want none", third)
		}
	})
}

// The other behaviour: a deleted group does not keep its uniqueName, and cannot be
// restored once another group has it.
func TestDeletedGroupsThatGiveTheirNameFree(t *testing.T) {
	g := start(t, func(c *entratest.Config) { c.Behaviour.FreeDeletedName = true })
	first := text(g.must(http.StatusCreated, http.MethodPost, "/groups", team("Eng", "uniqueName", "jc.1")).body, "id")
	g.must(http.StatusNoContent, http.MethodDelete, "/groups/"+first, nil)
	second := text(g.must(http.StatusCreated, http.MethodPost, "/groups", team("Eng", "uniqueName", "jc.1")).body, "id")
	wantError(t, g.do(http.MethodPost, "/directory/deletedItems/"+first+"/restore", nil), http.StatusBadRequest, "Request_BadRequest", "uniqueName already exists")
	g.must(http.StatusNoContent, http.MethodDelete, "/groups/"+second, nil)
	g.must(http.StatusOK, http.MethodPost, "/directory/deletedItems/"+first+"/restore", nil)
}

// A deleted group keeps its name after a restart as well.
func TestDeletedGroupsAreInTheJournal(t *testing.T) {
	journal := withJournal(filepath.Join(t.TempDir(), "journal.jsonl"))
	for compacted := range 2 {
		g := start(t, journal)
		if compacted == 0 {
			id := text(g.must(http.StatusCreated, http.MethodPost, "/groups", team("Eng", "uniqueName", "jc.1")).body, "id")
			g.must(http.StatusNoContent, http.MethodDelete, "/groups/"+id, nil)
		}
		g.must(http.StatusBadRequest, http.MethodPost, "/groups", team("Eng", "uniqueName", "jc.1"))
		if err := g.sim.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
