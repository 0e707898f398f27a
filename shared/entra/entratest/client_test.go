package entratest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"entrasync/shared/entra/entratest"
)

const (
	tenantID = "7f1d5c2e-0a4b-4c61-9a58-3d2f6b1e8c90"
	clientID = "2b6e1f0a-93d4-4f7e-8c15-6a0d9e4b7c32"
	password = "Sim-pleton42!"
)

// graph is a client of a simulator in memory.
type graph struct {
	t      *testing.T
	sim    *entratest.Simulator
	dir    entratest.Directory
	client *http.Client
	token  string
}

// start makes a simulator and a client with a token.
func start(t *testing.T, edits ...func(*entratest.Config)) *graph {
	t.Helper()
	app := entratest.DefaultApp()
	app.Roles = append(slices.Clone(app.Roles), "Domain.Read.All", "RoleManagement.ReadWrite.Directory")
	config := entratest.Config{Apps: []entratest.App{app}, Seed: 1}
	for _, edit := range edits {
		edit(&config)
	}
	sim, err := entratest.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	return &graph{
		t: t, sim: sim, dir: sim.Tenant(tenantID), client: &http.Client{Transport: entratest.Transport(sim)},
		token: sim.Token(clientID, tenantID),
	}
}

// reply is an answer with its JSON body.
type reply struct {
	status int
	header http.Header
	body   map[string]any
	plain  string // of an answer that is text
}

// do sends a request below /v1.0. Headers are pairs of name and value.
func (g *graph) do(method, path string, body any, headers ...string) reply {
	g.t.Helper()
	var reader io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			g.t.Fatal(err)
		}
		reader = bytes.NewReader(raw)
	}
	target := path
	if !strings.HasPrefix(target, "http") {
		target = "http://graph.test/v1.0" + path
	}
	r, err := http.NewRequestWithContext(g.t.Context(), method, target, reader)
	if err != nil {
		g.t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if g.token != "" {
		r.Header.Set("Authorization", "Bearer "+g.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := g.client.Do(r)
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	out := reply{status: response.StatusCode, header: response.Header}
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "text/plain") {
		out.plain = string(raw)
		return out
	}
	if len(raw) > 0 && json.Unmarshal(raw, &out.body) != nil {
		g.t.Fatalf("%s %s: not JSON: %s", method, path, raw)
	}
	return out
}

// must sends a request and checks its status.
func (g *graph) must(status int, method, path string, body any, headers ...string) reply {
	g.t.Helper()
	r := g.do(method, path, body, headers...)
	if r.status != status {
		g.t.Fatalf("%s %s: status %d, want %d: %v", method, path, r.status, status, r.body)
	}
	return r
}

// at is a part of a JSON value, by names and indexes.
func at(value any, path ...any) any {
	for _, step := range path {
		switch s := step.(type) {
		case string:
			object, _ := value.(map[string]any)
			value = object[s]
		case int:
			list, _ := value.([]any)
			if s >= len(list) {
				return nil
			}
			value = list[s]
		}
	}
	return value
}

// text is at as a text.
func text(value any, path ...any) string {
	s, _ := at(value, path...).(string)
	return s
}

// texts collects one property of a list.
func texts(value any, name string) []string {
	var out []string
	list, _ := value.([]any)
	for _, item := range list {
		out = append(out, text(item, name))
	}
	return out
}

type object = map[string]any

// person is the body that creates a user.
func person(name string, more ...any) object {
	body := object{
		"accountEnabled": true, "displayName": strings.ToUpper(name[:1]) + name[1:] + " Example", "mailNickname": name,
		"userPrincipalName": name + "@contoso.example",
		"passwordProfile":   object{"password": password, "forceChangePasswordNextSignIn": false},
	}
	for i := 0; i+1 < len(more); i += 2 {
		name, _ := more[i].(string)
		if more[i+1] == absent {
			delete(body, name)
			continue
		}
		body[name] = more[i+1]
	}
	return body
}

// absent removes a property from a body.
var absent any = struct{}{}

// create creates a user by a request and returns its id.
func (g *graph) create(name string, more ...any) string {
	g.t.Helper()
	return text(g.must(http.StatusCreated, http.MethodPost, "/users", person(name, more...)).body, "id")
}

// seed puts a user into the directory.
func (g *graph) seed(u entratest.User) entratest.User {
	g.t.Helper()
	u, err := g.dir.AddUser(u)
	if err != nil {
		g.t.Fatal(err)
	}
	return u
}

// seedGroup puts a group into the directory.
func (g *graph) seedGroup(group entratest.Group) entratest.Group {
	g.t.Helper()
	group, err := g.dir.AddGroup(group)
	if err != nil {
		g.t.Fatal(err)
	}
	return group
}

func reference(id string) object {
	return object{"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/" + id}
}

func references(ids ...string) []string {
	var out []string
	for _, id := range ids {
		out = append(out, "https://graph.microsoft.com/v1.0/directoryObjects/"+id)
	}
	return out
}

// wantError checks the form and the texts of an error body.
func wantError(t *testing.T, r reply, status int, code, message string) {
	t.Helper()
	if r.status != status || text(r.body, "error", "code") != code || !strings.Contains(text(r.body, "error", "message"), message) {
		t.Errorf("got %d %s %q, want %d %s with %q", r.status, text(r.body, "error", "code"), text(r.body, "error", "message"), status, code, message)
	}
	for _, name := range []string{"date", "request-id", "client-request-id"} {
		if text(r.body, "error", "innerError", name) == "" {
			t.Errorf("innerError has no %s: %v", name, r.body)
		}
	}
}
