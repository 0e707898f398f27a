package entra_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// Users and groups are found, created, changed and read in every world.
func TestEveryWorld(t *testing.T) {
	for name, world := range entratest.Worlds() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := simulated(t, func(c *entratest.Config) { c.Behaviour.World, c.Behaviour.BatchThrottle424 = world, true })
				created := n.client.Apply(t.Context(), []plan.Action{creation(), creation("userPrincipalName", "bob@contoso.example")})
				found := n.client.FindByUPN(t.Context(), []directory.UPN{"ann@contoso.example", "bob@contoso.example", "nobody@contoso.example"}, nil)
				for i, result := range created {
					if result.Err != nil || found[i].Err != nil || found[i].Account == nil || found[i].Account.ID != result.ID {
						t.Errorf("user %d: %+v, found %+v, want the created account", i, result, found[i])
					}
				}
				if found[2].Err != nil || found[2].Account != nil || world.NoDeletedSearch != (found[2].Unsearched != nil) {
					t.Errorf("an unknown account: %+v, want none, and Unsearched only where deleted accounts cannot be searched", found[2])
				}

				people := n.people(t, 1250)
				group := n.write(t, creating("Everybody", "jc.1", people[:45]...))
				wentThrough(t, group)
				wentThrough(t, n.write(t, creating("Everybody", "jc.1", people[45:60]...))) // as after a lost answer
				n.holds(t, group.ID, people[:60]...)
				if _, err := n.dir.AddGroup(entratest.Group{DisplayName: "everybody", Members: texts(people)}); err != nil {
					t.Fatal(err)
				}
				all := n.client.FindGroups(t.Context(), []string{"Everybody"})[0]
				if all.Err != nil || len(all.Groups) != 2 {
					t.Fatalf("%+v, want two groups and no error", all)
				}
				for i, want := range []int{60, 1250} {
					if members, err := membersOf(t, n.client, all.Groups[i].ID); err != nil || len(members) != want {
						t.Errorf("%d members of the list of %d: %v", len(members), want, err)
					}
				}

				if err := n.sim.FailNext(entratest.Fault{Path: "/users/" + string(people[1]), Status: 429, Header: map[string]string{"Retry-After": "1.5"}}); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				for i, result := range n.client.Apply(t.Context(), []plan.Action{update(string(people[0]), "city", "A"), update(string(people[1]), "city", "A")}) {
					if result.Err != nil {
						t.Errorf("action %d: %v", i, result.Err)
					}
				}
				if waited := time.Since(start); waited != 1500*time.Millisecond {
					t.Errorf("waited %s, want the 1.5s that Graph named", waited)
				}
			})
		})
	}
}

// Where a batch creates no groups, the client finds that out once: from then on it
// creates them outside of one. Where a batch does, a group is sent only once.
func TestHowGroupsAreMadeIsFoundOutOnce(t *testing.T) {
	n := simulated(t, func(c *entratest.Config) { c.Behaviour.World.UpsertAlone = true })
	wentThrough(t, n.write(t, creating("one", "jc.1")))
	n.sim.ResetCounters()
	wentThrough(t, n.write(t, creating("two", "jc.2")))
	if c := n.sim.Counters(); c.Requests != 1 || c.WriteUnits != 1 {
		t.Errorf("the second group took %d requests and %d write units, want one of each", c.Requests, c.WriteUnits)
	}

	n = simulated(t)
	wentThrough(t, n.write(t, creating("one", "jc.1")))
	n.sim.ResetCounters()
	n.write(t, creating("two", "jc.2", nobody)) // refused with 404 for the member
	if sent := n.sim.Counters().ByRoute["PATCH /groups(uniqueName='{uniqueName}')"]; sent != 2 {
		t.Errorf("the group was sent %d times, want once with and once without the member", sent)
	}
}

// Every observed form of an item's answer, and some others: none of them loses the
// answer of another item.
func TestFormsOfBatchAnswers(t *testing.T) {
	const wait = 70 * time.Second
	throttled := func(id, headers string) string {
		return fmt.Sprintf(`{"id":%s,"status":429,"headers":%s,"body":{"error":{"code":"TooManyRequests"}}}`, id, headers)
	}
	for name, tc := range map[string]struct {
		answer string // of the item whose id is 1
		kind   fault.Kind
		wait   time.Duration
	}{
		"as documented":           {throttled(`"1"`, `{"Retry-After":"70"}`), fault.Throttled, wait},
		"a number as id":          {throttled(`1`, `{"Retry-After":"70"}`), fault.Throttled, wait},
		"a number as header":      {throttled(`"1"`, `{"Retry-After":70}`), fault.Throttled, wait},
		"a fraction as header":    {throttled(`"1"`, `{"retry-after":70.0}`), fault.Throttled, wait},
		"a list as header":        {throttled(`"1"`, `{"Retry-After":[8,"70"]}`), fault.Throttled, wait},
		"other headers":           {throttled(`"1"`, `{"x":true,"y":null,"z":{"a":[1]},"Retry-After":"70"}`), fault.Throttled, wait},
		"null as header":          {throttled(`"1"`, `{"Retry-After":null}`), fault.Throttled, 2 * time.Second},
		"no headers":              {throttled(`"1"`, `null`), fault.Throttled, 2 * time.Second},
		"a list of headers":       {throttled(`"1"`, `[]`), fault.Throttled, 2 * time.Second},
		"a text as status":        {`{"id":"1","status":"204"}`, "", 0},
		"an item that is null":    {`null`, fault.Transient, 0},
		"an item that is a text":  {`"1"`, fault.Transient, 0},
		"no status":               {`{"id":"1"}`, fault.Transient, 0},
		"a status that is none":   {`{"id":"1","status":0}`, fault.Transient, 0},
		"a status that is words":  {`{"id":"1","status":"OK"}`, fault.Transient, 0},
		"no id":                   {`{"status":204}`, fault.Transient, 0},
		"the id of another batch": {`{"id":"17","status":204}`, fault.Transient, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stub{t: t, answer: func(int, sent) (int, http.Header, string) {
					return 200, nil, `{"responses":[{"id":"0","status":204,"headers":{"x":1}},` + tc.answer + `]}`
				}}
				results := s.client().Apply(t.Context(), []plan.Action{update("e0", "city", "A"), update("e1", "city", "A")})
				f := fault.Of(results[1].Err)
				if results[0].Err != nil || fault.KindOf(results[1].Err) != tc.kind || f != nil && f.RetryAfter != tc.wait {
					t.Errorf("%v, %v; want %q after %s", results[0].Err, results[1].Err, tc.kind, tc.wait)
				}
			})
		})
	}
}

// Ids are returned in another case.
func TestIdsInAnotherCase(t *testing.T) {
	s := &stub{t: t, answer: func(_ int, r sent) (int, http.Header, string) {
		var answers []string
		for _, i := range r.items(t) {
			body := `{"error":{"code":"Request_ResourceNotFound"}}`
			status := 404
			if strings.HasPrefix(i.ID, "d") {
				status, body = 200, `{"value":[{"id":"g1","userPrincipalName":"g1ann@corp.example"}]}`
			}
			answers = append(answers, fmt.Sprintf(`{"id":%q,"status":%d,"body":%s}`, strings.ToUpper(i.ID), status, body))
		}
		return 200, nil, `{"responses":[` + strings.Join(answers, ",") + `]}`
	}}
	found := s.client().FindByUPN(t.Context(), []directory.UPN{"ann@corp.example"}, nil)[0]
	if found.Err != nil || found.Deleted == nil || found.Deleted.ID != "g1" {
		t.Errorf("%+v, want the deleted account g1", found)
	}
}
