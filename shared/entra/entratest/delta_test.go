package entratest_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
)

// round reads a delta query to its end and returns the entries and the deltaLink.
func (g *graph) round(link string, headers ...string) ([]any, string) {
	g.t.Helper()
	var entries []any
	for range 1000 {
		r := g.must(http.StatusOK, http.MethodGet, link, nil, headers...)
		page, _ := r.body["value"].([]any)
		entries = append(entries, page...)
		if delta := text(r.body, "@odata.deltaLink"); delta != "" {
			return entries, delta
		}
		link = text(r.body, "@odata.nextLink")
	}
	g.t.Fatal("the round has no end, want a deltaLink")
	return nil, ""
}

func TestUsersDelta(t *testing.T) {
	g := start(t)
	ann, bob := g.create("ann", "jobTitle", "Clerk"), g.create("bob")
	entries, link := g.round("/users/delta()?$select=displayName,jobTitle,manager")
	want := []any{object{"id": ann, "displayName": "Ann Example", "jobTitle": "Clerk"}, object{"id": bob, "displayName": "Bob Example"}}
	if diff := cmp.Diff(want, entries); diff != "" {
		t.Errorf("full round (-want +got):\n%s", diff)
	}
	entries, link = g.round(link)
	if len(entries) != 0 {
		t.Errorf("after no change: %v, want no entries", entries)
	}
	g.must(http.StatusNoContent, http.MethodPatch, "/users/"+bob, object{"department": "Ops"}) // not selected
	if entries, link = g.round(link); len(entries) != 0 {
		t.Errorf("after a change of an unselected property: %v, want no entries", entries)
	}
	g.must(http.StatusNoContent, http.MethodPatch, "/users/"+ann, object{"jobTitle": nil})
	g.must(http.StatusNoContent, http.MethodPut, "/users/"+bob+"/manager/$ref", reference(ann))
	minimal, _ := g.round(link, "Prefer", "return=minimal")
	entries, link = g.round(link)
	managed := []any{object{"@odata.type": "#microsoft.graph.user", "id": ann}}
	want = []any{object{"id": ann, "displayName": "Ann Example"}, object{"id": bob, "displayName": "Bob Example", "manager@delta": managed}}
	if diff := cmp.Diff(want, entries); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	want = []any{object{"id": ann, "jobTitle": nil}, object{"id": bob, "manager@delta": managed}}
	if diff := cmp.Diff(want, minimal); diff != "" {
		t.Errorf("return=minimal (-want +got):\n%s", diff)
	}

	g.must(http.StatusNoContent, http.MethodDelete, "/users/"+ann, nil)
	entries, link = g.round(link)
	if want := []any{object{"id": ann, "@removed": object{"reason": "changed"}}}; !cmp.Equal(want, entries) {
		t.Errorf("soft delete: %v, want ann as removed because of a change", entries)
	}
	g.must(http.StatusNoContent, http.MethodDelete, "/directory/deletedItems/"+ann, nil)
	entries, link = g.round(link)
	gone := []any{object{"@odata.type": "#microsoft.graph.user", "id": ann, "@removed": object{"reason": "deleted"}}}
	want = []any{object{"id": ann, "@removed": object{"reason": "deleted"}}, object{"id": bob, "displayName": "Bob Example", "manager@delta": gone}}
	slices.SortFunc(entries, func(a, b any) int {
		return strings.Compare(text(b, "@removed", "reason"), text(a, "@removed", "reason"))
	})
	if diff := cmp.Diff(want, entries); diff != "" {
		t.Errorf("purge (-want +got):\n%s", diff)
	}
	if entries, _ = g.round(link); len(entries) != 0 {
		t.Errorf("after all: %v, want no entries", entries)
	}
}

