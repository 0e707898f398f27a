package jumpcloudtest_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	. "entrasync/shared/jumpcloud/jumpcloudtest"
)

func TestGroupsAndMembers(t *testing.T) {
	b := start(t, nil)
	mira, otto := b.user("mira", nil), b.user("otto", nil)
	group := b.want(201, "POST", "/api/v2/usergroups", Fields{"name": "Sales"}).fields().Text("id")
	b.want(409, "POST", "/api/v2/usergroups", Fields{"name": "Sales"})
	b.want(400, "POST", "/api/v2/usergroups", Fields{"name": " "})
	b.want(400, "POST", "/api/v2/usergroups", Fields{"name": 5})
	b.want(400, "POST", "/api/v2/usergroups", Fields{"name": "x", "membershipMethod": "MAGIC"})
	path := "/api/v2/usergroups/" + group
	before := len(b.Events()) - 1
	b.want(204, "POST", path+"/members", Fields{"op": "add", "type": "user", "id": mira})
	if got := b.want(409, "POST", path+"/members", Fields{"op": "add", "type": "user", "id": mira}).fields(); got.Text("message") != "Already Exists" {
		t.Errorf("%v, want Already Exists", got)
	}
	b.want(400, "POST", path+"/members", Fields{"op": "join", "type": "user", "id": mira})
	b.want(400, "POST", path+"/members", Fields{"op": "add", "type": "user_group", "id": group})
	b.want(400, "POST", path+"/members", nil)
	b.want(400, "POST", path+"/members", Fields{"op": "add", "type": "office_365", "id": b.must(b.CreateDirectory("M365"))})
	b.want(404, "POST", path+"/members", Fields{"op": "add", "type": "user", "id": "64a1b2c3d4e5f60718293a4b"})
	b.want(404, "POST", path+"/members", Fields{"op": "remove", "type": "user", "id": otto})
	b.want(204, "POST", path+"/members", Fields{"op": "add", "type": "user", "id": otto})
	b.want(204, "POST", path+"/members", Fields{"op": "remove", "type": "user", "id": otto})
	b.want(200, "PUT", path, Fields{"name": "Sales EU"})
	if got := b.types(before); got != "group_create association_change o365_directory_create association_change association_change group_update" {
		t.Errorf("events %s, want group_create association_change o365_directory_create association_change association_change group_update", got)
	}
	edge, _ := json.Marshal(b.Events()[before+1]["association"])
	want := fmt.Sprintf(`{"action_source":"manual","attributes":null,"connection":{"from":{"name":"Sales","object_id":"%s","type":"user_group"},"to":{"name":"mira","object_id":"%s","type":"user"}},"op":"add"}`, group, mira)
	if string(edge) != want || b.Events()[before+1]["resource"] != nil {
		t.Errorf("association %s, want %s and no resource", edge, want)
	}
	if got := b.want(200, "GET", path+"/members", nil); string(got.raw) != fmt.Sprintf(`[{"attributes":null,"to":{"attributes":null,"id":"%s","type":"user"}}]`, mira) {
		t.Errorf("members %s, want mira by an edge", got.raw)
	}
	if got := b.want(200, "GET", path+"/membership", nil).list(); len(got) != 1 || got[0].Text("id") != mira {
		t.Errorf("membership %v, want mira", got)
	}
	if got := b.want(200, "GET", "/api/v2/users/"+mira+"/memberof?filter=object_id:eq:"+group, nil).list(); len(got) != 1 || got[0].Text("type") != "user_group" {
		t.Errorf("memberof %v, want one group", got)
	}
	before = len(b.Events())
	b.want(204, "DELETE", path, nil)
	if got := b.want(200, "GET", "/api/v2/users/"+mira+"/memberof", nil).list(); len(got) != 0 || b.types(before) != "group_delete" {
		t.Errorf("memberof %v, events %s, want none and group_delete", got, b.types(before))
	}
	b.want(404, "GET", path, nil)
}

