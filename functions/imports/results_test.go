package imports_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// without asks for results without the token.
func (f *fixture) without(path string) answer {
	f.t.Helper()
	r := f.request("GET", path, nil)
	delete(r.Headers, "authorization")
	return f.send(r)
}

// The link in the mail leads to the file without the token, for seven days; whoever has
// nothing learns nothing.
func TestResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ids := f.accounts(2)
		start := func(id string) string {
			return f.create(map[string]any{"userIds": []string{id}, "notify": []string{"ann@contoso.example"}}).text("jobId")
		}
		first := start(ids[0])
		path := "/v1/imports/" + first + "/results"
		if got := f.call("GET", path, nil); got.Status != http.StatusConflict || !strings.Contains(got.refused(), "not written yet") {
			t.Errorf("before the end: %d %s, want 409", got.Status, got.refused())
		}
		f.work(first)
		link := f.mailed()
		second := start(ids[1])
		f.work(second)
		other := f.mailed()
		_, key, _ := strings.Cut(link, "?key=")
		_, otherKey, _ := strings.Cut(other, "?key=")
		unauthorized := map[string]string{
			"nothing": path, "a wrong key": path + "?key=WRONG", "an empty key": path + "?key=", "the key of another import": path + "?key=" + otherKey,
			"nothing, of an unknown import": "/v1/imports/" + nobodys + "/results", "a key, of an unknown import": "/v1/imports/" + nobodys + "/results?key=" + key,
		}
		said := map[string]bool{}
		for what, path := range unauthorized {
			got := f.without(path)
			if what != "an empty key" { // which is a mistake in the query, whoever asks
				said[got.text("detail")] = true
			}
			if got.Status != http.StatusUnauthorized && what != "an empty key" || got.Headers.Get("Location") != "" {
				t.Errorf("with %s: %d %s, want 401 and no location", what, got.Status, got.refused())
			}
		}
		if len(said) != 1 {
			t.Errorf("refusals say %v, want that they tell nothing apart", said)
		}
		if got := f.call("GET", "/v1/imports/"+nobodys+"/results", nil); got.Status != http.StatusNotFound {
			t.Errorf("an unknown import with the token: %d %s, want 404", got.Status, got.refused())
		}
		if got := f.call("GET", path+"?format=xlsx", nil); got.Status != http.StatusUnprocessableEntity {
			t.Errorf("another format: %d %s, want 422", got.Status, got.refused())
		}
		for what, got := range map[string]answer{"the key": f.without(link), "the token": f.call("GET", path, nil), "the token and a key that is over": f.call("GET", path+"?key=WRONG", nil)} {
			status, text := f.follow(got)
			if status != http.StatusOK || !strings.HasPrefix(text, "\uFEFFstatus,message,email,") || !strings.Contains(text, "p0000@contoso.example") || got.Headers.Get("Cache-Control") != "no-store" || got.Headers.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("with %s: %d %q with the headers %v, want the CSV, not kept", what, status, text, got.Headers)
			}
		}
		if status, text := f.open(f.call("POST", path, nil).text("url")); status != http.StatusOK || !strings.Contains(text, "p0000@contoso.example") {
			t.Errorf("at the address that a POST gives out: %d %q, want the CSV", status, text)
		}
		status, text := f.follow(f.without(link + "&format=jsonl"))
		var line map[string]string
		for rows := bufio.NewScanner(strings.NewReader(text)); rows.Scan(); {
			f.Must(json.Unmarshal(rows.Bytes(), &line))
		}
		if status != http.StatusOK || line["username"] != "p0000" || line["status"] != "imported" {
			t.Errorf("JSON Lines: %d %q, want the line of p0000", status, text)
		}
		later := f.without(link)
		time.Sleep(6 * time.Minute)
		if status, _ := f.follow(later); status != http.StatusForbidden {
			t.Errorf("the address of the file after six minutes: %d, want 403", status)
		}
		time.Sleep(6 * 24 * time.Hour)
		if got := f.without(link); got.Status != http.StatusFound {
			t.Errorf("the link after six days: %d %s, want 302", got.Status, got.refused())
		}
		time.Sleep(24 * time.Hour)
		if got := f.without(link); got.Status != http.StatusUnauthorized {
			t.Errorf("the link after seven days: %d %s, want 401", got.Status, got.refused())
		}
		if got := f.call("GET", path, nil); got.Status != http.StatusFound {
			t.Errorf("the token after seven days: %d %s, want 302", got.Status, got.refused())
		}
		f.authFails = true
		if got := f.call("GET", path, nil); got.Status != http.StatusServiceUnavailable {
			t.Errorf("while the token cannot be read: %d %s, want 503", got.Status, got.refused())
		}
	})
}

// The link of every mail works: a mail that was sent twice has two keys.
func TestKeysAreOfOneImport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id := f.create(map[string]any{"userIds": f.accounts(1), "notify": []string{"ann@contoso.example"}}).text("jobId")
		f.work(id)
		job, err := f.Store.Import(t.Context(), id)
		f.Must(err)
		_, key, _ := strings.Cut(f.mailed(), "?key=")
		for _, kept := range job.Keys {
			if strings.Contains(kept.Hash, key) || time.Until(kept.Until) > 7*24*time.Hour {
				t.Errorf("the import keeps %+v, want a hash that does not give the key away, for seven days", kept)
			}
		}
		if len(job.Keys) != 1 {
			t.Errorf("the import has %d keys, want 1", len(job.Keys))
		}
	})
}