func TestDeltaFromNow(t *testing.T) {
	g := start(t)
	g.people(3)
	for _, option := range []string{"$deltatoken", "$deltaToken"} {
		r := g.must(http.StatusOK, http.MethodGet, "/users/delta?"+option+"=latest&$select=displayName", nil)
		if link := text(r.body, "@odata.deltaLink"); link == "" || len(at(r.body, "value").([]any)) != 0 {
			t.Errorf("%s=latest: %v, want a deltaLink and no entries", option, r.body)
		}
	}
	_, link := g.round("/users/delta?$deltatoken=latest&$select=displayName")
	id := g.create("ann")
	if entries, _ := g.round(link); len(entries) != 1 || text(entries, 0, "id") != id {
		t.Errorf("since then: %v, want the one new user", entries)
	}
	filtered, _ := g.round("/users/delta?$filter=id%20eq%20'" + id + "'&$select=id")
	if len(filtered) != 1 {
		t.Errorf("filtered by id: %v, want one entry", filtered)
	}
	for _, bad := range []string{"$top=5", "$orderby=displayName", "$expand=manager", "$filter=displayName%20eq%20'x'", "$select=shoeSize"} {
		if r := g.do(http.MethodGet, "/users/delta?"+bad, nil); r.status != http.StatusBadRequest {
			t.Errorf("%s: %d, want 400", bad, r.status)
		}
	}
	wantError(t, g.do(http.MethodGet, "/users/delta?$deltatoken=garbage", nil), http.StatusBadRequest, "syncStateNotFound", "")
}

func TestGroupsDelta(t *testing.T) {
	g := start(t)
	ids := g.people(450)
	big := g.seedGroup(entratest.Group{DisplayName: "Big", Members: ids})
	small := g.seedGroup(entratest.Group{DisplayName: "Small", Members: ids[:2]})
	entries, link := g.round("/groups/delta?$select=displayName,members")
	members := map[string][]string{}
	times := map[string]int{}
	for _, entry := range entries {
		times[text(entry, "id")]++
		members[text(entry, "id")] = append(members[text(entry, "id")], texts(at(entry, "members@delta"), "id")...)
	}
	if times[big.ID] < 3 || !slices.Equal(members[big.ID], ids) || !slices.Equal(members[small.ID], ids[:2]) {
		t.Errorf("full round: %v entries, %d and %d members, want the big group on three pages or more with all members, and the small one with two", times, len(members[big.ID]), len(members[small.ID]))
	}
	g.must(http.StatusNoContent, http.MethodPost, "/groups/"+small.ID+"/members/$ref", reference(ids[2]))
	g.must(http.StatusNoContent, http.MethodDelete, "/groups/"+small.ID+"/members/"+ids[0]+"/$ref", nil)
	if err := g.dir.PurgeUser(ids[1]); err != nil {
		t.Fatal(err)
	}
	g.must(http.StatusNoContent, http.MethodDelete, "/groups/"+big.ID, nil)
	entries, link = g.round(link)
	added, removed := []string{}, []string{}
	bigGone := ""
	for _, entry := range entries {
		if text(entry, "id") == big.ID {
			bigGone = text(entry, "@removed", "reason")
			continue
		}
		list, _ := at(entry, "members@delta").([]any)
		for _, m := range list {
			if text(m, "@removed", "reason") == "deleted" {
				removed = append(removed, text(m, "id"))
			} else {
				added = append(added, text(m, "id"))
			}
		}
	}
	slices.Sort(removed)
	gone := []string{ids[0], ids[1]}
	slices.Sort(gone)
	if !slices.Equal(added, ids[2:3]) || !slices.Equal(removed, gone) || bigGone != "changed" {
		t.Errorf("added %v, removed %v, big group %q, want one added, the purged and removed ones, and the big group as changed", added, removed, bigGone)
	}
	if entries, _ = g.round(link); len(entries) != 0 {
		t.Errorf("after all: %v, want no entries", entries)
	}
}

