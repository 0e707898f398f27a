package entra_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// Calls without a body work in a batch, and so do the other items of it.
func TestCallsWithoutABodyTravelInABatch(t *testing.T) {
	n := simulated(t)
	ann := n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example"})
	bob := n.person(t, entratest.User{UserPrincipalName: "bob@contoso.example"})
	gone := n.person(t, entratest.User{UserPrincipalName: "gone@contoso.example"})
	if _, err := n.dir.DeleteUser(gone); err != nil {
		t.Fatal(err)
	}
	n.sim.ResetCounters()
	for i, result := range n.client.Apply(t.Context(), []plan.Action{
		{Type: plan.EndSessions, EntraID: directory.EntraID(ann)}, update(bob, "city", "Bern"), {Type: plan.Restore, EntraID: directory.EntraID(gone)},
	}) {
		if result.Err != nil {
			t.Errorf("action %d: %v", i, result.Err)
		}
	}
	if u, _ := n.dir.User(ann); u.Text("signInSessionsValidFromDateTime") == "" {
		t.Error("the sessions did not end, want them ended")
	}
	if u, _ := n.dir.User(gone); u.UserPrincipalName != "gone@contoso.example" {
		t.Errorf("not restored: %+v, want the name gone@contoso.example again", u)
	}
	if u, _ := n.dir.User(bob); u.Text("city") != "Bern" {
		t.Error("the other item of the batch was lost, want its city written")
	}
	if requests := n.sim.Counters().Requests; requests != 1 {
		t.Errorf("%d requests, want one", requests)
	}
}

// picky is a Graph that refuses a complete batch because of some of its items, and runs
// everything else.
type picky struct {
	wrong  func(item) bool
	status int // of the refusal
	alone  int // answered to a wrong item outside of a batch
	ran    map[string]int
	urls   []string
}

func (p *picky) answer(t *testing.T) func(int, sent) (int, http.Header, string) {
	p.ran = map[string]int{}
	return func(_ int, r sent) (int, http.Header, string) {
		_, path, _ := strings.Cut(r.url, "/v1.0")
		p.urls = append(p.urls, path)
		if path != "/$batch" {
			if p.alone < 300 {
				p.ran[path]++
			}
			return p.alone, nil, `{"error":{"code":"BadRequest","message":"this one is wrong"}}`
		}
		if items := r.items(t); slices.ContainsFunc(items, p.wrong) {
			i := slices.IndexFunc(items, p.wrong)
			return p.status, nil, fmt.Sprintf(`{"error":{"code":"BadRequest","message":"Write request id : %s does not contain Content-Type header or body."}}`, items[i].ID)
		}
		return 200, nil, reply(t, r, func(i item) map[string]any {
			p.ran[i.URL]++
			return map[string]any{"status": 204}
		})
	}
}

// One item for which Graph refuses the complete batch does not affect the other items,
// and gets its own refusal.
func TestOneWrongItemDoesNotSpoilTheBatch(t *testing.T) {
	for name, tc := range map[string]struct {
		status, alone int
		kind          fault.Kind
	}{
		"refused, and refused alone":    {400, 400, fault.Internal},
		"refused, and right on its own": {400, 204, ""},
		"too large":                     {413, 400, fault.Internal},
		"completely forbidden":          {403, 204, ""},
		"completely not found":          {404, 204, ""},
		"completely in conflict":        {409, 204, ""},
		"forbidden, and refused alone":  {403, 400, fault.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			p := &picky{status: tc.status, alone: tc.alone, wrong: func(i item) bool { return i.URL == "/users/e7" }}
			s := &stub{t: t, answer: p.answer(t)}
			var actions []plan.Action
			for i := range 20 {
				actions = append(actions, update(fmt.Sprintf("e%d", i), "city", "A"))
			}
			for i, result := range s.client().Apply(t.Context(), actions) {
				url := fmt.Sprintf("/users/e%d", i)
				switch {
				case i == 7:
					if f := fault.Of(result.Err); fault.KindOf(result.Err) != tc.kind || f != nil && !strings.Contains(f.Message, "this one is wrong") {
						t.Errorf("the wrong one: %v, want %q", result.Err, tc.kind)
					}
				case result.Err != nil || p.ran[url] != 1:
					t.Errorf("%s: %v, ran %d times, want no error and one run", url, result.Err, p.ran[url])
				}
			}
			if len(s.requests) > 12 { // halves of twenty
				t.Errorf("%d requests: %v, want at most 12", len(s.requests), p.urls)
			}
		})
	}
}

