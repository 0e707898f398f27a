package entra_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
)

// whole reads a list of accounts to its end, and returns the names of their accounts and
// how many pages it had.
func (n tenant) whole(t *testing.T, q directory.AccountQuery) (names []string, pages int) {
	t.Helper()
	cursor := ""
	for {
		page, next, err := n.client.ListAccounts(t.Context(), q, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page {
			names = append(names, string(a.UPN))
		}
		pages++
		if cursor = next; cursor == "" {
			return names, pages
		}
	}
}

// changed sets properties of a user; nil clears one.
func (n tenant) changed(t *testing.T, id string, properties map[string]any) {
	t.Helper()
	if _, err := n.dir.UpdateUser(id, properties); err != nil {
		t.Fatal(err)
	}
}

// Every account that may sign in is listed with all that an import reads of it, in one
// plain request.
func TestListAccounts(t *testing.T) {
	n := simulated(t)
	ann := n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example", DisplayName: "Ann Example", Properties: map[string]any{
		"givenName": "Ann", "surname": "Example", "mail": "Ann.Example@contoso.example", "mailNickname": "ann.alias", "onPremisesImmutableId": "64f0c0ffee",
		"department": "Ops", "employeeOrgData": map[string]any{"costCenter": "7"}, "businessPhones": []string{"1"}, "otherMails": []string{"a@x.example", "b@x.example"},
		"onPremisesExtensionAttributes": map[string]any{"extensionAttribute3": "x"},
	}})
	old := n.person(t, entratest.User{UserPrincipalName: "old@contoso.example"})
	n.changed(t, old, map[string]any{"userType": nil, "mailNickname": nil, "displayName": nil})
	guest := n.person(t, entratest.User{UserPrincipalName: "g_x.example#EXT#@contoso.example", Properties: map[string]any{"userType": "Guest"}})
	agent := n.person(t, entratest.User{UserPrincipalName: "agent@contoso.example", Agent: true})
	n.person(t, entratest.User{UserPrincipalName: "off@contoso.example", Properties: map[string]any{"accountEnabled": false}})
	gone := n.person(t, entratest.User{UserPrincipalName: "gone@contoso.example"})
	if _, err := n.dir.DeleteUser(gone); err != nil {
		t.Fatal(err)
	}
	n.sim.ResetCounters()
	page, next, err := n.client.ListAccounts(t.Context(), directory.AccountQuery{Attributes: []directory.Attribute{
		directory.Department, directory.JobTitle, directory.CostCenter, directory.BusinessPhones, directory.OtherMails, directory.Manager, "onPremisesExtensionAttributes.extensionAttribute3",
	}}, "")
	if err != nil || next != "" {
		t.Fatalf("next %q, %v; want one page", next, err)
	}
	none := directory.Attributes{
		"department": nil, "jobTitle": nil, "employeeOrgData.costCenter": nil, "businessPhones": {}, "otherMails": {}, "onPremisesExtensionAttributes.extensionAttribute3": nil,
	}
	want := []directory.TenantAccount{
		{ID: directory.EntraID(ann), UPN: "ann@contoso.example", DisplayName: "Ann Example", GivenName: "Ann", Surname: "Example", Mail: "Ann.Example@contoso.example",
			Alias: "ann.alias", ImmutableID: "64f0c0ffee", Enabled: true, Attributes: directory.Attributes{
				"department": {"Ops"}, "jobTitle": nil, "employeeOrgData.costCenter": {"7"}, "businessPhones": {"1"},
				"otherMails": {"a@x.example", "b@x.example"}, "onPremisesExtensionAttributes.extensionAttribute3": {"x"},
			}},
		{ID: directory.EntraID(old), UPN: "old@contoso.example", Enabled: true, Attributes: none},
		{ID: directory.EntraID(guest), UPN: "g_x.example#EXT#@contoso.example", DisplayName: "g_x.example#EXT#", Alias: "g_x.example#EXT#", Enabled: true, Guest: true, Attributes: none},
		{ID: directory.EntraID(agent), UPN: "agent@contoso.example", DisplayName: "agent", Alias: "agent", Enabled: true, Agent: true, Attributes: none},
	}
	if diff := cmp.Diff(want, page); diff != "" {
		t.Errorf("the page differs (-want +got):\n%s", diff)
	}
	c, requests := n.sim.Counters(), n.sim.Requests()
	if c.Requests != 1 || c.ResourceUnits != 1 || c.WriteUnits != 0 || len(requests) != 1 || requests[0].Method != http.MethodGet {
		t.Errorf("%d requests, %d resource units, %d write units: %+v; want one GET of one unit", c.Requests, c.ResourceUnits, c.WriteUnits, requests)
	}
	if level := requests[0].Header.Values("ConsistencyLevel"); level != nil || strings.Contains(requests[0].Path, "userType%20") || strings.Contains(requests[0].Path, "$count") {
		t.Errorf("ConsistencyLevel %q in %s, want a plain query without a condition on userType", level, requests[0].Path)
	}
}

