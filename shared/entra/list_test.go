package entra_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/fault"
)

// pagesOf is a Graph with these pages in every list, each but the last with a link to
// the next. Everything else gets a 404.
func pagesOf(t *testing.T, pages ...map[string]any) *stub {
	s := &stub{t: t}
	s.answer = func(_ int, r sent) (int, http.Header, string) {
		return 200, nil, reply(t, r, func(i item) map[string]any {
			if strings.HasPrefix(i.URL, "/users/") {
				return map[string]any{"status": 404, "body": map[string]any{"error": map[string]any{"code": "Request_ResourceNotFound"}}}
			}
			if strings.Contains(i.URL, "deletedItems") && i.Headers["ConsistencyLevel"] != "eventual" {
				t.Errorf("an advanced query without its header: %s %v", i.URL, i.Headers)
			}
			n := 0
			if at, err := url.Parse(i.URL); err == nil && at.Query().Has("$skiptoken") {
				n = int(at.Query().Get("$skiptoken")[0] - '0')
			}
			body := map[string]any{}
			for name, value := range pages[n] {
				body[name] = value
			}
			if n+1 < len(pages) {
				path, _, _ := strings.Cut(i.URL, "?")
				body["@odata.nextLink"] = "https://graph.example/v1.0" + path + "?$skiptoken=" + string(rune('1'+n))
			}
			return map[string]any{"status": 200, "body": body}
		})
	}
	return s
}

// reads are all lists that are read from Graph. Each returns how many of the things it
// found.
var reads = map[string]func(*testing.T, *entra.Client) (int, error){
	"groups": func(t *testing.T, c *entra.Client) (int, error) {
		found := c.FindGroups(t.Context(), []string{"Sales"})[0]
		for _, g := range found.Groups {
			if g.ID == "" {
				t.Error("a group without id")
			}
		}
		return len(found.Groups), found.Err
	},
	"members": func(t *testing.T, c *entra.Client) (int, error) {
		members, err := membersOf(t, c, "g")
		if slices.Contains(members, "") {
			t.Error("a member without id")
		}
		return len(members), err
	},
	"deleted accounts": func(t *testing.T, c *entra.Client) (int, error) {
		found := c.FindByUPN(t.Context(), []directory.UPN{"mira@contoso.example"}, nil)[0]
		if found.Deleted == nil {
			return 0, found.Err
		}
		return 1, found.Err
	},
}

// thing is an element of any of the lists.
func thing(id string) map[string]any {
	return map[string]any{"id": id, "displayName": "Sales", "userPrincipalName": strings.ReplaceAll(id, "-", "") + "mira@contoso.example", "deletedDateTime": "2026-11-01T00:00:00Z"}
}

// An empty page with a link is not the last one, and null elements are ignored.
func TestListsOfGraphAreReadToTheEnd(t *testing.T) {
	one, two := thing("00000000-0000-4000-8000-000000000001"), thing("00000000-0000-4000-8000-000000000002")
	for name, pages := range map[string][]map[string]any{
		"an empty page first":  {{"value": []any{}}, {"value": []any{one, two}}},
		"an empty page within": {{"value": []any{one}}, {"value": []any{}}, {"value": []any{two}}},
		"an empty page last":   {{"value": []any{one, two}}, {"value": []any{}}},
		"nulls":                {{"value": []any{nil, one, nil}}, {"value": []any{nil}}, {"value": []any{two}}},
	} {
		for list, read := range reads {
			n, err := read(t, pagesOf(t, pages...).client())
			if want := map[bool]int{true: 1, false: 2}[list == "deleted accounts"]; n != want || err != nil {
				t.Errorf("%s, %s: %d, %v, want %d and no error", list, name, n, err, want)
			}
		}
	}
}

// A page without a list is not an empty one: it would lead to a second group, or hide a
// deleted account.
func TestPageWithoutAList(t *testing.T) {
	for name, page := range map[string]map[string]any{
		"no value": {}, "null": {"value": nil}, "an object": {"value": map[string]any{}}, "numbers": {"value": []any{1}},
		"an error with status 200": {"error": map[string]any{"code": "x"}},
	} {
		for list, read := range reads {
			if n, err := read(t, pagesOf(t, page).client()); n != 0 || !fault.Is(err, fault.Transient) {
				t.Errorf("%s, %s: %d, %v, want nothing and a transient fault", list, name, n, err)
			}
			if n, err := read(t, pagesOf(t, map[string]any{"value": []any{}}, page).client()); n != 0 || !fault.Is(err, fault.Transient) {
				t.Errorf("%s, %s on the second page: %d, %v, want nothing and a transient fault", list, name, n, err)
			}
		}
	}
}

// A link that leads back to an earlier page must not be followed forever.
func TestLinksInACircle(t *testing.T) {
	for list, read := range reads {
		requests := 0
		s := &stub{t: t}
		s.answer = func(n int, r sent) (int, http.Header, string) {
			requests = n
			return 200, nil, reply(t, r, func(i item) map[string]any {
				if strings.HasPrefix(i.URL, "/users/") {
					return map[string]any{"status": 404, "body": map[string]any{"error": map[string]any{"code": "Request_ResourceNotFound"}}}
				}
				path, _, _ := strings.Cut(i.URL, "?")
				next := map[bool]string{true: "a", false: "b"}[n%2 == 0]
				return map[string]any{"status": 200, "body": map[string]any{"value": []any{}, "@odata.nextLink": "https://graph.example/v1.0" + path + "?$skiptoken=" + next}}
			})
		}
		if n, err := read(t, s.client()); n != 0 || !fault.Is(err, fault.Transient) || requests > 5 {
			t.Errorf("%s: %d, %v after %d requests, want nothing, a transient fault and at most 5 requests", list, n, err, requests)
		}
	}
}

// A tenant without an id is no tenant.
func TestTenantIsNoNull(t *testing.T) {
	for _, body := range []string{`{"value":[null]}`, `{"value":[{}]}`, `{"value":[]}`, `{}`, `null`} {
		s := &stub{t: t, answer: func(int, sent) (int, http.Header, string) { return 200, nil, body }}
		if tenant, err := s.client().Describe(t.Context()); !fault.Is(err, fault.Transient) {
			t.Errorf("%s: %+v, %v, want a transient fault", body, tenant, err)
		}
	}
}
