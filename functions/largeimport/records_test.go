package largeimport_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/functions/largeimport"
	"entrasync/shared/functiontest"
	"entrasync/shared/importing"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/store"
)

// A call to our own records that fails changes nothing about the end, whichever it is, also
// when JumpCloud's answer to a batch was lost.
func TestARecordThatFailsOnce(t *testing.T) {
	lost := func(delay, pace time.Duration) func(*fixture) {
		return func(f *fixture) {
			f.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.BulkDelay, b.BulkPace = delay, pace })
			f.JumpCloud.FailNext(jumpcloudtest.Fault{Method: "POST", PathContains: "/bulk/users", Drop: true, AfterChange: true})
		}
	}
	for name, trouble := range map[string]func(*fixture){
		"no trouble":               func(*fixture) {},
		"an answer is lost":        lost(0, 0),
		"the users appear late":    lost(2*time.Minute, 0),
		"the users appear by turn": lost(118*time.Second, 5*time.Second),
	} {
		t.Run(name, func(t *testing.T) {
			for n, failed := 1, "-"; failed != ""; n++ {
				synctest.Test(t, func(t *testing.T) {
					f := newFixture(t)
					ids := f.accounts(3)
					job := f.start(importing.Choice{IDs: ids, Connect: true})
					table := functiontest.NewFailing(f.Table, n)
					f.handler = f.newHandler(importing.Parts{Store: store.New(table), Clients: f.Clients(), Jobs: &f.jobs, Users: &f.users})
					trouble(f)
					for range 60 {
						ctx, cancel := context.WithTimeout(t.Context(), timeout)
						_, _ = f.handler.Handle(ctx, largeimport.Event{}) // its error is about the call that fails
						cancel()
						if open, err := f.Store.OpenImports(t.Context(), 1); err == nil && len(open) == 0 {
							break
						}
						time.Sleep(time.Minute)
					}
					failed = table.Failed()
					ended, lines := f.result(job.ID)
					if got := f.checked(t, ids, lines); got != len(ids) || ended.Status != store.ImportFinished || ended.Imported != len(ids) || !ended.Delivered {
						t.Errorf("%s failed (call %d): %d imported, and the job says %+v, want %d and finished: %+v", failed, n, got, ended, len(ids), lines)
					}
				})
			}
		})
	}
}