// A list of many pages has every account once, in every world.
func TestPagesOfAccounts(t *testing.T) {
	for name, world := range entratest.Worlds() {
		synctest.Test(t, func(t *testing.T) {
			n := simulated(t, func(c *entratest.Config) { c.Behaviour.World = world })
			n.people(t, 1250)
			for _, tc := range []struct{ limit, pages, units int }{{500, 3, 3}, {0, 2, 2}, {-1, 2, 2}, {1000, 2, 2}, {1250, 2, 2}, {999, 2, 2}, {125, 10, 10}} {
				n.sim.ResetCounters()
				names, pages := n.whole(t, directory.AccountQuery{Limit: tc.limit})
				slices.Sort(names)
				if distinct := len(slices.Compact(names)); pages != tc.pages || len(names) != 1250 || distinct != 1250 {
					t.Errorf("%s, limit %d: %d accounts, %d of them distinct, on %d pages; want 1250, each once, on %d", name, tc.limit, len(names), distinct, pages, tc.pages)
				}
				if c := n.sim.Counters(); c.Requests != tc.pages || c.ResourceUnits != tc.units || c.WriteUnits != 0 {
					t.Errorf("%s, limit %d: %d requests and %d units, want %d and %d", name, tc.limit, c.Requests, c.ResourceUnits, tc.pages, tc.units)
				}
			}
		})
	}
}

// A search finds the beginning of every name of a person, whatever it contains.
func TestSearchOfAccounts(t *testing.T) {
	n := simulated(t)
	long := strings.Repeat("l", 125)
	for upn, properties := range map[string]map[string]any{
		"ann@contoso.example":  {"displayName": "Zoë O'Neil", "givenName": "Zoë", "surname": "O'Neil", "mail": "zoe@contoso.example", "mailNickname": "z.oneil"},
		"bob@contoso.example":  {"displayName": "Bob 100% & #1 + more", "mailNickname": "bobby"},
		"c'o@contoso.example":  {"displayName": "דנה, כהן"},
		"long@contoso.example": {"displayName": long + "one"},
		"more@contoso.example": {"displayName": long + "two"},
		"off@contoso.example":  {"displayName": "Zoë Off", "accountEnabled": false},
	} {
		n.person(t, entratest.User{UserPrincipalName: upn, Properties: properties})
	}
	for search, want := range map[string]string{
		"zoë": "ann", "ZOE@": "ann", "o'n": "ann", "z.one": "ann", "ann@": "ann", "c'": "c'o", "דנה, ": "c'o",
		"Bob 100% & #1 +": "bob", "bobby": "bob", "100%": "", "neil": "", "nobody": "", "') or ('": "", "'": "", " zoë ": "ann",
		long[:40]: "long more", long: "long more", long + "T": "more", long + "three": "", "": "ann bob c'o long more",
	} {
		names, _ := n.whole(t, directory.AccountQuery{Search: search, Limit: 1})
		var got []string
		for _, name := range names {
			local, _, _ := strings.Cut(name, "@")
			got = append(got, local)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, want %q", search, got, want)
		}
	}
}

