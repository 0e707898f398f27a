package plan_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// member is a member by the number of the user; the account has the same number.
func member(n int, wanted bool, applied directory.EntraID) plan.Member {
	return plan.Member{Member: directory.Member{User: directory.UserID(fmt.Sprintf("u%d", n)), Wanted: wanted, Applied: applied}, Account: directory.EntraID(fmt.Sprintf("e%d", n))}
}

// returning is a member by the number of the user, whose account was released and is nobody
// else's.
func returning(n int, applied directory.EntraID) plan.Member {
	m := member(n, true, applied)
	m.Account, m.Returning = "", true
	return m
}

// writtenToGroup lists for each action its type and what it writes.
func writtenToGroup(actions []plan.Action) [][]string {
	var list [][]string
	for _, a := range actions {
		row := []string{string(a.Type)}
		for _, c := range a.Changes {
			for _, v := range c.To {
				row = append(row, string(c.Attribute)+"="+v)
			}
			for _, v := range c.From {
				if c.Attribute == directory.Members {
					row = append(row, "-"+v)
				}
			}
		}
		list = append(list, row)
	}
	return list
}

func TestDecideGroup(t *testing.T) {
	settings := directory.DefaultSettings()
	exact, deletes, off := settings, settings, settings
	exact.ExactMembership, deletes.DeleteGroups, off.ManageGroups = true, true, false
	linked := directory.GroupLink{Group: "g1", Standing: directory.Standing{EntraID: "s1", Origin: directory.CreatedByUs}, Applied: "Sales"}
	taken := linked
	taken.Origin = directory.TakenOver
	security := directory.SecurityGroup{ID: "s9", Name: "Sales", Security: true}
	unified := directory.SecurityGroup{ID: "m1", Name: "Sales", Security: true, Microsoft365: true}
	group := func(change func(*plan.Group)) plan.Group {
		g := plan.Group{Settings: settings, Connected: true, Exists: true, Name: "Sales", Link: directory.GroupLink{Group: "g1"}}
		change(&g)
		return g
	}
	for _, tc := range []struct {
		name      string
		group     plan.Group
		want      [][]string
		unwritten int
		left      []directory.UserID // of those, whose records say by now that they are not in the group
		obstacle  directory.Reason
		origin    directory.Origin
	}{
		{name: "created with its members", group: group(func(g *plan.Group) { g.Members = []plan.Member{member(1, true, ""), member(2, true, "")} }),
			want: [][]string{{"create_group", "displayName=Sales", "uniqueName=jumpcloud.g1", "members=e1", "members=e2"}}},
		{name: "created beside another kind", group: group(func(g *plan.Group) { g.Named = []directory.SecurityGroup{unified} }),
			want: [][]string{{"create_group", "displayName=Sales", "uniqueName=jumpcloud.g1"}}},
		{name: "created beside two", group: group(func(g *plan.Group) { g.Named = []directory.SecurityGroup{security, {ID: "s8", Security: true}} }),
			want: [][]string{{"create_group", "displayName=Sales", "uniqueName=jumpcloud.g1"}}},
		{name: "created although somebody else's is there", group: group(func(g *plan.Group) {
			g.Named, g.Taken = []directory.SecurityGroup{security}, []directory.EntraID{"s9"}
		}), want: [][]string{{"create_group", "displayName=Sales", "uniqueName=jumpcloud.g1"}}},
		{name: "taken over, whoever is there already is not added", group: group(func(g *plan.Group) {
			g.Named, g.Present = []directory.SecurityGroup{security, unified}, map[directory.EntraID]bool{"e1": true, "stranger": true}
			g.Members = []plan.Member{member(1, true, ""), member(2, true, "")}
		}), want: [][]string{{"take_over_group"}, {"add_members", "members=e2"}}, unwritten: 1, origin: directory.TakenOver},
		{name: "nothing differs", group: group(func(g *plan.Group) {
			g.Link, g.Members = linked, []plan.Member{member(1, true, "e1")}
		}), origin: directory.CreatedByUs},
		{name: "renamed", group: group(func(g *plan.Group) { g.Link, g.Name = linked, " Selling " }), want: [][]string{{"rename_group", "displayName=Selling"}}, origin: directory.CreatedByUs},
		{name: "joined and left", group: group(func(g *plan.Group) {
			g.Link, g.Members = linked, []plan.Member{member(1, true, ""), member(2, false, "e2"), member(3, false, "")}
		}), want: [][]string{{"add_members", "members=e1"}, {"remove_members", "-e2"}}, unwritten: 1, origin: directory.CreatedByUs},
		{name: "waits for an account", group: group(func(g *plan.Group) {
			g.Link = linked
			g.Members = []plan.Member{{Member: directory.Member{User: "u1", Wanted: true}}}
		}), unwritten: 1, origin: directory.CreatedByUs},
		{name: "released, and about to have the account again", group: group(func(g *plan.Group) {
			g.Link, g.Members = linked, []plan.Member{returning(1, "e1")}
		}), origin: directory.CreatedByUs},
		{name: "released, and seen in the group", group: group(func(g *plan.Group) {
			g.Settings, g.Link, g.All, g.Present = exact, linked, true, map[directory.EntraID]bool{"e1": true}
			g.Members = []plan.Member{returning(1, "e1")}
		}), origin: directory.CreatedByUs},
		{name: "released, and not in the group any more: the record says so", group: group(func(g *plan.Group) {
			g.Link, g.All, g.Present = linked, true, map[directory.EntraID]bool{}
			g.Members = []plan.Member{returning(1, "e1")}
		}), unwritten: 1, left: []directory.UserID{"u1"}, origin: directory.CreatedByUs},
		{name: "released, and left while the group was not connected", group: group(func(g *plan.Group) {
			m := returning(1, "e1")
			m.Wanted = false
			g.Link, g.Members = linked, []plan.Member{m}
		}), want: [][]string{{"remove_members", "-e1"}}, origin: directory.CreatedByUs},
		{name: "the account went to somebody who is no member", group: group(func(g *plan.Group) {
			m := member(1, true, "e1")
			m.Account = ""
			g.Link, g.Members = linked, []plan.Member{m}
		}), want: [][]string{{"remove_members", "-e1"}}, unwritten: 1, origin: directory.CreatedByUs},
		{name: "the account went to another member", group: group(func(g *plan.Group) {
			m := member(2, true, "e1")
			m.Account = ""
			g.Link, g.Members = linked, []plan.Member{member(1, true, "e1"), m}
		}), unwritten: 1, left: []directory.UserID{"u2"}, origin: directory.CreatedByUs},
		{name: "removed, and without an account: the record says so", group: group(func(g *plan.Group) {
			m := member(1, true, "e1")
			m.Account = ""
			g.Link, g.All, g.Present, g.Members = linked, true, map[directory.EntraID]bool{}, []plan.Member{m}
		}), unwritten: 1, left: []directory.UserID{"u1"}, origin: directory.CreatedByUs},
		{name: "has another account since", group: group(func(g *plan.Group) {
			g.Link, g.Members = linked, []plan.Member{member(1, true, "old")}
		}), want: [][]string{{"add_members", "members=e1"}, {"remove_members", "-old"}}, origin: directory.CreatedByUs},
		{name: "somebody took a member out by hand", group: group(func(g *plan.Group) {
			g.Link, g.Members, g.Present = linked, []plan.Member{member(1, true, "e1")}, map[directory.EntraID]bool{}
		}), want: [][]string{{"add_members", "members=e1"}}, origin: directory.CreatedByUs},
		{name: "strangers stay", group: group(func(g *plan.Group) {
			g.Link, g.All, g.Present = linked, true, map[directory.EntraID]bool{"stranger": true}
		}), origin: directory.CreatedByUs},
		{name: "strangers go where that is wanted", group: group(func(g *plan.Group) {
			g.Settings, g.Link, g.All, g.Present = exact, linked, true, map[directory.EntraID]bool{"stranger": true}
		}), want: [][]string{{"remove_members", "-stranger"}}, origin: directory.CreatedByUs},
		{name: "strangers stay while a member has no account", group: group(func(g *plan.Group) {
			g.Settings, g.Link, g.All, g.Present = exact, linked, true, map[directory.EntraID]bool{"stranger": true}
			g.Members = []plan.Member{{Member: directory.Member{User: "u1", Wanted: true}}}
		}), unwritten: 1, origin: directory.CreatedByUs},
		{name: "not managed", group: group(func(g *plan.Group) { g.Settings, g.Link = off, linked }), origin: directory.CreatedByUs},
		{name: "disconnected", group: group(func(g *plan.Group) { g.Connected, g.Link = false, linked }), origin: directory.CreatedByUs},
		{name: "disconnected, and ours to delete", group: group(func(g *plan.Group) { g.Settings, g.Connected, g.Link = deletes, false, linked }), want: [][]string{{"delete_group"}}, origin: directory.CreatedByUs},
		{name: "deleted in JumpCloud, not ours to delete", group: group(func(g *plan.Group) { g.Settings, g.Exists, g.Link = deletes, false, taken }), origin: directory.TakenOver},
		{name: "created anew after we deleted the one before, which keeps its unique name", group: group(func(g *plan.Group) {
			link := plan.Group{}.Written(linked, plan.Action{Type: plan.DeleteGroup}, "5d0cbe4f-1111-4222-8333-444455556666")
			g.Link = link
		}), want: [][]string{{"create_group", "displayName=Sales", "uniqueName=jumpcloud.g1.5d0cbe4f"}}},
		{name: "the one made so is ours, the deleted one that is back is not", group: group(func(g *plan.Group) {
			g.Link.Former = "5d0cbe4f-1111-4222-8333-444455556666"
			g.Named = []directory.SecurityGroup{{ID: "s8", Name: "Sales", Security: true, UniqueName: "jumpcloud.g1"}, {ID: "s9", Name: "Sales", Security: true, UniqueName: "jumpcloud.G1.5d0cbe4f"}}
		}), want: [][]string{{"take_over_group"}}, origin: directory.CreatedByUs},
		{name: "no name", group: group(func(g *plan.Group) { g.Name = "  " }), obstacle: directory.InvalidValue},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := tc.group.Decide()
			if got := writtenToGroup(d.Actions); !cmp.Equal(got, tc.want) {
				t.Error(cmp.Diff(tc.want, got))
			}
			reason := directory.Reason("")
			if d.Obstacle != nil {
				reason = d.Obstacle.Reason
			}
			if reason != tc.obstacle || d.Link.Origin != tc.origin || len(d.Members) != tc.unwritten {
				t.Errorf("got obstacle %q, origin %q, members without a write %+v; want %q, %q, %d members", reason, d.Link.Origin, d.Members, tc.obstacle, tc.origin, tc.unwritten)
			}
			for _, user := range tc.left {
				if !slices.ContainsFunc(d.Members, func(m directory.Member) bool { return m.User == user && m.Applied == "" }) {
					t.Errorf("got the records %+v, want one that says that %s is not in the group", d.Members, user)
				}
			}
		})
	}
}

