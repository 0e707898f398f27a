package entratest_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/entra/entratest"
)

// inBubble runs a test with fake time.
func inBubble(t *testing.T, f func(*testing.T)) { synctest.Test(t, f) }

func TestWriteQuota(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := start(t, func(c *entratest.Config) { c.Behaviour.TokenLife = 24 * time.Hour })
		id := g.people(1)[0]
		write := func() reply { return g.do(http.MethodPatch, "/users/"+id, object{"jobTitle": "x"}) }
		for i := range 3000 {
			if r := write(); r.status != http.StatusNoContent {
				t.Fatalf("write %d: %d, want 204", i, r.status)
			} else if percentage := r.header.Get("x-ms-throttle-limit-percentage"); (percentage != "") != (i+1 > 2400) {
				t.Fatalf("write %d: limit percentage %q, want one above 80 percent only", i, percentage)
			}
			if i%80 == 79 {
				time.Sleep(time.Millisecond) // 0.02 units: below one write all in all
			}
		}
		r := write()
		wantError(t, r, http.StatusTooManyRequests, "TooManyRequests", "Please retry again later.")
		if text(r.body, "error", "innerError", "code") != "429" || text(r.body, "error", "innerError", "status") != "429" {
			t.Errorf("innerError: %v, want the code and status 429", r.body)
		}
		if got, want := r.header.Get("x-ms-throttle-scope"), "Tenant_Application/Write/"+clientID+"/"+tenantID; got != want {
			t.Errorf("scope %q, want %q", got, want)
		}
		if got := r.header.Get("x-ms-throttle-information"); got != "WriteLimitExceeded" {
			t.Errorf("information %q, want WriteLimitExceeded", got)
		}
		g.must(http.StatusOK, http.MethodGet, "/users/"+id, nil) // reads have a quota of their own

		// refused requests count too: the wait grows with each
		first, _ := strconv.Atoi(write().header.Get("Retry-After"))
		for range 40 {
			write()
		}
		last, _ := strconv.Atoi(write().header.Get("Retry-After"))
		if first < 1 || last < first+2 {
			t.Errorf("Retry-After %d, then %d after more requests; want a longer wait", first, last)
		}
		time.Sleep(time.Duration(last+1) * time.Second)
		if r := write(); r.status != http.StatusNoContent {
			t.Errorf("after waiting: %d, want 204", r.status)
		}
		time.Sleep(150 * time.Second)
		for i := range 3000 {
			if r := write(); r.status != http.StatusNoContent {
				t.Fatalf("write %d of the full bucket: %d, want 204", i, r.status)
			}
		}
	})
}

func TestRetryAfterForms(t *testing.T) {
	for form, check := range map[entratest.RetryAfterForm]func(string) bool{
		entratest.RetryAfterSeconds: func(s string) bool { return s == "15" },
		entratest.RetryAfterDecimal: func(s string) bool { return s == "15.000" },
		entratest.RetryAfterDate: func(s string) bool {
			at, err := http.ParseTime(s)
			return err == nil && time.Until(at) == 15*time.Second
		},
		entratest.RetryAfterTwo:    func(s string) bool { return s == "3,15" },
		entratest.RetryAfterAbsent: func(s string) bool { return s == "" },
	} {
		inBubble(t, func(t *testing.T) {
			g := start(t, func(c *entratest.Config) {
				c.Behaviour.RetryAfter = form
				c.Behaviour.Quota = entratest.Quota{Writes: 10}
			})
			id := g.people(1)[0]
			for range 10 {
				g.must(http.StatusNoContent, http.MethodPatch, "/users/"+id, object{})
			}
			r := g.must(http.StatusTooManyRequests, http.MethodPatch, "/users/"+id, object{})
			if got := r.header.Get("Retry-After"); !check(got) {
				t.Errorf("form %q: Retry-After %q, want that form", form, got)
			}
			time.Sleep(30 * time.Second)
			g.must(http.StatusNoContent, http.MethodPatch, "/users/"+id, object{})
		})
	}
}

