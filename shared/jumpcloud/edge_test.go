package jumpcloud_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// Every pair of types, in both directions.
func TestWhatAnAssociationIs(t *testing.T) {
	const innerID = "64a1b2c3d4e5f60718293b01"
	m365 := directory.ConnectionSource{Type: directory.Office365Source, ID: m365ID}
	app := directory.ConnectionSource{Type: directory.ApplicationSource, ID: m365ID}
	for name, c := range map[string]struct {
		one, other jumpcloud.End
		membership bool
		source     directory.ConnectionSource
		users      int
		groups     int
	}{
		"group and user":       {jumpcloud.End{ID: groupID, Type: "user_group"}, jumpcloud.End{ID: userID, Type: "user"}, true, directory.ConnectionSource{}, 1, 1},
		"group and systemuser": {jumpcloud.End{ID: groupID, Type: "user_group"}, jumpcloud.End{ID: userID, Type: "systemuser"}, true, directory.ConnectionSource{}, 1, 1},
		"group and group":      {jumpcloud.End{ID: groupID, Type: "user_group"}, jumpcloud.End{ID: innerID, Type: "user_group"}, true, directory.ConnectionSource{}, 0, 2},
		"user and M365":        {jumpcloud.End{ID: userID, Type: "user"}, jumpcloud.End{ID: m365ID, Type: "office_365"}, false, m365, 1, 0},
		"systemuser and M365":  {jumpcloud.End{ID: userID, Type: "systemuser"}, jumpcloud.End{ID: m365ID, Type: "office_365"}, false, m365, 1, 0},
		"group and M365":       {jumpcloud.End{ID: groupID, Type: "user_group"}, jumpcloud.End{ID: m365ID, Type: "office_365"}, false, m365, 0, 1},
		"user and application": {jumpcloud.End{ID: userID, Type: "user"}, jumpcloud.End{ID: m365ID, Type: "application"}, false, app, 1, 0},
		"group and app":        {jumpcloud.End{ID: groupID, Type: "user_group"}, jumpcloud.End{ID: m365ID, Type: "application"}, false, app, 0, 1},
	} {
		for direction, ends := range map[string][2]jumpcloud.End{"": {c.one, c.other}, ", reversed": {c.other, c.one}} {
			event := parse(t, bare("association_change", edge(ends[0].Type, ends[0].ID, ends[1].Type, ends[1].ID))).Events()[0]
			source, ok := event.Source()
			if event.Concern() != jumpcloud.AssociationChanged || event.Membership() != c.membership || source != c.source || ok != (c.source.ID != "") ||
				len(event.Users()) != c.users || len(event.Groups()) != c.groups {
				t.Errorf("%s%s: %s, membership %v, source %v, users %v, groups %v, want those of the row", name, direction, event.Concern(), event.Membership(), source, event.Users(), event.Groups())
			}
		}
	}
}

func TestWhatIsNoAssociationOfOurs(t *testing.T) {
	failed := parse(t, bare("association_change", edge("user_group", groupID, "user", userID)+`,"success":false`)).Events()[0]
	for name, event := range map[string]jumpcloud.Event{
		"user and user":         parse(t, bare("association_change", edge("user", userID, "user", userID))).Events()[0],
		"M365 and application":  parse(t, bare("association_change", edge("office_365", m365ID, "application", m365ID))).Events()[0],
		"device and user":       parse(t, bare("association_change", edge("system", m365ID, "user", userID))).Events()[0],
		"device group and user": parse(t, bare("association_change", edge("system_group", groupID, "user", userID))).Events()[0],
		"group and policy":      parse(t, bare("association_change", edge("user_group", groupID, "policy", m365ID))).Events()[0],
		"failed":                failed,
		"no association":        parse(t, bare("association_change", "")).Events()[0],
		"of another event type": parse(t, bare("access_management_association_change", edge("user_group", groupID, "user", userID))).Events()[0],
	} {
		source, ok := event.Source()
		if event.Concern() != jumpcloud.Irrelevant || event.Membership() || ok || source != (directory.ConnectionSource{}) {
			t.Errorf("%s: %s, membership %v, source %v, want it irrelevant", name, event.Concern(), event.Membership(), source)
		}
	}
	unnamed := parse(t, bare("association_change", edge("user_group", groupID, "office_365", ""))).Events()[0]
	if source, ok := unnamed.Source(); ok {
		t.Errorf("a source without an id: %v, want none", source)
	}
}

func TestRecordedEventsAreNoMemberships(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "events", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v, want some", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		must(t, err)
		event := parse(t, string(raw)).Events()[0]
		if _, ok := event.Source(); ok || event.Membership() {
			t.Errorf("%s: %+v, want neither a source nor a membership", file, event)
		}
	}
}

// The event types that a rule selects and the feed is searched for include those that
// groups need.
func TestEventTypesOfGroups(t *testing.T) {
	for _, name := range []string{"association_change", "group_create", "group_update", "group_delete"} {
		if !slices.Contains(jumpcloud.EventTypes(), name) {
			t.Errorf("%s is missing, want every type that groups need", name)
		}
	}
}

// The events of the simulator are understood, in whichever direction they name the
// ends.
func TestEventsOfTheSimulatedGroups(t *testing.T) {
	for _, reverse := range []bool{false, true} {
		sim, _ := simulator(t)
		sim.Set(func(b *jumpcloudtest.Behaviour) {
			b.ReverseAssociations, b.NestedGroups = reverse, jumpcloudtest.ResolveNestedGroups
		})
		user := addUser(t, sim, "mira", nil)
		outer, inner := addGroup(t, sim, "Outer"), addGroup(t, sim, "Inner")
		app, err := sim.CreateApplication("CRM")
		must(t, err)
		before := len(sim.Events())
		must(t, sim.AddMember(string(outer), string(inner)))
		must(t, sim.AddMember(string(inner), string(user)))
		must(t, sim.SetDynamicMembers(string(outer), []string{string(user)}))
		must(t, sim.Associate(string(outer), app))
		must(t, sim.DeleteGroup(string(outer)))
		var got []string
		for _, emitted := range sim.Events()[before:] {
			raw, err := json.Marshal(emitted)
			must(t, err)
			event := parse(t, string(raw)).Events()[0]
			what := string(event.Concern())
			if source, ok := event.Source(); ok {
				what = string(source.Type)
			}
			if event.Membership() {
				what = "membership"
			}
			got = append(got, fmt.Sprintf("%s %d %d", what, len(event.Users()), len(event.Groups())))
		}
		equal(t, "events", got, []string{"membership 0 2", "membership 1 1", "group_changed 0 1", "membership 1 1", "application 0 1", "group_changed 0 1"})
	}
}
