package entratest_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"testing"

	"entrasync/shared/entra/entratest"
)

// item is one request of a batch.
func item(id, method, url string, body any, dependsOn ...string) object {
	out := object{"id": id, "method": method, "url": url}
	if body != nil {
		out["body"], out["headers"] = body, object{"content-type": "application/json"}
	}
	if dependsOn != nil {
		out["dependsOn"] = dependsOn
	}
	return out
}

// batch sends items and gives the answers by id.
func (g *graph) batch(status int, items ...object) map[string]object {
	g.t.Helper()
	r := g.must(status, http.MethodPost, "/$batch", object{"requests": items})
	out := map[string]object{}
	list, _ := r.body["responses"].([]any)
	for _, entry := range list {
		answer, _ := entry.(object)
		out[text(answer, "id")] = answer
	}
	if len(out) != len(items) {
		g.t.Fatalf("%d answers to %d items, want one for each", len(out), len(items))
	}
	return out
}

func statuses(answers map[string]object) string {
	out := ""
	for i := range len(answers) {
		out += fmt.Sprint(" ", answers[fmt.Sprint(i+1)]["status"])
	}
	return out[1:]
}

func TestBatch(t *testing.T) {
	g := start(t)
	ids := g.people(2)
	body := person("ann")
	answers := g.batch(http.StatusOK,
		item("1", "POST", "/users", body),
		item("2", "GET", "users/"+ids[0]+"?$select=id", nil),
		object{"id": "3", "method": "DELETE", "url": "/users/" + ids[1], "body": nil, "dependsOn": []string{}, "headers": nil},
		item("4", "GET", "/users/nobody@contoso.example", nil),
		item("5", "PATCH", "/users/"+ids[0], base64.RawURLEncoding.EncodeToString([]byte(`{"jobTitle":"x"}`))),
		item("6", "GET", "/v1.0/users", nil),
		item("7", "POST", "/$batch", object{"requests": []any{}}),
		item("8", "GET", "/users?$top=1&$select=id", nil),
	)
	if got := statuses(answers); got != "201 200 204 404 204 400 400 200" {
		t.Errorf("statuses: %s: %v, want 201 200 204 404 204 400 400 200", got, answers)
	}
	if at(answers["3"], "body") != nil || text(answers["1"], "headers", "x-ms-resource-unit") != "1" {
		t.Errorf("answers: %v, want no body for item 3 and one resource unit for item 1", answers)
	}
	if text(answers["4"], "body", "error", "code") != "Request_ResourceNotFound" || text(answers["8"], "body", "@odata.nextLink") == "" {
		t.Errorf("answers: %v, want Request_ResourceNotFound for item 4 and a next link for item 8", answers)
	}
	if u, _ := g.dir.User(ids[0]); u.Text("jobTitle") != "x" {
		t.Error("a base64url body was not applied, want the job title x")
	}
	counters := g.sim.Counters()
	if counters.Requests != 1 || counters.Operations != 8 || counters.WriteUnits != 3 || counters.ByRoute["POST /$batch"] != 1 {
		t.Errorf("counters: %+v, want 1 request, 8 operations, 3 write units and 1 batch", counters)
	}
}

func TestMalformedBatch(t *testing.T) {
	g := start(t)
	get := func(id string, dependsOn ...string) object { return item(id, "GET", "/users", nil, dependsOn...) }
	var many []object
	for i := range 21 {
		many = append(many, get(fmt.Sprint(i)))
	}
	noType := item("1", "POST", "/users", object{"a": 1})
	delete(noType, "headers")
	rows := map[string][]object{
		"21 items": many, "none": {}, "same id": {get("a"), get("A")}, "no id": {{"method": "GET", "url": "/users"}}, "no method": {{"id": "1", "url": "/users"}},
		"no url": {{"id": "1", "method": "GET"}}, "empty id": {get("")}, "numeric id": {{"id": 1, "method": "GET", "url": "/users"}},
		"unknown parent": {get("1"), get("2", "9")}, "own parent": {get("1", "1")}, "two parents": {get("1"), get("2"), get("3", "1", "2")},
		"gap in the chain": {get("1"), get("2", "1"), get("3"), get("4", "3")}, "tree": {get("1"), get("2", "1"), get("3", "1"), get("4", "2")},
		"circle": {get("1", "2"), get("2", "1")}, "body without type": {noType},
	}
	for name, items := range rows {
		t.Run(name, func(t *testing.T) {
			r := g.do(http.MethodPost, "/$batch", object{"requests": items})
			wantError(t, r, http.StatusBadRequest, "BadRequest", "")
		})
	}
	wantError(t, g.do(http.MethodPost, "/$batch", object{}), http.StatusBadRequest, "BadRequest", "")
}

