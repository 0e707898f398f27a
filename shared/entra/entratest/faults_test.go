package entratest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
)

func TestLag(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := start(t, func(c *entratest.Config) {
			c.Behaviour.Lag = entratest.Lag{Min: 5 * time.Second, Max: 60 * time.Second}
		})
		bob := g.seed(entratest.User{UserPrincipalName: "bob@contoso.example"}).ID // seeded objects do not lag
		group := g.seedGroup(entratest.Group{DisplayName: "Eng"}).ID
		began := time.Now()
		ann := g.create("ann")
		lagging := func() []int {
			return []int{
				g.do(http.MethodGet, "/users/"+ann, nil).status, g.do(http.MethodGet, "/users/ann@contoso.example", nil).status,
				g.do(http.MethodPut, "/users/"+bob+"/manager/$ref", reference(ann)).status,
				g.do(http.MethodPost, "/groups/"+group+"/members/$ref", reference(ann)).status,
				g.do(http.MethodPut, "/users/"+ann+"/manager/$ref", reference(bob)).status,
			}
		}
		for i, status := range lagging() {
			if status != http.StatusNotFound {
				t.Errorf("use %d of a fresh user: %d, want 404", i, status)
			}
		}
		if list := g.must(http.StatusOK, http.MethodGet, "/users?$select=id", nil); len(texts(list.body["value"], "id")) != 1 {
			t.Errorf("with a new user: %v, want one user listed", list.body)
		}
		g.must(http.StatusNoContent, http.MethodPatch, "/users/"+ann, object{"jobTitle": "x"})
		wantError(t, g.do(http.MethodPost, "/users", person("ann")), http.StatusBadRequest, "Request_BadRequest", "already exists") // names are taken at once
		g.sim.Set(func(b *entratest.Behaviour) { b.Lag.Writes = true })
		g.must(http.StatusNotFound, http.MethodPatch, "/users/"+ann, object{"jobTitle": "x"})
		for g.do(http.MethodGet, "/users/"+ann, nil).status == http.StatusNotFound {
			time.Sleep(time.Second)
		}
		if took := time.Since(began); took < 5*time.Second || took > 61*time.Second {
			t.Errorf("the lag took %v, want 5s to 61s", took)
		}
		for i, status := range lagging()[2:] {
			if status != http.StatusNoContent {
				t.Errorf("write %d after the lag: %d, want 204", i, status)
			}
		}
	})
}

func TestFaults(t *testing.T) {
	g := start(t)
	id := g.create("ann")
	fail := func(f entratest.Fault) {
		t.Helper()
		if err := g.sim.FailNext(f); err != nil {
			t.Fatal(err)
		}
	}
	fail(entratest.Fault{Method: http.MethodGet, Path: `^/v1\.0/users/`, Times: 2, Status: http.StatusServiceUnavailable, Header: map[string]string{"Retry-After": "2.128"}})
	g.must(http.StatusOK, http.MethodGet, "/users", nil) // another path
	r := g.do(http.MethodGet, "/users/"+id, nil)
	wantError(t, r, http.StatusServiceUnavailable, "serviceNotAvailable", "")
	if r.header.Get("Retry-After") != "2.128" {
		t.Errorf("headers: %v, want 2.128", r.header)
	}
	answers := g.batch(http.StatusOK, item("1", "GET", "/users/"+id, nil), item("2", "GET", "/users/"+id, nil))
	if got := statuses(answers); got != "503 200" {
		t.Errorf("the second hit: %s, want the item of a batch, 503 200", got)
	}
	fail(entratest.Fault{Status: http.StatusConflict})
	wantError(t, g.do(http.MethodPatch, "/users/"+id, object{}), http.StatusConflict, "Directory_ConcurrencyViolation", "concurrent requests")
	fail(entratest.Fault{Status: http.StatusBadRequest, Body: object{"error": object{"code": "Mine"}}})
	if r := g.must(http.StatusBadRequest, http.MethodGet, "/users", nil); text(r.body, "error", "code") != "Mine" {
		t.Errorf("own body: %v, want Mine", r.body)
	}
	fail(entratest.Fault{Status: http.StatusInternalServerError, Times: 5})
	if n := g.sim.PendingFaults(); len(n) != 1 || n[0].Times != 5 {
		t.Errorf("pending: %v, want one with 5 left", n)
	}
	g.sim.ClearFaults()
	g.must(http.StatusOK, http.MethodGet, "/users", nil)
	if err := g.sim.FailNext(entratest.Fault{Path: "("}); !fault.Is(err, fault.Invalid) {
		t.Errorf("broken expression: %v, want a fault of kind Invalid", err)
	}
}

