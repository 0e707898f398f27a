// Package events_test passes every sample event to its handler, so that the functions
// accept the samples that `sam local invoke` gets.
package events_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"entrasync/shared/fault"
	"entrasync/shared/local/boltqueue"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// The users and groups of the samples.
const (
	organization  = "5f0c1e2d3a4b5c6d7e8f9012"
	directoryName = "contoso"
	ann           = "64a1b2c3d4e5f60718293a4b"
	bob           = "64a1b2c3d4e5f60718293a4c"
	engineering   = "6510c2d3e4f5061728394a51"
	sales         = "6510c2d3e4f5061728394a52"
	application   = "6520c2d3e4f5061728394b61"
)

// read decodes a sample into the type that its function takes. An unknown field is an
// error.
func read[T any](t *testing.T, path string) T {
	t.Helper()
	var event T
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&event); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return event
}

// covers fails if the table of a test does not have every sample of the folder.
func covers[T any](t *testing.T, folder string, table map[string]T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no samples: %v", folder, err)
	}
	for _, file := range files {
		if _, covered := table[filepath.Base(file)]; !covered {
			t.Errorf("%s is a sample that no test reads", file)
		}
	}
}

// newQueue is a queue of the machine.
func newQueue(t *testing.T) *boltqueue.Queue {
	t.Helper()
	db, err := boltqueue.Open(filepath.Join(t.TempDir(), "queues.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	q, err := db.Queue(boltqueue.Config{Name: "queue.fifo"})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// newStore is an empty store of the machine.
func newStore(t *testing.T) *store.Store {
	t.Helper()
	table, err := bolttable.Open(filepath.Join(t.TempDir(), "table.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	})
	return store.New(table)
}

// queued counts the messages in a queue.
func queued(t *testing.T, q *boltqueue.Queue) int {
	t.Helper()
	depth, err := q.Depth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return depth.Visible
}

// failed returns the ids of the messages that come again.
func failed(response events.SQSEventResponse) []string {
	ids := []string{}
	for _, item := range response.BatchItemFailures {
		ids = append(ids, item.ItemIdentifier)
	}
	return ids
}

// sameMessage compares a message of a sample with the one that the code makes of its
// content: body, group id and deduplication id.
func sameMessage(t *testing.T, sample events.SQSMessage, made queue.Message, err error) {
	t.Helper()
	if err != nil {
		t.Error(fault.Of(err))
	}
	got := []string{sample.Body, sample.Attributes["MessageGroupId"], sample.Attributes["MessageDeduplicationId"]}
	if _, random := uuid.Parse(made.DedupID); random == nil { // new each time
		made.DedupID = got[2]
	}
	if diff := cmp.Diff([]string{string(made.Body), made.GroupID, made.DedupID}, got); diff != "" {
		t.Errorf("the sample is not what the code makes of it (-code +sample):\n%s", diff)
	}
}

// occurrence is the event that the task of a sample names.
func occurrence(cause plan.Cause) string {
	if cause.Event {
		return cause.ID
	}
	return ""
}

// Every route in a sample is a route of the HTTP API.
func TestRoutesAreInTheTemplate(t *testing.T) {
	template, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"webhook", "admin", "imports"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			r := read[events.APIGatewayV2HTTPRequest](t, file)
			if r.RouteKey != r.RequestContext.RouteKey || !strings.Contains(string(template), "RouteKey: "+r.RouteKey+"\n") {
				t.Errorf("%s: no route %q in the template", file, r.RouteKey)
			}
		}
	}
}
