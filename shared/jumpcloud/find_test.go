package jumpcloud_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// usernames are those of users in order.
func usernames(users []directory.User) string {
	var names []string
	for _, user := range users {
		names = append(names, user.Username)
	}
	return strings.Join(names, " ")
}

func TestFindUsers(t *testing.T) {
	sim, client := simulator(t)
	mira := addUser(t, sim, "mira", nil)
	otto := addUser(t, sim, "Otto", jumpcloudtest.Fields{"email": `o|t\t,o:@example.com`})
	addUser(t, sim, "zoe", jumpcloudtest.Fields{"alternateEmail": "mira.private@example.com"})
	sim.Set(func(b *jumpcloudtest.Behaviour) { b.KeepEmailCase = true })
	addUser(t, sim, "kim", jumpcloudtest.Fields{"email": "Kim@example.com"})
	for name, tc := range map[string]struct {
		query    jumpcloud.UserQuery
		want     string
		requests int
	}{
		"nobody":                       {jumpcloud.UserQuery{}, "", 0},
		"texts that are nothing":       {jumpcloud.UserQuery{Emails: []string{""}, Usernames: []string{""}, IDs: []directory.UserID{"", "x|y"}}, "", 0},
		"an address":                   {jumpcloud.UserQuery{Emails: []string{"mira@example.com"}}, "mira", 1},
		"an address in another case":   {jumpcloud.UserQuery{Emails: []string{"MIRA@Example.com"}}, "mira", 1},
		"an address stored as it was":  {jumpcloud.UserQuery{Emails: []string{"Kim@example.com"}}, "kim", 1},
		"an address of another kind":   {jumpcloud.UserQuery{Emails: []string{"mira.private@example.com"}}, "", 1},
		"an address with every sign":   {jumpcloud.UserQuery{Emails: []string{`O|t\t,o:@example.com`, "t"}}, "Otto", 1},
		"a username":                   {jumpcloud.UserQuery{Usernames: []string{"Otto", "Mira"}}, "mira Otto", 1},
		"ids":                          {jumpcloud.UserQuery{IDs: []directory.UserID{otto, mira, otto, "64a1b2c3d4e5f60718293fff"}}, "mira Otto", 1},
		"one user under several names": {jumpcloud.UserQuery{Emails: []string{"mira@example.com"}, Usernames: []string{"mira"}, IDs: []directory.UserID{mira}}, "mira", 1},
		"several under one name each":  {jumpcloud.UserQuery{Emails: []string{"mira@example.com"}, Usernames: []string{"zoe"}, IDs: []directory.UserID{otto}}, "mira Otto zoe", 1},
	} {
		t.Run(name, func(t *testing.T) {
			before := sim.Counters().Requests
			got, err := client.FindUsers(t.Context(), tc.query)
			if err != nil || usernames(got) != tc.want {
				t.Errorf("got %q, %v, want %q", usernames(got), err, tc.want)
			}
			if got := sim.Counters().Requests - before; got != tc.requests {
				t.Errorf("got %d requests, want %d", got, tc.requests)
			}
		})
	}
}

// measured notes the longest URL and counts the requests.
type measured struct {
	http.Handler
	requests, longest int
}

func (m *measured) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.requests++
	m.longest = max(m.longest, len(r.URL.String()))
	m.Handler.ServeHTTP(w, r)
}

// Many values are split over several requests, and a list may have more than one page.
func TestFindManyUsers(t *testing.T) {
	for _, totals := range []bool{true, false} {
		sim, _ := simulator(t)
		sim.Set(func(b *jumpcloudtest.Behaviour) { b.OmitTotals = !totals })
		addUsers(t, sim, 400)
		var q jumpcloud.UserQuery
		for i := range 300 {
			q.Emails = append(q.Emails, fmt.Sprintf("user%03d@example.com", i))
			q.Usernames = append(q.Usernames, fmt.Sprintf("user%03d", i))
		}
		m := &measured{Handler: sim}
		got, err := clientOf(m).FindUsers(t.Context(), q)
		if err != nil || len(got) != 300 || got[0].Username != "user000" || got[299].Username != "user299" {
			t.Errorf("totals %t: got %d users, %v, want 300", totals, len(got), err)
		}
		if m.longest > 6500 || m.longest < 5000 || m.requests > 12 {
			t.Errorf("totals %t: got %d requests with at most %d characters, want few and at most about 6 kB", totals, m.requests, m.longest)
		}
	}
}