func TestCosts(t *testing.T) {
	g := start(t)
	ids := g.people(25)
	group := g.seedGroup(entratest.Group{DisplayName: "Eng"})
	user, path := "/users/"+ids[0], "/groups/"+group.ID
	rows := []struct {
		method, path string
		body         any
		units        int
		writes       int
	}{
		{"GET", "/users", nil, 2, 0}, {"GET", "/users?$select=id", nil, 1, 0}, {"GET", "/users?$select=id&$expand=manager", nil, 2, 0},
		{"GET", "/users?$top=10", nil, 1, 0}, {"GET", "/users?$top=999", nil, 2, 0}, {"GET", user, nil, 1, 0}, {"GET", user + "?$select=id", nil, 1, 0},
		{"GET", user + "?$expand=manager", nil, 2, 0}, {"GET", "/groups", nil, 1, 0}, {"GET", path + "/members", nil, 3, 0}, {"GET", path + "/members?$select=id", nil, 2, 0},
		{"GET", path + "/transitiveMembers", nil, 5, 0}, {"GET", user + "/memberOf", nil, 2, 0}, {"GET", "/organization", nil, 1, 0}, {"GET", "/users/delta", nil, 1, 0},
		{"POST", "/directoryObjects/getByIds", object{"ids": ids[:1]}, 5, 0}, {"POST", "/directoryObjects/getByIds?$select=id", object{"ids": ids[:1]}, 2, 0},
		{"POST", "/users", person("ann"), 1, 1}, {"PATCH", user, object{"jobTitle": "x"}, 1, 1}, {"POST", user + "/revokeSignInSessions", nil, 1, 1},
		{"PATCH", path, object{"members@odata.bind": references(ids[:1]...)}, 1, 1}, {"PATCH", path, object{"members@odata.bind": references(ids[1:21]...)}, 1, 7},
		{"POST", "/groups", team("B", "members@odata.bind", references(ids[:10]...)), 1, 4}, {"DELETE", path + "/members/" + ids[0] + "/$ref", nil, 1, 1},
		{"PATCH", user, object{"nonsense": "x"}, 1, 1}, // refused requests cost as well
	}
	for _, row := range rows {
		before := g.sim.Counters()
		r := g.do(row.method, row.path, row.body)
		after := g.sim.Counters()
		if units, writes := after.ResourceUnits-before.ResourceUnits, after.WriteUnits-before.WriteUnits; units != row.units || writes != row.writes {
			t.Errorf("%s %s (%d): %d units and %d writes, want %d and %d", row.method, row.path, r.status, units, writes, row.units, row.writes)
		}
		if got := r.header.Get("x-ms-resource-unit"); got != strconv.Itoa(row.units) {
			t.Errorf("%s %s: x-ms-resource-unit %q, want %d", row.method, row.path, got, row.units)
		}
	}
	g.sim.Set(func(b *entratest.Behaviour) { b.Quota.BindCostOne = true })
	before := g.sim.Counters().WriteUnits
	g.must(http.StatusNoContent, http.MethodPatch, path, object{"members@odata.bind": references(ids[21:25]...)})
	if got := g.sim.Counters().WriteUnits - before; got != 1 {
		t.Errorf("a bind by the published table costs %d, want 1", got)
	}
}

func TestResourceUnitsBySize(t *testing.T) {
	for _, row := range []struct{ users, units int }{{49, 3500}, {50, 5000}, {500, 5000}, {501, 8000}} {
		inBubble(t, func(t *testing.T) {
			g := start(t)
			g.people(row.users)
			for i := range row.units / 5 {
				if r := g.do(http.MethodGet, "/groups/none/transitiveMembers", nil); r.status == http.StatusTooManyRequests {
					t.Fatalf("%d users: throttled after %d units, want the quota of the size", row.users, i*5)
				}
			}
			r := g.must(http.StatusTooManyRequests, http.MethodGet, "/users/x", nil)
			if !strings.Contains(r.header.Get("x-ms-throttle-scope"), "Tenant_Application/ReadWrite/") || r.header.Get("x-ms-throttle-information") != "ResourceUnitLimitExceeded" {
				t.Errorf("headers: %v, want the scope of the app in the tenant and ResourceUnitLimitExceeded", r.header)
			}
		})
	}
}

func TestBatchQuota(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := start(t, func(c *entratest.Config) { c.Behaviour.Quota.Writes = 5 })
		id := g.people(1)[0]
		var items []object
		for i := range 8 {
			items = append(items, item(fmt.Sprint(i+1), "PATCH", "/users/"+id, object{"jobTitle": fmt.Sprint(i)}))
		}
		answers := g.batch(http.StatusOK, items...)
		if got := statuses(answers); got != "204 204 204 204 204 429 429 429" {
			t.Errorf("items have their own costs: %s, want 204 204 204 204 204 429 429 429", got)
		}
		if text(answers["6"], "headers", "Retry-After") == "" || text(answers["6"], "body", "error", "code") != "TooManyRequests" {
			t.Errorf("throttled item: %v, want a Retry-After and TooManyRequests", answers["6"])
		}
		if c := g.sim.Counters(); c.Throttled != 3 || c.WriteUnits != 8 || c.Requests != 1 {
			t.Errorf("counters: %+v, want 3 throttled, 8 write units and 1 request", c)
		}
		g.sim.Set(func(b *entratest.Behaviour) { b.BatchThrottle424 = true })
		g.batch(http.StatusFailedDependency, items[:2]...)
		time.Sleep(150 * time.Second)
		g.batch(http.StatusOK, items[:2]...)
	})
}

func TestQuotaSwitches(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := start(t, func(c *entratest.Config) { c.Behaviour.Quota = entratest.Quota{Writes: 20, StartEmpty: true} })
		id := g.people(1)[0]
		g.must(http.StatusTooManyRequests, http.MethodPatch, "/users/"+id, object{})
		time.Sleep(300 * time.Second)
		for range 19 { // the last of 20 is kept from low priority
			g.must(http.StatusNoContent, http.MethodPatch, "/users/"+id, object{}, "x-ms-throttle-priority", "low")
		}
		low := g.do(http.MethodPatch, "/users/"+id, object{}, "x-ms-throttle-priority", "low")
		if low.status != http.StatusTooManyRequests {
			t.Errorf("low priority at the limit: %d, want 429", low.status)
		}
		g.sim.Set(func(b *entratest.Behaviour) { b.Quota.Off = true })
		for range 100 {
			g.must(http.StatusNoContent, http.MethodPatch, "/users/"+id, object{})
		}
	})
}
