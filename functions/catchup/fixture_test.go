package catchup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"

	"entrasync/functions/catchup"
	usecase "entrasync/shared/catchup"
	"entrasync/shared/directory"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/local/boltqueue"
	"entrasync/shared/local/localtest"
	"entrasync/shared/metric"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

const organization = functiontest.Organization

// timeOut is the function's time-out.
const timeOut = 2 * time.Minute

// feedPath is the path of the feed.
const feedPath = "/insights/directory/v1/events"

// fixture is the function with the simulator of JumpCloud, a table and the queue of changes.
type fixture struct {
	*functiontest.Kit
	t       *testing.T
	parts   usecase.Parts
	changes *boltqueue.Queue
	metrics *metric.Memory

	mu       sync.Mutex
	requests []string // to outside systems, in order
	before   func(*http.Request) error
	alter    func(*http.Request)
	log      zerolog.Logger
}

// newFixture makes the function, and one directory that is created now.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, metrics: &metric.Memory{}}
	f.Kit = functiontest.New(t, functiontest.Config{Folder: localtest.Folder(t), Cleanup: t.Cleanup, Transport: f})
	queues, err := boltqueue.Open(filepath.Join(localtest.Folder(t), "queues.db"))
	f.Must(err)
	t.Cleanup(func() { f.Must(queues.Close()) })
	f.changes, err = queues.Queue(boltqueue.Config{Name: "changes.fifo"})
	f.Must(err)
	f.parts = usecase.Parts{Store: f.Store, Feeds: f.Clients(), Changes: f.changes, Metrics: f.metrics}
	f.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.FeedLag = 0 })
	f.Directory("main", nil)
	f.created(time.Now())
	f.rulesMigrated(true)
	return f
}

// rulesMigrated changes whether the rules of earlier versions are known to be migrated, before
// the first run.
func (f *fixture) rulesMigrated(yes bool) {
	f.t.Helper()
	c := f.record()
	c.RulesMigrated = yes
	_, err := f.Store.PutCatchUp(f.t.Context(), c)
	f.Must(err)
}

// RoundTrip implements http.RoundTripper.
func (f *fixture) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.requests = append(f.requests, r.Method+" "+r.URL.Path)
	before, alter := f.before, f.alter
	f.mu.Unlock()
	if before != nil {
		if err := before(r); err != nil {
			return nil, err
		}
	}
	if alter != nil {
		r = r.Clone(r.Context())
		alter(r)
	}
	return f.Kit.RoundTrip(r)
}

// change changes each request to an outside system on its way; nil changes none any more.
func (f *fixture) change(alter func(*http.Request)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.alter = alter
}

// bodyOf reads the body of a request, which stays readable.
func bodyOf(t *testing.T, r *http.Request) (body jumpcloudtest.Fields) {
	t.Helper()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	if len(text) > 0 && json.Unmarshal(text, &body) != nil {
		t.Fatalf("the body %s is not JSON", text)
	}
	return body
}

// setBody replaces the body of a request.
func setBody(t *testing.T, r *http.Request, body jumpcloudtest.Fields) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
}

// asked are the requests to outside systems since the last call.
func (f *fixture) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.requests
	f.requests = nil
	return asked
}

// created changes when the directory was created.
func (f *fixture) created(at time.Time) {
	f.t.Helper()
	d, err := f.Store.Directory(f.t.Context(), directory.NewID(organization, "main"))
	f.Must(err)
	d.CreatedAt = at.UTC()
	_, err = f.Store.PutDirectory(f.t.Context(), d)
	f.Must(err)
}

// run runs the function once.
func (f *fixture) run() {
	f.t.Helper()
	f.Must(f.try())
}

// minutes runs the function once in each of so many minutes.
func (f *fixture) minutes(n int) {
	f.t.Helper()
	for range n {
		f.run()
		time.Sleep(time.Minute)
	}
}

// try runs the function once and returns its error.
func (f *fixture) try() error {
	handler, err := catchup.New(f.parts)
	f.Must(err)
	ctx, cancel := context.WithTimeout(f.log.WithContext(f.t.Context()), timeOut)
	defer cancel()
	return handler.Handle(ctx, events.EventBridgeEvent{})
}

// taken takes the changes out of the queue, sorted by the ids of their events.
func (f *fixture) taken() []jumpcloud.Change {
	f.t.Helper()
	var changes []jumpcloud.Change
	for {
		messages, err := f.changes.Receive(f.t.Context(), queue.MaxBatch, 0)
		f.Must(err)
		if len(messages) == 0 {
			slices.SortFunc(changes, func(a, b jumpcloud.Change) int { return a.Event.Timestamp.Compare(b.Event.Timestamp) })
			return changes
		}
		for _, m := range messages {
			change, err := jumpcloud.ReadChange(m.Body)
			f.Must(err)
			if change.Via != jumpcloud.ByCatchUp || change.Organization != organization {
				f.t.Errorf("the change is of %s by %s, want one of %s that the catch-up found", change.Organization, change.Via, organization)
			}
			changes = append(changes, change)
			f.Must(f.changes.Delete(f.t.Context(), m.Receipt))
		}
	}
}

// found are the events that were sent, as text: type and user.
func (f *fixture) found() []string {
	f.t.Helper()
	found := []string{}
	for _, change := range f.taken() {
		found = append(found, change.Event.Type+" "+change.Event.Resource.ID)
	}
	return found
}

// record is how far the feed was read.
func (f *fixture) record() store.CatchUp {
	f.t.Helper()
	c, err := f.Store.CatchUp(f.t.Context(), organization)
	f.Must(err)
	return c
}

// hire adds users to JumpCloud.
func (f *fixture) hire(n int) (ids []directory.UserID) {
	for range n {
		ids = append(ids, f.Hire(fmt.Sprintf("person%d", len(f.JumpCloud.Users()))))
	}
	return ids
}

// created are the texts of the events of users that were created.
func created(ids ...directory.UserID) []string {
	texts := []string{}
	for _, id := range ids {
		texts = append(texts, "user_create "+string(id))
	}
	return texts
}

// seenByWebhook stores that webhooks brought all events so far.
func (f *fixture) seenByWebhook() {
	f.t.Helper()
	var ids []string
	for _, event := range f.JumpCloud.Events() {
		ids = append(ids, event.Text("id"))
	}
	f.Must(f.Store.AddSeen(f.t.Context(), store.Seen{Organization: organization, Via: jumpcloud.ByWebhook.String(), At: time.Now().UTC(), IDs: ids}))
}
