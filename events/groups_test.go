package events_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"entrasync/functions/groups"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// outsideGroups is a JumpCloud and a tenant. JumpCloud has the groups Engineering, with
// Ann, and Sales, both associated with the connection source. The tenant has no group
// yet and accepts every write unless refusal is set.
type outsideGroups struct {
	outside
	refusal error         // of every write to a group
	groups  []plan.Action // that were sent
}

func (o *outsideGroups) JumpCloud(context.Context, directory.OrganizationID) (reconcile.JumpCloud, error) {
	return o, nil
}

func (o *outsideGroups) Entra(context.Context, directory.TenantID) (reconcile.Entra, error) {
	return o, nil
}

func (o *outsideGroups) Group(_ context.Context, id directory.GroupID) (directory.Group, error) {
	name, exists := map[directory.GroupID]string{engineering: "Engineering", sales: "Sales"}[id]
	if !exists {
		return directory.Group{}, fault.New(fault.NotFound, "test", "there is no group "+string(id))
	}
	return directory.Group{ID: id, Name: name}, nil
}

func (o *outsideGroups) IsGroupFound(ctx context.Context, id directory.GroupID) (bool, error) {
	_, err := o.Group(ctx, id)
	return err == nil, nil
}

func (o *outsideGroups) GroupMembers(_ context.Context, id directory.GroupID) ([]directory.UserID, []directory.GroupID, error) {
	if id == engineering {
		return []directory.UserID{ann}, nil, nil
	}
	return nil, nil, nil
}

func (o *outsideGroups) ListMembers(ctx context.Context, id directory.GroupID, _ directory.MemberList) (directory.MemberList, error) {
	users, within, err := o.GroupMembers(ctx, id)
	return directory.MemberList{Began: time.Now().UTC(), Complete: true, Users: users, Within: within}, err
}

func (o *outsideGroups) GroupsOf(_ context.Context, id directory.UserID) ([]directory.GroupID, error) {
	if id == ann {
		return []directory.GroupID{engineering}, nil
	}
	return nil, nil
}

func (o *outsideGroups) AssociatedUsers(context.Context, directory.ConnectionSource) ([]directory.UserID, error) {
	return []directory.UserID{bob}, nil
}

func (o *outsideGroups) AssociatedGroups(context.Context, directory.ConnectionSource) ([]directory.GroupID, error) {
	return []directory.GroupID{engineering, sales}, nil
}

func (o *outsideGroups) ListAssociated(context.Context, directory.ConnectionSource, directory.MemberList) (directory.MemberList, error) {
	return directory.MemberList{Began: time.Now().UTC(), Complete: true, Users: []directory.UserID{bob}, Nested: []directory.GroupID{engineering, sales}}, nil
}

func (o *outsideGroups) IsUserAssociated(_ context.Context, _ directory.ConnectionSource, id directory.UserID) (bool, error) {
	return id == bob, nil
}

func (o *outsideGroups) IsGroupAssociated(context.Context, directory.ConnectionSource, directory.GroupID) (bool, error) {
	return true, nil
}

func (o *outsideGroups) FindGroups(_ context.Context, names []string) []reconcile.FoundGroups {
	return make([]reconcile.FoundGroups, len(names))
}

func (o *outsideGroups) ReadGroups(_ context.Context, ids []directory.EntraID) []reconcile.FoundGroups {
	return make([]reconcile.FoundGroups, len(ids))
}

func (o *outsideGroups) ListMembersOf(_ context.Context, id directory.EntraID, _ directory.AccountList) (directory.AccountList, error) {
	return directory.AccountList{Group: id, Began: time.Now().UTC(), Complete: true, Pages: 1}, nil
}

func (o *outsideGroups) ApplyToGroups(_ context.Context, actions []plan.Action) []reconcile.GroupResult {
	results := make([]reconcile.GroupResult, len(actions))
	for i, a := range actions {
		results[i].Err = o.refusal
		if o.refusal == nil {
			results[i].ID = directory.EntraID("entra-" + a.Subject.ID)
		}
	}
	o.groups = append(o.groups, actions...)
	return results
}

// newGroups makes the groups function.
func newGroups(t *testing.T, parts reconcile.Parts, world *outsideGroups) groups.Handler {
	t.Helper()
	handler, err := groups.New(groups.Config{Parts: parts, Postponer: world, MaxReceives: 20})
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

func TestGroups(t *testing.T) {
	type want struct {
		written    []plan.Type
		live, bulk int   // tasks of users
		later      int   // tasks of groups
		bad        []int // the records that come again
	}
	table := map[string]want{
		"tasks.json":     {[]plan.Type{plan.CreateGroup, plan.CreateGroup}, 0, 1, 0, nil},
		"bulk.json":      {[]plan.Type{plan.CreateGroup}, 0, 1, 0, nil},
		"source.json":    {nil, 0, 2 * 1, 2 * 2, nil}, // both times a task for each association; that of a group connects it
		"duplicate.json": {[]plan.Type{plan.CreateGroup}, 0, 1, 0, nil},
		"malformed.json": {[]plan.Type{plan.CreateGroup}, 0, 1, 0, []int{1}},
	}
	covers(t, "groups", table)
	for file, want := range table {
		t.Run(file, func(t *testing.T) {
			world := &outsideGroups{}
			live, bulk, later := newQueue(t), newQueue(t), newQueue(t)
			records := connected(t)
			if _, err := records.ConnectGroup(t.Context(), directory.NewID(organization, directoryName), sales, directory.Direct, time.Now().UTC()); err != nil {
				t.Fatal(err)
			}
			handler := newGroups(t, reconcile.Parts{Store: records, Clients: world, Metrics: &metric.Memory{},
				Lanes: reconcile.Lanes{UsersLive: live, UsersBulk: bulk, GroupsLive: newQueue(t), GroupsBulk: later}}, world)
			batch := read[events.SQSEvent](t, filepath.Join("groups", file))
			for range 2 { // the second time nothing differs
				response, err := handler.Handle(t.Context(), batch)
				if err != nil {
					t.Fatal(err)
				}
				again := []string{}
				for _, i := range want.bad {
					again = append(again, batch.Records[i].MessageId)
				}
				if diff := cmp.Diff(again, failed(response)); diff != "" {
					t.Errorf("what comes again (-want +got):\n%s", diff)
				}
			}
			var written []plan.Type
			for _, a := range world.groups {
				written = append(written, a.Type)
			}
			if diff := cmp.Diff(want.written, written); diff != "" {
				t.Errorf("written (-want +got):\n%s", diff)
			}
			if l, b, g := queued(t, live), queued(t, bulk), queued(t, later); l != want.live || b != want.bulk || g != want.later {
				t.Errorf("%d, %d and %d tasks, want %d, %d and %d", l, b, g, want.live, want.bulk, want.later)
			}
			for _, record := range batch.Records {
				if task, err := reconcile.ReadGroupTask([]byte(record.Body)); err == nil {
					task.Occurrence = occurrence(task.Cause)
					made, err := task.Message()
					sameMessage(t, record, made, err)
				}
			}
		})
	}
}
