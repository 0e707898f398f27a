package stranded_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// Who has no link yet gets one where the message says that a directory is to have the user
// or the group, and nowhere else.
func TestANewcomerGetsALink(t *testing.T) {
	const (
		eve   = directory.UserID("64a1b2c3d4e5f60718293a00")
		crew  = directory.GroupID("64a1b2c3d4e5f60718293a01")
		inner = directory.GroupID("64a1b2c3d4e5f60718293a02")
	)
	source := directory.ConnectionSource{Type: directory.Office365Source, ID: "64a1b2c3d4e5f60718293a03"}
	edge := func(op, kind, id, toKind, to string) func(*fixture) (queue.Message, error) {
		return func(f *fixture) (queue.Message, error) {
			return jumpcloud.Change{Organization: organization, Event: jumpcloud.Event{ID: "event-1", Type: "association_change", Timestamp: f.changed, Association: &jumpcloud.Association{
				Op: op, From: jumpcloud.End{ID: id, Type: kind}, To: jumpcloud.End{ID: to, Type: toKind}}}}.Message()
		}
	}
	task := func(ask reconcile.Task) func(*fixture) (queue.Message, error) {
		return func(f *fixture) (queue.Message, error) {
			if ask.User, ask.Cause = eve, f.cause(); ask.Directory == "" {
				ask.Directory = f.one
			}
			return ask.Message()
		}
	}
	groupTask := func(ask reconcile.GroupTask) func(*fixture) (queue.Message, error) {
		return func(f *fixture) (queue.Message, error) {
			ask.Directory, ask.Group, ask.Cause = f.one, crew, f.cause()
			return ask.Message()
		}
	}
	claims := func(kind directory.ClaimKind) []directory.Claim {
		return []directory.Claim{{Kind: kind, User: eve, Group: design}}
	}
	for name, tc := range map[string]struct {
		lane    store.Lane
		message func(*fixture) (queue.Message, error)
		users   []string // the directories in which Eve is shown
		groups  []string // those in which the group Crew is
	}{
		"an event: she joins a connected group":  {store.Changes, edge("add", "user_group", string(design), "user", string(eve)), []string{"one"}, nil},
		"she joins a group within one":           {store.Changes, edge("add", "user_group", string(inner), "user", string(eve)), []string{"one"}, nil},
		"she is in a group, in another way":      {store.Changes, edge("update", "user_group", string(design), "user", string(eve)), []string{"one"}, nil},
		"she leaves the group":                   {store.Changes, edge("remove", "user_group", string(design), "user", string(eve)), nil, nil},
		"she joins a group of no directory":      {store.Changes, edge("add", "user_group", string(crew), "user", string(eve)), nil, nil},
		"she comes by the source":                {store.Changes, edge("add", "user", string(eve), string(source.Type), source.ID), []string{"two"}, nil},
		"she leaves the source":                  {store.Changes, edge("remove", "user", string(eve), string(source.Type), source.ID), nil, nil},
		"she comes by the source of nobody":      {store.Changes, edge("add", "user", string(eve), string(source.Type), "64a1b2c3d4e5f60718293a09"), nil, nil},
		"the group comes by the source":          {store.Changes, edge("add", "user_group", string(crew), string(source.Type), source.ID), nil, []string{"two"}},
		"a task: she joins":                      {store.UsersLive, task(reconcile.Task{Memberships: true, Claims: claims(directory.Joined)}), []string{"one"}, nil},
		"a task that asks without an event":      {store.UsersBulk, task(reconcile.Task{Source: true}), []string{"one"}, nil},
		"a task: she leaves":                     {store.UsersLive, task(reconcile.Task{Memberships: true, Claims: claims(directory.Left)}), nil, nil},
		"a task that does not ask":               {store.UsersLive, task(reconcile.Task{}), nil, nil},
		"a task of a directory that is gone":     {store.UsersLive, task(reconcile.Task{Directory: directory.NewID(organization, "gone"), Memberships: true}), nil, nil},
		"a task: the group comes by the source":  {store.GroupsLive, groupTask(reconcile.GroupTask{Source: true}), nil, []string{"one"}},
		"a task: the group leaves the source":    {store.GroupsLive, groupTask(reconcile.GroupTask{Source: true, Claims: claims(directory.Dissociated)}), nil, nil},
		"a task of the group that does not ask":  {store.GroupsLive, groupTask(reconcile.GroupTask{}), nil, nil},
		"a task of the group: read all members":  {store.GroupsLive, groupTask(reconcile.GroupTask{AllMembers: true}), nil, nil},
		"an event: a user without any directory": {store.Changes, func(f *fixture) (queue.Message, error) { return f.event("user_update", "user", string(eve)) }, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				for name, id := range map[string]directory.ID{"one": f.one, "two": f.two} {
					d := directory.Directory{ID: id, Organization: organization, Name: name, Tenant: directory.TenantID(name)}
					if name == "two" {
						d.Settings.ConnectionSource = source
					}
					_, err := f.store.PutDirectory(t.Context(), d)
					f.must(err)
				}
				f.must(f.store.PutWithin(t.Context(), store.Within{Directory: f.one, Outer: design, Inner: inner}))
				for range 2 { // the process may die before the message is deleted
					m, err := tc.message(f)
					f.send(tc.lane, m, err)
					f.take()
				}
				shown := func(subject plan.Subject) (in []string) {
					for name, id := range map[string]directory.ID{"one": f.one, "two": f.two, "gone": directory.NewID(organization, "gone")} {
						var standing directory.Standing
						if subject.Kind == plan.OfUser {
							user, err := f.store.User(t.Context(), organization, directory.UserID(subject.ID))
							f.must(err)
							link, _ := user.Link(id)
							standing = link.Standing
						} else {
							group, err := f.store.Group(t.Context(), organization, directory.GroupID(subject.ID))
							f.must(err)
							link, _ := group.Link(id)
							standing = link.Standing
						}
						page, err := f.store.CompletedActions(t.Context(), store.ActionQuery{Directory: id, User: directory.UserID(subject.ID)})
						f.must(err)
						if standing.Status == "" {
							continue
						}
						in = append(in, name)
						if standing.Status != directory.Parked || standing.Reason != directory.Stranded || standing.Message == "" || standing.StrandedAt.IsZero() {
							t.Errorf("in %s: %+v, want parked as stranded, with a message", name, standing)
						}
						if subject.Kind == plan.OfUser && (len(page.Items) == 0 || page.Items[0].Type != plan.Provision) {
							t.Errorf("in %s: events %+v, want a failed provision", name, page.Items)
						}
					}
					return in
				}
				if got := shown(plan.Subject{Kind: plan.OfUser, ID: string(eve)}); !slices.Equal(got, tc.users) {
					t.Errorf("Eve is shown in %v, want %v", got, tc.users)
				}
				if got := shown(plan.Subject{Kind: plan.OfGroup, ID: string(crew)}); !slices.Equal(got, tc.groups) {
					t.Errorf("the group is shown in %v, want %v", got, tc.groups)
				}
			})
		})
	}
}

// An event about groups may change the members of the groups that contain them.
func TestTheGroupsAroundAreMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		const inner = "64a1b2c3d4e5f60718293a02"
		f.must(f.store.PutWithin(t.Context(), store.Within{Directory: f.one, Outer: design, Inner: inner}))
		m, err := f.event("group_delete", "user_group", inner)
		f.send(store.Changes, m, err)
		f.take()
		if link := f.group(); link.Reason != directory.Stranded {
			t.Errorf("the group around is %s %s, want it stranded", link.Status, link.Reason)
		}
	})
}
