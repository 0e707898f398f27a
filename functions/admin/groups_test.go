package admin_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

const (
	engineering = "6510000000000000000000a1"
	sales       = "6510000000000000000000a2"
	source      = "6520000000000000000000b1"
)

// connectGroups connects groups in the store.
func (f *fixture) connectGroups(id string, groups ...directory.GroupID) {
	f.t.Helper()
	for _, group := range groups {
		if _, err := f.records.ConnectGroup(f.t.Context(), directory.ID(id), group, directory.Direct, time.Now().UTC()); err != nil {
			f.t.Fatal(err)
		}
	}
}

// join adds users to a group and returns the members.
func (f *fixture) join(id string, group directory.GroupID, users ...directory.UserID) []directory.Member {
	f.t.Helper()
	var changes []store.Membership
	for _, user := range users {
		changes = append(changes, store.Membership{User: user, In: true})
	}
	if _, err := f.records.SetMemberships(f.t.Context(), directory.ID(id), group, time.Now().UTC(), changes...); err != nil {
		f.t.Fatal(err)
	}
	members, err := f.records.AllMembers(f.t.Context(), directory.ID(id), group)
	if err != nil {
		f.t.Fatal(err)
	}
	return members
}

// link changes the link of a user.
func (f *fixture) link(id string, user directory.UserID, change func(*directory.Link)) {
	f.t.Helper()
	known, err := f.records.User(f.t.Context(), organization, user)
	if err != nil {
		f.t.Fatal(err)
	}
	link, _ := known.Link(directory.ID(id))
	change(&link)
	if err := errors.Join(f.records.Record(f.t.Context(), store.Recording{Link: link})...); err != nil {
		f.t.Fatal(err)
	}
}

// groupLink changes the link of a group.
func (f *fixture) groupLink(id string, group directory.GroupID, change func(*directory.GroupLink)) {
	f.t.Helper()
	known, err := f.records.Group(f.t.Context(), organization, group)
	if err != nil {
		f.t.Fatal(err)
	}
	link, _ := known.Link(directory.ID(id))
	change(&link)
	if err := errors.Join(f.records.Record(f.t.Context(), store.Recording{Group: &link})...); err != nil {
		f.t.Fatal(err)
	}
}

func TestConnectAndDisconnectAGroup(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	path := "/v1/directories/" + id + "/connections/groups/" + engineering
	want := reconcile.GroupTask{Directory: directory.ID(id), Group: engineering}
	check := func(when, cause string, allMembers bool, got []reconcile.GroupTask) {
		t.Helper()
		if len(got) != 1 || got[0].Cause.Type != cause || got[0].Cause.At.IsZero() {
			t.Fatalf("%s: tasks %+v", when, got)
		}
		want.Cause, want.AllMembers, want.Compare = got[0].Cause, allMembers, cause == "retried"
		if diff := cmp.Diff(want, got[0]); diff != "" {
			t.Errorf("%s (-want +got): %s", when, diff)
		}
	}
	for range 2 { // a repetition is harmless
		status, group := f.call("PUT", path, "")
		if status != 202 || group["status"] != "pending" || group["groupId"] != engineering || group["connected"] != true {
			t.Errorf("%d %v, want 202, \"pending\", groupId %v, connected %v", status, group, engineering, true)
		}
		check("connected", "connected", true, f.groupTasks(f.groupsBulk))
	}
	if f.later != 2 {
		t.Errorf("%d tasks a minute later, want one for each connection", f.later)
	}
	if status, _ := f.call("POST", "/v1/directories/"+id+"/groups/"+engineering+"/sync", ""); status != 202 {
		t.Errorf("sync: %d, want 202", status)
	}
	check("retried", "retried", true, f.groupTasks(f.groupsLive))
	if status, group := f.call("DELETE", path, ""); status != 202 || group["connected"] != false {
		t.Errorf("disconnect: %d %v, want 202, connected %v", status, group, false)
	}
	check("disconnected", "disconnected", false, f.groupTasks(f.groupsLive))
	if status, _ := f.call("DELETE", path, ""); status != 202 {
		t.Errorf("disconnect again, before the group is released: %d, want 202", status)
	}
	check("disconnected again", "disconnected", false, f.groupTasks(f.groupsLive))
	if status, group := f.call("GET", "/v1/directories/"+id+"/groups/"+engineering, ""); status != 200 || group["connected"] != false {
		t.Errorf("the link is gone: %d %v, want 200, connected %v", status, group, false)
	}
	if left := append(f.bodies(f.live), f.bodies(f.bulk)...); len(left) > 0 {
		t.Errorf("tasks of users were sent before the members are known: %s, want 0 left", left)
	}
}