func TestDeltaPages(t *testing.T) {
	g := start(t, func(c *entratest.Config) { c.Behaviour.DeltaEmptyPages = true })
	ids := g.people(450)
	first := g.must(http.StatusOK, http.MethodGet, "/users/delta?$select=id", nil)
	if len(at(first.body, "value").([]any)) != 0 || text(first.body, "@odata.nextLink") == "" {
		t.Errorf("first page: %v, want no entries and a next link", first.body)
	}
	entries, link := g.round("/users/delta?$select=displayName")
	if !slices.Equal(texts(entries, "id"), ids) {
		t.Errorf("%d of %d users, want all in order", len(entries), len(ids))
	}
	for _, id := range ids {
		if _, err := g.dir.UpdateUser(id, object{"displayName": "New"}); err != nil {
			t.Fatal(err)
		}
	}
	if entries, _ = g.round(link); !slices.Equal(texts(entries, "id"), ids) {
		t.Errorf("%d of %d changed users, want all in order", len(entries), len(ids))
	}
}

func TestDeltaTokenLife(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := start(t, func(c *entratest.Config) {
			c.Behaviour.TokenLife, c.Behaviour.DeltaDead = 30*24*time.Hour, entratest.DeadLocation
		})
		_, link := g.round("/users/delta?$deltatoken=latest&$select=displayName")
		time.Sleep(7*24*time.Hour - time.Minute)
		g.must(http.StatusOK, http.MethodGet, link, nil)
		time.Sleep(2 * time.Minute)
		r := g.must(http.StatusGone, http.MethodGet, link, nil)
		location := r.header.Get("Location")
		if text(r.body, "error", "code") != "resyncRequired" || !strings.HasSuffix(location, "/users/delta?$deltatoken=&$select=displayName") {
			t.Errorf("410: %v, Location %q, want resyncRequired and the URL to start again", r.body, location)
		}
		g.create("ann")
		if entries, _ := g.round(location); len(entries) != 1 {
			t.Errorf("a new start finds %v, want one entry", entries)
		}
		g.sim.Set(func(b *entratest.Behaviour) { b.DeltaDead = entratest.DeadGone })
		if r := g.do(http.MethodGet, link, nil); r.status != http.StatusGone || r.header.Get("Location") != "" {
			t.Errorf("without a place to start: %d, Location %q, want 410 and none", r.status, r.header.Get("Location"))
		}
		g.sim.Set(func(b *entratest.Behaviour) { b.DeltaDead = entratest.DeadNotFound })
		wantError(t, g.do(http.MethodGet, link, nil), http.StatusBadRequest, "syncStateNotFound", "")
	})
}

func TestDeltaLag(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := start(t, func(c *entratest.Config) { c.Behaviour.DeltaLag = 10 * time.Second })
		_, link := g.round("/users/delta?$deltatoken=latest")
		g.create("ann")
		entries, link := g.round(link)
		if len(entries) != 0 {
			t.Errorf("visible at once: %v, want no entries", entries)
		}
		time.Sleep(10 * time.Second)
		if entries, _ = g.round(link); len(entries) != 1 {
			t.Errorf("after the lag: %v, want one entry", entries)
		}
	})
}

// One change that concerns several groups is shown for each, also where a page ends between
// them.
func TestOneChangeOfSeveralGroups(t *testing.T) {
	g := start(t, func(c *entratest.Config) { c.Behaviour.DeltaPage = 1 })
	ann := g.create("ann")
	var groups []string
	for _, name := range []string{"A", "B", "C"} {
		groups = append(groups, g.seedGroup(entratest.Group{DisplayName: name, Members: []string{ann}}).ID)
	}
	_, link := g.round("/groups/delta?$deltatoken=latest&$select=members")
	if err := g.dir.PurgeUser(ann); err != nil {
		t.Fatal(err)
	}
	entries, _ := g.round(link)
	got := texts(entries, "id")
	slices.Sort(got)
	slices.Sort(groups)
	if !slices.Equal(got, groups) {
		t.Errorf("shown: %v, want the three groups %v", got, groups)
	}
	g.sim.Set(func(b *entratest.Behaviour) { b.DeltaSilentPurge = true })
	if entries, _ := g.round(link); len(entries) != 0 {
		t.Errorf("silent about who was deleted for good: %v, want no entries", entries)
	}
}

