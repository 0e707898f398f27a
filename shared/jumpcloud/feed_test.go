package jumpcloud_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// read collects a query's events and the sizes of its pages.
func read(t *testing.T, client *jumpcloud.Client, query jumpcloud.EventQuery) (events []jumpcloud.Event, pages []int) {
	t.Helper()
	for after := ""; ; {
		page, err := client.EventPage(t.Context(), query, after)
		if err != nil {
			t.Fatal(err)
		}
		for _, event := range page.Events {
			events = append(events, event.Event)
		}
		if len(page.Events) > 0 {
			pages = append(pages, len(page.Events))
		}
		if after = page.Next; after == "" {
			return events, pages
		}
	}
}

func TestFeedIsReadToTheEnd(t *testing.T) {
	for _, count := range []int{0, 1, 999, 1000, 1001, 2500} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim, client := simulator(t)
				begin := time.Now()
				var want []string
				for i := range count {
					want = append(want, string(addUser(t, sim, fmt.Sprintf("user%04d", i), nil)))
				}
				time.Sleep(jumpcloudtest.DefaultBehaviour().FeedLag)
				events, pages := read(t, client, jumpcloud.EventQuery{From: begin})
				var got []string
				for _, event := range events {
					got = append(got, event.Resource.ID)
				}
				if requests := sim.Counters().ByRoute["POST /insights/directory/v1/events"]; requests != count/1000+1 {
					t.Errorf("%d requests, want one for each page and one more", requests)
				}
				if !slices.Equal(got, want) {
					t.Errorf("%d events in pages %v, want %d in order", len(got), pages, count)
				}
				sim.Close()
			})
		})
	}
}

func TestFeedShowsEventsLateAndByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, client := simulator(t)
		begin := time.Now()
		sim.Set(func(b *jumpcloudtest.Behaviour) { b.FeedLagSpread = 5 * time.Minute })
		for i := range 20 {
			addUser(t, sim, fmt.Sprintf("user%02d", i), nil)
			time.Sleep(time.Second)
		}
		seen := map[string]bool{}
		for range 8 { // as the catch-up does: it reads all of the time again, with duplicates
			time.Sleep(time.Minute)
			events, _ := read(t, client, jumpcloud.EventQuery{From: begin})
			for _, event := range events {
				seen[event.ID] = true
			}
		}
		if len(seen) != 20 {
			t.Errorf("%d events seen, want 20", len(seen))
		}
		part, _ := read(t, client, jumpcloud.EventQuery{From: begin.Add(5 * time.Second), To: begin.Add(9 * time.Second)})
		if len(part) != 5 {
			t.Errorf("%d events from second 5 to 9, want 5", len(part))
		}
		sim.Close()
	})
}

func TestFeedAsksForWhatMatters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, client := simulator(t)
		begin := time.Now()
		id := addUser(t, sim, "mira", nil)
		if _, err := sim.CreateApplication("CRM"); err != nil { // emits an event that is irrelevant
			t.Fatal(err)
		}
		if err := errors.Join(sim.SuspendUser(string(id)), sim.Emit("user_deprovision", nil)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		var types []string
		events, _ := read(t, client, jumpcloud.EventQuery{From: begin})
		for _, event := range events {
			types = append(types, event.Type)
			if event.Concern() == jumpcloud.Irrelevant || event.Organization != jumpcloudtest.DefaultOrganizationID {
				t.Errorf("event %+v, want a relevant event of the organization", event)
			}
		}
		if fmt.Sprint(types) != "[user_create user_update user_suspended]" {
			t.Errorf("types %v, want user_create, user_update and user_suspended", types)
		}
		if own, _ := read(t, client, jumpcloud.EventQuery{From: begin, Types: []string{"user_deprovision"}}); len(own) != 1 {
			t.Errorf("%v, want the one user_deprovision", own)
		}
		sim.Close()
	})
}

func TestFeedFaults(t *testing.T) {
	sim, client := simulator(t)
	for name, tc := range map[string]struct {
		answer jumpcloudtest.Fault
		from   time.Duration
		after  string
		kind   fault.Kind
		reason fault.Reason
	}{
		"a start in the future":                 {jumpcloudtest.Fault{}, time.Hour, "", fault.Invalid, ""},
		"not in the plan":                       {jumpcloudtest.Fault{Status: http.StatusPaymentRequired}, 0, "", fault.Forbidden, directory.InsightsNotLicensed},
		"not allowed":                           {jumpcloudtest.Fault{Status: http.StatusForbidden}, 0, "", fault.Forbidden, directory.InsightsForbidden},
		"no list":                               {jumpcloudtest.Fault{Status: http.StatusOK, Body: `{"message":"no list"}`}, 0, "", fault.Transient, ""},
		"a place that JumpCloud does not know":  {jumpcloudtest.Fault{}, -time.Hour, `["x"]`, fault.Invalid, ""},
		"a place that nobody can have named so": {jumpcloudtest.Fault{}, -time.Hour, `[1,`, fault.Invalid, ""},
	} {
		if tc.answer.Status != 0 {
			sim.FailNext(tc.answer)
		}
		_, err := client.EventPage(t.Context(), jumpcloud.EventQuery{From: time.Now().Add(tc.from)}, tc.after)
		if f := fault.Of(err); f == nil || f.Kind != tc.kind || f.Reason != tc.reason {
			t.Errorf("%s: %v, want a fault of kind %s with the reason %q", name, err, tc.kind, tc.reason)
		}
	}
}

func TestFeedThatDoesNotMoveOn(t *testing.T) {
	for name, header := range map[string]string{"the same place": `[1,"a"]`, "no place": ""} {
		requests := 0
		client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			requests++
			w.Header().Set("X-Limit", "1")
			w.Header().Set("X-Search_after", header)
			fmt.Fprint(w, `[{"id":"a"}]`)
		}))
		query, after := jumpcloud.EventQuery{From: time.Now()}, ""
		var err error
		for err == nil {
			var page jumpcloud.EventPage
			page, err = client.EventPage(t.Context(), query, after)
			after = page.Next
		}
		if !fault.Is(err, fault.Transient) || requests > 2 {
			t.Errorf("%s: %v after %d requests, want a transient fault after at most 2", name, err, requests)
		}
	}
}
