package jumpcloudtest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	. "entrasync/shared/jumpcloud/jumpcloudtest"
)

// Which of ten requests fail. Requests of other paths between them do not count.
func TestWhichRequestsAFaultIsFor(t *testing.T) {
	const groups = "/api/v2/usergroups"
	for _, test := range []struct {
		fault Fault
		want  string // the requests that go wrong, from 1
	}{
		{Fault{Path: groups}, "1"},
		{Fault{Path: groups, Times: 2}, "1 2"},
		{Fault{Path: groups, Skip: 2}, "3"},
		{Fault{Path: groups, Skip: 2, Times: 2}, "3 4"},
		{Fault{Path: groups, Every: 1}, "1 2 3 4 5 6 7 8 9 10"},
		{Fault{Path: groups, Every: 3}, "3 6 9"},
		{Fault{Path: groups, Every: 3, Times: 2}, "3 6"},
		{Fault{Path: groups, Every: 4, Skip: 1}, "5 9"},
		{Fault{Path: groups, Every: 1, Skip: 8}, "9 10"},
		{Fault{PathContains: "usergroups", Every: 5}, "5 10"},
		{Fault{Path: "/api/v2/*", Every: 5}, "5 10"},
		{Fault{Path: groups + "/*", Every: 1}, ""},
		{Fault{Path: "/api/*/usergroups/*", Every: 1}, ""},
		{Fault{Path: groups, Method: "POST", Every: 1}, ""},
	} {
		t.Run(fmt.Sprintf("%+v", test.fault), func(t *testing.T) {
			b := start(t, nil)
			test.fault.Status = 503
			b.FailNext(test.fault)
			var wrong []string
			for n := range 10 {
				b.want(200, "GET", "/api/systemusers", nil)
				if b.call("GET", groups, nil).status == 503 {
					wrong = append(wrong, fmt.Sprint(n+1))
				}
			}
			if got := strings.Join(wrong, " "); got != test.want {
				t.Errorf("wrong were %q, want %q", got, test.want)
			}
			b.Mend()
			b.want(200, "GET", groups, nil)
		})
	}
}

// The three forms of lists with each mistake; afterwards they are right again.
func TestMistakes(t *testing.T) {
	b := start(t, nil)
	var ids []string
	for _, name := range []string{"ann", "bob", "cid"} {
		ids = append(ids, b.user(name, nil))
	}
	group := b.must(b.CreateGroup("Sales"))
	for _, id := range ids {
		b.ok(b.AddMember(group, id))
	}
	b.must(b.Notify("http://receiver/", "token"))
	lists := map[string]func(answer) (elements []any, total string){
		"/api/systemusers?fields=username": func(a answer) ([]any, string) {
			return elementsOf(a.fields()["results"]), fmt.Sprint(a.fields()["totalCount"])
		},
		"/api/v2/usergroups/" + group + "/membership": bare, "/api/v2/usergroups/" + group + "/members": bare,
		"/api/v2/users/" + ids[0] + "/memberof": bare,
		"/api/v2/notifications/channels": func(a answer) ([]any, string) {
			return elementsOf(a.fields()["channels"]), fmt.Sprint(a.fields()["count"])
		},
	}
	for path, read := range lists {
		right, rightTotal := read(b.want(200, "GET", path, nil))
		n := len(right)
		if n == 0 || rightTotal != fmt.Sprint(n) {
			t.Fatalf("%s: %v of %s, want some and the right total", path, right, rightTotal)
		}
		noTotal := "0"
		if strings.Contains(path, "/member") { // the total of a bare list is a header
			noTotal = ""
		}
		for mistake, want := range map[Mistake]struct {
			elements []any
			total    string
		}{
			EmptyList:  {nil, noTotal},
			EmptyTotal: {nil, "0"},
			EmptyPage:  {nil, rightTotal},
			ShortPage:  {right[:n-1], rightTotal},
			FewerOf:    {right[:n-1], fmt.Sprint(n - 1)},
			Nulls:      {append([]any{nil}, right[1:]...), rightTotal},
		} {
			b.FailNext(Fault{Method: "GET", Path: strings.Split(path, "?")[0], Answer: mistake})
			if got, total := read(b.want(200, "GET", path, nil)); asJSON(got) != asJSON(want.elements) || total != want.total {
				t.Errorf("%s, %s: %s of %q, want %s of %q", path, mistake, asJSON(got), total, asJSON(want.elements), want.total)
			}
			if again, total := read(b.want(200, "GET", path, nil)); asJSON(again) != asJSON(right) || total != rightTotal {
				t.Errorf("%s after %s: %s of %q, want the right list again", path, mistake, asJSON(again), total)
			}
		}
		b.FailNext(Fault{Answer: Strangers, Count: 2})
		got, total := read(b.want(200, "GET", path, nil))
		if len(got) != n+2 || total != fmt.Sprint(n+2) || asJSON(got[2:]) != asJSON(right) || asJSON(got[0]) == asJSON(got[1]) {
			t.Errorf("%s with strangers: %s of %s, want two different strangers before the right list", path, asJSON(got), total)
		}
	}
	// The page of the feed has the number of its events in a header.
	ask := Fields{"service": []any{"directory"}, "start_time": "2000-01-01T00:00:00Z"}
	b.FailNext(Fault{Answer: EmptyTotal})
	if got := b.want(200, "POST", "/insights/directory/v1/events", ask); string(got.raw) != "[]" || got.header.Get("X-Result-Count") != "0" || got.header.Get("X-Limit") != "1000" {
		t.Errorf("feed: %s %v, want an empty page with its headers", got.raw, got.header)
	}
}

