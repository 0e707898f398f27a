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
	"entrasync/shared/store"
)

// connected is a store in which Ann and Bob are connected to one directory.
func connected(t *testing.T) *store.Store {
	t.Helper()
	records := newStore(t)
	d := directory.Directory{
		ID: directory.NewID(organization, directoryName), Organization: organization, Name: directoryName,
		Tenant: "0c6e1d52-77a1-4b8e-9d0f-2f4b8f6d1a35", TenantObject: "0c6e1d52-77a1-4b8e-9d0f-2f4b8f6d1a35", Status: directory.Active, Settings: directory.DefaultSettings(),
	}
	if _, err := records.PutDirectory(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	for _, user := range []directory.UserID{ann, bob} {
		if err := records.Connect(t.Context(), d.ID, user, directory.Direct, time.Now().UTC()); err != nil {
			t.Fatal(err)
		}
	}
	return records
}

func TestFanout(t *testing.T) {
	type want struct {
		tasks int
		bad   []int // the records that come again
	}
	table := map[string]want{
		"changes.json":    {2, nil},
		"duplicate.json":  {1, nil},
		"irrelevant.json": {0, nil},
		"malformed.json":  {1, []int{1}},
	}
	covers(t, "fanout", table)
	for file, want := range table {
		t.Run(file, func(t *testing.T) {
			lane := newQueue(t)
			handler := fanout.Handler{Store: connected(t), Users: lane, Metrics: &metric.Memory{}}
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
			if got := queued(t, lane); got != want.tasks {
				t.Errorf("%d tasks, want %d", got, want.tasks)
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