func TestAGroupIsConnectedOnlyIfJumpCloudAnswers(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	f.outside.jumpCloud = fault.New(fault.Transient, "test", "JumpCloud is down")
	if status, problem := f.call("PUT", "/v1/directories/"+id+"/connections/groups/"+engineering, ""); status != 503 || !strings.Contains(fmt.Sprint(problem), "JumpCloud is down") {
		t.Errorf("%d %v, want 503, the text \"JumpCloud is down\"", status, problem)
	}
	if _, list := f.call("GET", "/v1/directories/"+id+"/connections", ""); len(list["items"].([]any)) != 0 {
		t.Errorf("connections: %v, want 0 items", list)
	}
}

// Users come first, then groups, for every page size.
func TestConnectionsOfUsersAndGroups(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	for _, user := range []directory.UserID{"u1", "u2", "u3"} {
		if err := f.records.Connect(t.Context(), directory.ID(id), user, directory.Direct, time.Now().UTC()); err != nil {
			t.Fatal(err)
		}
	}
	f.connectGroups(id, "g1", "g2", "g3", "g4")
	f.join(id, "g1", "u3")
	if _, err := f.records.ConnectGroup(t.Context(), directory.ID(id), "g3", directory.Source, time.Now().UTC()); err != nil {
		t.Fatal(err)
	}
	want := []string{"u1 [direct]", "u2 [direct]", "u3 [direct group:g1]", "group g1 [direct]", "group g2 [direct]", "group g3 [direct jumpcloud]", "group g4 [direct]"}
	for limit := 1; limit <= len(want)+1; limit++ {
		var got []string
		pages := 0
		for cursor := "?"; cursor != ""; pages++ {
			status, list := f.call("GET", fmt.Sprintf("/v1/directories/%s/connections?limit=%d&%s", id, limit, cursor[1:]), "")
			if status != 200 {
				t.Fatalf("limit %d: %d %v, want 200", limit, status, list)
			}
			for _, each := range list["items"].([]any) {
				item := each.(map[string]any)
				if item["directoryId"] != id || item["createdAt"] == nil {
					t.Errorf("%v, want directoryId %v, a createdAt", item, id)
				}
				if user, is := item["userId"]; is {
					got = append(got, fmt.Sprint(user, item["paths"]))
				} else {
					got = append(got, fmt.Sprint("group ", item["groupId"], item["paths"]))
				}
			}
			next, _ := list["cursor"].(string)
			if cursor = ""; next != "" {
				cursor = "?cursor=" + next
			}
		}
		for i := range got {
			got[i] = strings.Replace(got[i], "[", " [", 1)
		}
		if !slices.Equal(got, want) {
			t.Errorf("limit %d: %v, want %v", limit, got, want)
		}
		if most := (len(want)+limit-1)/limit + 1; pages > most {
			t.Errorf("limit %d: %d pages, want at most %v", limit, pages, most)
		}
	}
	if _, list := f.call("GET", "/v1/directories/"+id+"/connections?limit=7", ""); list["cursor"] != nil {
		t.Errorf("the last page has a cursor: %v, want no cursor", list)
	}
}

