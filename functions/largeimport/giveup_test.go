package largeimport_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/functions/largeimport"
	"entrasync/shared/functiontest"
	"entrasync/shared/importing"
	"entrasync/shared/store"
)

// refuseHost refuses every request to a host.
func refuseHost(host string) func(*http.Request) error {
	return func(r *http.Request) error {
		if r.URL.Host == host {
			return refusal{status: http.StatusForbidden, body: `{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges"}}`}
		}
		return nil
	}
}

// hangHost answers no request to a host.
func hangHost(host string) func(*http.Request) error {
	return func(r *http.Request) error {
		if r.URL.Host != host {
			return nil
		}
		<-r.Context().Done()
		return r.Context().Err()
	}
}

// An import that makes no progress can be stopped, and is given up after a day: its lines say
// so, and it is delivered.
func TestAnImportWithoutProgressEnds(t *testing.T) {
	for _, tc := range []struct {
		name    string
		outside func(*http.Request) error
	}{
		{"Graph refuses", refuseHost(functiontest.GraphHost)}, {"JumpCloud refuses", refuseHost(functiontest.JumpCloudHost)},
		{"Graph hangs", hangHost(functiontest.GraphHost)}, {"JumpCloud hangs", hangHost(functiontest.JumpCloudHost)},
	} {
		for _, stopped := range []bool{true, false} {
			for _, all := range []bool{true, false} {
				t.Run(tc.name, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						f := newFixture(t)
						choice := importing.Choice{IDs: f.accounts(130)}
						if all {
							choice = importing.Choice{ImportChoice: store.ImportChoice{All: true, Status: "new"}}
						}
						job := f.start(choice)
						f.outside = tc.outside
						start := time.Now()
						want := store.ImportFailed
						if stopped {
							want = store.ImportStopped
							f.Must(f.Store.StopImport(context.Background(), job, store.Stop{By: "ann", At: time.Now().UTC()}))
						}
						f.invoke(largeimport.Event{})
						if !stopped { // the function does not run in between, only so that the test is short
							time.Sleep(24 * time.Hour)
						}
						ended, lines := f.work(job.ID)
						if took := time.Since(start); stopped && took > 5*time.Minute || !stopped && (took < 24*time.Hour || took > 25*time.Hour) {
							t.Errorf("the import took %s, want some minutes if it is stopped and a day otherwise", took)
						}
						if ended.Status != want || !ended.Delivered || ended.Failed != len(choice.IDs) || len(lines) != len(choice.IDs) {
							t.Errorf("the import: %+v with %d lines, want %s with the %d lines failed", ended, len(lines), want, len(choice.IDs))
						}
						for _, line := range lines {
							if line.Status != store.LineFailed || !strings.Contains(line.Message, "the import was") {
								t.Errorf("a line: %+v, want it failed, and why", line)
							}
						}
					})
				})
			}
		}
	}
}
