package events_test

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/sweep"
	"entrasync/shared/directory"
	"entrasync/shared/metric"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
	"entrasync/shared/stranded"
)

func TestSweep(t *testing.T) {
	table := map[string]int{"schedule.json": 3} // tasks, for whom was connected
	covers(t, "sweep", table)
	for file, want := range table {
		t.Run(file, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				users, groups, records := newQueue(t), newQueue(t), connected(t)
				err := records.MarkDirty(t.Context(), store.Mark{Directory: directory.NewID(organization, directoryName), Group: engineering, User: ann})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Minute)
				handler, err := sweep.New(reconcile.Sweep{Store: records, Users: users, Groups: groups, Metrics: &metric.Memory{}}, noDeadLetters())
				if err != nil {
					t.Fatal(err)
				}
				if err := handler.Handle(t.Context(), read[events.EventBridgeEvent](t, filepath.Join("sweep", file))); err != nil {
					t.Fatal(err)
				}
				if got := queued(t, groups) + queued(t, users); got != want {
					t.Errorf("%d tasks, want %d", got, want)
				}
			})
		})
	}
}

// noDeadLetter is an empty queue of dead letters.
type noDeadLetter struct{ stranded.DeadLetters }

// Receive implements stranded.DeadLetters.
func (noDeadLetter) Receive(context.Context, int, time.Duration) ([]queue.Received, error) {
	return nil, nil
}

// noDeadLetters are the dead letters of all lanes: none.
func noDeadLetters() stranded.Queues {
	all := stranded.Queues{}
	for _, lane := range stranded.Lanes {
		all[lane] = noDeadLetter{}
	}
	return all
}
