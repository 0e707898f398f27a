package fanout_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/metric"
	"entrasync/shared/store"
)

const (
	engineering = "6510000000000000000000a1"
	backend     = "6510000000000000000000a2" // within engineering
	sales       = "6510000000000000000000a3"
	application = "6520000000000000000000b1"
	office      = "6520000000000000000000b2"
)

// connect connects a group to a directory.
func (f *fixture) connect(id directory.ID, group directory.GroupID) {
	f.t.Helper()
	if _, err := f.records.ConnectGroup(f.t.Context(), id, group, directory.Direct, time.Now().UTC()); err != nil {
		f.t.Fatal(err)
	}
}

// disconnect ends the connection of a group; its link stays as it is.
func (f *fixture) disconnect(id directory.ID, group directory.GroupID) {
	f.t.Helper()
	if was, err := f.records.DisconnectGroup(f.t.Context(), id, group, ""); err != nil || !was {
		f.t.Fatal(was, err)
	}
}

// excludes has a directory exclude the members of a group.
func (f *fixture) excludes(id directory.ID, group directory.GroupID) {
	f.t.Helper()
	if err := f.records.PutExclusion(f.t.Context(), store.Exclusion{Directory: id, Group: group}); err != nil {
		f.t.Fatal(err)
	}
}

// within puts a group into a connected one.
func (f *fixture) within(id directory.ID, outer, inner directory.GroupID) {
	f.t.Helper()
	if err := f.records.PutWithin(f.t.Context(), store.Within{Directory: id, Outer: outer, Inner: inner}); err != nil {
		f.t.Fatal(err)
	}
}

// source makes an object the connection source of a directory.
func (f *fixture) source(id directory.ID, kind directory.SourceType, object string) {
	f.t.Helper()
	settings := directory.DefaultSettings()
	settings.ConnectionSource = directory.ConnectionSource{Type: kind, ID: object}
	if _, err := f.records.PutDirectory(f.t.Context(), directory.Directory{ID: id, Organization: id.Organization(), Settings: settings}); err != nil {
		f.t.Fatal(err)
	}
}

// groupChange is an event about a group.
func groupChange(eventType, group string) jumpcloud.Change {
	c := change(eventType, group)
	c.Event.Resource.Type = "user_group"
	return c
}

// edge returns an event about an association.
func edge(from, fromID, to, toID string) jumpcloud.Change {
	return jumpcloud.Change{Organization: organization, Event: jumpcloud.Event{ID: "edge", Type: "association_change", Timestamp: time.Now().UTC(),
		Association: &jumpcloud.Association{Op: "add", From: jumpcloud.End{Type: from, ID: fromID}, To: jumpcloud.End{Type: to, ID: toID}}}}
}

// in describes the task for a subject in a directory.
func in(id directory.ID, subject, cause, asks string) string {
	return subject + " in " + string(id) + " because of " + cause + asks
}