// A cursor that is none of ours, or has expired, is refused by its name, and nothing is
// sent for one that leads somewhere else.
func TestCursorsOfAccounts(t *testing.T) {
	n := simulated(t)
	n.people(t, 30)
	if _, _, err := n.client.ListAccounts(t.Context(), directory.AccountQuery{Limit: 20}, ""); err != nil {
		t.Fatal(err)
	}
	encoded := func(link string) string { return base64.RawURLEncoding.EncodeToString([]byte(link)) }
	for cursor, requests := range map[string]int{
		"x": 0, "https://evil.example/users?$skiptoken=x": 0,
		encoded("https://evil.example/v1.0/users?$skiptoken=x"): 0, encoded("//evil.example/users?$skiptoken=x"): 0,
		encoded("/groups?$skiptoken=x"): 0, encoded("/users/delta?$skiptoken=x"): 0, encoded("/users?$top=5"): 0,
		encoded("/users?$top=5&$skiptoken=expired"): 1, encoded("/users?$top=5&$skiptoken=x&$nonsense=1"): 1,
	} {
		n.sim.ResetCounters()
		page, next, err := n.client.ListAccounts(t.Context(), directory.AccountQuery{}, cursor)
		f := fault.Of(err)
		if f == nil || f.Kind != fault.Invalid || f.Subject != "cursor" || f.Message == "" || page != nil || next != "" {
			t.Errorf("%s: %v, want an Invalid fault about the cursor", cursor, err)
		}
		if sent := n.sim.Counters().Requests; sent != requests {
			t.Errorf("%s: %d requests, want %d", cursor, sent, requests)
		}
	}
}

// The next page is requested with the whole link that Graph wrote, at our Graph; a link
// that leads elsewhere is never made a cursor.
func TestLinksOfAccounts(t *testing.T) {
	for link, want := range map[string]string{
		"https://graph.example/v1.0/users?$filter=a%27b%2B+c&$select=id&$skiptoken=RFNwd_A-%3d": "/users?$filter=a%27b%2B+c&$select=id&$skiptoken=RFNwd_A-%3d",
		"https://GRAPH.example:443/beta/Users?$skiptoken=1":                                     "/users?$skiptoken=1",
		"https://evil.example/v1.0/users?$skiptoken=1":                                          "",
		"https://graph.example/v1.0/groups?$skiptoken=1":                                        "",
		"https://graph.example/v1.0/users/delta?$skiptoken=1":                                   "",
		"https://graph.example/v1.0/users?$top=1":                                               "",
		"\x7f": "",
	} {
		s := &stub{t: t}
		s.answer = func(n int, _ sent) (int, http.Header, string) {
			if n > 1 {
				return 200, nil, `{"value":[]}`
			}
			return 200, nil, fmt.Sprintf(`{"value":[],"@odata.nextLink":%q}`, link)
		}
		client := s.client()
		_, cursor, err := client.ListAccounts(t.Context(), directory.AccountQuery{}, "")
		if want == "" {
			if cursor != "" || !fault.Is(err, fault.Transient) {
				t.Errorf("%s: the cursor %q, %v; want a transient fault", link, cursor, err)
			}
			continue
		}
		if _, next, again := client.ListAccounts(t.Context(), directory.AccountQuery{}, cursor); err != nil || again != nil || next != "" || len(s.requests) != 2 {
			t.Fatalf("%s: %v, %v, next %q, %d requests; want two pages", link, err, again, next, len(s.requests))
		}
		if got := s.requests[1].url; got != "https://graph.example/v1.0"+want || s.requests[1].header.Get("ConsistencyLevel") != "" {
			t.Errorf("%s: requested %s, want %s", link, got, want)
		}
	}
}

