package catchup_test

import (
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/functions/catchup"
	usecase "entrasync/shared/catchup"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/metric"
	"entrasync/shared/store"
)

// A part that is missing is named at the start.
func TestAMissingPartIsNamed(t *testing.T) {
	if _, err := catchup.New(usecase.Parts{}); fault.Of(err).Subject != "Store" {
		t.Errorf("got %v, want a fault that names the Store", err)
	}
}

// Each event whose webhook did not come is found once, also if its time is read again; what
// webhooks brought is left out. A run without news is one request to the feed.
func TestEachMissedEventIsFoundOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		brought := f.hire(2)
		f.seenByWebhook()
		time.Sleep(time.Minute)
		missed := f.hire(3)
		time.Sleep(time.Minute)
		f.run()
		if diff := cmp.Diff(created(missed...), f.found()); diff != "" {
			t.Errorf("the events that were found, and not those of %v (-want +got):\n%s", brought, diff)
		}
		for range 15 {
			time.Sleep(time.Minute)
			f.asked()
			f.run()
			if diff := cmp.Diff([]string{"POST " + feedPath}, f.asked()); diff != "" {
				t.Errorf("the requests of a run without news (-want +got):\n%s", diff)
			}
			if found := f.found(); len(found) > 0 {
				t.Errorf("%q were found again, want nothing", found)
			}
		}
		late := f.hire(1)
		time.Sleep(time.Minute)
		f.run()
		if diff := cmp.Diff(created(late...), f.found()); diff != "" {
			t.Errorf("the events that were found later (-want +got):\n%s", diff)
		}
		record := f.record()
		if record.Found != 4 || !record.LastFoundAt.Equal(time.Now()) || !record.LastRunAt.Equal(time.Now()) || record.Trouble != nil || record.Holder != "" {
			t.Errorf("the record is %+v, want 4 events that were found, the last ones now, and no holder", record)
		}
		if record.LastWebhookAt.IsZero() {
			t.Errorf("the last webhook is unknown, want its time")
		}
		counts := f.metrics.Counts()
		if got := counts[metric.Key("catchup_events", "outcome", "unseen")]; got != 4 {
			t.Errorf("%d unseen events are counted, want 4: %v", got, counts)
		}
	})
}

// The feed shows events late, not in order, and several of the same time: each is found.
func TestEventsThatAppearLateAreFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.FeedLag, b.FeedLagSpread = time.Minute, 8*time.Minute })
		var want, got []string
		for range 30 {
			want = append(want, created(f.hire(3)...)...)
			f.run()
			got = append(got, f.found()...)
			time.Sleep(time.Minute)
		}
		for range 12 {
			f.run()
			got = append(got, f.found()...)
			time.Sleep(time.Minute)
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the events that were found (-want +got):\n%s", diff)
		}
	})
}

// A webhook whose event has no id brings the event that has one in the feed.
func TestAnEventWithoutItsIDIsRecognized(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.hire(1)
		fields := f.JumpCloud.Events()[0]
		delete(fields, "id")
		body, err := json.Marshal(fields)
		f.Must(err)
		parsed, err := jumpcloud.ParseBody(body)
		f.Must(err)
		brought := parsed.Events()[0].Occurrence()
		f.Must(f.Store.AddSeen(t.Context(), store.Seen{Organization: organization, Via: jumpcloud.ByWebhook.String(), At: time.Now().UTC(), IDs: []string{brought}}))
		time.Sleep(time.Minute)
		f.run()
		if found := f.found(); len(found) > 0 {
			t.Errorf("%q were found, want nothing: a webhook brought it", found)
		}
	})
}