func bare(a answer) ([]any, string) {
	var list []any
	_ = json.Unmarshal(a.raw, &list)
	return list, a.header.Get("x-total-count")
}

func elementsOf(value any) []any {
	list, _ := value.([]any)
	return list
}

func asJSON(value any) string {
	if list, is := value.([]any); is && len(list) == 0 {
		return "[]"
	}
	encoded, _ := json.Marshal(value)
	return string(encoded)
}

// A wrong list and a 404 for the object: two faults, one for each request.
func TestWrongListBesideAnAbsence(t *testing.T) {
	b := start(t, nil)
	id := b.user("mira", nil)
	b.want(204, "POST", "/_sim/fail", Fields{"method": "GET", "path": "/api/systemusers", "answer": "empty"})
	b.want(204, "POST", "/_sim/fail", Fields{"method": "GET", "path": "/api/systemusers/*", "status": 404})
	if got := b.want(200, "GET", "/api/systemusers?limit=1", nil); string(got.raw) != `{"results":[],"totalCount":0}` {
		t.Errorf("%s, want an empty list", got.raw)
	}
	b.want(404, "GET", "/api/systemusers/"+id, nil)
	b.want(200, "GET", "/api/systemusers/"+id, nil)
}

// A fault without an effect is refused, because a test with it would pass without a
// failure.
func TestFaultsThatMakeNoSense(t *testing.T) {
	b := start(t, nil)
	for _, body := range []Fields{{"answer": "short page"}, {"path": "usergroups"}, {"path": "/api/["}, {"times": -1}, {"answer": "empty", "status": 404},
		{"pathcontains ": "x"}, {"statuscode": 404}, {"status": "404"}} {
		if got := b.want(400, "POST", "/_sim/fail", body); got.fields().Text("message") == "" {
			t.Errorf("%v: %s, want a message", body, got.raw)
		}
	}
	b.want(400, "POST", "/_sim/behaviour", Fields{"lossrates": 1})
	if panicked := func() (cause any) {
		defer func() { cause = recover() }()
		b.FailNext(Fault{Answer: "none"})
		return nil
	}(); panicked == nil {
		t.Error("no panic, want one")
	}
	b.FailNext(Fault{Answer: EmptyList})
	id := b.user("mira", nil)
	if got := b.want(500, "GET", "/api/systemusers/"+id, nil); !strings.Contains(string(got.raw), "Internal Server Error") {
		t.Errorf("one object: %s, want the usual error", got.raw)
	}
	b.FailNext(Fault{Answer: EmptyList, Times: 5})
	b.want(404, "GET", "/api/systemusers/64a1b2c3d4e5f60718293fff", nil)
	b.want(204, "POST", "/_sim/mend", nil)
	if got := b.want(200, "GET", "/api/systemusers", nil).results(); len(got) != 1 {
		t.Errorf("mended: %v, want 1", got)
	}
}