// A page that leads to itself is not read for ever.
func TestAPageOfAccountsThatLeadsToItself(t *testing.T) {
	s := &stub{t: t, answer: func(int, sent) (int, http.Header, string) {
		return 200, nil, `{"value":[],"@odata.nextLink":"https://graph.example/v1.0/users?$skiptoken=1"}`
	}}
	client := s.client()
	_, cursor, err := client.ListAccounts(t.Context(), directory.AccountQuery{}, "")
	if err != nil || cursor == "" {
		t.Fatalf("the cursor %q, %v; want a next page", cursor, err)
	}
	if _, next, err := client.ListAccounts(t.Context(), directory.AccountQuery{}, cursor); next != "" || !fault.Is(err, fault.Transient) {
		t.Errorf("the cursor %q, %v; want a transient fault", next, err)
	}
}

// accountReads are the three ways to read accounts.
var accountReads = map[string]func(*testing.T, *entra.Client) (int, error){
	"list": func(t *testing.T, c *entra.Client) (int, error) {
		page, _, err := c.ListAccounts(t.Context(), directory.AccountQuery{}, "")
		return len(page), err
	},
	"by id": func(t *testing.T, c *entra.Client) (int, error) {
		found, err := c.AccountsByID(t.Context(), []directory.EntraID{annsID}, nil)
		return len(found), err
	},
	"by name": func(t *testing.T, c *entra.Client) (int, error) {
		found, err := c.AccountsByUPN(t.Context(), []directory.UPN{"ann@contoso.example"}, nil)
		return len(found), err
	},
}

const annsID = "00000000-0000-4000-8000-00000000a001"

// Throttling, outages, lost answers and missing permissions are what they are everywhere
// else, and end when they end.
func TestTroubleWithReadingAccounts(t *testing.T) {
	for name, read := range accountReads {
		for _, tc := range []struct {
			fault entratest.Fault
			kind  fault.Kind
			wait  time.Duration // until the answer
			after time.Duration // that the fault names
		}{
			{entratest.Fault{Status: 429, Header: map[string]string{"Retry-After": "1.5"}}, "", 1500 * time.Millisecond, 0},
			{entratest.Fault{Status: 429, Times: 2, Header: map[string]string{"Retry-After": "1"}}, fault.Throttled, time.Second, time.Second},
			{entratest.Fault{Status: 429, Header: map[string]string{"Retry-After": "70"}}, fault.Throttled, 0, 70 * time.Second},
			{entratest.Fault{Status: 503, Header: map[string]string{"Retry-After": "7"}}, fault.Transient, 0, 7 * time.Second},
			{entratest.Fault{Status: 500}, fault.Transient, 0, 0},
			{entratest.Fault{Status: 502, Body: "<html>"}, fault.Transient, 0, 0},
			{entratest.Fault{Status: 404}, fault.Transient, 0, 0},
			{entratest.Fault{Status: 400, Body: map[string]any{"error": map[string]any{"code": "Request_UnsupportedQuery", "message": "Unsupported Query."}}}, fault.Internal, 0, 0},
			{entratest.Fault{Status: 400, Body: map[string]any{"error": map[string]any{"code": "Request_BadRequest", "message": "Invalid page size specified: '1000'."}}}, fault.Internal, 0, 0},
			{entratest.Fault{LoseReply: true}, fault.Transient, 0, 0},
			{entratest.Fault{Status: 200, Body: "{"}, fault.Transient, 0, 0},
		} {
			synctest.Test(t, func(t *testing.T) {
				n := simulated(t)
				n.person(t, entratest.User{ID: annsID, UserPrincipalName: "ann@contoso.example"})
				tc.fault.Path = "^/v1.0/(users|directoryObjects/getByIds)$"
				n.fails(t, tc.fault)
				start := time.Now()
				found, err := read(t, n.client)
				if f := fault.Of(err); fault.KindOf(err) != tc.kind || f != nil && (f.RetryAfter != tc.after || f.Message == "" || found != 0) {
					t.Errorf("%s, %+v: %d, %v; want kind %q, after %s", name, tc.fault, found, err, tc.kind, tc.after)
				}
				if waited := time.Since(start); waited != tc.wait {
					t.Errorf("%s, %+v: waited %s, want %s", name, tc.fault, waited, tc.wait)
				}
				if found, err = read(t, n.client); found != 1 || err != nil {
					t.Errorf("%s, after %+v: %d, %v; want the account", name, tc.fault, found, err)
				}
			})
		}
		n := lacking(t, "User.ReadWrite.All")
		n.person(t, entratest.User{ID: annsID, UserPrincipalName: "ann@contoso.example"})
		_, err := read(t, n.client)
		lacks(t, err, "User.ReadWrite.All")
	}
}

