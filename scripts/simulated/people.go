package simulated

import (
	"fmt"

	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// people are the users of a new simulated JumpCloud.
var people = []struct{ username, first, last, department string }{
	{"ada.lovelace", "Ada", "Lovelace", "Research"},
	{"alan.turing", "Alan", "Turing", "Research"},
	{"grace.hopper", "Grace", "Hopper", "Engineering"},
	{"katherine.johnson", "Katherine", "Johnson", "Engineering"},
	{"margaret.hamilton", "Margaret", "Hamilton", "Engineering"},
	{"radia.perlman", "Radia", "Perlman", "Network"},
	{"mira.okafor", "Mira", "Okafor", "Sales"},
	{"sean.oneil", "Seán", "O'Neil", "Sales"},
}

// Team is the group of a new simulated JumpCloud, and teamMembers are its members.
const Team = "Flight Software"

var teamMembers = []string{"katherine.johnson", "margaret.hamilton"}

// SeedPeople fills a simulated JumpCloud that is empty.
func SeedPeople(simulator *jumpcloudtest.Simulator) error {
	if len(simulator.Users()) > 0 {
		return nil
	}
	ids := map[string]string{}
	for _, p := range people {
		id, err := simulator.CreateUser(jumpcloudtest.Fields{
			"username": p.username, "email": p.username + "@contoso.example", "firstname": p.first, "lastname": p.last,
			"department": p.department, "state": "ACTIVATED",
		})
		if err != nil {
			return fault.Wrap(err, fault.Internal, fmt.Sprintf("add %s to the simulated JumpCloud", p.username))
		}
		ids[p.username] = id
	}
	return seedTeam(simulator, ids)
}

// seedTeam makes the team of people who are there already.
func seedTeam(simulator *jumpcloudtest.Simulator, ids map[string]string) error {
	group, err := simulator.CreateGroup(Team)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "add the team to the simulated JumpCloud")
	}
	for _, name := range teamMembers {
		if err := simulator.AddMember(group, ids[name]); err != nil {
			return fault.Wrap(err, fault.Internal, fmt.Sprintf("add %s to the team in the simulated JumpCloud", name))
		}
	}
	return nil
}
