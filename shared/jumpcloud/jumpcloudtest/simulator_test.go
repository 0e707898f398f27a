package jumpcloudtest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	. "entrasync/shared/jumpcloud/jumpcloudtest"
)

const apiKey = "jca_canary-key-0123456789"

// bench is a simulator with a client of its API.
type bench struct {
	*Simulator
	t *testing.T
}

func start(t *testing.T, change func(*Config)) bench {
	t.Helper()
	config := Config{APIKey: apiKey, Seed: 7}
	if change != nil {
		change(&config)
	}
	sim, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	return bench{sim, t}
}

// answer is an answer of the API.
type answer struct {
	status int
	header http.Header
	raw    []byte
}

// fields reads the answer as an object, list as an array.
func (a answer) fields() Fields {
	var f Fields
	_ = json.Unmarshal(a.raw, &f)
	return f
}

func (a answer) list() []Fields {
	var f []Fields
	_ = json.Unmarshal(a.raw, &f)
	return f
}

// results is the page of a list of version 1.
func (a answer) results() []Fields {
	var f struct{ Results []Fields }
	_ = json.Unmarshal(a.raw, &f)
	return f.Results
}

// call sends a request with the right key. body is nil, a text or a value to encode as
// JSON.
func (b bench) call(method, path string, body any, headers ...string) answer {
	b.t.Helper()
	var reader io.Reader
	switch text := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(text)
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			b.t.Fatal(err)
		}
		reader = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(b.t.Context(), method, "http://sim"+path, reader)
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set("x-api-key", apiKey)
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{Transport: Transport(b.Simulator), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, raw}
}

// want sends a request and checks the status.
func (b bench) want(status int, method, path string, body any, headers ...string) answer {
	b.t.Helper()
	got := b.call(method, path, body, headers...)
	if got.status != status {
		b.t.Fatalf("%s %s: %d %s; want %d", method, path, got.status, got.raw, status)
	}
	return got
}

// user adds a user through the Go access.
func (b bench) user(name string, more Fields) string {
	b.t.Helper()
	fields := Fields{"username": name, "email": name + "@example.com", "state": "ACTIVATED"}
	for field, value := range more {
		fields[field] = value
	}
	return b.must(b.CreateUser(fields))
}

func (b bench) must(id string, err error) string {
	b.t.Helper()
	b.ok(err)
	return id
}

