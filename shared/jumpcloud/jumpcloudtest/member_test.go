package jumpcloudtest_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "entrasync/shared/jumpcloud/jumpcloudtest"
)

// ids are the ids of the elements of a list, of connections or of objects with paths.
func ids(list []Fields) []string {
	var all []string
	for _, each := range list {
		if to, ok := each["to"].(map[string]any); ok {
			each = to
		}
		all = append(all, each.Text("id"))
	}
	return all
}

// through are the groups on the paths of an element, each once, sorted.
func through(element Fields) []string {
	var groups []string
	paths, _ := element["paths"].([]any)
	for _, path := range paths {
		for _, step := range path.([]any) {
			for _, end := range step.(map[string]any) {
				if end, ok := end.(map[string]any); ok && end["type"] == "user_group" {
					groups = append(groups, end["id"].(string))
				}
			}
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(groups)))
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(slices.Sorted(slices.Values(got))) != fmt.Sprint(slices.Sorted(slices.Values(want))) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func (b bench) members(group string) []string {
	return ids(b.want(200, "GET", "/api/v2/usergroups/"+group+"/members?limit=100", nil).list())
}

func (b bench) membership(group string) []Fields {
	return b.want(200, "GET", "/api/v2/usergroups/"+group+"/membership?limit=100", nil).list()
}

func (b bench) memberOf(user string) []Fields {
	return b.want(200, "GET", "/api/v2/users/"+user+"/memberof?limit=100", nil).list()
}

func TestDynamicGroup(t *testing.T) {
	b := start(t, nil)
	group, other := b.must(b.CreateGroup("All")), b.must(b.CreateGroup("Other"))
	app := b.must(b.CreateApplication("CRM"))
	b.ok(b.Associate(group, app))
	direct, found, both := b.user("direct", nil), b.user("found", nil), b.user("both", nil)
	b.ok(b.AddMember(group, direct))
	b.ok(b.AddMember(group, both))
	before := len(b.Events())
	b.ok(b.SetDynamicMembers(group, []string{found, both}))
	same(t, "members", b.members(group), direct, both)
	same(t, "membership", ids(b.membership(group)), direct, found, both)
	for _, each := range b.membership(group) {
		if paths, _ := each["paths"].([]any); len(paths) != 1 {
			t.Errorf("paths %v, want 1", paths)
		}
	}
	same(t, "Members", b.Members(group), direct, found, both)
	same(t, "memberof", ids(b.memberOf(found)), group)
	same(t, "users of the application", ids(b.want(200, "GET", "/api/v2/applications/"+app+"/users", nil).list()), direct, found, both)
	if got := b.types(before); got != "group_update association_change association_change" {
		t.Errorf("events %s, want group_update association_change association_change", got)
	}
	event := b.Events()[before+1]
	edge, _ := json.Marshal(event["association"])
	want := fmt.Sprintf(`{"action_source":"automatic","attributes":null,"connection":{"from":{"name":"All","object_id":"%s","type":"user_group"},"to":{"name":"found","object_id":"%s","type":"user"}},"op":"add"}`, group, found)
	if string(edge) != want || event["initiated_by"] != nil {
		t.Errorf("event %v, want the association %s and no actor", event, want)
	}

	before = len(b.Events())
	b.ok(b.SetDynamicMembers(group, []string{found, both}))
	if len(b.Events()) != before {
		t.Error("nothing changed, and there are events; want none")
	}
	b.ok(b.RemoveMember(group, both))
	same(t, "both ways, one ended", b.Members(group), direct, found, both)
	b.ok(b.SetDynamicMembers(group, []string{found}))
	same(t, "both ended", b.Members(group), direct, found)
	b.ok(b.SetDynamicMembers(other, []string{found}))
	same(t, "found by two", ids(b.memberOf(found)), group, other)
	if err := b.SetDynamicMembers(group, []string{direct, DefaultOrganizationID}); err == nil || len(b.Members(group)) != 2 {
		t.Errorf("an unknown user: %v, members %v, want an error and the two members", err, b.Members(group))
	}
	if err := b.SetDynamicMembers(DefaultOrganizationID, nil); err == nil {
		t.Error("an unknown group was changed, want an error")
	}

	before = len(b.Events())
	b.ok(b.DeleteUser(found))
	same(t, "a deleted user", b.Members(group), direct)
	b.ok(b.DeleteGroup(group))
	if got := b.types(before); got != "user_delete group_delete" || len(b.State().Matches) != 0 || len(b.State().Edges) != 0 {
		t.Errorf("events %s, left %v %v, want both deletions and nothing left", got, b.State().Matches, b.State().Edges)
	}
}

func TestDynamicGroupIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	open := func() bench { return start(t, func(c *Config) { c.Journal = path }) }
	b := open()
	group, user := b.must(b.CreateGroup("All")), b.user("mira", nil)
	b.ok(b.SetDynamicMembers(group, []string{user}))
	b.ok(b.Close())
	same(t, "after a restart", open().Members(group), user)
}

func TestNestedGroupsAreRefused(t *testing.T) {
	b := start(t, nil)
	outer, inner := b.must(b.CreateGroup("Outer")), b.must(b.CreateGroup("Inner"))
	before := len(b.Events())
	if err := b.AddMember(outer, inner); err == nil || !strings.HasPrefix(err.Error(), "400") {
		t.Errorf("%v, want 400", err)
	}
	b.want(400, "POST", "/api/v2/usergroups/"+outer+"/members", Fields{"op": "add", "type": "user_group", "id": inner})
	b.Set(func(behaviour *Behaviour) { behaviour.NestedGroups = ResolveNestedGroups })
	if err := b.AddMember(outer, outer); err == nil || !strings.HasPrefix(err.Error(), "400") {
		t.Errorf("in itself: %v, want 400", err)
	}
	if len(b.Events()) != before || len(b.State().Edges) != 0 {
		t.Errorf("edges %v, want none and no events", b.State().Edges)
	}
}