// The options of a delta query are in its tokens: they are not given again, and never both
// tokens.
func TestOptionsBesideADeltaToken(t *testing.T) {
	g := start(t, func(c *entratest.Config) { c.Behaviour.DeltaPage = 1 })
	g.people(2)
	first := g.must(http.StatusOK, http.MethodGet, "/users/delta?$select=displayName", nil)
	next := text(first.body, "@odata.nextLink")
	_, delta := g.round(next)
	_, skip, _ := strings.Cut(next, "?")
	for _, bad := range []string{next + "&$select=id", delta + "&" + skip, delta + "&$filter=id%20eq%20'x'"} {
		if r := g.do(http.MethodGet, bad, nil); r.status != http.StatusBadRequest {
			t.Errorf("%s: %d, want 400", bad, r.status)
		}
	}
	ann := g.create("ann", "jobTitle", "Clerk")
	entries, _ := g.round(delta + "&$select=jobTitle")
	if want := []any{object{"id": ann, "jobTitle": "Clerk"}}; !cmp.Equal(want, entries) {
		t.Errorf("with another $select: %v, want %v", entries, want)
	}
}

// A full round may show objects that are gone, and members who left.
func TestRemovedInTheFirstRound(t *testing.T) {
	g := start(t, func(c *entratest.Config) { c.Behaviour.DeltaFirstRemoved = true })
	ann, bob, eve := g.create("ann"), g.create("bob"), g.create("eve")
	team := g.seedGroup(entratest.Group{DisplayName: "Team", Members: []string{bob, eve}})
	g.must(http.StatusNoContent, http.MethodDelete, "/users/"+ann, nil)
	if _, err := g.dir.RemoveMember(team.ID, bob); err != nil {
		t.Fatal(err)
	}
	entries, _ := g.round("/users/delta?$select=id")
	if want := []any{object{"id": ann, "@removed": object{"reason": "changed"}}, object{"id": bob}, object{"id": eve}}; !cmp.Equal(want, entries) {
		t.Errorf("users: %v, want %v", entries, want)
	}
	entries, _ = g.round("/groups/delta?$select=members")
	left := object{"@odata.type": "#microsoft.graph.user", "id": bob, "@removed": object{"reason": "deleted"}}
	want := []any{object{"id": team.ID, "members@delta": []any{object{"@odata.type": "#microsoft.graph.user", "id": eve}, left}}}
	if !cmp.Equal(want, entries) {
		t.Errorf("groups: %v, want %v", entries, want)
	}
}

// Objects come in parts and again, on the next page, too.
func TestPartsAndRepetitions(t *testing.T) {
	g := start(t, func(c *entratest.Config) {
		c.Behaviour.DeltaSplits, c.Behaviour.DeltaRepeats, c.Behaviour.DeltaPage = true, true, 1
	})
	ann, bob := g.create("ann"), g.create("bob")
	first := g.must(http.StatusOK, http.MethodGet, "/users/delta?$select=displayName,accountEnabled", nil)
	enabled, name := object{"id": ann, "accountEnabled": true}, object{"id": ann, "displayName": "Ann Example"}
	if want := []any{enabled, name, enabled, name}; !cmp.Equal(want, first.body["value"]) {
		t.Errorf("first page: %v, want %v", first.body["value"], want)
	}
	second := g.must(http.StatusOK, http.MethodGet, text(first.body, "@odata.nextLink"), nil)
	if got := texts(second.body["value"], "id"); !slices.Equal(got, []string{bob, ann, bob, bob, bob}) {
		t.Errorf("second page: %v, want bob in parts, twice, and ann again", got)
	}
}

