package admin_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/store"
)

// An organization shows how the catch-up with its events goes, with what to do about what is
// in its way.
func TestTheCatchUpOfAnOrganizationIsShown(t *testing.T) {
	f := newFixture(t)
	const path = "/v1/organizations/" + organization
	if _, got := f.call("GET", path, ""); dig(got, "catchUp", "found") != 0.0 || dig(got, "catchUp", "lastRunAt") != nil || dig(got, "name") != "Example" {
		t.Errorf("the organization before the first run: %v, want its name and that nothing was found", got)
	}
	at := func(minute int) time.Time { return time.Date(2026, 3, 2, 9, minute, 0, 0, time.UTC) }
	put := func(c store.CatchUp) {
		t.Helper()
		before, err := f.records.CatchUp(t.Context(), organization)
		if err != nil {
			t.Fatal(err)
		}
		c.Organization, c.Version = organization, before.Version
		if _, err := f.records.PutCatchUp(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	put(store.CatchUp{From: at(1), LastRunAt: at(11), Found: 7, LastFoundAt: at(5), LastWebhookAt: at(6), NextTryAt: time.Now().Add(time.Hour),
		Trouble: &store.FeedTrouble{Reason: directory.InsightsNotLicensed, Message: "no", Since: at(12)}, Unread: &store.FeedGap{From: at(0), To: at(1)}})
	_, got := f.call("GET", path, "")
	shown, _ := dig(got, "catchUp").(map[string]any)
	if shown["nextTryAt"] == nil {
		t.Error("the next try is missing, want its time")
	}
	delete(shown, "nextTryAt")
	want := map[string]any{"readFrom": "2026-03-02T09:01:00Z", "lastRunAt": "2026-03-02T09:11:00Z", "found": 7.0, "lastFoundAt": "2026-03-02T09:05:00Z", "lastWebhookAt": "2026-03-02T09:06:00Z",
		"trouble": map[string]any{"reason": "insights_not_licensed", "message": "no", "remedy": directory.Remedy(directory.InsightsNotLicensed), "since": "2026-03-02T09:12:00Z"},
		"unread":  map[string]any{"from": "2026-03-02T09:00:00Z", "to": "2026-03-02T09:01:00Z"}}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("the catch-up of the organization (-want +got):\n%s", diff)
	}

	// A webhook that came since then is shown, too.
	if err := f.records.AddSeen(t.Context(), store.Seen{Organization: organization, Via: "webhook", At: time.Now().UTC(), IDs: []string{"one"}}); err != nil {
		t.Fatal(err)
	}
	_, got = f.call("GET", path, "")
	text, _ := dig(got, "catchUp", "lastWebhookAt").(string)
	if last, err := time.Parse(time.RFC3339, text); err != nil || time.Since(last) > time.Minute {
		t.Errorf("the last webhook came at %q, want now", text)
	}

	// A key that replaces the one without the right is tried by the next run.
	if status, got := f.call("PATCH", path, `{"apiKey":"`+goodKey+`"}`); status != 200 {
		t.Fatalf("the key is refused with %d: %v", status, got)
	}
	if kept, err := f.records.CatchUp(t.Context(), organization); err != nil || !kept.NextTryAt.IsZero() || kept.Trouble == nil {
		t.Errorf("after that the next try is at %s, %v; want with the next run, which ends the trouble", kept.NextTryAt, err)
	}
}
