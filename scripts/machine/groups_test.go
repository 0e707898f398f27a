package machine_test

import (
	"fmt"
	"slices"
	"testing"

	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// hire makes an active user in JumpCloud.
func (p *product) hire(name string) (id string) {
	p.t.Helper()
	id, err := p.machine.JumpCloud.CreateUser(jumpcloudtest.Fields{
		"username": name, "email": name + "@contoso.example", "firstname": name, "lastname": "Doe", "state": "ACTIVATED"})
	if err != nil {
		p.t.Fatal(err)
	}
	return id
}

// must ends the test on an error of a simulator.
func (p *product) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// mustHave compares the members of the one group of a name in Entra, by the first
// part of their sign-in names.
func (p *product) mustHave(when, group string, want ...string) {
	p.t.Helper()
	tenant := p.machine.Entra.Tenant(string(p.machine.Tenant))
	groups := tenant.GroupsNamed(group)
	if len(groups) != 1 {
		p.t.Fatalf("%s: Entra has %d groups %s, want 1\n%s", when, len(groups), group, p.log)
	}
	var got []string
	for _, id := range groups[0].Members {
		account, _ := tenant.User(id)
		got = append(got, account.Text("givenName"))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		p.t.Errorf("%s: the members of %s are %v, want %v", when, group, got, want)
	}
}

// mustStand compares the state of a user, the reason and the paths of the connection.
func (p *product) mustStand(when, user, state, reason string, paths ...string) {
	p.t.Helper()
	link := p.call("GET", "/v1/directories/"+p.directory+"/users/"+user, nil, 200)
	got, _ := link["reason"].(string)
	if link["state"] != state || got != reason || fmt.Sprint(link["connectedBy"]) != fmt.Sprint(paths) {
		p.t.Errorf("%s: the user is %v (%v), connected by %v; want %s (%s), %v", when, link["state"], link["reason"], link["connectedBy"], state, reason, paths)
	}
}

// A group gives its members access and is a security group, from the moment it is
// connected until it is not.
func TestALifeOfAGroup(t *testing.T) {
	p := start(t)
	jc := p.machine.JumpCloud
	group, err := jc.CreateGroup("Design")
	p.must(err)
	ina, ivo, isa := p.hire("ina"), p.hire("ivo"), p.hire("isa")
	p.must(jc.AddMember(group, ina))
	p.must(jc.AddMember(group, ivo))
	p.settle()
	path := "group:" + group

	p.call("PUT", "/v1/directories/"+p.directory+"/connections/groups/"+group, nil, 202)
	p.settle()
	p.mustHave("connected", "Design", "ina", "ivo")
	p.mustStand("connected", ina, "enabled", "", path)
	view := p.call("GET", "/v1/directories/"+p.directory+"/groups/"+group, nil, 200)
	if members, _ := view["members"].(map[string]any); view["status"] != "synced" || view["owner"] != "created" || view["name"] != "Design" || view["displayName"] != "Design" || members["inSync"] != 2.0 {
		t.Errorf("connected: %v, want Design, created, synced, with 2 members in sync", view)
	}

	p.must(jc.AddMember(group, isa))
	p.must(jc.RemoveMember(group, ivo))
	p.must(jc.RenameGroup(group, "Product Design"))
	p.settle()
	p.mustHave("one came and one went", "Product Design", "ina", "isa")
	p.mustStand("came", isa, "enabled", "", path)
	p.mustStand("went", ivo, "disabled", "left_group")

	p.call("DELETE", "/v1/directories/"+p.directory+"/connections/groups/"+group, nil, 202)
	p.settle()
	p.mustStand("disconnected", ina, "disabled", "group_disconnected")
	view = p.call("GET", "/v1/directories/"+p.directory+"/groups/"+group, nil, 200)
	if view["connected"] != false || view["status"] != "released" {
		t.Errorf("disconnected: %v, want released and not connected", view)
	}
	if groups := p.machine.Entra.Tenant(string(p.machine.Tenant)).GroupsNamed("Product Design"); len(groups) != 1 {
		t.Errorf("the security groups of a disconnected group are %v, want 1", groups)
	}

	p.call("PUT", "/v1/directories/"+p.directory+"/connections/groups/"+group, nil, 202)
	p.settle()
	p.mustStand("connected again", ina, "enabled", "", path)
	p.mustHave("connected again", "Product Design", "ina", "isa")
	p.must(jc.DeleteGroup(group))
	p.settle()
	p.mustStand("deleted", ina, "disabled", "group_deleted")
}

// With a connection source the administrator never leaves JumpCloud's portal.
func TestConnectionsKeptInJumpCloud(t *testing.T) {
	p := start(t)
	jc := p.machine.JumpCloud
	application, err := jc.CreateApplication("Microsoft 365")
	p.must(err)
	group, err := jc.CreateGroup("Design")
	p.must(err)
	ina, ivo, isa := p.hire("ina"), p.hire("ivo"), p.hire("isa")
	p.must(jc.AddMember(group, ina))
	p.must(jc.Associate(group, application))
	p.must(jc.Associate(ivo, application))
	p.settle()

	p.call("PATCH", "/v1/directories/"+p.directory, map[string]any{"settings": map[string]any{"connectionSource": map[string]any{"type": "application", "id": application}}}, 200)
	p.settle()
	p.mustHave("what stood there already", "Design", "ina")
	p.mustStand("what stood there already", ina, "enabled", "", "group:"+group)
	p.mustStand("what stood there already", ivo, "enabled", "", "jumpcloud")

	p.must(jc.Associate(isa, application))
	p.must(jc.Dissociate(ivo, application))
	p.settle()
	p.mustStand("associated", isa, "enabled", "", "jumpcloud")
	p.mustStand("no longer associated", ivo, "disabled", "disconnected")

	p.must(jc.Dissociate(group, application))
	p.settle()
	p.mustStand("the group is no longer associated", ina, "disabled", "group_disconnected")
	p.must(jc.Associate(group, application))
	p.settle()
	p.mustStand("the group is associated again", ina, "enabled", "", "group:"+group)
}

// A task for a later time is never dropped as a duplicate of one that is done: here the
// address of a user who left becomes free twice within minutes, and two people join the
// group with it. The administrator says that they may have the account of the one before.
func TestAPersonWhoComesForAnotherJoinsTheGroup(t *testing.T) {
	p := start(t)
	jc := p.machine.JumpCloud
	group, err := jc.CreateGroup("Design")
	p.must(err)
	p.call("PUT", "/v1/directories/"+p.directory+"/connections/groups/"+group, nil, 202)
	for _, username := range []string{"ina", "ina.two", "ina.three"} {
		id, err := jc.CreateUser(jumpcloudtest.Fields{"username": username, "email": "ina@contoso.example", "firstname": username, "lastname": "Doe", "state": "ACTIVATED"})
		p.must(err)
		p.must(jc.AddMember(group, id))
		p.settle()
		if username != "ina" {
			p.call("POST", "/v1/directories/"+p.directory+"/users/"+id+"/take-over", map[string]any{}, 202)
			p.settle()
		}
		p.mustStand("hired", id, "enabled", "", "group:"+group)
		p.mustHave("hired", "Design", username)
		p.must(jc.DeleteUser(id))
		p.settle()
		p.mustHave("gone", "Design")
	}
}
