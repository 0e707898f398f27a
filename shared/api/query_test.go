package api_test

import (
	"strings"
	"testing"
)

// A query with an unknown parameter is refused, because the caller would misread the
// answer.
func TestQueriesAreUnderstoodOrRefused(t *testing.T) {
	handler := serve(t, byToken())
	for _, tc := range []struct{ query, field, says string }{
		{"limt=2", "query.limt", "there is no parameter limt: this operation has cursor, limit, user"},
		{"Limit=2", "query.Limit", "there is no parameter Limit"},
		{"limit=5&limit=5", "query.limit", "limit is given 2 times: give it once"},
		{"cursor", "query.cursor", "cursor has no value"},
		{"cursor=x", "query.cursor", "it is no cursor of this list"},
		{"user=ann", "query.user", "there is no user ann: its id is 24 hex digits"},
		{"limit=0", "query.limit", `limit is "0": it must be a whole number from 1 to 100, such as 50`},
		{"limit=1.5", "query.limit", `limit is "1.5": it must be a whole number from 1 to 100, such as 50`},
	} {
		r := event("GET", "/v1/directories")
		r.RawQueryString = tc.query
		mustSay(t, answered(t, handler, r), 422, tc.field, tc.says)
	}
	r := event("GET", "/v1/directories")
	r.RawQueryString = "limit=%zz"
	if response := answered(t, handler, r); response.StatusCode != 422 || !strings.Contains(response.Body, "the query cannot be read") {
		t.Errorf("a query that cannot be read: %d %s, want 422", response.StatusCode, response.Body)
	}
	r.RawQueryString = "limit=5&user=" + ann
	if response := answered(t, handler, r); response.StatusCode != 200 {
		t.Errorf("%d %s, want 200", response.StatusCode, response.Body)
	}
}

// A text that cannot be an id is refused before the operation runs.
func TestIDsThatAreNone(t *testing.T) {
	handler := serve(t, byToken())
	for _, tc := range []struct{ method, target, field, says string }{
		{"GET", "/v1/directories/x", "path.id", "there is no directory x: its id is that of its organization"},
		{"PUT", "/v1/directories/" + id + "/connections/users/ann", "path.userId", "there is no user ann: its id is 24 hex digits"},
		{"PATCH", "/v1/organizations/" + id, "path.id", "there is no organization " + id},
	} {
		mustSay(t, answered(t, handler, event(tc.method, tc.target)), 404, tc.field, tc.says)
	}
}
