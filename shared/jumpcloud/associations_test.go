package jumpcloud_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
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

			users, holders, err := associated(t.Context(), client, source)
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

// associated lists the users and the groups that are associated with a source.
func associated(ctx context.Context, c *jumpcloud.Client, source directory.ConnectionSource) ([]directory.UserID, []directory.GroupID, error) {
	users, err := c.AssociatedUsers(ctx, source)
	if err != nil {
		return users, nil, err
	}
	groups, err := c.AssociatedGroups(ctx, source)
	return users, groups, err
}

// A list of associations that is read some pages at a time is what one read of it is, also
// when it changes between two of them.
func TestAListOfAssociationsIsReadOn(t *testing.T) {
	for name, change := range map[string]func(*jumpcloudtest.Simulator, string, []directory.UserID) error{
		"nothing changes": func(*jumpcloudtest.Simulator, string, []directory.UserID) error { return nil },
		"a user leaves": func(s *jumpcloudtest.Simulator, source string, users []directory.UserID) error {
			return s.Dissociate(string(users[0]), source)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim, client := simulator(t)
				id, err := sim.CreateDirectory("Example")
				must(t, err)
				ids := addUsers(t, sim, 450)
				for _, each := range ids {
					must(t, sim.Associate(string(each), id))
				}
				must(t, sim.Associate(string(addGroup(t, sim, "One")), id))
				source := directory.ConnectionSource{Type: directory.Office365Source, ID: id}
				var list directory.MemberList
				began := time.Now()
				for calls := 1; !list.Complete; calls++ {
					limit := time.Second // time for one page
					if list.Pages == 5 {
						limit = time.Minute // and for the groups
					}
					ctx, cancel := context.WithTimeout(t.Context(), limit)
					list, err = client.ListAssociated(ctx, source, list)
					cancel()
					if must(t, err); calls > 20 {
						t.Fatalf("after %d calls: %+v", calls, list)
					}
					if calls == 3 {
						must(t, change(sim, id, ids))
					}
					time.Sleep(time.Second)
				}
				users, groups, err := associated(t.Context(), client, source)
				must(t, err)
				equal(t, "users", slices.Sorted(slices.Values(list.Users)), users)
				equal(t, "groups", list.Nested, groups)
				if !list.Began.Equal(began) {
					t.Errorf("the list began at %s, want %s", list.Began, began)
				}
			})
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
	users, groups, err := associated(t.Context(), client, directory.ConnectionSource{Type: directory.Office365Source, ID: id})
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
		if _, _, err := associated(t.Context(), client, source); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v, want a fault of kind Invalid", source, err)
		}
		if _, err := client.ListAssociated(t.Context(), source, directory.MemberList{}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v, list: %v, want a fault of kind Invalid", source, err)
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
