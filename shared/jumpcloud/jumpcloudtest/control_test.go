package jumpcloudtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	. "entrasync/shared/jumpcloud/jumpcloudtest"
)

const form = "application/x-www-form-urlencoded"

func TestPage(t *testing.T) {
	b := start(t, nil)
	answer := b.want(303, "POST", "/_sim/users", url.Values{"username": {"mira"}, "email": {"mira@example.com"}, "lastname": {"<b>Okafor"}, "state": {"STAGED"}}.Encode(), "Content-Type", form)
	if answer.header.Get("Location") != "/" || len(b.Users()) != 1 {
		t.Fatalf("%v, %d users, want a redirect to / and one", answer.header, len(b.Users()))
	}
	id := b.Users()[0].Text("_id")
	page := string(b.want(200, "GET", "/", nil).raw)
	if !strings.Contains(page, "mira@example.com") || strings.Contains(page, "<b>Okafor") || !strings.Contains(page, "/_sim/users/"+id+"/activate") {
		t.Errorf("page %s, want the user, the name escaped and the actions", page)
	}
	for _, step := range []struct{ action, state string }{{"activate", "ACTIVATED"}, {"lock", "ACTIVATED"}, {"unlock", "ACTIVATED"},
		{"expire", "ACTIVATED"}, {"suspend", "SUSPENDED"}, {"activate", "ACTIVATED"}} {
		b.want(303, "POST", "/_sim/users/"+id+"/"+step.action, "", "Content-Type", form)
		if user, _ := b.User(id); user.Text("state") != step.state {
			t.Errorf("after %s: %s, want %s", step.action, user.Text("state"), step.state)
		}
	}
	b.want(303, "POST", "/_sim/users/"+id, "jobTitle=Lead", "Content-Type", form)
	if user, _ := b.User(id); user.Text("jobTitle") != "Lead" || !user.Flag("password_expired") {
		t.Errorf("%v, want the job title Lead and an expired password", user)
	}
	b.want(400, "POST", "/_sim/users/"+id, "email=nowhere", "Content-Type", form)
	b.want(404, "POST", "/_sim/users/"+id+"/promote", "", "Content-Type", form)
	b.want(403, "POST", "/_sim/users/"+id+"/delete", "", "Content-Type", form, "Sec-Fetch-Site", "cross-site")
	b.want(303, "POST", "/_sim/users/"+id+"/delete", "", "Content-Type", form)
	if len(b.Users()) != 0 {
		t.Error("the user was not deleted, want it gone")
	}
}

func TestControlByScript(t *testing.T) {
	b := start(t, nil)
	add := func(path string, body Fields) string {
		return b.want(200, "POST", "/_sim"+path, body).fields().Text("id")
	}
	user := add("/users", Fields{"username": "mira", "email": "mira@example.com"})
	group, directory, app := add("/groups", Fields{"name": "Sales"}), add("/directories", Fields{"name": "M365"}), add("/applications", Fields{"name": "CRM"})
	b.want(204, "POST", "/_sim/groups/"+group+"/members", Fields{"op": "add", "id": user})
	b.want(204, "POST", "/_sim/associations", Fields{"op": "add", "id": group, "target": directory})
	b.want(204, "POST", "/_sim/associations", Fields{"op": "add", "id": user, "target": app})
	b.want(409, "POST", "/_sim/associations", Fields{"op": "add", "id": user, "target": app})
	b.want(204, "POST", "/_sim/associations", Fields{"op": "remove", "id": user, "target": app})
	if fmt.Sprint(b.Members(group)) != "["+user+"]" || len(b.State().Edges) != 2 {
		t.Errorf("members %v, edges %v, want the user and two edges", b.Members(group), b.State().Edges)
	}
	b.want(204, "POST", "/_sim/groups/"+group+"/members", Fields{"op": "remove", "id": user})
	b.want(204, "POST", "/_sim/behaviour", Fields{"Shape": "array", "RetryDelays": []any{1e9}})
	if got := b.State().Behaviour; got.Shape != Array || len(got.RetryDelays) != 1 || got.RetryDelays[0] != time.Second || got.Concurrency != DefaultBehaviour().Concurrency {
		t.Errorf("behaviour %+v, want the shape and the delays changed, and the default concurrency", got)
	}
	b.want(400, "POST", "/_sim/behaviour", Fields{"LossRate": "much"})
	b.want(204, "POST", "/_sim/fail", Fields{"pathContains": "systemusers", "status": 503, "times": 2})
	b.want(503, "GET", "/api/systemusers", nil)
	b.want(503, "GET", "/api/systemusers", nil)
	b.want(200, "GET", "/api/systemusers", nil)
	add("/notify", Fields{"url": "http://127.0.0.1:1/", "token": "t"})
	b.want(204, "POST", "/_sim/resolve", nil)
	b.want(204, "POST", "/_sim/emit", Fields{"type": "user_update_provision", "fields": Fields{"application": Fields{"id": directory}}})
	events := b.Events()
	if last := events[len(events)-1]; last.Text("event_type") != "user_update_provision" || last["application"] == nil || last.Text("id") == "" {
		t.Errorf("event %v, want user_update_provision with its fields", last)
	}
	b.want(400, "POST", "/_sim/users", "[")
	if got := b.want(200, "GET", "/_sim/counters", nil).fields(); got["requests"] != 3.0 {
		t.Errorf("counters %v, want 3", got)
	}
}

// TestOverTCP checks that the simulator works the same in a real server.
func TestOverTCP(t *testing.T) {
	b := start(t, nil)
	server := httptest.NewServer(b.Simulator)
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/systemusers", nil)
	b.ok(err)
	request.Header.Set("x-api-key", apiKey)
	response, err := server.Client().Do(request)
	b.ok(err)
	body, err := io.ReadAll(response.Body)
	b.ok(errors.Join(err, response.Body.Close()))
	if response.StatusCode != 200 || string(body) != `{"results":[],"totalCount":0}` {
		t.Errorf("%d %s, want 200 with an empty list", response.StatusCode, body)
	}
	b.FailNext(Fault{Drop: true, Times: 5})
	if _, err := server.Client().Do(request); err == nil {
		t.Error("the connection was not broken, want an error")
	}
}

func TestTransport(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/drop":
			panic(http.ErrAbortHandler)
		case "/panic":
			panic("defect")
		case "/wait":
			<-r.Context().Done()
		case "/echo":
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("X-Host", r.Host+" "+r.RequestURI)
			w.WriteHeader(http.StatusTeapot)
			w.Header().Set("X-Late", "1")
			_, _ = w.Write(body)
		}
	})
	client := http.Client{Transport: Transport(handler)}
	response, err := client.Post("http://host:1/echo?x=1", "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusTeapot || string(body) != "hello" || response.Header.Get("X-Host") != "host:1 /echo?x=1" || response.Header.Get("X-Late") != "" || response.ContentLength != 5 {
		t.Errorf("%+v %s, want the answer of the handler", response, body)
	}
	if response, err := client.Get("http://host/nothing"); err != nil || response.StatusCode != 200 {
		t.Errorf("%v, %v, want 200", response, err)
	}
	if _, err := client.Get("http://host/drop"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("drop: %v, want an unexpected end", err)
	}
	if _, err := client.Get("http://host/panic"); err == nil || !strings.Contains(err.Error(), "defect") {
		t.Errorf("panic: %v, want the text of the panic", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	request, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://host/wait", nil)
	if _, err := client.Do(request); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait: %v, want the deadline", err)
	}
}