func (b bench) ok(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// types are the types of the events after the first n.
func (b bench) types(n int) string {
	var types []string
	for _, event := range b.Events()[n:] {
		types = append(types, event.Text("event_type"))
	}
	return strings.Join(types, " ")
}

func TestWhoIsLetIn(t *testing.T) {
	b := start(t, nil)
	for _, path := range []string{"/api/systemusers", "/api/v2/usergroups", "/api/organizations"} {
		b.want(401, "GET", path, nil, "x-api-key", "wrong")
		b.want(401, "GET", path, nil, "x-api-key", "")
		b.want(200, "GET", path, nil)
		b.want(200, "GET", path, nil, "x-org-id", DefaultOrganizationID)
		b.want(400, "GET", path, nil, "x-org-id", "short")
		b.want(404, "GET", path, nil, "x-org-id", "ffffffffffffffffffffffff")
	}
	b.Set(func(behaviour *Behaviour) { behaviour.RequireOrgID, behaviour.RefuseUnsupportedOrgID = true, true })
	b.want(401, "GET", "/api/systemusers", nil)
	b.want(200, "GET", "/api/systemusers", nil, "x-org-id", DefaultOrganizationID)
	b.want(403, "GET", "/api/organizations", nil, "x-org-id", DefaultOrganizationID)
	b.want(200, "GET", "/api/organizations", nil)
	b.want(404, "GET", "/api/nothing", nil)
}

func TestErrorBodies(t *testing.T) {
	b := start(t, nil)
	if got := b.want(404, "GET", "/api/systemusers/64a1b2c3d4e5f60718293a4b", nil).fields(); len(got) != 1 || got.Text("message") == "" {
		t.Errorf("version 1: %v, want the message alone", got)
	}
	if got := b.want(404, "GET", "/api/v2/usergroups/64a1b2c3d4e5f60718293a4b", nil).fields(); got["code"] != 404.0 || got["status"] != "NOT_FOUND" || got.Text("message") == "" {
		t.Errorf("version 2: %v, want code, status and message", got)
	}
}

func TestFaults(t *testing.T) {
	b := start(t, nil)
	b.FailNext(Fault{Method: "POST", PathContains: "/systemusers", Status: 503, RetryAfter: "7", Times: 2, Skip: 1})
	if got := b.want(200, "GET", "/api/systemusers", nil); got.header.Get("Retry-After") != "" {
		t.Error("the fault hits another method, want it unaffected")
	}
	post := func(name string) answer {
		return b.call("POST", "/api/systemusers", Fields{"username": name, "email": name + "@example.com"})
	}
	var statuses []int
	for _, name := range []string{"a", "b", "c", "d"} {
		statuses = append(statuses, post(name).status)
	}
	if fmt.Sprint(statuses) != "[200 503 503 200]" || len(b.Users()) != 2 {
		t.Errorf("%v with %d users, want 200 503 503 200 with 2", statuses, len(b.Users()))
	}
	b.FailNext(Fault{Status: 500, AfterChange: true})
	if got := post("e"); got.status != 500 || len(b.Users()) != 3 {
		t.Errorf("%d with %d users, want 500 with 3", got.status, len(b.Users()))
	}
	b.FailNext(Fault{Status: 429})
	if got := b.call("GET", "/api/systemusers", nil); got.status != 429 || got.header.Get("Retry-After") != "" {
		t.Errorf("%d %v, want 429 without a Retry-After", got.status, got.header)
	}
	if got := b.Counters(); got.FaultsInjected != 4 {
		t.Errorf("%+v, want 4", got)
	}
}

func TestListConventionsV1(t *testing.T) {
	b := start(t, nil)
	var ids []string
	for i := range 120 {
		ids = append(ids, b.user(fmt.Sprintf("user%03d", 119-i), Fields{"department": []string{"Sales", "Ops", "a|b"}[i%3]}))
	}
	for query, want := range map[string]struct{ count, total int }{
		"":                                      {10, 120},
		"limit=100":                             {100, 120},
		"limit=1000":                            {100, 120},
		"limit=100&skip=100":                    {20, 120},
		"skip=500":                              {0, 120},
		"filter=department:$eq:Sales":           {10, 40},
		"filter=department:$eq:sales":           {0, 0},
		"filter=department:$ne:Sales":           {10, 80},
		"filter=department:$in:Sales|Ops":       {10, 80},
		`filter=department:$in:a\|b`:            {10, 40},
		"filter=department:$nin:Sales|Ops":      {10, 40},
		"filter=username:$sw:user00":            {10, 10},
		"filter=username:$gte:user118":          {2, 2},
		"filter=username:$lt:user002":           {2, 2},
		"filter=suspended:$eq:true":             {0, 0},
		"filter=_id:$in:" + ids[3] + "|" + "xx": {1, 1},
		"filter[0]=department:$eq:Ops&filter[1]=username:$sw:user00":            {3, 3},
		"filter[or][0]=username:$eq:user001&filter[or][1]=username:$eq:user002": {2, 2},
		"filter[and][0]=username:$sw:user&filter[and][1]=username:$eq:user002":  {1, 1},
		"search=USER11": {10, 10},
	} {
		got := b.want(200, "GET", "/api/systemusers?"+strings.NewReplacer("|", "%7C", `\`, "%5C").Replace(query), nil)
		if len(got.results()) != want.count || got.fields()["totalCount"] != float64(want.total) {
			t.Errorf("%s: %d of %v, want %d of %d", query, len(got.results()), got.fields()["totalCount"], want.count, want.total)
		}
	}
	for _, query := range []string{"limit=x", "skip=-1", "filter=department:eq:Sales", "filter=department", "filter=department:$xx:1", "filter=department:$co:S"} {
		b.want(400, "GET", "/api/systemusers?"+query, nil)
	}
	if got := b.want(200, "GET", "/api/systemusers?filter=department:$co:ALE", nil, "x-eventually-consistent", "true"); got.fields()["totalCount"] != 40.0 {
		t.Errorf("contains: %v, want 40", got.fields()["totalCount"])
	}
	got := b.want(200, "GET", "/api/systemusers?sort=-username&limit=2&fields=username+email", nil).results()
	if len(got) != 2 || got[0].Text("username") != "user119" || len(got[0]) != 4 || got[0].Text("_id") != ids[0] || got[0].Text("id") != ids[0] {
		t.Errorf("sorted, some fields: %v, want two users from user119 on with the chosen fields", got)
	}
	if got := b.want(200, "GET", "/api/systemusers?sort=_id", nil).results(); got[0].Text("_id") != ids[0] {
		t.Errorf("sorted by id: %v, want the first id", got[0])
	}
	search := b.want(200, "POST", "/api/search/systemusers", Fields{"filter": Fields{"and": []any{Fields{"department": "Ops"}}},
		"searchFilter": Fields{"searchTerm": "user00", "fields": []any{"username"}}, "fields": "username", "limit": 2, "skip": 1})
	if len(search.results()) != 2 || search.fields()["totalCount"] != 3.0 {
		t.Errorf("search: %s, want 2 of 3", search.raw)
	}
}

func TestListConventionsV2(t *testing.T) {
	b := start(t, nil)
	for i := range 12 {
		b.must(b.CreateGroup(fmt.Sprintf("Group %02d", i)))
	}
	for query, want := range map[string]struct{ count, total int }{
		"":                            {10, 12},
		"limit=5&skip=10":             {2, 12},
		"filter=name:eq:Group+03":     {1, 1},
		"filter=name:in:Group+03%7CX": {1, 1},
		"filter=name:search:group+1":  {2, 2},
		"filter=name:ge:Group+10,name:le:Group+10":          {1, 1},
		"filter=name:between:Group+02,Group+04":             {3, 3},
		"filter=name:ne:Group+00&filter=type:eq:user_group": {10, 11},
	} {
		got := b.want(200, "GET", "/api/v2/usergroups?"+query, nil)
		if len(got.list()) != want.count || got.header.Get("x-total-count") != fmt.Sprint(want.total) {
			t.Errorf("%s: %d of %s, want the page and its total", query, len(got.list()), got.header.Get("x-total-count"))
		}
	}
	b.want(400, "GET", "/api/v2/usergroups?filter=name:$eq:x", nil)
	got := b.want(200, "GET", "/api/v2/usergroups?sort=-name&fields=name,type&limit=1", nil).list()
	if len(got) != 1 || got[0].Text("name") != "Group 11" || len(got[0]) != 3 {
		t.Errorf("sorted, some fields: %v, want Group 11 with three fields", got)
	}
	if empty := start(t, nil).want(200, "GET", "/api/v2/usergroups", nil); strings.TrimSpace(string(empty.raw)) != "[]" {
		t.Errorf("an empty list is %s, want []", empty.raw)
	}
}

func TestSameSeedSameObjects(t *testing.T) {
	own := func(seed uint64) string { // the part of an id that is not the time
		b := start(t, func(config *Config) { config.Seed = seed })
		return b.user("a", nil)[8:]
	}
	first, again, other := own(1), own(1), own(2)
	if first != again || first == other {
		t.Error("ids do not depend on the seed alone, want the same ids for the same seed")
	}
}