// A write without a body or without its type makes Graph refuse the complete batch,
// even if the call takes no body: none of the items runs.
func TestWritesOfABatchNeedABody(t *testing.T) {
	g := start(t)
	ids := g.people(3)
	gone := ids[2]
	if _, err := g.dir.DeleteUser(gone); err != nil {
		t.Fatal(err)
	}
	right := item("0", "PATCH", "/users/"+ids[1], object{"jobTitle": "x"})
	sessions, restore := "/users/"+ids[0]+"/revokeSignInSessions", "/directory/deletedItems/"+gone+"/restore"
	typed := object{"Content-Type": "application/json"}
	for name, wrong := range map[string]object{
		"sessions, nothing":      {"id": "n1", "method": "POST", "url": sessions},
		"sessions, null":         {"id": "n1", "method": "POST", "url": sessions, "body": nil, "headers": object{}},
		"sessions, type alone":   {"id": "n1", "method": "POST", "url": sessions, "headers": typed},
		"sessions, body alone":   {"id": "n1", "method": "post", "url": sessions, "body": object{}},
		"restore, nothing":       {"id": "n1", "method": "POST", "url": restore},
		"restore, another type":  {"id": "n1", "method": "POST", "url": restore, "body": object{}, "headers": object{"Accept": "*/*"}},
		"a change without one":   {"id": "n1", "method": "PATCH", "url": "/users/" + ids[0], "headers": typed},
		"a manager without one":  {"id": "n1", "method": "PUT", "url": "/users/" + ids[0] + "/manager/$ref", "headers": typed},
		"a read with body alone": {"id": "n1", "method": "GET", "url": "/users/" + ids[0], "body": object{}},
	} {
		t.Run(name, func(t *testing.T) {
			r := g.do(http.MethodPost, "/$batch", object{"requests": []object{right, wrong}})
			wantError(t, r, http.StatusBadRequest, "BadRequest", "Write request id : n1 does not contain Content-Type header or body.")
			if u, _ := g.dir.User(ids[1]); u.Text("jobTitle") != "" {
				t.Error("another item of the batch ran, want none")
			}
		})
	}
	empty := func(id, url string) object { return item(id, "POST", url, object{}) }
	if got := statuses(g.batch(http.StatusOK, empty("1", sessions), empty("2", restore), item("3", "DELETE", "/users/"+ids[1], nil))); got != "200 200 204" {
		t.Errorf("with empty bodies: %s, want 200 200 204", got)
	}
}

func TestBatchDependencies(t *testing.T) {
	g := start(t)
	ids := g.people(1)
	good, bad := "/users/"+ids[0], "/users/nobody@contoso.example"
	rows := []struct {
		name  string
		items []object
		want  string
	}{
		{"chain", []object{item("1", "GET", good, nil), item("2", "GET", bad, nil, "1"), item("3", "GET", good, nil, "2")}, "200 404 424"},
		{"same parent, later in the list", []object{item("1", "GET", good, nil, "3"), item("2", "GET", good, nil, "3"), item("3", "GET", bad, nil)}, "424 424 404"},
		{"same parent and strangers", []object{item("1", "GET", good, nil), item("2", "GET", good, nil, "1"), item("3", "GET", good, nil)}, "200 200 200"},
	}
	for _, row := range rows {
		answers := g.batch(http.StatusOK, row.items...)
		if got := statuses(answers); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
	answers := g.batch(http.StatusOK, item("1", "GET", bad, nil), item("2", "GET", good, nil, "1"))
	if text(answers["2"], "body", "error", "message") != "Failed Dependency" {
		t.Errorf("424: %v, want Failed Dependency", answers["2"])
	}
}

func TestBatchConflicts(t *testing.T) {
	g := start(t, func(c *entratest.Config) { c.Behaviour.BatchConflicts = true })
	ids := g.people(3)
	group := g.seedGroup(entratest.Group{DisplayName: "Eng"})
	add := func(id, user string, dependsOn ...string) object {
		return item(id, "POST", "/groups/"+group.ID+"/members/$ref", reference(user), dependsOn...)
	}
	answers := g.batch(http.StatusOK, add("1", ids[0]), add("2", ids[1]),
		item("3", "PATCH", "/users/"+ids[2], object{"jobTitle": "x"}), item("4", "PATCH", "/users/u2@contoso.example", object{"surname": "x"}), item("5", "GET", "/users/"+ids[2], nil))
	if got := statuses(answers); got != "204 409 204 409 200" {
		t.Errorf("statuses: %s, want 204 409 204 409 200", got)
	}
	if text(answers["2"], "body", "error", "code") != "Directory_ConcurrencyViolation" {
		t.Errorf("409: %v, want Directory_ConcurrencyViolation", answers["2"])
	}
	if got := statuses(g.batch(http.StatusOK, add("1", ids[1]), add("2", ids[2], "1"))); got != "204 204" {
		t.Errorf("a chain: %s, want no clash, 204 204", got)
	}
	g.sim.Set(func(b *entratest.Behaviour) { b.BatchConflicts = false })
	if got := statuses(g.batch(http.StatusOK, item("1", "PATCH", "/users/"+ids[2], object{"jobTitle": "y"}), item("2", "PATCH", "/users/"+ids[2], object{"surname": "y"}))); got != "204 204" {
		t.Errorf("without the switch: %s, want 204 204", got)
	}
}
