package play

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"entrasync/scripts/simulated"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// hired is somebody who comes to the team during the day. Nobody connects her:
// the team does.
var hired = jumpcloudtest.Fields{
	"username": "hedy.lamarr", "email": "hedy.lamarr@contoso.example", "firstname": "Hedy", "lastname": "Lamarr",
	"department": "Engineering", "state": "ACTIVATED",
}

// teamID is the id of the team.
func (d *day) teamID() string {
	for _, group := range d.stage.JumpCloud.Groups() {
		if group.Text("name") == simulated.Team {
			return group.Text("id")
		}
	}
	return ""
}

// connectTeam connects the team through the API.
func (d *day) connectTeam(ctx context.Context) error {
	return d.stage.Administrator.ConnectGroup(ctx, d.directory, d.teamID())
}

// hire makes an account in JumpCloud and puts it into the team.
func (d *day) hire(context.Context) error {
	id, err := d.stage.JumpCloud.CreateUser(hired)
	if err != nil {
		return err
	}
	d.ids[hired.Text("username")] = id
	return d.stage.JumpCloud.AddMember(d.teamID(), id)
}

// leaveTeam takes somebody out of the team.
func (d *day) leaveTeam(name string) func(context.Context) error {
	return func(context.Context) error { return d.stage.JumpCloud.RemoveMember(d.teamID(), d.ids[name]) }
}

// compareTeam shows who is in the team on both sides and fails if they differ.
func (d *day) compareTeam() error {
	var here, there []string
	for name, id := range d.ids {
		if slices.Contains(d.stage.JumpCloud.Members(d.teamID()), id) {
			here = append(here, name)
		}
	}
	slices.Sort(here)
	tenant := d.stage.tenant()
	groups := tenant.GroupsNamed(simulated.Team)
	if len(groups) != 1 {
		return fmt.Errorf("there are %d groups of the name %s in Entra", len(groups), simulated.Team)
	}
	for _, id := range groups[0].Members {
		account, _ := tenant.User(id)
		name, _, _ := strings.Cut(account.UserPrincipalName, "@")
		there = append(there, name)
	}
	slices.Sort(there)
	_, _ = fmt.Fprintf(d.out, "\nIn the team %s are, in JumpCloud: %s; in Entra: %s.\n", simulated.Team, strings.Join(here, ", "), strings.Join(there, ", "))
	if len(here) == 0 || !slices.Equal(here, there) {
		return fmt.Errorf("the members of %s differ", simulated.Team)
	}
	return nil
}
