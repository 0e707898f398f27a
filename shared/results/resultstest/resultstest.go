// Package resultstest is the conformance suite of the store of result files.
package resultstest

import (
	"bytes"
	"context"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/results"
)

// plain is the media type of most files of the suite.
const plain = "text/csv; charset=utf-8"

// TestStore checks that a store keeps the promises of results.Store. Its links are
// followed over HTTP. The names of the suite begin with prefix.
func TestStore(t *testing.T, s results.Store, prefix string) {
	for name, test := range map[string]func(t *testing.T, s results.Store, name string){
		"a file is downloaded as it was put": downloaded,
		"a file replaces the one before":     replaced,
		"a file is larger than a part of it": large,
		"an empty file":                      empty,
		"a content that breaks off":          broken,
		"a context that is cancelled":        cancelled,
		"names that nobody may use":          badNames,
		"a link is for one file":             oneFile,
		"a link that was changed":            changed,
		"a file that is not there":           missing,
		"the same file many times at once":   atOnce,
		"any name to save as":                savedAs,
	} {
		t.Run(name, func(t *testing.T) {
			test(t, s, prefix+"/"+strings.ReplaceAll(name, " ", "-")+"/results.csv")
		})
	}
}

// put puts a file.
func put(t *testing.T, s results.Store, name, content string) {
	t.Helper()
	if err := s.Put(t.Context(), name, plain, strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
}

// link makes a link that lives for a minute.
func link(t *testing.T, s results.Store, name, saveAs string) string {
	t.Helper()
	url, err := s.Link(t.Context(), name, saveAs, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// answer is what a browser gets.
type answer struct {
	status int
	header http.Header
	body   string
}

// get follows a link.
func get(t *testing.T, url string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

// holds checks the content of a file.
func holds(t *testing.T, s results.Store, name, want string) {
	t.Helper()
	got := get(t, link(t, s, name, "a.csv"))
	if got.status != http.StatusOK || got.body != want {
		t.Errorf("got status %d and %d bytes, %.80q, want 200 and %d bytes, %.80q", got.status, len(got.body), got.body, len(want), want)
	}
}

func downloaded(t *testing.T, s results.Store, name string) {
	put(t, s, name, "\uFEFFa,b\r\n")
	got := get(t, link(t, s, name, "Import Müller.csv"))
	if got.status != http.StatusOK || got.body != "\uFEFFa,b\r\n" {
		t.Errorf("got status %d and %q, want 200 and the file", got.status, got.body)
	}
	if contentType := got.header.Get("Content-Type"); contentType != plain {
		t.Errorf("got content type %q, want %q", contentType, plain)
	}
	kind, parameters, err := mime.ParseMediaType(got.header.Get("Content-Disposition"))
	if err != nil || kind != "attachment" || parameters["filename"] != "Import Müller.csv" {
		t.Errorf("got disposition %q (%v), want an attachment with that name", got.header.Get("Content-Disposition"), err)
	}
}

func replaced(t *testing.T, s results.Store, name string) {
	put(t, s, name, "the first and longer one")
	if err := s.Put(t.Context(), name, "application/jsonl", strings.NewReader("{}")); err != nil {
		t.Fatal(err)
	}
	got := get(t, link(t, s, name, "a"))
	if contentType := got.header.Get("Content-Type"); got.body != "{}" || contentType != "application/jsonl" {
		t.Errorf("got %q of type %q, want {} of type application/jsonl", got.body, contentType)
	}
}

// large is about the lines of 60,000 users, through a reader that cannot go back.
func large(t *testing.T, s results.Store, name string) {
	content := bytes.Repeat([]byte("ann.obrien@example.com,ann.obrien,Ann,O'Brien,imported,\r\n"), 200_000)
	if err := s.Put(t.Context(), name, plain, io.MultiReader(bytes.NewReader(content))); err != nil {
		t.Fatal(err)
	}
	holds(t, s, name, string(content))
}

func empty(t *testing.T, s results.Store, name string) {
	put(t, s, name, "")
	holds(t, s, name, "")
}

func broken(t *testing.T, s results.Store, name string) {
	cause := fault.New(fault.Throttled, "store.query", "slow down")
	for _, size := range []int{10, 12 << 20} {
		put(t, s, name, "before")
		content := io.MultiReader(strings.NewReader(strings.Repeat("x", size)), iotest.ErrReader(cause))
		if err := s.Put(t.Context(), name, plain, content); !fault.Is(err, fault.Throttled) || fault.Of(err).Message != cause.Message {
			t.Errorf("%d bytes: got %v, want %v", size, err, cause)
		}
		holds(t, s, name, "before")
	}
}

func cancelled(t *testing.T, s results.Store, name string) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Put(ctx, name, plain, strings.NewReader("a")); !fault.Is(err, fault.Transient) {
		t.Errorf("got %v, want kind %s", err, fault.Transient)
	}
}

func badNames(t *testing.T, s results.Store, name string) {
	for _, bad := range []string{"", "..", "../" + name, name + "/..", "/" + name, name + "/.hidden", "a\x00", `a\..\b`} {
		if err := s.Put(t.Context(), bad, plain, strings.NewReader("a")); !fault.Is(err, fault.Invalid) {
			t.Errorf("put %q: got %v, want kind %s", bad, err, fault.Invalid)
		}
		if _, err := s.Link(t.Context(), bad, "a", time.Minute); !fault.Is(err, fault.Invalid) {
			t.Errorf("link %q: got %v, want kind %s", bad, err, fault.Invalid)
		}
	}
	for _, life := range []time.Duration{0, -time.Hour, results.MaxLife + time.Second} {
		if _, err := s.Link(t.Context(), name, "a", life); !fault.Is(err, fault.Invalid) {
			t.Errorf("a link of %s: got %v, want kind %s", life, err, fault.Invalid)
		}
	}
}

func oneFile(t *testing.T, s results.Store, name string) {
	other := strings.Replace(name, "results", "another", 1)
	put(t, s, name, "mine")
	put(t, s, other, "not mine")
	url := strings.Replace(link(t, s, name, "a"), "results.csv", "another.csv", 1)
	if got := get(t, url); got.status != http.StatusForbidden || strings.Contains(got.body, "not mine") {
		t.Errorf("the link with another name: got status %d and %.80q, want 403", got.status, got.body)
	}
}

func changed(t *testing.T, s results.Store, name string) {
	put(t, s, name, "mine")
	url := link(t, s, name, "saved.csv")
	for what, each := range map[string]string{
		"without its query":      url[:strings.IndexByte(url, '?')],
		"with another name":      strings.Replace(url, "saved.csv", "other.csv", 1),
		"without its end":        url[:len(url)-1],
		"with another character": url[:len(url)-2] + flipped(url[len(url)-2:]),
	} {
		if got := get(t, each); got.status/100 == 2 || got.body == "mine" {
			t.Errorf("%s: got status %d and %.80q, want a refusal", what, got.status, got.body)
		}
	}
}

// flipped is a text of two characters the other way round, or two others.
func flipped(text string) string {
	if text[0] == text[1] {
		return "01"
	}
	return text[1:] + text[:1]
}

func missing(t *testing.T, s results.Store, name string) {
	if got := get(t, link(t, s, name, "a")); got.status != http.StatusNotFound && got.status != http.StatusForbidden {
		t.Errorf("got status %d, want 404, or 403 from a store that does not say what it has", got.status)
	}
}

func atOnce(t *testing.T, s results.Store, name string) {
	contents := []string{strings.Repeat("a", 100_000), strings.Repeat("b", 100_000)}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if err := s.Put(t.Context(), name, plain, strings.NewReader(contents[i%2])); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := get(t, link(t, s, name, "a")); got.body != contents[0] && got.body != contents[1] {
		t.Errorf("got %d bytes, %.20q…, want one of the two contents", len(got.body), got.body)
	}
}

func savedAs(t *testing.T, s results.Store, name string) {
	put(t, s, name, "a")
	for _, saveAs := range []string{"a&expires=9999999999.csv", "a b+c%20.csv", `"; filename=x.exe`, "نتائج.csv"} {
		got := get(t, link(t, s, name, saveAs))
		_, parameters, err := mime.ParseMediaType(got.header.Get("Content-Disposition"))
		if got.body != "a" || err != nil || parameters["filename"] != saveAs {
			t.Errorf("%q: got %.80q with the name %q (%v), want a and that name", saveAs, got.body, parameters["filename"], err)
		}
	}
}
