package fileresults_test

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/local/fileresults"
	"entrasync/shared/results"
	"entrasync/shared/results/resultstest"
)

const key = "a key of thirty-two bytes or more"

// open makes a store below a folder.
func open(t *testing.T, folder, base, key string) *fileresults.Store {
	t.Helper()
	s, err := fileresults.Open(folder, base, []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// served makes a store and the server of its links.
func served(t *testing.T) (s *fileresults.Store, folder string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "results")
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s = open(t, folder, server.URL, key)
	mux.Handle(fileresults.Path, s)
	return s, folder
}

func TestStore(t *testing.T) {
	s, folder := served(t)
	resultstest.TestStore(t, s, "imports")
	err := filepath.WalkDir(filepath.Dir(folder), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && entry.Type().IsRegular() && (info.Mode().Perm() != 0o600 || !strings.HasPrefix(path, folder)) {
			t.Errorf("got the file %s of mode %v, want only files below %s of mode 0600", path, info.Mode(), folder)
		}
		if err == nil && entry.Type().IsRegular() && strings.HasPrefix(entry.Name(), ".") && !strings.HasSuffix(entry.Name(), ".type") {
			t.Errorf("%s is left over", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// put puts a file and returns a link that lives as long as it may.
func put(t *testing.T, s results.Store, name string) string {
	t.Helper()
	if err := s.Put(t.Context(), name, "text/csv", strings.NewReader("content")); err != nil {
		t.Fatal(err)
	}
	link, err := s.Link(t.Context(), name, "a.csv", results.MaxLife)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// follow asks the handler itself.
func follow(t *testing.T, s http.Handler, method, link string) *http.Response {
	t.Helper()
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), method, link, nil))
	return recorder.Result()
}

func TestALinkEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir(), "http://localhost", key)
		link := put(t, s, "a")
		time.Sleep(results.MaxLife - time.Second)
		if got := follow(t, s, http.MethodGet, link); got.StatusCode != http.StatusOK {
			t.Errorf("a second before it ends: got status %d, want 200", got.StatusCode)
		}
		time.Sleep(time.Second)
		if got := follow(t, s, http.MethodGet, link); got.StatusCode != http.StatusForbidden {
			t.Errorf("when it ends: got status %d, want 403", got.StatusCode)
		}
	})
}

func TestALinkCannotBeForged(t *testing.T) {
	s := open(t, t.TempDir(), "http://localhost", key)
	good, err := url.Parse(put(t, s, "a/b"))
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(path *string, query url.Values)) string {
		changed, query := *good, good.Query()
		change(&changed.Path, query)
		changed.RawQuery = query.Encode()
		return changed.String()
	}
	another := put(t, open(t, t.TempDir(), "http://localhost", strings.ToUpper(key)), "a/b")
	for name, link := range map[string]string{
		"a later end":         with(func(_ *string, q url.Values) { q.Set("expires", "9999999999") }),
		"another name":        with(func(_ *string, q url.Values) { q.Set("as", "a.exe") }),
		"no signature":        with(func(_ *string, q url.Values) { q.Del("signature") }),
		"an empty signature":  with(func(_ *string, q url.Values) { q.Set("signature", "") }),
		"not base64":          with(func(_ *string, q url.Values) { q.Set("signature", "%%%") }),
		"another file":        with(func(p *string, _ url.Values) { *p = "/files/a/c" }),
		"out of the folder":   with(func(p *string, _ url.Values) { *p = "/files/../a/b" }),
		"parts moved":         with(func(p *string, q url.Values) { *p = "/files/a"; q.Set("as", "/ba.csv") }),
		"another path":        with(func(p *string, _ url.Values) { *p = "/other/a/b" }),
		"a key of another":    another,
		"nothing of the sort": "http://localhost/files/",
	} {
		if got := follow(t, s, http.MethodGet, link); got.StatusCode != http.StatusForbidden || got.Header.Get("Content-Disposition") != "" {
			t.Errorf("%s: got status %d, want 403", name, got.StatusCode)
		}
	}
}