// Null elements are skipped, an account without an id is not, and a page without a list is
// not empty.
func TestFormsOfAccounts(t *testing.T) {
	ann := map[string]any{"id": annsID, "userPrincipalName": "ann@contoso.example", "accountEnabled": true}
	for name, tc := range map[string]struct {
		body map[string]any
		want int
		kind fault.Kind
	}{
		"nulls":          {map[string]any{"value": []any{nil, ann, nil}}, 1, ""},
		"only nulls":     {map[string]any{"value": []any{nil}}, 0, ""},
		"empty":          {map[string]any{"value": []any{}}, 0, ""},
		"a stranger":     {map[string]any{"value": []any{map[string]any{"id": "00000000-0000-4000-8000-00000000b00b", "userPrincipalName": "bob@contoso.example", "accountEnabled": false}}}, 0, ""},
		"no id":          {map[string]any{"value": []any{ann, map[string]any{"userPrincipalName": "x@contoso.example", "accountEnabled": true}}}, 0, fault.Transient},
		"an id of null":  {map[string]any{"value": []any{map[string]any{"id": nil}}}, 0, fault.Transient},
		"numbers":        {map[string]any{"value": []any{1}}, 0, fault.Transient},
		"no list":        {map[string]any{}, 0, fault.Transient},
		"null":           {map[string]any{"value": nil}, 0, fault.Transient},
		"an error":       {map[string]any{"error": map[string]any{"code": "x"}}, 0, fault.Transient},
		"a wrong state":  {map[string]any{"value": []any{map[string]any{"id": annsID, "accountEnabled": "yes"}}}, 0, fault.Transient},
		"null otherwise": {map[string]any{"value": []any{map[string]any{"id": annsID, "userPrincipalName": "ann@contoso.example", "accountEnabled": true, "mail": nil, "userType": nil, "mailNickname": nil}}}, 1, ""},
	} {
		for list, read := range accountReads {
			found, err := read(t, answering(t, tc.body, nil).client())
			if found != tc.want || fault.KindOf(err) != tc.kind {
				t.Errorf("%s, %s: %d, %v; want %d and kind %q", list, name, found, err, tc.want, tc.kind)
			}
		}
	}
}

// answering is a Graph that answers every list of accounts with one body, on its own or in
// a batch, and every request for one account with another.
func answering(t *testing.T, list, one map[string]any) *stub {
	s := &stub{t: t}
	s.answer = func(_ int, r sent) (int, http.Header, string) {
		if strings.HasSuffix(r.url, "/$batch") {
			return 200, nil, reply(t, r, func(i item) map[string]any {
				body := list
				if strings.HasPrefix(i.URL, "/users/") {
					body = one
				}
				return map[string]any{"status": 200, "body": body}
			})
		}
		return 200, nil, encoded(t, list)
	}
	return s
}