func TestLostReply(t *testing.T) {
	g := start(t)
	if err := g.sim.FailNext(entratest.Fault{Method: http.MethodPost, LoseReply: true}); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(person("ann"))
	if err != nil {
		t.Fatal(err)
	}
	send := func(ctx context.Context, g *graph) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://graph.test/v1.0/users", bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+g.token)
		return g.client.Do(r)
	}
	if _, err := send(t.Context(), g); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the reply was not lost: %v, want an unexpected end", err)
	}
	if _, found := g.dir.User("ann@contoso.example"); !found {
		t.Error("the write was not applied, want the user")
	}
	if last := g.sim.Requests(); len(last) != 1 || !last[0].ReplyLost || last[0].Status != http.StatusCreated || text(last[0].Body, "passwordProfile", "password") != "(redacted)" {
		t.Errorf("log: %+v, want one request with 201, a lost reply and no password", last)
	}
	inBubble(t, func(t *testing.T) {
		g := start(t)
		if err := g.sim.FailNext(entratest.Fault{Delay: time.Hour}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if _, err := send(ctx, g); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("a hanging request ended with %v after %v, want the deadline after a minute", err, time.Since(began))
		}
	})
}

func TestGzip(t *testing.T) {
	g := start(t)
	g.people(50)
	send := func(body []byte, headers map[string]string, method, path string) (*http.Response, []byte) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://graph.test/v1.0"+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+g.token)
		r.Header.Set("Content-Type", "application/json")
		for name, value := range headers {
			r.Header.Set(name, value)
		}
		response, err := g.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		raw, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response, raw
	}
	raw, err := json.Marshal(person("ann"))
	if err != nil {
		t.Fatal(err)
	}
	rows := []struct {
		name, encoding string
		body           []byte
		status         int
	}{
		{"packed", "gzip", zipped(t, raw), http.StatusCreated},
		{"plain that says gzip", "gzip", raw, http.StatusBadRequest},
		{"torn", "gzip", zipped(t, raw)[:30], http.StatusBadRequest},
		{"another coding", "deflate", raw, http.StatusUnsupportedMediaType},
		{"not JSON", "", []byte("{"), http.StatusBadRequest},
		{"not an object", "", []byte("[]"), http.StatusBadRequest},
		{"empty", "", nil, http.StatusBadRequest},
	}
	for _, row := range rows {
		if r, answer := send(row.body, map[string]string{"Content-Encoding": row.encoding}, http.MethodPost, "/users"); r.StatusCode != row.status {
			t.Errorf("%s: %d %s, want the status of the row", row.name, r.StatusCode, answer)
		}
	}
	if r, _ := send(raw, map[string]string{"Content-Type": "text/plain"}, http.MethodPost, "/users"); r.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("text/plain: %d, want 415", r.StatusCode)
	}
	for accept, want := range map[string]string{"gzip": "gzip", "deflate, gzip;q=1.0": "gzip", "": "", "gzip;q=0": "", "br": ""} {
		r, answer := send(nil, map[string]string{"Accept-Encoding": accept}, http.MethodGet, "/users")
		if got := r.Header.Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: Content-Encoding %q, want %q", accept, got, want)
		}
		if want == "gzip" {
			reader, err := gzip.NewReader(bytes.NewReader(answer))
			if err != nil {
				t.Fatal(err)
			}
			if answer, err = io.ReadAll(reader); err != nil {
				t.Fatal(err)
			}
		}
		if !strings.HasPrefix(string(answer), `{"@odata.context"`) {
			t.Errorf("Accept-Encoding %q: %.40s, want the JSON of an answer", accept, answer)
		}
	}
}

func zipped(t *testing.T, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
