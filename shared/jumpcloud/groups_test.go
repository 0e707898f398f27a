package jumpcloud_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/reconcile"
)

var _ reconcile.JumpCloudGroups = (*jumpcloud.Client)(nil)

func addGroup(t *testing.T, sim *jumpcloudtest.Simulator, name string, members ...directory.UserID) directory.GroupID {
	t.Helper()
	id, err := sim.CreateGroup(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range members {
		must(t, sim.AddMember(id, string(member)))
	}
	return directory.GroupID(id)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// equal compares lists; an empty one may be nil.
func equal[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func sorted[T ~string](ids ...T) []T { return slices.Sorted(slices.Values(ids)) }

func TestGroup(t *testing.T) {
	sim, client := simulator(t)
	id := addGroup(t, sim, " Sales, EU ")
	if got, err := client.Group(t.Context(), id); err != nil || got != (directory.Group{ID: id, Name: " Sales, EU "}) {
		t.Errorf("%+v, %v, want the group with its name unchanged", got, err)
	}
	must(t, sim.DeleteGroup(string(id)))
	if _, err := client.Group(t.Context(), id); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "JumpCloud has no user group "+string(id)) {
		t.Errorf("deleted: %v, want NotFound with the id", err)
	}
}

func TestWrongAnswerIsNeverAGroup(t *testing.T) {
	for name, body := range map[string]string{
		"nothing": "", "empty": "{}", "null": "null", "array": "[]", "page": "<html>sign in</html>", "no name": `{"id":"` + groupID + `","name":""}`,
		"another one": `{"id":"64a1b2c3d4e5f60718293b01","name":"Sales"}`, "broken": `{"id":"` + groupID,
	} {
		client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
		if group, err := client.Group(t.Context(), groupID); !fault.Is(err, fault.Transient) {
			t.Errorf("%s: %+v, %v, want a fault of kind Transient", name, group, err)
		}
	}
}

func TestMembersArePaged(t *testing.T) {
	for _, count := range []int{0, 1, 99, 100, 101, 200, 250} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			sim, client := simulator(t)
			group := addGroup(t, sim, "All", addUsers(t, sim, count)...)
			want := sorted(memberIDs(sim, group)...)
			got, within, err := client.GroupMembers(t.Context(), group)
			if err != nil || len(within) != 0 || len(got) != count {
				t.Fatalf("%d users, within %v, %v, want all users and no groups", len(got), within, err)
			}
			equal(t, "users", got, want)
			if pages := sim.Counters().Requests; pages != max(1, (count+99)/100) {
				t.Errorf("%d pages, want one for each 100", pages)
			}
		})
	}
}

func memberIDs(sim *jumpcloudtest.Simulator, group directory.GroupID) []directory.UserID {
	var ids []directory.UserID
	for _, id := range sim.Members(string(group)) {
		ids = append(ids, directory.UserID(id))
	}
	return ids
}

func TestMembersOfADynamicGroup(t *testing.T) {
	sim, client := simulator(t)
	ids := addUsers(t, sim, 3)
	group := addGroup(t, sim, "Everybody", ids[2])
	must(t, sim.SetDynamicMembers(string(group), []string{string(ids[0]), string(ids[2])}))
	got, within, err := client.GroupMembers(t.Context(), group)
	if err != nil || len(within) != 0 {
		t.Error(within, err)
	}
	equal(t, "users", got, []directory.UserID{ids[0], ids[2]})
	groups, err := client.GroupsOf(t.Context(), ids[0])
	if must(t, err); !slices.Equal(groups, []directory.GroupID{group}) {
		t.Errorf("groups %v, want the one group", groups)
	}
	must(t, sim.SetDynamicMembers(string(group), nil))
	if groups, err = client.GroupsOf(t.Context(), ids[0]); err != nil || len(groups) != 0 {
		t.Errorf("groups %v, %v, want none and no error", groups, err)
	}
}

