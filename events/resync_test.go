package events_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	resyncs "entrasync/functions/resync"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/metric"
	"entrasync/shared/reconcile"
	"entrasync/shared/results/resultstest"
	"entrasync/shared/resync"
	"entrasync/shared/store"
)

// resyncID is the job of the samples.
const resyncID = "019cb1a2-7c41-7a5b-8f3e-2d6c9a1b4e70"

// unreachable are outside systems that do not answer.
type unreachable struct{}

func (unreachable) Lists(context.Context, directory.TenantID) (resync.Entra, error) {
	return nil, fault.New(fault.Transient, "test", "it does not answer")
}

func (unreachable) Pages(context.Context, directory.OrganizationID) (resync.JumpCloud, error) {
	return nil, fault.New(fault.Transient, "test", "it does not answer")
}

// resyncEvent is a sample as the function takes it.
func resyncEvent(t *testing.T, file string) resyncs.Event {
	t.Helper()
	if file == "schedule.json" {
		read[events.EventBridgeEvent](t, filepath.Join("resync", file))
		return resyncs.Event{}
	}
	return resyncs.Event{Records: read[events.SQSEvent](t, filepath.Join("resync", file)).Records}
}

func TestResync(t *testing.T) {
	type want struct {
		begun  bool
		failed []string
	}
	table := map[string]want{
		"job.json":       {true, []string{}},
		"schedule.json":  {true, []string{}},
		"malformed.json": {false, []string{"7d1b1f6e-3c55-4a0e-9d0a-000000000041"}},
	}
	covers(t, "resync", table)
	id := directory.NewID(organization, directoryName)
	for file, want := range table {
		t.Run(file, func(t *testing.T) {
			records := connected(t)
			if _, err := records.CreateJob(t.Context(), store.Job{ID: resyncID, Directory: id, Kind: store.Resync, Status: store.JobQueued, CreatedAt: time.Now()}); err != nil {
				t.Fatal(err)
			}
			users, groups := newQueue(t), newQueue(t)
			handler, err := resyncs.New(resync.Parts{
				Starter: resync.Starter{Store: records, Jobs: newQueue(t)}, Clients: unreachable{}, Outside: outsideAPI{}, Results: &resultstest.Memory{}, Users: users, Groups: groups, Metrics: &metric.Memory{},
				Drift: reconcile.Drift{Store: records, UserTasks: users, GroupTasks: groups, Metrics: &metric.Memory{}}, Every: resync.DefaultEvery,
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			response, err := handler.Handle(ctx, resyncEvent(t, file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.failed, failed(response)); diff != "" {
				t.Errorf("the messages that come again (-want +got):\n%s", diff)
			}
			if job, err := records.Job(t.Context(), resyncID); err != nil || (job.Status == store.JobRunning) != want.begun {
				t.Errorf("the job is %s (%v), want it begun: %t", job.Status, err, want.begun)
			}
		})
	}
	m := resyncEvent(t, "job.json").Records[0]
	made, err := json.Marshal(resync.Message{Job: resyncID})
	if err != nil || m.Body != string(made) || m.Attributes["MessageGroupId"] != string(id) {
		t.Errorf("the sample has %s in the group %s, and the code makes %s (%v) in %s", m.Body, m.Attributes["MessageGroupId"], made, err, id)
	}
}