// Three groups, each in the next one, with one user each; the first is connected.
func TestLoopOfNestedGroups(t *testing.T) {
	for _, how := range []NestedGroups{ResolveNestedGroups, ListNestedGroups} {
		t.Run(string(how), func(t *testing.T) {
			b := start(t, nil)
			b.Set(func(behaviour *Behaviour) { behaviour.NestedGroups, behaviour.ReverseAssociations = how, true })
			directory := b.must(b.CreateDirectory("M365"))
			var groups, users []string
			for _, name := range []string{"a", "b", "c"} {
				groups, users = append(groups, b.must(b.CreateGroup(name))), append(users, b.user(name, nil))
				b.ok(b.AddMember(groups[len(groups)-1], users[len(users)-1]))
			}
			b.ok(b.Associate(groups[0], directory))
			before := len(b.Events())
			for i, group := range groups {
				b.ok(b.AddMember(group, groups[(i+1)%3]))
			}
			edge, _ := json.Marshal(b.Events()[before]["association"])
			if !strings.Contains(string(edge), `"from":{"name":"a"`) || !strings.Contains(string(edge), `"to":{"name":"b"`) {
				t.Errorf("event %s, want from a to b", edge)
			}
			same(t, "members", b.members(groups[0]), users[0], groups[1])
			if how == ListNestedGroups {
				same(t, "membership", ids(b.membership(groups[0])), users[0], groups[1])
			} else {
				got := b.membership(groups[0])
				same(t, "membership", ids(got), users...)
				same(t, "paths", through(got[2]), groups...)
			}
			same(t, "Members", b.Members(groups[0]), users...)
			same(t, "memberof", ids(b.memberOf(users[1])), groups...)
			same(t, "users of the directory", ids(b.want(200, "GET", "/api/v2/office365s/"+directory+"/users", nil).list()), users...)
			same(t, "groups of the directory", ids(b.want(200, "GET", "/api/v2/office365s/"+directory+"/usergroups", nil).list()), groups...)
			same(t, "directories of a user", ids(b.want(200, "GET", "/api/v2/users/"+users[2]+"/office365s", nil).list()), directory)
			same(t, "directories of a group", ids(b.want(200, "GET", "/api/v2/usergroups/"+groups[2]+"/office365s", nil).list()), directory)

			b.ok(b.RemoveMember(groups[0], groups[1]))
			same(t, "cut", b.Members(groups[0]), users[0])
			same(t, "cut, elsewhere", b.Members(groups[1]), users...)
			b.ok(b.AddMember(groups[0], groups[2])) // now each is in the other
			b.ok(b.RemoveMember(groups[2], groups[0]))
			same(t, "one way of two ended", b.Members(groups[0]), users[0], users[2])
			before = len(b.Events())
			b.ok(b.DeleteGroup(groups[2]))
			same(t, "inner deleted", b.Members(groups[1]), users[1])
			if got := b.types(before); got != "group_delete" {
				t.Errorf("events %s, want group_delete", got)
			}
		})
	}
}

func TestPagesOfTheGraph(t *testing.T) {
	b := start(t, nil)
	group, directory := b.must(b.CreateGroup("All")), b.must(b.CreateDirectory("M365"))
	mira := b.user("mira", nil)
	b.ok(b.AddMember(group, mira))
	b.ok(b.Associate(mira, directory))
	for i := range 11 {
		user, extra := b.user(fmt.Sprintf("user%02d", i), nil), b.must(b.CreateGroup(fmt.Sprintf("Group %02d", i)))
		b.ok(b.AddMember(group, user))
		b.ok(b.Associate(user, directory))
		b.ok(b.AddMember(extra, mira))
	}
	dynamic := b.must(b.CreateGroup("Dynamic"))
	b.ok(b.SetDynamicMembers(dynamic, b.Members(group)))
	for path, total := range map[string]int{
		"/usergroups/" + group + "/members?":                         12,
		"/usergroups/" + group + "/membership?":                      12,
		"/usergroups/" + dynamic + "/members?":                       0,
		"/usergroups/" + dynamic + "/membership?":                    12,
		"/users/" + mira + "/memberof?":                              13,
		"/office365s/" + directory + "/associations?targets=user&":   12,
		"/office365s/" + directory + "/users?":                       12,
		"/users/" + mira + "/associations?targets=office_365&":       1,
		"/usergroups/" + group + "/associations?targets=office_365&": 0,
	} {
		var got []string
		for skip := 0; skip < total+5; skip += 5 {
			page := b.want(200, "GET", fmt.Sprintf("/api/v2%slimit=5&skip=%d", path, skip), nil)
			if page.header.Get("x-total-count") != fmt.Sprint(total) || len(page.list()) != max(0, min(5, total-skip)) {
				t.Errorf("%s from %d: %d of %s, want the page and its total", path, skip, len(page.list()), page.header.Get("x-total-count"))
			}
			got = append(got, ids(page.list())...)
		}
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != total {
			t.Errorf("%s: %v, want all ids once, sorted", path, got)
		}
		if first := b.want(200, "GET", "/api/v2"+strings.TrimRight(path, "?&"), nil).list(); len(first) != min(10, total) {
			t.Errorf("%s: %d without a limit, want %d", path, len(first), min(10, total))
		}
	}
}
