package groups_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

// writing counts the requests under way that write to a group.
type writing struct {
	mu    sync.Mutex
	group map[string]int
	most  int
	takes time.Duration // how long such a request takes
}

// writtenGroup finds the group in the address of an item of a batch.
var writtenGroup = regexp.MustCompile(`^/groups(?:/|\(uniqueName=|%28uniqueName=)([^/)%]+)`)

// begin notes the groups that a request writes to. It fails the test if another request
// under way writes to one of them. It returns the function to call when the request
// ends.
func (w *writing) begin(t tester, r *http.Request) (end func()) {
	t.Helper()
	groups := map[string]bool{}
	if r.Body != nil && strings.HasSuffix(r.URL.Path, "/$batch") {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		var batch struct {
			Requests []struct{ Method, URL string }
		}
		if err := json.Unmarshal(body, &batch); err != nil {
			t.Fatal(err)
		}
		for _, item := range batch.Requests {
			if found := writtenGroup.FindStringSubmatch(item.URL); found != nil && item.Method != http.MethodGet {
				groups[found[1]] = true
			}
		}
	}
	if len(groups) > 0 {
		defer time.Sleep(w.takes)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.group == nil {
		w.group = map[string]int{}
	}
	for id := range groups {
		w.group[id]++
		if w.most = max(w.most, w.group[id]); w.group[id] > 1 {
			t.Errorf("%d writes to the group %s side by side, want at most 1", w.group[id], id)
		}
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for id := range groups {
			w.group[id]--
		}
	}
}
