package jumpcloudtest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	. "entrasync/shared/jumpcloud/jumpcloudtest"
)

func withJournal(path string) func(*Config) {
	return func(config *Config) { config.Journal = path }
}

// fill makes one of every kind of stored object.
func fill(t *testing.T, b bench) {
	t.Helper()
	mira, otto := b.user("mira", Fields{"addresses": []any{Fields{"type": "work", "country": "DE"}}}), b.user("otto", nil)
	group, directory := b.must(b.CreateGroup("Sales")), b.must(b.CreateDirectory("M365"))
	b.ok(b.AddMember(group, mira))
	b.ok(b.AddMember(group, otto))
	b.ok(b.Associate(group, directory))
	b.want(201, "POST", "/api/v2/office365s/"+directory+"/domains", Fields{"domain": "example.com"})
	b.want(201, "POST", "/api/v2/office365s/"+directory+"/translationrules", Fields{"builtIn": "user_department"})
	b.must(b.CreateApplication("CRM"))
	b.must(b.Notify("http://hook/", token))
	b.ok(b.SuspendUser(otto))
	b.ok(b.RemoveMember(group, otto))
	b.ok(b.DeleteUser(b.user("gone", nil)))
}

// stored is the part of the state that the journal keeps.
func stored(b bench) State {
	state := b.State()
	state.Counters, state.Deliveries = Counters{}, nil
	return state
}

func TestJournalBringsEverythingBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	b := start(t, withJournal(path))
	fill(t, b)
	want, events := stored(b), b.Events()
	// Not closed: as after a kill.
	again := start(t, withJournal(path))
	if diff := cmp.Diff(want, stored(again)); diff != "" {
		t.Errorf("state (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(events, again.Events()); diff != "" {
		t.Errorf("events (-before +after):\n%s", diff)
	}
	seen := map[string]bool{}
	for _, user := range again.Users() {
		seen[user.Text("_id")] = true
	}
	if id := again.user("new", nil); seen[id] {
		t.Errorf("the id %s was used again, want a new one", id)
	}
	third := start(t, withJournal(path))
	if len(third.Users()) != 3 {
		t.Errorf("%d users after the second restart, want 3", len(third.Users()))
	}
}

func TestTornJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	b := start(t, withJournal(path))
	b.user("kept", nil)
	complete, err := os.ReadFile(path)
	b.ok(err)
	b.user("torn", nil)
	all, err := os.ReadFile(path)
	b.ok(err)
	b.ok(b.Close())
	for _, cut := range []int{len(complete), len(complete) + 1, (len(complete) + len(all)) / 2, len(all) - 1} {
		b.ok(os.WriteFile(path, all[:cut], 0o600))
		again := start(t, withJournal(path))
		if users := again.Users(); len(users) != 1 || users[0].Text("username") != "kept" || again.types(0) != "user_create" {
			t.Errorf("cut at %d of %d: %d users, events %s, want only the first change", cut, len(all), len(users), again.types(0))
		}
		again.user("after", nil)
		b.ok(again.Close())
		if third := start(t, withJournal(path)); len(third.Users()) != 2 {
			t.Errorf("cut at %d: a change after the incomplete line is lost, want it kept", cut)
		}
	}
}

func TestBrokenJournalIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	if err := os.WriteFile(path, []byte("nonsense\n[]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{APIKey: apiKey, Journal: path}); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a file that is no journal: %v, want an error about line 1", err)
	}
}

func TestChangeIsInTheJournalBeforeTheAnswer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	b := start(t, withJournal(path))
	for i := range 5 {
		b.want(200, "POST", "/api/systemusers", Fields{"username": fmt.Sprintf("user%d", i), "email": fmt.Sprintf("user%d@example.com", i)})
		content, err := os.ReadFile(path)
		b.ok(err)
		if !bytes.Contains(content, fmt.Appendf(nil, `"username":"user%d"`, i)) || !bytes.HasSuffix(content, []byte("\n")) {
			t.Errorf("change %d is not in the journal, want it complete", i)
		}
	}
	b.ok(b.Close())
	b.want(500, "POST", "/api/systemusers", Fields{"username": "late", "email": "late@example.com"})
	if len(b.Users()) != 5 {
		t.Error("a change that could not be written was made, want none")
	}
}

func TestJournalIsCompacted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	b := start(t, func(config *Config) {
		config.Journal = path
		behaviour := DefaultBehaviour()
		config.Behaviour = &behaviour
	})
	id := b.user("mira", nil)
	for i := range 200 {
		b.ok(b.UpdateUser(id, Fields{"jobTitle": fmt.Sprint("title ", i)}))
	}
	b.ok(b.Close())
	before, err := os.Stat(path)
	b.ok(err)
	again := start(t, func(config *Config) {
		config.Journal = path
		behaviour := DefaultBehaviour()
		behaviour.Retention = time.Nanosecond // so that only objects are left
		config.Behaviour = &behaviour
	})
	after, err := os.Stat(path)
	b.ok(err)
	if user, _ := again.User(id); after.Size() > before.Size()/20 || user.Text("jobTitle") != "title 199" {
		t.Errorf("%d bytes became %d, job title %q; want a small journal with the last title", before.Size(), after.Size(), user.Text("jobTitle"))
	}
}

func TestWebhookSecretsSurviveSealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "journal")
		b := start(t, withJournal(path))
		b.must(b.Notify("http://hook/", token))
		b.ok(b.Close())
		h := &hook{start: time.Now()}
		again := start(t, func(config *Config) {
			config.Journal, config.Client = path, &http.Client{Transport: Transport(h)}
		})
		again.user("mira", nil)
		waitIdle()
		if len(h.header) != 1 || h.header[0].Get("Authorization") != "Bearer "+token {
			t.Errorf("%v, want one request with the token", h.header)
		}
		b.ok(again.Close())
	})
}

func TestPendingJobsFailAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "journal")
		b := start(t, withJournal(path))
		mira := b.user("mira", nil)
		job := b.want(201, "POST", "/api/v2/bulk/users", []any{Fields{"username": "a", "email": "a@example.com", "password": "Canary-Password-1"}}).fields().Text("jobId")
		b.want(201, "POST", "/api/v2/bulk/userstates", Fields{"user_ids": []any{mira}, "state": "SUSPENDED", "start_date": time.Now().Add(time.Minute).Format(time.RFC3339)})
		b.ok(b.Close())
		again := start(t, withJournal(path))
		if got := again.want(200, "GET", "/api/v2/bulk/users/"+job+"/results", nil).list(); len(got) != 1 || got[0].Text("status") != "failed" {
			t.Errorf("%v, want the one result as failed", got)
		}
		waitIdle()
		if user, _ := again.User(mira); user.Text("state") != "SUSPENDED" {
			t.Error("the planned suspension is lost after the restart, want it made")
		}
		b.ok(again.Close())
	})
}

// TestNoSecretIsWritten puts secrets everywhere and checks everything that the
// simulator writes or shows.
func TestNoSecretIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "journal")
		h := &hook{start: time.Now(), answer: func(_ int, w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }}
		b := start(t, func(config *Config) {
			config.Journal, config.Client = path, &http.Client{Transport: Transport(h)}
		})
		const password = "Canary-Password-1"
		b.must(b.Notify("http://hook/"+"{{SECRET}}", token))
		b.must(b.AddChannel(Fields{"name": "full", "type": "CHANNEL_TYPE_WEBHOOK", "config": Fields{"webhook": Fields{
			"url": "http://hook/?t={{SECRET}}", "urlMasked": true, "maskedUrlPortion": []any{Fields{"key": "{{SECRET}}", "value": token + "-url"}},
			"authType": "WEBHOOK_AUTH_TYPE_BASIC", "authUsername": "jc", "authPassword": password,
			"customHeaders": []any{Fields{"key": "X-Token", "value": token + "-header", "masked": true}}}}}))
		id := b.user("mira", Fields{"password": password})
		refusals := b.call("PUT", "/api/systemusers/"+id, Fields{"password": strings.Repeat("canary-password-1", 100), "state": "GONE"})
		weak := b.call("POST", "/api/systemusers/"+id+"/password", Fields{"password": "canary-password-1"})
		wrong := b.call("POST", "/api/systemusers/"+id+"/password", Fields{"password": []any{password}})
		b.ok(b.SetPassword(id, password+"x"))
		b.call("POST", "/api/v2/bulk/users", []any{Fields{"username": "a", "email": "a@example.com", "password": password}})
		waitIdle()
		state, err := json.Marshal(b.State())
		b.ok(err)
		journal, err := os.ReadFile(path)
		b.ok(err)
		events, err := json.Marshal(b.Events())
		b.ok(err)
		for name, text := range map[string]string{
			"journal": string(journal), "state": string(state), "events": string(events), "page": string(b.want(200, "GET", "/", nil).raw),
			"state over HTTP": string(b.want(200, "GET", "/_sim/state", nil).raw), "deliveries": string(b.want(200, "GET", "/_sim/deliveries", nil).raw),
			"channels": string(b.want(200, "GET", "/api/v2/notifications/channels", nil).raw),
			"refusals": string(refusals.raw) + string(weak.raw) + string(wrong.raw), "notifications": strings.Join(h.bodies, ""),
		} {
			for _, secret := range []string{apiKey, token, password, strings.ToLower(password)} {
				if strings.Contains(text, secret) {
					t.Errorf("the secret %q is in the %s", secret, name)
				}
			}
		}
		if !strings.Contains(string(state), `"authToken":"********"`) || !strings.Contains(string(journal), `"sealed":`) || len(h.bodies) == 0 {
			t.Error("the test does not check what it should")
		}
		b.ok(b.Close())
	})
}