// A hundred users are looked up by both of their names in one request.
func TestOneRequestFindsAHundred(t *testing.T) {
	sim, client := simulator(t)
	addUsers(t, sim, 100)
	var q jumpcloud.UserQuery
	for i := range 100 {
		q.Emails = append(q.Emails, fmt.Sprintf("user%03d@example.com", i))
		q.Usernames = append(q.Usernames, fmt.Sprintf("user%03d", i))
	}
	if got, err := client.FindUsers(t.Context(), q); err != nil || len(got) != 100 || sim.Counters().Requests != 1 {
		t.Errorf("got %d users, %v, %d requests, want 100 with 1", len(got), err, sim.Counters().Requests)
	}
}

// Where JumpCloud does not support one of several conditions, each is asked alone.
func TestFindUsersWithoutAlternatives(t *testing.T) {
	sim, _ := simulator(t)
	addUser(t, sim, "mira", nil)
	addUser(t, sim, "otto", nil)
	client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("filter[or][0]") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		sim.ServeHTTP(w, r)
	}))
	got, err := client.FindUsers(t.Context(), jumpcloud.UserQuery{Emails: []string{"mira@example.com"}, Usernames: []string{"otto"}})
	if err != nil || usernames(got) != "mira otto" {
		t.Errorf("got %q, %v, want mira and otto", usernames(got), err)
	}
}

// What JumpCloud refuses, or does not filter, is no empty answer.
func TestFindUsersWithoutAFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, client := simulator(t)
		addUser(t, sim, "mira", nil)
		asked := jumpcloud.UserQuery{Emails: []string{"mira@example.com"}, Usernames: []string{"nobody"}}
		for name, tc := range map[string]struct {
			fault jumpcloudtest.Fault
			want  fault.Kind
		}{
			"refused":   {jumpcloudtest.Fault{Status: 400, Times: 2}, fault.Invalid},
			"no page":   {jumpcloudtest.Fault{Status: 404}, fault.NotFound},
			"an outage": {jumpcloudtest.Fault{Status: 503, Times: 4}, fault.Transient},
		} {
			sim.FailNext(tc.fault)
			if got, err := client.FindUsers(t.Context(), asked); !fault.Is(err, tc.want) || got != nil {
				t.Errorf("%s: got %v, %v, want kind %s", name, got, err, tc.want)
			}
			sim.Mend()
		}
		addUser(t, sim, "zoe", nil)
		ignoring := clientOf(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.URL.RawQuery = ""
			sim.ServeHTTP(w, r)
		}))
		if got, err := ignoring.FindUsers(t.Context(), asked); !fault.Is(err, fault.Transient) || got != nil {
			t.Errorf("a filter that is ignored: got %v, %v, want kind transient", got, err)
		}
	})
}

func TestCountUsers(t *testing.T) {
	sim, client := simulator(t)
	for count := range 3 {
		if got, err := client.CountUsers(t.Context()); err != nil || got != count {
			t.Errorf("got %d users, %v, want %d", got, err, count)
		}
		addUser(t, sim, fmt.Sprint("user", count), nil)
	}
	sim.Set(func(b *jumpcloudtest.Behaviour) { b.OmitTotals = true })
	if got, err := client.CountUsers(t.Context()); !fault.Is(err, fault.Transient) {
		t.Errorf("without a total: got %d, %v, want kind transient", got, err)
	}
	client = clientOf(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"results":[]}`) }))
	if got, err := client.CountUsers(t.Context()); err != nil || got != 0 {
		t.Errorf("an empty list: got %d, %v, want 0", got, err)
	}
}