// Whatever the members were and become, after the actions the group has exactly the
// accounts of the wanted members, and unknown accounts too unless membership is exact.
func TestActionsLeadToTheDesiredMembers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		settings := directory.DefaultSettings()
		settings.ExactMembership = rapid.Bool().Draw(t, "exact")
		g := plan.Group{Settings: settings, Connected: true, Exists: true, Name: "Sales", All: true, Link: directory.GroupLink{Group: "g1"}}
		holds := map[directory.EntraID]bool{}
		if rapid.Bool().Draw(t, "exists") {
			g.Link.EntraID, g.Link.Applied = "s1", "Sales"
			for n := range 30 {
				if rapid.Bool().Draw(t, "there") {
					holds[directory.EntraID(fmt.Sprintf("e%d", n))] = true
				}
			}
			holds["stranger"] = true
			g.Present = map[directory.EntraID]bool{}
			for id := range holds {
				g.Present[id] = true
			}
		}
		complete := true // every wanted member has an account
		want, ours := map[directory.EntraID]bool{}, map[directory.EntraID]bool{}
		for n := range 25 {
			m := member(n, rapid.Bool().Draw(t, "wanted"), "")
			if rapid.Bool().Draw(t, "applied") {
				m.Applied = m.Account
				ours[m.Applied] = true
			}
			if rapid.IntRange(0, 5).Draw(t, "account") == 0 {
				m.Account = ""
			}
			g.Members = append(g.Members, m)
			complete = complete && (!m.Wanted || m.Account != "")
			if m.Wanted && m.Account != "" {
				want[m.Account] = true
			}
		}
		for _, a := range g.Decide().Actions {
			for _, c := range a.Changes {
				if c.Attribute != directory.Members {
					continue
				}
				if len(c.To)+len(c.From) > 20 {
					t.Fatalf("got %d members in one action, want at most %d", len(c.To)+len(c.From), directory.MaxBind)
				}
				for _, id := range c.To {
					if holds[directory.EntraID(id)] {
						t.Fatalf("got %s added, want only accounts that are not in the group", id)
					}
					holds[directory.EntraID(id)] = true
				}
				for _, id := range c.From {
					delete(holds, directory.EntraID(id))
				}
			}
		}
		for id := range want {
			if !holds[id] {
				t.Fatalf("got a group without %s, want the wanted members in it", id)
			}
		}
		for id := range holds {
			if !want[id] && (settings.ExactMembership && complete || ours[id]) {
				t.Fatalf("got %s in the group, want only the wanted members", id)
			}
		}
	})
}