func TestTheHandlersHeaders(t *testing.T) {
	s := open(t, t.TempDir(), "http://localhost", key)
	link := put(t, s, "a")
	for method, status := range map[string]int{http.MethodGet: 200, http.MethodHead: 200, http.MethodPost: 405, http.MethodDelete: 405} {
		got := follow(t, s, method, link)
		if got.StatusCode != status || got.Header.Get("X-Content-Type-Options") != "nosniff" || got.Header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%s: got status %d and %v, want status %d, nosniff and no-store", method, got.StatusCode, got.Header, status)
		}
	}
}

// age makes every file in a folder as old as it says.
func age(t *testing.T, folder string, old time.Duration) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			err = os.Chtimes(path, time.Time{}, time.Now().Add(-old))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOldFilesAreRemoved(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, "http://localhost", key)
	link := put(t, s, "imports/old/results.csv")
	age(t, folder, results.Kept-time.Minute)
	if got := follow(t, s, http.MethodGet, link); got.StatusCode != http.StatusOK {
		t.Errorf("before 30 days: got status %d, want 200", got.StatusCode)
	}
	age(t, folder, results.Kept+time.Minute)
	if got := follow(t, s, http.MethodGet, link); got.StatusCode != http.StatusNotFound {
		t.Errorf("after 30 days: got status %d, want 404", got.StatusCode)
	}
	put(t, s, "imports/new/results.csv") // too soon for another sweep
	if _, err := os.Stat(filepath.Join(folder, "imports/old/results.csv")); err != nil {
		t.Errorf("got %v, want no sweep with each put", err)
	}
	put(t, open(t, folder, "http://localhost", key), "imports/new/results.csv")
	entries, err := os.ReadDir(filepath.Join(folder, "imports"))
	if err != nil || len(entries) != 1 || entries[0].Name() != "new" {
		t.Errorf("got %v (%v), want only the folder new", entries, err)
	}
}

// A process that runs for long removes old files too.
func TestSweepsFromTimeToTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		s := open(t, folder, "http://localhost", key)
		put(t, s, "old")
		age(t, folder, results.Kept+time.Minute)
		time.Sleep(2 * time.Hour)
		put(t, s, "new")
		if _, err := os.Stat(filepath.Join(folder, "old")); !os.IsNotExist(err) {
			t.Errorf("got %v, want no file", err)
		}
		age(t, folder, results.Kept+time.Minute)
		time.Sleep(2 * time.Hour)
		if err := s.Sweep(); err != nil {
			t.Fatal(err)
		}
		if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
			t.Errorf("after a sweep without a put: got %v (%v), want no file", left, err)
		}
	})
}

// Whoever can write into the folder cannot make the server read elsewhere.
func TestALinkInTheFileSystemIsNotFollowed(t *testing.T) {
	folder, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	s := open(t, folder, "http://localhost", key)
	link := put(t, s, "a")
	if err := os.WriteFile(elsewhere, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(folder, "a")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(folder, "a")); err != nil {
		t.Fatal(err)
	}
	if got := follow(t, s, http.MethodGet, link); got.StatusCode/100 == 2 {
		t.Errorf("got status %d, want a refusal", got.StatusCode)
	}
}

func TestTheAddressMayEndWithASlash(t *testing.T) {
	if link := put(t, open(t, t.TempDir(), "http://localhost/", key), "a"); !strings.HasPrefix(link, "http://localhost/files/a?") {
		t.Errorf("got %s, want one slash before files", link)
	}
}

func TestWhatAStoreNeeds(t *testing.T) {
	for name, each := range map[string]struct{ base, key string }{
		"a short key": {"http://localhost", "short"}, "no host": {"/files", key}, "a query": {"http://localhost?a", key},
	} {
		if _, err := fileresults.Open(t.TempDir(), each.base, []byte(each.key)); !fault.Is(err, fault.Internal) {
			t.Errorf("%s: got %v, want kind %s", name, err, fault.Internal)
		}
	}
}
