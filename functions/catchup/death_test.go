package catchup_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	usecase "entrasync/shared/catchup"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// The process dies before or after any of its calls while it reads several pages: another
// run reads on, no event is lost, and none is sent twice.
func TestTheProcessDiesAtAnyCall(t *testing.T) {
	for n, died := 1, "?"; died != ""; n++ {
		synctest.Test(t, func(t *testing.T) { died = testDeath(t, n) })
		if n > 200 {
			t.Fatal("a run makes more than 100 calls, want fewer")
		}
	}
}

// testDeath kills the process at the nth moment; it returns the call with which it died.
func testDeath(t *testing.T, n int) string {
	t.Helper()
	f := newFixture(t)
	var want []string
	for range 5 {
		want = append(want, created(f.hire(3)...)...)
		time.Sleep(time.Second)
	}
	f.pages(4)
	time.Sleep(time.Minute)
	whole := f.parts
	mortal := functiontest.NewMortal(n)
	f.parts.Store, f.parts.Changes, f.parts.Feeds = store.New(mortal.Table(f.Table)), mortal.Sender(f.changes), f.ClientsThrough(mortal.Transport(f))
	err := f.try()
	if died := mortal.Died(); died != "" && err == nil && f.record().Holder != "" {
		t.Logf("it died with %s, and the run says nothing of it", died)
	}
	f.parts = whole
	time.Sleep(time.Minute)
	f.run()
	got := f.found()
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("it died with %q; the events that were sent (-want +got):\n%s", mortal.Died(), diff)
	}
	if record := f.record(); record.Holder != "" || !record.LastRunAt.Equal(time.Now()) || record.Trouble != nil {
		t.Errorf("it died with %q; the record is %+v, want that it was read to the end now", mortal.Died(), record)
	}
	return mortal.Died()
}

// The same while it reads a time that JumpCloud refused to show at first.
func TestTheProcessDiesWhileItReadsWhatWasUnread(t *testing.T) {
	for n, died := 1, "?"; died != ""; n++ {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			var want []string
			for range 5 {
				want = append(want, created(f.hire(3)...)...)
				time.Sleep(time.Second)
			}
			f.pages(4)
			time.Sleep(3 * time.Hour)
			f.JumpCloud.FailNext(jumpcloudtest.Fault{PathContains: feedPath, Status: http.StatusPaymentRequired, Times: 1})
			f.minutes(1)
			if f.record().Unread == nil {
				t.Fatal("nothing is unread, want what was refused")
			}
			whole := f.parts
			mortal := functiontest.NewMortal(n)
			f.parts.Store, f.parts.Changes, f.parts.Feeds = store.New(mortal.Table(f.Table)), mortal.Sender(f.changes), f.ClientsThrough(mortal.Transport(f))
			_ = f.try() // it may say that it died
			f.parts, died = whole, mortal.Died()
			time.Sleep(time.Minute)
			f.run()
			got := f.found()
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("it died with %q; the events that were sent (-want +got):\n%s", died, diff)
			}
			if record := f.record(); record.Holder != "" || record.Unread != nil || record.Trouble != nil || !record.To.IsZero() || time.Since(record.From) > 11*time.Minute {
				t.Errorf("it died with %q; the record is %+v, want that all was read", died, record)
			}
		})
		if n > 200 {
			t.Fatal("a run makes more than 100 calls, want fewer")
		}
	}
}

// A run that dies after a page goes on there: no page is read again.
func TestARunGoesOnWhereTheLastOneDied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.hire(20)
		f.pages(4)
		time.Sleep(time.Minute)
		requests := 0
		f.before = func(*http.Request) error {
			if requests++; requests > 3 {
				return errors.New("the network is gone")
			}
			return nil
		}
		f.run()
		first := f.record().After
		f.before = nil
		var asked []string
		paged := f.alter
		f.change(func(r *http.Request) {
			after, err := json.Marshal(bodyOf(t, r)["search_after"])
			f.Must(err)
			asked = append(asked, string(after))
			paged(r)
		})
		time.Sleep(time.Minute)
		f.run()
		if first == "" || len(asked) < 3 || !strings.Contains(first, strings.Split(asked[0], ",")[1]) {
			t.Errorf("the pages after %q were asked for, want at first those after %s", asked, first)
		}
		if n := len(f.taken()); n != 20 {
			t.Errorf("%d events were sent, want 20", n)
		}
	})
}