// Whichever items are wrong, every other one runs exactly once.
func TestWrongItemsNeverKeepOthersBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		wrong := map[string]bool{}
		var actions []plan.Action
		for i := range rapid.IntRange(1, 45).Draw(rt, "actions") {
			id := fmt.Sprintf("e%d", i)
			wrong["/users/"+id] = rapid.IntRange(0, 5).Draw(rt, "wrong") == 0
			actions = append(actions, update(id, "city", "A"))
		}
		p := &picky{status: 400, alone: 400, wrong: func(i item) bool { return wrong[i.URL] }}
		s := &stub{t: t, answer: p.answer(t)}
		for i, result := range s.client().Apply(t.Context(), actions) {
			url := "/users/" + string(actions[i].EntraID)
			if wrong[url] != (result.Err != nil) || !wrong[url] && p.ran[url] != 1 {
				rt.Errorf("%s is wrong: %t, ran %d times: %v; want an error for a wrong one and one run of any other", url, wrong[url], p.ran[url], result.Err)
			}
		}
	})
}

// A refusal that is not about the items, and a failure after which it is unknown which
// items ran, concern all items: none is sent again on its own.
func TestWhatIsNotAboutAnItemIsNotSentApart(t *testing.T) {
	for status, body := range map[int]string{
		400: "<html>of a proxy</html>", 401: `{"error":{"code":"InvalidAuthenticationToken"}}`, 403: "<html>of a proxy</html>", 404: "",
		429: "", 500: "", 502: "", 503: `{"error":{"code":"serviceNotAvailable"}}`, 504: "",
	} {
		s := &stub{t: t, answer: func(int, sent) (int, http.Header, string) { return status, http.Header{"Retry-After": {"90"}}, body }}
		for i, result := range s.client().Apply(t.Context(), []plan.Action{update("e1", "city", "A"), update("e2", "city", "B")}) {
			if result.Err == nil {
				t.Errorf("%d, item %d: no error, want one", status, i)
			}
		}
		for _, r := range s.requests {
			if !strings.HasSuffix(r.url, "/$batch") || len(r.items(t)) != 2 {
				t.Errorf("%d: sent to %s, want one batch with two items", status, r.url)
			}
		}
		if most := map[bool]int{true: 2, false: 1}[status == 401]; len(s.requests) > most { // those once more with a new token
			t.Errorf("%d: %d requests, want at most two for 401 and one for others", status, len(s.requests))
		}
	}
}

// Graph answers 404 to the removal of a manager where there is none, and where there is no
// account: only the first is as it should be.
func TestTheRemovalOfAManagerWhoIsNotThere(t *testing.T) {
	n := simulated(t)
	with, boss := n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example"}), n.person(t, entratest.User{UserPrincipalName: "boss@contoso.example"})
	if _, err := n.dir.SetManager(with, boss); err != nil {
		t.Fatal(err)
	}
	without := n.person(t, entratest.User{UserPrincipalName: "bob@contoso.example"})
	gone := n.person(t, entratest.User{UserPrincipalName: "gone@contoso.example"})
	if _, err := n.dir.DeleteUser(gone); err != nil {
		t.Fatal(err)
	}
	n.sim.ResetCounters()
	results := n.client.Apply(t.Context(), []plan.Action{update(with, "manager", ""), update(without, "manager", ""), update(gone, "manager", "")})
	if results[0].Err != nil || results[1].Err != nil || !fault.Is(results[2].Err, fault.NotFound) {
		t.Errorf("got %v, %v and %v; want nil, nil and a fault that says the account was not found", results[0].Err, results[1].Err, results[2].Err)
	}
	if u, _ := n.dir.User(with); u.Manager != "" {
		t.Errorf("the manager is %q, want none", u.Manager)
	}
	if requests := n.sim.Counters().Requests; requests != 2 {
		t.Errorf("%d requests, want 2: the batch of removals, and one that reads both unclear accounts", requests)
	}
}
