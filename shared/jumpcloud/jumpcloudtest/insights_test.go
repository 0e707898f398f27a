package jumpcloudtest_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	. "entrasync/shared/jumpcloud/jumpcloudtest"
)

const events = "/insights/directory/v1/events"

func query(from time.Time, more Fields) Fields {
	body := Fields{"service": []any{"directory"}, "start_time": from.Format(time.RFC3339Nano)}
	for name, value := range more {
		body[name] = value
	}
	return body
}

func TestFeedLagsAndForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil)
		begin := time.Now()
		b.user("mira", nil)
		count := func() int { return len(b.want(200, "POST", events, query(begin, nil)).list()) }
		if count() != 0 {
			t.Error("the event is visible at once, want the lag")
		}
		time.Sleep(DefaultBehaviour().FeedLag)
		if count() != 1 {
			t.Error("the event is not visible after the lag, want it")
		}
		time.Sleep(89 * 24 * time.Hour)
		if count() != 1 {
			t.Error("the event is deleted too early, want it until the retention ends")
		}
		time.Sleep(2 * 24 * time.Hour)
		if count() != 0 {
			t.Error("the event is kept too long, want it deleted")
		}
		b.Close()
	})
}

func TestFeedPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil)
		b.Set(func(behaviour *Behaviour) { behaviour.FeedLag = 0 })
		begin := time.Now()
		for i := range 25 { // five at a time have one timestamp
			b.user(fmt.Sprintf("user%02d", i), nil)
			if i%5 == 4 {
				time.Sleep(time.Second)
			}
		}
		for _, sort := range []string{"ASC", "DESC"} {
			var got []string
			body, pages := query(begin, Fields{"limit": 10, "sort": sort}), 0
			for {
				answer := b.want(200, "POST", events, body)
				for _, event := range answer.list() {
					got = append(got, event["resource"].(map[string]any)["username"].(string))
				}
				if answer.header.Get("X-Limit") != "10" || answer.header.Get("X-Sort") != sort || answer.header.Get("X-Result-Count") != fmt.Sprint(len(answer.list())) {
					t.Fatalf("headers %v, want the limit, the sort and the number of events", answer.header)
				}
				pages++
				if len(answer.list()) < 10 {
					break
				}
				body["search_after"] = rawJSON(answer.header.Get("X-Search_after"))
			}
			first := map[string]string{"ASC": "user00", "DESC": "user24"}[sort]
			distinct := map[string]bool{}
			for _, name := range got {
				distinct[name] = true
			}
			if pages != 3 || len(got) != 25 || len(distinct) != 25 || got[0] != first {
				t.Errorf("%s: %d pages, %v, want 3 with all 25 events, each once", sort, pages, got)
			}
		}
		b.Close()
	})
}

// rawJSON is text that is JSON already.
type rawJSON string

// MarshalJSON is the text unchanged.
func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

func TestFeedQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil)
		b.Set(func(behaviour *Behaviour) { behaviour.FeedLag, behaviour.StateEvents = 0, UpdateOnly })
		begin := time.Now()
		mira := b.user("Mira", nil)
		time.Sleep(time.Hour)
		b.ok(b.SuspendUser(mira))
		b.must(b.CreateGroup("Sales"))
		b.must(b.Notify("http://hook/", "t")) // two events of other services
		time.Sleep(time.Hour)
		for name, c := range map[string]struct {
			more Fields
			want int
		}{
			"everything of the service": {Fields{}, 3},
			"all services":              {Fields{"service": []any{"all"}}, 5},
			"types":                     {Fields{"search_term": Fields{"or": []any{Fields{"event_type": []any{"user_create", "group_create"}}}}}, 2},
			"one type":                  {Fields{"search_term": Fields{"and": []any{Fields{"event_type": "user_create"}, Fields{"resource.username": "mira"}}}}, 1},
			"not":                       {Fields{"search_term": Fields{"not": []any{Fields{"event_type": "user_create"}}}}, 2},
			"newer form":                {Fields{"search_term": Fields{"and": []any{Fields{"field": "event_type", "operator": "startsWith", "value": "USER_"}}}}, 2},
			"newer list":                {Fields{"search_term": Fields{"and": []any{Fields{"field": "event_type", "operator": "not_in", "value": []any{"user_create", "x"}}}}}, 2},
			"newer time":                {Fields{"search_term": Fields{"and": []any{Fields{"field": "timestamp", "operator": "after", "value": begin.Add(time.Minute).Format(time.RFC3339)}}}}, 2},
			"until":                     {Fields{"end_time": begin.Add(time.Minute).Format(time.RFC3339)}, 1},
			"text":                      {Fields{"q": "sales"}, 1},
			"skip":                      {Fields{"skip": 2}, 1},
			"limit":                     {Fields{"limit": 2}, 2},
			"nonsense as limit":         {Fields{"limit": -3}, 3},
		} {
			got := b.want(200, "POST", events, query(begin, c.more))
			if len(got.list()) != c.want {
				t.Errorf("%s: %d events, want %d", name, len(got.list()), c.want)
			}
		}
		b.want(401, "POST", events, query(begin, nil), "x-api-key", "wrong")
		if got := b.want(200, "POST", events+"/count", query(begin, nil)).fields(); got["count"] != 3.0 {
			t.Errorf("count %v, want 3", got)
		}
		if got := b.want(200, "POST", events+"/distinct", query(begin, Fields{"field": "event_type"})); string(got.raw) !=
			`{"buckets":[{"doc_count":1,"key":"group_create"},{"doc_count":1,"key":"user_create"},{"doc_count":1,"key":"user_update"}],"doc_count_error_upper_bound":0,"sum_other_doc_count":0}` {
			t.Errorf("distinct %s, want one event of each type", got.raw)
		}
		if got := b.want(200, "POST", events, query(begin, Fields{"fields": []any{"id", "event_type"}})).list(); len(got[0]) != 2 {
			t.Errorf("fields %v, want 2", got[0])
		}
		b.Close()
	})
}

func TestRefusedFeedQueries(t *testing.T) {
	b := start(t, nil)
	begin := time.Now().Add(-time.Hour)
	for name, body := range map[string]Fields{
		"no service":      {"start_time": begin.Format(time.RFC3339)},
		"unknown service": query(begin, Fields{"service": []any{"directory", "kitchen"}}),
		"no start":        {"service": []any{"directory"}},
		"bad start":       query(begin, Fields{"start_time": "yesterday"}),
		"future":          query(time.Now().Add(time.Hour), nil),
		"bad end":         query(begin, Fields{"end_time": 5}),
		"end first":       query(begin, Fields{"end_time": begin.Add(-time.Hour).Format(time.RFC3339)}),
		"no fields":       query(begin, Fields{"fields": []any{}}),
		"bad after":       query(begin, Fields{"search_after": []any{"x"}}),
		"twice":           query(begin, Fields{"search_term": Fields{"or": []any{Fields{"event_type": "a"}, Fields{"event_type": "b"}}}}),
		"changes":         query(begin, Fields{"search_term": Fields{"and": []any{Fields{"changes": "a"}}}}),
		"bad operator":    query(begin, Fields{"search_term": Fields{"and": []any{Fields{"field": "id", "operator": "like", "value": "a"}}}}),
	} {
		if got := b.call("POST", events, body); got.status != 400 {
			t.Errorf("%s: %d %s, want 400", name, got.status, got.raw)
		}
	}
}