func TestAGroupSaysWhoWaitsAndWhy(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	f.connectGroups(id, engineering)
	members := f.join(id, engineering, "u1", "u2", "u3", "u4", "u5", "u6")
	for i := range members {
		switch m := &members[i]; m.User {
		case "u1":
			m.Applied = "e1"
		case "u2":
			m.Problem = &directory.Obstacle{Reason: directory.MemberRefused, Message: "Entra does not take the account"}
		case "u3":
			m.Problem = &directory.Obstacle{Reason: directory.MemberAbsent, Message: "no account"}
		case "u6":
			m.Wanted, m.Applied = false, "e6"
		}
	}
	if err := f.records.PutMembers(t.Context(), members...); err != nil {
		t.Fatal(err)
	}
	f.link(id, "u3", func(l *directory.Link) { l.Status, l.Message = directory.Parked, "give ann another address" })
	f.link(id, "u5", func(l *directory.Link) { l.EntraID = "e5" })
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	f.groupLink(id, engineering, func(l *directory.GroupLink) {
		l.Name, l.Applied, l.EntraID, l.Status, l.Origin, l.LastWriteAt = "Engineering", "Engineers", "e-group", directory.Synced, directory.TakenOver, at
	})
	status, got := f.call("GET", "/v1/directories/"+id+"/groups/"+engineering, "")
	absent := "the user has no account in this directory yet, and joins as soon as there is one"
	want := map[string]any{
		"groupId": engineering, "name": "Engineering", "displayName": "Engineers", "entraId": "e-group", "status": "synced", "owner": "taken_over", "connected": true, "connectedBy": []any{"direct"},
		"lastWriteAt": "2026-03-01T08:00:00Z",
		"members": map[string]any{"inSync": 1.0, "waiting": 4.0, "refused": 1.0, "notInSync": []any{
			map[string]any{"userId": "u2", "status": "refused", "reason": "member_refused", "message": "Entra does not take the account"},
			map[string]any{"userId": "u3", "status": "waiting", "reason": "member_absent", "message": absent + ": give ann another address"},
			map[string]any{"userId": "u4", "status": "waiting", "reason": "member_absent", "message": absent},
			map[string]any{"userId": "u5", "status": "waiting", "message": "the user joins the security group with the next write"},
			map[string]any{"userId": "u6", "status": "waiting", "reason": "left_group", "message": "the user is not in the group any more and is taken out of the security group with the next write"},
		}},
	}
	if diff := cmp.Diff(want, got); status != 200 || diff != "" {
		t.Errorf("%d (-want +got)\n%s", status, diff)
	}
	delete(want["members"].(map[string]any), "notInSync")
	status, list := f.call("GET", "/v1/directories/"+id+"/groups", "")
	if diff := cmp.Diff([]any{want}, list["items"]); status != 200 || diff != "" {
		t.Errorf("list: %d (-want +got)\n%s", status, diff)
	}
	f.call("PATCH", "/v1/directories/"+id, `{"settings":{"manageGroups":false}}`)
	for _, path := range []string{"/groups", "/groups/" + engineering} {
		if status, got := f.call("GET", "/v1/directories/"+id+path, ""); status != 200 || strings.Contains(fmt.Sprint(got), "members") {
			t.Errorf("groups are not managed, %s: %d %v", path, status, got)
		}
	}
}

// A group that was deleted in Entra has no members, also not its former ones.
func TestNobodyIsInAGroupThatIsGone(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	f.connectGroups(id, engineering)
	members := f.join(id, engineering, "u1", "u2")
	members[0].Applied = "e1"
	members[1].Wanted, members[1].Applied = false, "e2"
	if err := f.records.PutMembers(t.Context(), members...); err != nil {
		t.Fatal(err)
	}
	f.link(id, "u1", func(l *directory.Link) { l.EntraID = "e1" })
	f.groupLink(id, engineering, func(l *directory.GroupLink) { l.Status, l.Reason = directory.Parked, directory.GroupDeletedInEntra })
	want := map[string]any{"inSync": 0.0, "waiting": 1.0, "refused": 0.0, "notInSync": []any{
		map[string]any{"userId": "u1", "status": "waiting", "message": "the user joins the security group with the next write"}}}
	_, got := f.call("GET", "/v1/directories/"+id+"/groups/"+engineering, "")
	if diff := cmp.Diff(want, got["members"]); got["reason"] != "group_deleted_in_entra" || diff != "" {
		t.Errorf("%v (-want +got)\n%s", got, diff)
	}
	delete(want, "notInSync")
	_, list := f.call("GET", "/v1/directories/"+id+"/groups", "")
	items, _ := list["items"].([]any)
	if view, _ := items[0].(map[string]any); len(items) != 1 || !cmp.Equal(want, view["members"]) {
		t.Errorf("list: %v", items)
	}
}