func TestTasksOfGroups(t *testing.T) {
	elsewhere := groupChange("group_update", engineering)
	elsewhere.Organization = "5f0c1e2d3a4b5c6d7e8f9999"
	devices := groupChange("group_update", engineering)
	devices.Event.Resource.Type = "system_group"
	failed := edge("user_group", engineering, "user", ann)
	failed.Event.Failed = true
	joins := func(f *fixture) { f.connect(one, engineering) }
	for _, tc := range []struct {
		name   string
		known  func(*fixture)
		change jumpcloud.Change
		want   []string
	}{
		{"joins a connected group", joins, edge("user_group", engineering, "user", ann), []string{in(one, ann, "edge", ", memberships")}},
		{"the other way round", joins, edge("user", ann, "user_group", engineering), []string{in(one, ann, "edge", ", memberships")}},
		{"somebody nobody knows joins", joins, edge("user_group", engineering, "user", "64a1b2c3d4e5f60718293fff"), []string{in(one, "64a1b2c3d4e5f60718293fff", "edge", ", memberships")}},
		{"joins a group that nobody connected", joins, edge("user_group", sales, "user", ann), nil},
		{"joins a group that is connected twice", func(f *fixture) { f.connect(one, engineering); f.connect(two, engineering) }, edge("user_group", engineering, "user", bob),
			[]string{in(one, bob, "edge", ", memberships"), in(two, bob, "edge", ", memberships")}},
		{"joins a group within a connected one", func(f *fixture) { f.connect(one, engineering); f.within(one, engineering, backend) }, edge("user_group", backend, "user", ann),
			[]string{in(one, ann, "edge", ", memberships")}},
		{"joins a group that is connected and within another", func(f *fixture) {
			f.connect(one, engineering)
			f.connect(one, backend)
			f.within(one, engineering, backend)
			f.within(one, sales, backend)
		}, edge("user_group", backend, "user", ann), []string{in(one, ann, "edge", ", memberships")}},
		{"joins a group that was disconnected", func(f *fixture) { f.connect(one, engineering); f.disconnect(one, engineering) }, edge("user_group", engineering, "user", ann), nil},
		{"an attempt that failed", joins, failed, nil},
		{"joins a group whose members are excluded", func(f *fixture) { f.excludes(one, sales) }, edge("user_group", sales, "user", ann), []string{in(one, ann, "edge", ", memberships")}},
		{"joins a group within one whose members are excluded", func(f *fixture) { f.excludes(one, sales); f.within(one, sales, backend) }, edge("user_group", backend, "user", ann),
			[]string{in(one, ann, "edge", ", memberships")}},
		{"a group is put into one whose members are excluded", func(f *fixture) { f.excludes(one, sales) }, edge("user_group", sales, "user_group", backend), []string{in(one, "group "+sales, "edge", ", all members")}},
		{"a device joins", joins, edge("user_group", engineering, "system", "6530000000000000000000c1"), nil},

		{"a group is put into a connected one", joins, edge("user_group", engineering, "user_group", backend), []string{in(one, "group "+engineering, "edge", ", all members")}},
		{"the same, the other way round", joins, edge("user_group", backend, "user_group", engineering), []string{in(one, "group "+engineering, "edge", ", all members")}},
		{"a group is put into one within a connected one", func(f *fixture) { f.connect(two, engineering); f.within(two, engineering, backend) }, edge("user_group", backend, "user_group", sales),
			[]string{in(two, "group "+engineering, "edge", ", all members")}},
		{"a group is taken out of the connected one that it was within", func(f *fixture) { f.connect(one, engineering); f.within(one, engineering, backend) }, edge("user_group", engineering, "user_group", backend),
			[]string{in(one, "group "+engineering, "edge", ", all members")}},
		{"a group is put into another that nobody knows", joins, edge("user_group", sales, "user_group", backend), nil},

		{"renamed", func(f *fixture) { f.connect(one, engineering); f.connect(two, engineering) }, groupChange("group_update", engineering),
			[]string{in(one, "group "+engineering, "e-group_update", ""), in(two, "group "+engineering, "e-group_update", "")}},
		{"created", joins, groupChange("group_create", engineering), []string{in(one, "group "+engineering, "e-group_create", "")}},
		{"deleted", joins, groupChange("group_delete", engineering), []string{in(one, "group "+engineering, "e-group_delete", "")}},
		{"deleted while it is being let go", func(f *fixture) { f.connect(one, engineering); f.disconnect(one, engineering) }, groupChange("group_delete", engineering),
			[]string{in(one, "group "+engineering, "e-group_delete", "")}},
		{"one within a connected one is renamed", func(f *fixture) { f.connect(one, engineering); f.within(one, engineering, backend) }, groupChange("group_update", backend), nil},
		{"one within a connected one is deleted", func(f *fixture) { f.connect(one, engineering); f.within(one, engineering, backend) }, groupChange("group_delete", backend),
			[]string{in(one, "group "+engineering, "e-group_delete", ", all members")}},
		{"a group that nobody connected", joins, groupChange("group_update", sales), nil},
		{"a group of devices", joins, devices, nil},
		{"the same group id elsewhere", joins, elsewhere, nil},

		{"a user is associated with the source", func(f *fixture) { f.source(one, directory.ApplicationSource, application) }, edge("application", application, "user", ann),
			[]string{in(one, ann, "edge", ", source")}},
		{"a group is, the other way round", func(f *fixture) { f.source(one, directory.Office365Source, office) }, edge("user_group", engineering, "office_365", office),
			[]string{in(one, "group "+engineering, "edge", ", source")}},
		{"the source of two directories", func(f *fixture) {
			f.source(one, directory.ApplicationSource, application)
			f.source(two, directory.ApplicationSource, application)
		}, edge("user", ann, "application", application), []string{in(one, ann, "edge", ", source"), in(two, ann, "edge", ", source")}},
		{"another application", func(f *fixture) { f.source(one, directory.ApplicationSource, application) }, edge("application", office, "user", ann), nil},
		{"the id of another type", func(f *fixture) { f.source(one, directory.ApplicationSource, application) }, edge("office_365", application, "user", ann), nil},
		{"no source at all", func(f *fixture) { f.source(one, directory.NoSource, "") }, edge("application", application, "user", ann), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			tc.known(f)
			if failed := f.handle(tc.change); failed != nil {
				t.Errorf("failed: %v, want no failed", failed)
			}
			if got := f.tasks(); !slices.Equal(got, tc.want) {
				t.Errorf("tasks %v, want %v", got, tc.want)
			}
			outcome := "dropped"
			if tc.want != nil {
				outcome = "fanned_out"
			}
			key := metric.Key("fanout_events", "concern", string(tc.change.Event.Concern()), "outcome", outcome)
			if counts := f.metrics.Counts(); counts[key] != 1 {
				t.Errorf("%s was not counted: %v", key, counts)
			}
		})
	}
}

// A released group gets no task.
func TestAReleasedGroupIsLeftAlone(t *testing.T) {
	f := newFixture(t)
	f.connect(one, engineering)
	f.disconnect(one, engineering)
	group, err := f.records.Group(t.Context(), organization, engineering)
	if err != nil {
		t.Fatal(err)
	}
	link, _ := group.Link(one)
	link.Status = directory.Released
	if err := errors.Join(f.records.Record(t.Context(), store.Recording{Group: &link})...); err != nil {
		t.Fatal(err)
	}
	f.handle(groupChange("group_update", engineering))
	if got := f.tasks(); len(got) > 0 {
		t.Errorf("tasks: %v, want 0", got)
	}
}
