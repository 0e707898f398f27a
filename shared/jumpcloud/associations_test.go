package jumpcloud_test

import (
	"fmt"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

func TestAssociationsWithBothTypesOfSource(t *testing.T) {
	for kind, create := range map[directory.SourceType]func(*jumpcloudtest.Simulator, string) (string, error){
		directory.Office365Source: (*jumpcloudtest.Simulator).CreateDirectory, directory.ApplicationSource: (*jumpcloudtest.Simulator).CreateApplication,
	} {
		t.Run(string(kind), func(t *testing.T) {
			sim, client := simulator(t)
			id, err := create(sim, "Example")
			must(t, err)
			other, err := create(sim, "Other")
			must(t, err)
			source := directory.ConnectionSource{Type: kind, ID: id}
			ids := addUsers(t, sim, 4)
			groups := []directory.GroupID{addGroup(t, sim, "One", ids[3]), addGroup(t, sim, "Two"), addGroup(t, sim, "Three")}
			for _, each := range []string{string(ids[0]), string(ids[2]), string(groups[0]), string(groups[2])} {
				must(t, sim.Associate(each, id))
			}
			must(t, sim.Associate(string(ids[1]), other))
			must(t, sim.Associate(string(groups[1]), other))

			users, holders, err := client.Associated(t.Context(), source)
			must(t, err)
			equal(t, "users", users, []directory.UserID{ids[0], ids[2]})
			equal(t, "groups", holders, []directory.GroupID{groups[0], groups[2]})
			for i, want := range []bool{true, false, true, false} { // the last one only through a group
				if is, err := client.IsUserAssociated(t.Context(), source, ids[i]); err != nil || is != want {
					t.Errorf("user %d: associated %v, %v; want %v", i, is, err, want)
				}
			}
			for i, want := range []bool{true, false, true} {
				if is, err := client.IsGroupAssociated(t.Context(), source, groups[i]); err != nil || is != want {
					t.Errorf("group %d: associated %v, %v; want %v", i, is, err, want)
				}
			}
			must(t, sim.Dissociate(string(ids[0]), id))
			if is, err := client.IsUserAssociated(t.Context(), source, ids[0]); err != nil || is {
				t.Errorf("no longer associated: %v, %v; want false and no error", is, err)
			}
			// An object of the other type is another one, whatever its id.
			source.Type = map[directory.SourceType]directory.SourceType{directory.Office365Source: directory.ApplicationSource, directory.ApplicationSource: directory.Office365Source}[kind]
			if is, err := client.IsUserAssociated(t.Context(), source, ids[2]); err != nil || is {
				t.Errorf("an object of the other type: %v, %v; want false and no error", is, err)
			}
		})
	}
}

func TestAssociationsArePaged(t *testing.T) {
	sim, client := simulator(t)
	id, err := sim.CreateDirectory("Example")
	must(t, err)
	ids := addUsers(t, sim, 250)
	for _, each := range ids {
		must(t, sim.Associate(string(each), id))
	}
	var want []directory.GroupID
	for i := range 120 {
		want = append(want, addGroup(t, sim, fmt.Sprintf("Group %03d", i)))
		must(t, sim.Associate(string(want[i]), id))
	}
	users, groups, err := client.Associated(t.Context(), directory.ConnectionSource{Type: directory.Office365Source, ID: id})
	must(t, err)
	equal(t, "users", users, ids)
	equal(t, "groups", groups, want)
	if pages := sim.Counters().Requests; pages != 5 {
		t.Errorf("%d pages, want 5", pages)
	}

	var last string // of more applications than a page holds
	for i := range 110 {
		last, err = sim.CreateApplication(fmt.Sprintf("App %03d", i))
		must(t, err)
		must(t, sim.Associate(string(ids[0]), last))
	}
	if is, err := client.IsUserAssociated(t.Context(), directory.ConnectionSource{Type: directory.ApplicationSource, ID: last}, ids[0]); err != nil || !is {
		t.Errorf("on the second page: %v, %v; want true and no error", is, err)
	}
}

func TestNoSource(t *testing.T) {
	sim, client := simulator(t)
	for _, source := range []directory.ConnectionSource{{}, {Type: directory.NoSource}, {Type: "g_suite", ID: m365ID}} {
		if _, _, err := client.Associated(t.Context(), source); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v, want a fault of kind Invalid", source, err)
		}
		if _, err := client.IsUserAssociated(t.Context(), source, userID); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v, user: %v, want a fault of kind Invalid", source, err)
		}
		if _, err := client.IsGroupAssociated(t.Context(), source, groupID); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v, group: %v, want a fault of kind Invalid", source, err)
		}
	}
	if sim.Counters().Requests != 0 {
		t.Errorf("requests %v, want none", sim.Counters().ByRoute)
	}
}
