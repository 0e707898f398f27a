package events_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"entrasync/functions/users"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// outside is a JumpCloud with Ann and Bob, and a tenant that has no account yet and
// accepts every write unless refusals has the user.
type outside struct {
	reconcile.JumpCloudGroups
	reconcile.EntraGroups
	refusals map[directory.UPN]error // of look-ups
	written  []plan.Action
}

func (o *outside) JumpCloud(context.Context, directory.OrganizationID) (reconcile.JumpCloud, error) {
	return o, nil
}

func (o *outside) Entra(context.Context, directory.TenantID) (reconcile.Entra, error) {
	return o, nil
}

func (o *outside) ProbeKey(context.Context) error { return nil }

func (o *outside) ProbeRead(context.Context, string) error { return nil }

func (o *outside) Probe(context.Context, directory.Scope) (directory.Tenant, string, error) {
	return directory.Tenant{}, "", nil
}

func (o *outside) ListUsers(ctx context.Context, ids []directory.UserID) (map[directory.UserID]directory.User, error) {
	found := map[directory.UserID]directory.User{}
	for _, id := range ids {
		if user, err := o.User(ctx, id); err == nil {
			found[id] = user
		}
	}
	return found, nil
}

func (o *outside) User(_ context.Context, id directory.UserID) (directory.User, error) {
	name, exists := map[directory.UserID]string{ann: "ann", bob: "bob"}[id]
	if !exists {
		return directory.User{}, fault.New(fault.NotFound, "test", "there is no user "+string(id))
	}
	return directory.User{ID: id, Username: name, Email: name + "@contoso.example", State: directory.Activated}, nil
}

func (o *outside) IsUserFound(ctx context.Context, id directory.UserID) (bool, error) {
	_, err := o.User(ctx, id)
	return err == nil, nil
}

func (o *outside) Tenant(context.Context, []string, time.Time) (directory.Tenant, error) {
	return directory.Tenant{Name: "Contoso", VerifiedDomains: []string{"contoso.example"}}, nil
}

func (o *outside) Read(context.Context, []directory.EntraID, []directory.Attribute) []reconcile.Found {
	return nil
}

func (o *outside) FindDeleted(context.Context, []directory.EntraID) []reconcile.Found { return nil }

func (o *outside) FindByImmutableID(context.Context, []string) []reconcile.Found { return nil }

func (o *outside) FindByUPN(_ context.Context, upns []directory.UPN, _ []directory.Attribute) []reconcile.Found {
	found := make([]reconcile.Found, len(upns))
	for i, upn := range upns {
		found[i].Err = o.refusals[upn]
	}
	return found
}

func (o *outside) Apply(_ context.Context, actions []plan.Action) []reconcile.Result {
	results := make([]reconcile.Result, len(actions))
	for i, a := range actions {
		results[i].ID = directory.EntraID("entra-" + a.Subject.ID)
	}
	o.written = append(o.written, actions...)
	return results
}

func (o *outside) SetPassword(context.Context, directory.EntraID, string) error {
	return fault.New(fault.Internal, "test", "no task of these is about a password")
}

// Postpone implements sqsbatch.Postponer.
func (o *outside) Postpone(context.Context, string, string, time.Duration) error { return nil }

// newUsers makes the users function. No function reads the tasks that it sends.
func newUsers(t *testing.T, world *outside, metrics metric.Counter) users.Handler {
	t.Helper()
	lane := newQueue(t)
	handler, err := users.New(users.Config{
		Parts: reconcile.Parts{Store: connected(t), Clients: world, Metrics: metrics,
			Lanes: reconcile.Lanes{UsersLive: lane, UsersBulk: lane, GroupsLive: lane, GroupsBulk: lane}},
		PasswordSeed: func(context.Context) (string, error) {
			return "", fault.New(fault.Internal, "test", "no task of these is about a password")
		},
		Postponer: world, MaxReceives: 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

func TestUsers(t *testing.T) {
	type want struct {
		written int
		bad     []int // the records that come again
	}
	table := map[string]want{
		"tasks.json":     {2, nil},
		"bulk.json":      {1, nil},
		"duplicate.json": {1, nil},
		"malformed.json": {1, []int{1}},
	}
	covers(t, "users", table)
	for file, want := range table {
		t.Run(file, func(t *testing.T) {
			world := &outside{}
			handler := newUsers(t, world, &metric.Memory{})
			batch := read[events.SQSEvent](t, filepath.Join("users", file))
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
			if len(world.written) != want.written {
				t.Errorf("%d actions, want %d: %+v", len(world.written), want.written, world.written)
			}
			for _, record := range batch.Records {
				if task, err := reconcile.ReadTask([]byte(record.Body)); err == nil {
					task.Occurrence = occurrence(task.Cause)
					made, err := task.Message()
					sameMessage(t, record, made, err)
				}
			}
		})
	}
}