// If JumpCloud does not know the place any more, the window is read anew.
func TestAPlaceThatIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.hire(5)
		now := time.Now().UTC()
		begun := f.record()
		begun.From, begun.To, begun.After = now.Add(-time.Hour), now, `["gone"]`
		_, err := f.Store.PutCatchUp(t.Context(), begun)
		f.Must(err)
		for range 2 {
			time.Sleep(time.Minute)
			f.run()
		}
		if n := len(f.taken()); n != 5 {
			t.Errorf("%d events were found, want 5", n)
		}
	})
}

// Two runs at once never read the same organization.
func TestOneRunReadsAnOrganization(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.before = func(*http.Request) error {
			time.Sleep(3 * time.Second)
			return nil
		}
		f.hire(5)
		time.Sleep(time.Minute)
		var runs sync.WaitGroup
		for range 4 {
			runs.Go(f.run)
		}
		runs.Wait()
		if asked := f.asked(); len(asked) != 1 {
			t.Errorf("four runs at once make the requests %q, want one", asked)
		}
	})
}

// feeds are the feeds of some organizations. The others are never answered.
type feeds map[directory.OrganizationID]usecase.Feed

// Feed implements catchup.Feeds.
func (f feeds) Feed(_ context.Context, id directory.OrganizationID) (usecase.Feed, error) {
	if feed, known := f[id]; known {
		return feed, nil
	}
	return silent{}, nil
}

// silent is a feed that never answers.
type silent struct{}

// EventPage implements catchup.Feed.
func (silent) EventPage(ctx context.Context, _ jumpcloud.EventQuery, _ string) (jumpcloud.EventPage, error) {
	<-ctx.Done()
	return jumpcloud.EventPage{}, fault.Wrap(ctx.Err(), fault.Transient, "silent")
}

// ProbeKey implements catchup.Feed.
func (silent) ProbeKey(context.Context) error { return nil }

// StopAlerts implements catchup.Feed.
func (silent) StopAlerts(context.Context) ([]jumpcloud.WebhookName, error) { return nil, nil }

// Organizations whose JumpCloud never answers delay no other one, and the invocation ends
// in time.
func TestAnOrganizationThatHangsDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		feed, err := f.parts.Feeds.Feed(t.Context(), organization)
		f.Must(err)
		f.parts.Feeds = feeds{organization: feed}
		for i := range 6 {
			id := directory.OrganizationID(fmt.Sprintf("5f0c1e2d3a4b5c6d7e8fa%03d", i))
			_, err := f.Store.PutDirectory(t.Context(), directory.Directory{ID: directory.NewID(id, "main"), Organization: id, CreatedAt: time.Now().UTC()})
			f.Must(err)
		}
		f.hire(1)
		time.Sleep(time.Minute)
		start := time.Now()
		done := make(chan time.Duration)
		go func() {
			for f.record().LastFoundAt.IsZero() {
				time.Sleep(100 * time.Millisecond)
			}
			done <- time.Since(start)
		}()
		f.run()
		if took := <-done; took > time.Second {
			t.Errorf("the organization that answers was read after %s, want at once", took)
		}
		if took := time.Since(start); took >= time.Minute {
			t.Errorf("the run took %s, want less than the time until the next one", took)
		}
	})
}

// refusing is a queue that takes nothing.
type refusing struct{}

// Send implements queue.Sender.
func (refusing) Send(context.Context, ...queue.Message) error {
	return fault.New(fault.Transient, "refusing", "the queue does not answer")
}

// What our own queue does not take is found by a later run, and the invocation fails.
func TestAQueueThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		missed := f.hire(2)
		time.Sleep(time.Minute)
		f.parts.Changes = refusing{}
		if err := f.try(); err == nil {
			t.Error("the run says that all is well, want the fault of the queue")
		}
		if record := f.record(); record.Trouble != nil || record.Found != 0 || record.Holder != "" {
			t.Errorf("the record is %+v, want no trouble of JumpCloud's, nothing found and no holder", record)
		}
		f.parts.Changes = f.changes
		f.run()
		if diff := cmp.Diff(created(missed...), f.found()); diff != "" {
			t.Errorf("the events that were found then (-want +got):\n%s", diff)
		}
	})
}

// pages makes JumpCloud answer with pages of so many events.
func (f *fixture) pages(size int) {
	f.change(func(r *http.Request) {
		body := bodyOf(f.t, r)
		if _, is := body["limit"]; is {
			body["limit"] = size
			setBody(f.t, r, body)
		}
	})
}
