package events_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"entrasync/functions/largeimport"
	"entrasync/shared/aws/emf"
	"entrasync/shared/importing"
	"entrasync/shared/mail"
	"entrasync/shared/results"
	"entrasync/shared/store"
)

// files is a store of result files that keeps none, or takes none.
type files struct {
	results.Linker
	refuses error
}

// Put implements results.Store.
func (f files) Put(_ context.Context, _, _ string, content io.Reader) error {
	_, err := io.Copy(io.Discard, content)
	return errors.Join(err, f.refuses)
}

// postbox takes every mail, or none.
type postbox struct{ refuses error }

// Send implements mail.Sender.
func (p postbox) Send(context.Context, mail.Message) error { return p.refuses }

// newLargeimport makes the function.
func newLargeimport(t *testing.T, records *store.Store, to results.Store, by mail.Sender) largeimport.Handler {
	t.Helper()
	handler, err := largeimport.New(importing.Parts{Store: records, Clients: bothSides{}, Jobs: newQueue(t), Users: newQueue(t)},
		importing.Delivery{Results: to, Mail: by, Address: "https://api.example"})
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

// jobEvent is a sample as the function takes it.
func jobEvent(t *testing.T, file string) largeimport.Event {
	t.Helper()
	if file == "schedule.json" {
		read[events.EventBridgeEvent](t, filepath.Join("largeimport", file))
		return largeimport.Event{}
	}
	return largeimport.Event{Records: read[events.SQSEvent](t, filepath.Join("largeimport", file)).Records}
}

func TestLargeimport(t *testing.T) {
	type want struct {
		ended  bool
		failed []string
	}
	table := map[string]want{
		"job.json":       {true, []string{}},
		"schedule.json":  {true, []string{}},
		"malformed.json": {false, []string{"7d1b1f6e-3c55-4a0e-9d0a-000000000031"}},
	}
	covers(t, "largeimport", table)
	for file, want := range table {
		t.Run(file, func(t *testing.T) {
			records := withImport(t, func(*store.Import) {})
			response, err := newLargeimport(t, records, files{}, postbox{}).Handle(t.Context(), jobEvent(t, file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.failed, failed(response)); diff != "" {
				t.Errorf("the messages that come again (-want +got):\n%s", diff)
			}
			if job, err := records.Import(t.Context(), importID); err != nil || job.Delivered != want.ended {
				t.Errorf("the import is %+v (%v), want it ended: %t", job, err, want.ended)
			}
		})
	}
	job := jobEvent(t, "job.json").Records[0]
	made, err := json.Marshal(importing.Job{Import: importID})
	if err != nil || job.Body != string(made) || job.Attributes["MessageGroupId"] != importID {
		t.Errorf("the sample has %s in the group %s, and the code makes %s (%v) in that of the import", job.Body, job.Attributes["MessageGroupId"], made, err)
	}
}

// Some alarms count log lines of the function largeimport: a mail that is not sent, and
// results that cannot be written.
func TestAlarmsOfImportsFindTheirLines(t *testing.T) {
	no := errors.New("no")
	for name, tc := range map[string]struct {
		files   files
		postbox postbox
		want    map[string]int
	}{
		"delivered":             {files{}, postbox{}, map[string]int{}},
		"mail that is refused":  {files{}, postbox{no}, map[string]int{"mails_not_sent": 1}},
		"a bucket that is gone": {files{refuses: no}, postbox{}, map[string]int{"results_not_written": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			records := withImport(t, func(job *store.Import) { job.Notify = []string{"it@contoso.example"} })
			handler := newLargeimport(t, records, tc.files, mail.Counted{Sender: tc.postbox, Metrics: emf.New(&log, "entrasync")})
			ctx, cancel := context.WithTimeout(zerolog.New(&log).WithContext(t.Context()), 30*time.Second)
			defer cancel()
			if _, err := handler.Handle(ctx, jobEvent(t, "job.json")); err != nil {
				t.Fatal(err)
			}
			for metric, filter := range filters(t, "LargeimportLogs", 2) {
				if got := filter.sum(t, log.String()); got != tc.want[metric] {
					t.Errorf("%s is %d, want %d, in\n%s", metric, got, tc.want[metric], log.String())
				}
			}
		})
	}
}
