package catchup_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	usecase "entrasync/shared/catchup"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/queue"
)

var figures = flag.Bool("figures", false, "TestFigures catches up with 10,000 events, and with 100,000 for the memory, instead of fewer")

const (
	latency      = 100 * time.Millisecond // of each request to JumpCloud
	queueLatency = 10 * time.Millisecond  // of each request to the queue
	pageSize     = 1000                   // events
)

// slow is a queue that takes its time.
type slow struct{ to queue.Sender }

// Send implements queue.Sender.
func (s slow) Send(ctx context.Context, messages ...queue.Message) error {
	time.Sleep(queueLatency)
	return s.to.Send(ctx, messages...)
}

// What it costs to catch up after an outage of the webhooks: one request to the feed for
// 1,000 events and one more, in one run of some seconds.
func TestFigures(t *testing.T) {
	missed := 2500
	if *figures {
		missed = 10_000
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		for i := range missed {
			f.Must(f.JumpCloud.Emit("user_update", jumpcloudtest.Fields{"resource": map[string]any{"id": fmt.Sprintf("64a1b2c3d4e5f60718%06x", i), "type": "user"}}))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		f.parts.Changes = slow{f.changes}
		f.before = func(*http.Request) error {
			time.Sleep(latency)
			return nil
		}
		f.asked()
		start := time.Now()
		f.run()
		took, asked := time.Since(start), len(f.asked())
		t.Logf("%d missed events: %d requests to Directory Insights, none else, %d to the queue, %s", missed, asked, (missed+queue.MaxBatch-1)/queue.MaxBatch, took.Round(10*time.Millisecond))
		if found := f.record().Found; found != missed || asked != missed/pageSize+1 || took > 20*time.Second {
			t.Errorf("%d events were found with %d requests in %s, want %d with %d in 20 s at most", found, asked, took, missed, missed/pageSize+1)
		}
	})
}

// endless is a feed with many events, which it makes when they are read. It measures the
// memory that is in use then.
type endless struct {
	pages, read int
	peak        uint64
}

// Feed implements catchup.Feeds.
func (e *endless) Feed(context.Context, directory.OrganizationID) (usecase.Feed, error) {
	return e, nil
}

// ProbeKey implements catchup.Feed.
func (e *endless) ProbeKey(context.Context) error { return nil }

// StopAlerts implements catchup.Feed.
func (*endless) StopAlerts(context.Context) ([]jumpcloud.WebhookName, error) { return nil, nil }

// EventPage implements catchup.Feed.
func (e *endless) EventPage(context.Context, jumpcloud.EventQuery, string) (jumpcloud.EventPage, error) {
	e.peak = max(e.peak, inUse())
	var page jumpcloud.EventPage
	for i := range pageSize {
		id := fmt.Sprintf("64a1b2c3d4e5f607%08x", e.read*pageSize+i)
		page.Events = append(page.Events, jumpcloud.FeedEvent{Event: jumpcloud.Event{ID: id, Type: "user_update", Resource: jumpcloud.Resource{ID: id, Type: "user"}}})
	}
	if e.read++; e.read < e.pages {
		page.Next = fmt.Sprintf("[%d]", e.read)
	}
	return page, nil
}

// inUse is the memory of the heap in use, without garbage.
func inUse() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// nowhere is a queue that keeps nothing.
type nowhere struct{}

// Send implements queue.Sender.
func (nowhere) Send(context.Context, ...queue.Message) error { return nil }

// The memory grows only by the ids of the events, however long the past is.
func TestTheMemoryOfALongPast(t *testing.T) {
	pages := 20
	if *figures {
		pages = 100
	}
	f := newFixture(t)
	feed := &endless{pages: pages}
	f.parts.Feeds, f.parts.Changes = feed, nowhere{}
	before := inUse()
	f.run()
	grown := (feed.peak - min(before, feed.peak)) >> 10
	t.Logf("%d events: the heap grows by %d kB", pages*pageSize, grown)
	if most := uint64(1<<10 + pages*pageSize/5); grown > most {
		t.Errorf("the heap grows by %d kB, want %d at most", grown, most)
	}
}