func TestAGroupNamesAHundredOfThoseWhoWait(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	f.connectGroups(id, engineering)
	var users []directory.UserID
	for i := range 130 {
		users = append(users, directory.UserID(fmt.Sprintf("u%03d", i)))
	}
	f.join(id, engineering, users...)
	_, got := f.call("GET", "/v1/directories/"+id+"/groups/"+engineering, "")
	members, _ := got["members"].(map[string]any)
	if named, _ := members["notInSync"].([]any); len(named) != 100 || members["more"] != 30.0 || members["waiting"] != 130.0 {
		t.Errorf("%d named, %v more, %v wait", len(named), members["more"], members["waiting"])
	}
}

func TestGroupsAreListedInPages(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	f.connectGroups(id, engineering, sales)
	_, first := f.call("GET", "/v1/directories/"+id+"/groups?limit=1", "")
	cursor, _ := first["cursor"].(string)
	_, second := f.call("GET", "/v1/directories/"+id+"/groups?limit=1&cursor="+cursor, "")
	for want, list := range map[string]map[string]any{engineering: first, sales: second} {
		if items, _ := list["items"].([]any); len(items) != 1 || items[0].(map[string]any)["groupId"] != want {
			t.Errorf("%s: %v, want 1 items, groupId %v", want, list, want)
		}
	}
	if second["cursor"] != nil {
		t.Errorf("the last page has a cursor: %v, want no cursor", second)
	}
}

// An administrator cannot disconnect what the connection source connected, until the
// source is turned off.
func TestAGroupMayBeConnectedInBothWays(t *testing.T) {
	f := newFixture(t)
	id := f.directory(`{"connectionSource": {"type": "application", "id": "6510000000000000000000f1"}}`)
	f.connectGroups(id, engineering)
	if _, err := f.records.ConnectGroup(t.Context(), directory.ID(id), engineering, directory.Source, time.Now().UTC()); err != nil {
		t.Fatal(err)
	}
	path := "/v1/directories/" + id + "/connections/groups/" + engineering
	if status, group := f.call("DELETE", path, ""); status != 202 || group["connected"] != true || fmt.Sprint(group["connectedBy"]) != "[jumpcloud]" {
		t.Errorf("%d %v", status, group)
	}
	status, problem := f.call("DELETE", path, "")
	mustSay(t, status, problem, 404, "path.groupId", "by an administrator")
	if status, answer := f.call("PATCH", "/v1/directories/"+id, `{"settings": {"connectionSource": {"type": "none"}}}`); status != 200 {
		t.Fatalf("%d %v, want 200", status, answer)
	}
	if status, group := f.call("DELETE", path, ""); status != 202 || group["connected"] != false {
		t.Errorf("after the source was turned off: %d %v, want 202, connected %v", status, group, false)
	}
}

// A write to a group whose result nobody knows is shown with the group, because the events do
// not show it.
func TestAGroupShowsWritesWhoseResultIsNotKnown(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	f.connectGroups(id, engineering)
	at := time.Date(2026, 3, 6, 12, 0, 0, 0, time.UTC)
	why := &plan.Failure{Kind: "transient", Reason: directory.Interrupted, Message: "entrasync stopped"}
	add := plan.Action{ID: "a1", Type: plan.AddMembers, Directory: directory.ID(id), Subject: plan.Subject{Kind: plan.OfGroup, ID: engineering}, Status: plan.Failed, At: at, CompletedAt: at, Error: why}
	if err := f.records.RecordActions(t.Context(), add); err != nil {
		t.Fatal(err)
	}
	f.groupLink(id, engineering, func(l *directory.GroupLink) { l.OpenActions = []string{add.ID} })
	_, view := f.call("GET", "/v1/directories/"+id+"/groups/"+engineering, "")
	got := fmt.Sprint(view["unknown"])
	for _, want := range []string{"a1", "interrupted", "entrasync stopped", "2026-03-06T12:00:00Z"} {
		if !strings.Contains(got, want) {
			t.Errorf("got the unknown writes %s, want %q among them", got, want)
		}
	}
}
