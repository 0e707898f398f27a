package admin_test

import (
	"testing"
)

// A query with an unknown parameter is refused, because the caller would misread the
// answer.
func TestQueriesAreUnderstoodOrRefused(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	users := "/v1/directories/" + id + "/users"
	for _, tc := range []struct{ method, path, field, says string }{
		{"GET", "/v1/directories?limt=2", "query.limt", "there is no parameter limt: this operation has cursor, limit"},
		{"GET", "/v1/organizations?status=parked", "query.status", "this operation has cursor, limit"},
		{"GET", users + "?state=parked", "query.state", "this operation has cursor, limit, reason, status"},
		{"GET", users + "?Status=parked", "query.Status", "there is no parameter Status"},
		{"GET", users + "?status=parked&status=synced", "query.status", "status is given 2 times: give it once"},
		{"GET", users + "?limit=5&limit=5", "query.limit", "limit is given 2 times"},
		{"GET", users + "?status=", "query.status", "status has no value"},
		{"GET", users + "?status", "query.status", "status has no value"},
		{"GET", users + "?cursor=", "query.cursor", "cursor has no value"},
		{"GET", users + "?status=broken", "query.status", `status is "broken": it must be one of pending, synced, parked, held, released`},
		{"GET", users + "?reason=nonsense", "query.reason", "domain_not_listed"},
		{"GET", "/v1/directories/" + id + "/groups?status=bad", "query.status", "pending, synced, parked, held, released"},
		{"GET", users + "/" + ann + "?verbose=1", "query.verbose", "this operation has none"},
		{"POST", users + "/" + ann + "/sync?force=true", "query.force", "this operation has none"},
		{"PATCH", "/v1/directories/" + id + "?dryrun=true", "query.dryrun", "this operation has dryRun"},
		{"PATCH", "/v1/directories/" + id + "?dryRun=maybe", "query.dryRun", `dryRun is "maybe": it must be true or false`},
		{"PUT", "/v1/directories/" + id + "/connections/users/" + ann + "?a=b", "query.a", "this operation has dryRun"},
		{"GET", "/v1/events?user=" + ann + "&user=" + bob, "query.user", "given 2 times"},
		{"GET", "/v1/directories?limit=abc", "query.limit", `limit is "abc": it must be a whole number from 1 to 100, such as 50`},
		{"GET", users + "?limit=1.5", "query.limit", `limit is "1.5": it must be a whole number from 1 to 100, such as 50`},
		{"GET", users + "?limit=0", "query.limit", `limit is "0": it must be a whole number from 1 to 100, such as 50`},
		{"GET", "/v1/organizations?limit=101", "query.limit", `limit is "101": it must be a whole number from 1 to 100, such as 50`},
		{"GET", "/v1/events?limit=99999999999999999999", "query.limit", `limit is "99999999999999999999": it must be a whole number`},
		{"GET", "/v1/events?since=yesterday", "query.since", `since is "yesterday": it must be a time such as 2026-03-06T12:00:00Z`},
		{"GET", "/v1/events?until=2026-02-30", "query.until", `until is "2026-02-30": it must be a time such as`},
		{"GET", "/healthz?deep=1", "query.deep", "this operation has none"},
	} {
		body := ""
		if tc.method == "PATCH" {
			body = "{}"
		}
		status, problem := f.call(tc.method, tc.path, body)
		mustSay(t, status, problem, 422, tc.field, tc.says)
	}
	if status, problem := f.call("GET", "/v1/directories?limit=%zz", ""); status != 422 {
		t.Errorf("%d %v, want 422", status, problem)
	}
	if tasks := append(f.tasks(f.live), f.tasks(f.bulk)...); len(tasks) > 0 {
		t.Errorf("refused requests sent tasks: %+v, want 0 tasks", tasks)
	}
}
