package events_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/catchup"
	usecase "entrasync/shared/catchup"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/metric"
)

// oneEvent is a feed with one event.
type oneEvent struct{}

// Feed implements catchup.Feeds.
func (o oneEvent) Feed(context.Context, directory.OrganizationID) (usecase.Feed, error) {
	return o, nil
}

// EventPage implements catchup.Feed.
func (oneEvent) EventPage(context.Context, jumpcloud.EventQuery, string) (jumpcloud.EventPage, error) {
	event := jumpcloud.Event{ID: "one", Type: "user_update", Timestamp: time.Now().UTC(), Resource: jumpcloud.Resource{ID: ann, Type: "user"}}
	return jumpcloud.EventPage{Events: []jumpcloud.FeedEvent{{Event: event}}}, nil
}

// ProbeKey implements catchup.Feed.
func (oneEvent) ProbeKey(context.Context) error { return nil }

// StopAlerts implements catchup.Feed.
func (oneEvent) StopAlerts(context.Context) ([]jumpcloud.WebhookName, error) { return nil, nil }

func TestCatchup(t *testing.T) {
	table := map[string]int{"schedule.json": 1} // events that are found
	covers(t, "catchup", table)
	for file, want := range table {
		t.Run(file, func(t *testing.T) {
			changes, records := newQueue(t), connected(t)
			id := directory.NewID(organization, "other")
			if _, err := records.PutDirectory(t.Context(), directory.Directory{ID: id, Organization: organization, CreatedAt: time.Now().UTC()}); err != nil {
				t.Fatal(err)
			}
			handler, err := catchup.New(usecase.Parts{Store: records, Feeds: oneEvent{}, Changes: changes, Metrics: &metric.Memory{}})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the schedule may come twice
				if err := handler.Handle(t.Context(), read[events.EventBridgeEvent](t, filepath.Join("catchup", file))); err != nil {
					t.Fatal(err)
				}
			}
			if got := queued(t, changes); got != want {
				t.Errorf("%d events in the queue, want %d", got, want)
			}
		})
	}
}
