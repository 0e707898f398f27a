package events_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"entrasync/functions/fanout"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/metric"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// connected is a store in which Ann, Bob and the group Engineering are connected
// to one directory, which has a connection source.
func connected(t *testing.T) *store.Store {
	t.Helper()
	records := newStore(t)
	settings := directory.DefaultSettings()
	settings.ConnectionSource = directory.ConnectionSource{Type: directory.ApplicationSource, ID: application}
	d := directory.Directory{
		ID: directory.NewID(organization, directoryName), Organization: organization, Name: directoryName,
		Tenant: "0c6e1d52-77a1-4b8e-9d0f-2f4b8f6d1a35", TenantObject: "0c6e1d52-77a1-4b8e-9d0f-2f4b8f6d1a35", Status: directory.Active, Settings: settings,
	}
	if _, err := records.PutDirectory(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	for _, user := range []directory.UserID{ann, bob} {
		if err := records.Connect(t.Context(), d.ID, user, directory.Direct, time.Now().UTC()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := records.ConnectGroup(t.Context(), d.ID, engineering, directory.Direct, time.Now().UTC()); err != nil {
		t.Fatal(err)
	}
	return records
}

func TestFanout(t *testing.T) {
	type want struct {
		users, groups int   // tasks
		bad           []int // the records that come again
	}
	table := map[string]want{
		"changes.json":    {2, 0, nil},
		"groups.json":     {1, 1, nil},
		"duplicate.json":  {1, 0, nil},
		"irrelevant.json": {0, 0, nil},
		"malformed.json":  {1, 0, []int{1}},
	}
	covers(t, "fanout", table)
	for file, want := range table {
		t.Run(file, func(t *testing.T) {
			users, groups := newQueue(t), newQueue(t)
			handler, err := fanout.New(fanout.Config{Store: connected(t), Metrics: &metric.Memory{}, Postponer: &outside{},
				Lanes: reconcile.Lanes{UsersLive: users, UsersBulk: newQueue(t), GroupsLive: groups, GroupsBulk: newQueue(t)}})
			if err != nil {
				t.Fatal(err)
			}
			batch := read[events.SQSEvent](t, filepath.Join("fanout", file))
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
			if u, g := queued(t, users), queued(t, groups); u != want.users || g != want.groups {
				t.Errorf("%d and %d tasks, want %d and %d", u, g, want.users, want.groups)
			}
			for _, record := range batch.Records {
				if change, err := jumpcloud.ReadChange([]byte(record.Body)); err == nil {
					made, err := change.Message()
					sameMessage(t, record, made, err)
				}
			}
		})
	}
}