// A change of something else hides that of the manager, and a value that was cleared is
// shown as null, where the behaviour says so; and there are tenants without delta queries.
func TestOddDeltaQueries(t *testing.T) {
	g := start(t)
	ann, bob := g.create("ann"), g.create("bob", "jobTitle", "Clerk")
	_, link := g.round("/users/delta?$deltatoken=latest&$select=jobTitle,manager")
	g.must(http.StatusNoContent, http.MethodPut, "/users/"+bob+"/manager/$ref", reference(ann))
	g.must(http.StatusNoContent, http.MethodPatch, "/users/"+bob, object{"jobTitle": nil})
	managed := []any{object{"@odata.type": "#microsoft.graph.user", "id": ann}}
	for _, row := range []struct {
		how  entratest.Behaviour
		want object
	}{
		{entratest.Behaviour{}, object{"id": bob, "manager@delta": managed}},
		{entratest.Behaviour{DeltaNulls: true}, object{"id": bob, "jobTitle": nil, "manager@delta": managed}},
		{entratest.Behaviour{DeltaManagerAlone: true}, object{"id": bob}},
	} {
		g.sim.Set(func(b *entratest.Behaviour) { *b = row.how })
		if entries, _ := g.round(link); !cmp.Equal([]any{row.want}, entries) {
			t.Errorf("%+v: %v, want %v", row.how, entries, row.want)
		}
	}
	g.sim.Set(func(b *entratest.Behaviour) { b.NoDelta = true })
	wantError(t, g.do(http.MethodGet, link, nil), http.StatusBadRequest, "Request_UnsupportedQuery", "not supported in this tenant")
	g.sim.Set(func(b *entratest.Behaviour) { b.NoDelta = false })
	g.sim.ForgetChanges()
	wantError(t, g.do(http.MethodGet, link, nil), http.StatusBadRequest, "syncStateNotFound", "")
}

// With $expand a page may be smaller than asked for, or its size be refused.
func TestPagesWithManagers(t *testing.T) {
	g := start(t)
	g.people(3)
	size := func(query string) int {
		t.Helper()
		list, _ := g.must(http.StatusOK, http.MethodGet, "/users?"+query, nil).body["value"].([]any)
		return len(list)
	}
	g.sim.Set(func(b *entratest.Behaviour) { b.ExpandTop = 2 })
	if got := size("$top=999&$expand=manager"); got != 2 {
		t.Errorf("a page that is cut has %d users, want 2", got)
	}
	if got := size("$top=999"); got != 3 {
		t.Errorf("without managers it has %d users, want 3", got)
	}
	g.sim.Set(func(b *entratest.Behaviour) { b.ExpandTopRefused = true })
	wantError(t, g.do(http.MethodGet, "/users?$top=999&$expand=manager", nil), http.StatusBadRequest, "Request_BadRequest", "Invalid page size")
	if got := size("$expand=manager"); got != 2 {
		t.Errorf("without a size a page has %d users, want 2", got)
	}
}

// A user is restored with the name that it had, unless another has it now.
func TestRestoreUser(t *testing.T) {
	g := start(t)
	ann := g.create("ann")
	g.must(http.StatusNoContent, http.MethodDelete, "/users/"+ann, nil)
	other := g.create("ann")
	if _, err := g.dir.RestoreUser(ann); fault.KindOf(err) != fault.Conflict {
		t.Errorf("the name is taken: %v, want a conflict", err)
	}
	if err := g.dir.PurgeUser(other); err != nil {
		t.Fatal(err)
	}
	if u, err := g.dir.RestoreUser(ann); err != nil || !u.Deleted.IsZero() || u.UserPrincipalName != "ann@contoso.example" {
		t.Errorf("%+v, %v, want ann as before", u, err)
	}
}