// Three groups, each within the next, with one user each, in both forms in which
// JumpCloud might show them.
func TestLoopOfGroups(t *testing.T) {
	for _, how := range []jumpcloudtest.NestedGroups{jumpcloudtest.ResolveNestedGroups, jumpcloudtest.ListNestedGroups} {
		t.Run(string(how), func(t *testing.T) {
			sim, client := simulator(t)
			sim.Set(func(b *jumpcloudtest.Behaviour) { b.NestedGroups = how })
			ids := addUsers(t, sim, 3)
			var groups []directory.GroupID
			for i, name := range []string{"a", "b", "c"} {
				groups = append(groups, addGroup(t, sim, name, ids[i]))
			}
			for i := range groups {
				must(t, sim.AddMember(string(groups[i]), string(groups[(i+1)%3])))
			}
			for i, group := range groups {
				got, within, err := client.GroupMembers(t.Context(), group)
				must(t, err)
				equal(t, "users", got, ids)
				equal(t, "within", within, sorted(groups[(i+1)%3], groups[(i+2)%3]))
				of, err := client.GroupsOf(t.Context(), ids[i])
				must(t, err)
				equal(t, "groups", of, groups)
			}
		})
	}
}

// Each group is read once, and one that is deleted meanwhile has no members.
func TestInnerGroupsAreReadOnce(t *testing.T) {
	sim, client := simulator(t)
	sim.Set(func(b *jumpcloudtest.Behaviour) { b.NestedGroups = jumpcloudtest.ListNestedGroups })
	ids := addUsers(t, sim, 2)
	top, left, right, bottom := addGroup(t, sim, "top", ids[0]), addGroup(t, sim, "left"), addGroup(t, sim, "right"), addGroup(t, sim, "bottom", ids[1])
	for _, edge := range [][2]directory.GroupID{{top, left}, {top, right}, {left, bottom}, {right, bottom}} {
		must(t, sim.AddMember(string(edge[0]), string(edge[1])))
	}
	const route = "GET /api/v2/usergroups/{group_id}/membership"
	got, within, err := client.GroupMembers(t.Context(), top)
	must(t, err)
	equal(t, "users", got, ids)
	equal(t, "within", within, []directory.GroupID{left, right, bottom})
	if reads := sim.Counters().ByRoute[route]; reads != 4 {
		t.Errorf("%d reads, want 4", reads)
	}

	vanishing := clientOf(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, string(bottom)+"/membership") {
			_ = sim.DeleteGroup(string(bottom)) // of no matter the second time
		}
		sim.ServeHTTP(w, r)
	}))
	got, within, err = vanishing.GroupMembers(t.Context(), top)
	must(t, err)
	equal(t, "users without the deleted group", got, ids[:1])
	equal(t, "within without the deleted group", within, []directory.GroupID{left, right})

	sim.FailNext(jumpcloudtest.Fault{PathContains: string(left) + "/membership", Status: http.StatusForbidden})
	got, within, err = client.GroupMembers(t.Context(), top)
	if !fault.Is(err, fault.Forbidden) {
		t.Errorf("an inner group that cannot be read: %v, want a fault of kind Forbidden", err)
	}
	equal(t, "users who were found", got, ids[:1])
	equal(t, "groups that were found", within, []directory.GroupID{left, right})
}

func TestUserInManyGroups(t *testing.T) {
	sim, client := simulator(t)
	user := addUser(t, sim, "mira", nil)
	var want []directory.GroupID
	for i := range 130 {
		want = append(want, addGroup(t, sim, fmt.Sprintf("Group %03d", i), user))
	}
	got, err := client.GroupsOf(t.Context(), user)
	must(t, err)
	equal(t, "groups", got, want)
	if pages := sim.Counters().Requests; pages != 2 {
		t.Errorf("%d pages, want 2", pages)
	}
	if got, err := client.GroupsOf(t.Context(), addUser(t, sim, "otto", nil)); err != nil || len(got) != 0 {
		t.Errorf("nowhere: %v, %v, want none and no error", got, err)
	}
}
