package jumpcloud_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// Without a total a list ends with an empty page.
func TestListWithoutTotal(t *testing.T) {
	for _, count := range []int{0, 99, 100, 250} {
		sim, client := simulator(t)
		sim.Set(func(b *jumpcloudtest.Behaviour) { b.OmitTotals = true })
		group := addGroup(t, sim, "All", addUsers(t, sim, count)...)
		got, _, err := client.GroupMembers(t.Context(), group)
		if err != nil || len(got) != count || sim.Counters().Requests != (count+99)/100+1 {
			t.Errorf("%d of %d, %d requests, %v, want all, one request for each page and one more", len(got), count, sim.Counters().Requests, err)
		}
	}
}

// Possible forms of JumpCloud's lists, and what is read from them.
func TestGraphListsAreReadLiberally(t *testing.T) {
	const other = "64a1b2c3d4e5f60718293b01"
	end := func(kind, id string) string { return `{"type":"` + kind + `","id":"` + id + `"}` }
	step := func(from, to string) string { return `{"from":` + from + `,"to":` + to + `}` }
	user := `{"type":"user","id":"` + userID + `"`
	for name, test := range map[string]struct {
		body   string
		users  int
		within []directory.GroupID
		kind   fault.Kind
	}{
		"objects":         {`[` + user + `,"paths":[]}]`, 1, nil, ""},
		"no paths":        {`[` + user + `}]`, 1, nil, ""},
		"null paths":      {`[` + user + `,"paths":null}]`, 1, nil, ""},
		"odd paths":       {`[` + user + `,"paths":[[5,null,{"from":[]}],{}]}]`, 1, nil, ""},
		"object_id":       {`[{"type":"systemuser","object_id":"` + userID + `"}]`, 1, nil, ""},
		"connections":     {`[{"attributes":null,"to":` + end("user", userID) + `}]`, 1, nil, ""},
		"through a group": {`[` + user + `,"paths":[[` + step(end("user_group", groupID), end("user_group", other)) + `,` + step(end("user_group", other), end("user", userID)) + `]]}]`, 1, []directory.GroupID{other}, ""},
		"something else":  {`[{"type":"system","id":"` + userID + `"}]`, 0, nil, ""},
		"twice":           {`[` + user + `},` + user + `}]`, 1, nil, ""},
		"empty":           {`[]`, 0, nil, ""},
		"an object":       {`{}`, 0, nil, fault.Transient},
		"null":            {`null`, 0, nil, fault.Transient},
		"a page":          {`<html>sign in</html>`, 0, nil, fault.Transient},
		"nothing":         {``, 0, nil, fault.Transient},
	} {
		t.Run(name, func(t *testing.T) {
			client := clientOf(pages(test.body))
			users, within, err := client.GroupMembers(t.Context(), groupID)
			if fault.KindOf(err) != test.kind || len(users) != test.users || !slices.Equal(within, test.within) {
				t.Errorf("%v, within %v, %v, want the kind, users and groups of the row", users, within, err)
			}
			_, err = client.GroupsOf(t.Context(), userID)
			if fault.KindOf(err) != test.kind {
				t.Errorf("groups of: %v, want the kind of the row", err)
			}
		})
	}
	client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Total-Count", "0")
		fmt.Fprint(w, "null")
	}))
	if users, _, err := client.GroupMembers(t.Context(), groupID); err != nil || len(users) != 0 {
		t.Errorf("null for an empty list: %v, %v, want no users and no error", users, err)
	}
	client = clientOf(pages(`[{"type":"user_group","id":"` + groupID + `","paths":[[` + step(end("user", userID), end("user_group", groupID)) + `,` + step(end("user_group", groupID), end("user_group", other)) + `]]}]`))
	groups, err := client.GroupsOf(t.Context(), userID)
	must(t, err)
	equal(t, "groups by paths", groups, []directory.GroupID{groupID, other})
}

// If an object leaves the list while it is read, another one moves to a page that was
// read already; that one must not seem deleted.
func TestListThatMovesIsReadAgain(t *testing.T) {
	sim, _ := simulator(t)
	ids := addUsers(t, sim, 250)
	group := addGroup(t, sim, "All", ids...)
	requests, left := 0, 0
	client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests++; requests == 2 || requests == 5 { // before the second page of two walks
			must(t, sim.RemoveMember(string(group), string(ids[left])))
			left++
		}
		sim.ServeHTTP(w, r)
	}))
	got, _, err := client.GroupMembers(t.Context(), group)
	must(t, err)
	equal(t, "users", got, ids[2:])
	if requests != 9 {
		t.Errorf("%d requests, want 9", requests)
	}
}

// It is not published by which fields memberships can be sorted.
func TestRefusedSortIsLeftOut(t *testing.T) {
	sim, _ := simulator(t)
	user := addUser(t, sim, "mira", nil)
	group := addGroup(t, sim, "All", user)
	var requested []url.Values
	client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requested = append(requested, r.URL.Query()); r.URL.Query().Has("sort") {
			http.Error(w, `{"message":"sort: unknown field"}`, http.StatusBadRequest)
			return
		}
		sim.ServeHTTP(w, r)
	}))
	got, _, err := client.GroupMembers(t.Context(), group)
	must(t, err)
	equal(t, "users", got, []directory.UserID{user})
	if len(requested) != 2 || requested[0].Get("sort") != "_id" || requested[0].Get("limit") != "100" {
		t.Errorf("requests %v, want two, the first sorted by _id with limit 100", requested)
	}
	refusing := clientOf(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{}`, http.StatusBadRequest) }))
	if _, _, err := refusing.GroupMembers(t.Context(), group); !fault.Is(err, fault.Invalid) {
		t.Errorf("refused for good: %v, want a fault of kind Invalid", err)
	}
}