func TestPathsToADirectory(t *testing.T) {
	b := start(t, nil)
	directory := b.must(b.CreateDirectory("Example M365"))
	direct, both, member := b.user("direct", nil), b.user("both", nil), b.user("member", nil)
	one, two := b.must(b.CreateGroup("One")), b.must(b.CreateGroup("Two"))
	for _, step := range []struct{ group, user string }{{one, both}, {one, member}, {two, member}} {
		b.ok(b.AddMember(step.group, step.user))
	}
	office := "/api/v2/office365s/" + directory
	b.want(204, "POST", office+"/associations", Fields{"op": "add", "type": "user_group", "id": one})
	b.want(204, "POST", "/api/v2/usergroups/"+two+"/associations", Fields{"op": "add", "type": "office_365", "id": directory})
	b.want(204, "POST", "/api/v2/users/"+direct+"/associations", Fields{"op": "add", "type": "office_365", "id": directory, "attributes": Fields{}})
	b.want(409, "POST", office+"/associations", Fields{"op": "add", "type": "user", "id": direct})
	b.ok(b.Associate(both, directory))
	b.want(400, "GET", office+"/associations", nil)
	b.want(400, "GET", office+"/associations?targets=system", nil)
	if got := b.want(200, "GET", office+"/associations?targets=user,user_group", nil).list(); len(got) != 4 {
		t.Errorf("associations %v, want 4", got)
	}
	paths := func() map[string]int {
		counts := map[string]int{}
		for _, user := range b.want(200, "GET", office+"/users", nil).list() {
			counts[user.Text("id")] = len(user["paths"].([]any))
		}
		return counts
	}
	if got := paths(); got[direct] != 1 || got[both] != 2 || got[member] != 2 || len(got) != 3 {
		t.Errorf("paths %v, want one, two and two", got)
	}
	b.ok(b.RemoveMember(one, member))
	b.ok(b.Dissociate(both, directory))
	if got := paths(); got[both] != 1 || got[member] != 1 {
		t.Errorf("paths %v, want one path each", got)
	}
	b.ok(b.DeleteGroup(two))
	if got := paths(); len(got) != 2 || got[member] != 0 {
		t.Errorf("paths %v, want two users without the member", got)
	}
	if got := b.want(200, "GET", "/api/v2/users/"+both+"/office365s", nil).list(); len(got) != 1 || got[0].Text("id") != directory {
		t.Errorf("directories of a user %v, want the directory", got)
	}
	if got := b.want(200, "GET", office+"/usergroups", nil).list(); len(got) != 1 || got[0].Text("id") != one {
		t.Errorf("groups %v, want the group", got)
	}
}

func TestDirectionOfAssociations(t *testing.T) {
	for _, reverse := range []bool{false, true} {
		b := start(t, nil)
		b.Set(func(behaviour *Behaviour) { behaviour.ReverseAssociations = reverse })
		user, app, group := b.user("mira", nil), b.must(b.CreateApplication("CRM")), b.must(b.CreateGroup("One"))
		b.ok(b.Associate(user, app))
		b.ok(b.AddMember(group, user))
		events := b.Events()
		from := func(event Fields) string {
			var read struct {
				Connection struct {
					From struct{ Type string }
				}
			}
			encoded, _ := json.Marshal(event["association"])
			b.ok(json.Unmarshal(encoded, &read))
			return read.Connection.From.Type
		}
		want := map[bool]string{false: "user", true: "application"}[reverse]
		if got := from(events[len(events)-2]); got != want {
			t.Errorf("association from %s, want %s", got, want)
		}
		if got := from(events[len(events)-1]); got != "user_group" {
			t.Errorf("membership from %s, want user_group", got)
		}
	}
}

func TestDirectorySettings(t *testing.T) {
	b := start(t, nil)
	directory := b.must(b.CreateDirectory("Example M365"))
	office := "/api/v2/office365s/" + directory
	before := len(b.Events())
	list := b.want(200, "GET", "/api/v2/directories?filter=type:eq:office_365", nil).list()
	if len(list) != 1 || list[0].Text("id") != directory || list[0].Text("type") != "office_365" {
		t.Errorf("directories %v, want the one directory", list)
	}
	b.want(400, "PATCH", office, Fields{"userLockoutAction": "remove_access"})
	b.want(200, "PATCH", office, Fields{"groupsEnabled": true, "userLockoutAction": "suspend"})
	domain := b.want(201, "POST", office+"/domains", Fields{"domain": "Example.com"}).fields()["domain"].(map[string]any)
	b.want(409, "POST", office+"/domains", Fields{"domain": "example.com"})
	b.want(200, "PATCH", office, Fields{"defaultDomain": Fields{"id": domain["objectId"]}})
	got := b.want(200, "GET", office+"/domains", nil)
	if want := fmt.Sprintf(`{"domains":[{"default":true,"domain":"example.com","objectId":"%s","resourceObjectId":"%s"}],"totalCount":1}`, domain["objectId"], directory); string(got.raw) != want {
		t.Errorf("domains %s, want %s", got.raw, want)
	}
	b.want(200, "PATCH", office, Fields{"defaultDomain": Fields{}})
	if got := b.want(200, "GET", office, nil).fields(); got["defaultDomain"] != nil || !got.Flag("groupsEnabled") || got.Text("userLockoutAction") != "suspend" {
		t.Errorf("directory %v, want no default domain and the changed settings", got)
	}
	rule := b.want(201, "POST", office+"/translationrules", Fields{"builtIn": "user_department"}).fields().Text("id")
	b.want(400, "POST", office+"/translationrules", Fields{"builtIn": "user_shoe_size"})
	b.want(200, "GET", office+"/translationrules/"+rule, nil)
	b.want(204, "DELETE", office+"/translationrules/"+rule, nil)
	b.want(404, "GET", office+"/translationrules/"+rule, nil)
	b.want(200, "DELETE", office+"/domains/"+fmt.Sprint(domain["objectId"]), nil)
	if got := b.types(before); got != "o365_directory_update integration_domain_add integration_default_domain_update o365_directory_update "+
		"integration_default_domain_update o365_directory_update integrationattribute_include integrationattribute_exclude integration_domain_delete" {
		t.Errorf("events %s, want those of each change", got)
	}
	b.SetImportable(directory, []Fields{{"id": "1"}, {"id": "2"}, {"id": "3"}})
	page := b.want(200, "GET", office+"/import/users?top=2", nil).fields()
	rest := b.want(200, "GET", office+"/import/users?top=2&skipToken="+page.Text("skipToken"), nil).fields()
	if len(page["users"].([]any)) != 2 || len(rest["users"].([]any)) != 1 || rest["skipToken"] != nil {
		t.Errorf("importable %v then %v, want two users, then one without a token", page, rest)
	}
}

func TestBulkUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil)
		b.user("taken", nil)
		b.Set(func(behaviour *Behaviour) { behaviour.LicenseLimit = 3 })
		b.want(400, "POST", "/api/v2/bulk/users", []any{Fields{"username": "x"}}, "creation-source", "mail")
		b.want(400, "POST", "/api/v2/bulk/users", Fields{})
		before := len(b.Events())
		job := b.want(201, "POST", "/api/v2/bulk/users", []any{
			Fields{"username": "one", "email": "one@example.com", "firstname": "One"},
			Fields{"username": "taken", "email": "taken@example.com"},
			Fields{"username": "none"},
			Fields{"username": "two", "email": "two@example.com"},
			Fields{"username": "three", "email": "three@example.com"},
		}, "creation-source", "jumpcloud:o365").fields().Text("jobId")
		results := func() (lines []string) {
			for _, result := range b.want(200, "GET", "/api/v2/bulk/users/"+job+"/results?limit=100", nil).list() {
				lines = append(lines, result.Text("status")+" "+result.Text("statusMsg"))
			}
			return lines
		}
		if got := fmt.Sprintf("%q", results()); got != `["pending " "pending " "pending " "pending " "pending "]` || len(b.Users()) != 1 {
			t.Errorf("before: %s, want all pending", got)
		}
		time.Sleep(DefaultBehaviour().BulkDelay)
		synctest.Wait()
		want := `["finished " "failed User already exists" "failed Missing email" "finished " "failed License limit reached, contact your provider"]`
		if got := fmt.Sprintf("%q", results()); got != want {
			t.Errorf("after: %s, want %s", got, want)
		}
		events := b.Events()[before:]
		if correlation, _ := json.Marshal(events[0]["correlation"]); len(events) != 2 || string(correlation) != `{"id":"`+job+`","type":"user_import"}` {
			t.Errorf("%d events, correlation %s, want 2 with the job", len(events), correlation)
		}
		users := b.Users()
		ids := []any{Fields{"id": users[0]["_id"]}, Fields{"id": users[1]["_id"]}}
		b.want(201, "POST", "/api/v2/bulk/user/expires", ids)
		b.want(201, "PATCH", "/api/v2/bulk/users", []any{Fields{"id": users[0]["_id"], "lastname": "New"}})
		time.Sleep(DefaultBehaviour().BulkDelay)
		synctest.Wait()
		for _, user := range b.Users()[:2] {
			if !user.Flag("password_expired") {
				t.Errorf("%s is not expired, want it expired", user.Text("username"))
			}
		}
		if b.Users()[0].Text("lastname") != "New" {
			t.Error("the user was not updated, want the new name")
		}
		b.Close()
	})
}

func TestScheduledStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil)
		one, two := b.user("one", nil), b.user("two", nil)
		at := time.Now().Add(time.Hour)
		before := len(b.Events())
		made := b.want(201, "POST", "/api/v2/bulk/userstates", Fields{"user_ids": []any{one, two}, "state": "SUSPENDED", "start_date": at.Format(time.RFC3339)}).list()
		b.want(400, "POST", "/api/v2/bulk/userstates", Fields{"user_ids": []any{one}, "state": "STAGED", "start_date": at.Format(time.RFC3339)})
		b.want(404, "POST", "/api/v2/bulk/userstates", Fields{"user_ids": []any{one, DefaultOrganizationID}, "state": "SUSPENDED", "start_date": at.Format(time.RFC3339)})
		if got := b.want(200, "GET", "/api/v2/bulk/userstates?userid="+one, nil).list(); len(got) != 1 {
			t.Errorf("after a refused request: %v, want one schedule", got)
		}
		b.want(204, "DELETE", "/api/v2/bulk/userstates/"+made[1].Text("scheduledJobId"), nil)
		if got := b.want(200, "GET", "/api/v2/bulk/userstates/eventlist/next?users="+one, nil).list(); len(got) != 1 || got[0].Text("systemUserId") != one {
			t.Errorf("next %v, want the schedule of the user", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		first, _ := b.User(one)
		second, _ := b.User(two)
		if first.Text("state") != "SUSPENDED" || second.Text("state") != "ACTIVATED" {
			t.Errorf("%s and %s, want SUSPENDED and ACTIVATED", first.Text("state"), second.Text("state"))
		}
		if got := b.types(before); got != "user_suspension_schedule_create user_suspension_schedule_create user_suspension_schedule_delete user_update user_suspended" {
			t.Errorf("events %s, want user_suspension_schedule_create user_suspension_schedule_create user_suspension_schedule_delete user_update user_suspended", got)
		}
		b.Close()
	})
}
