package jumpcloud_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// forms are all forms in which JumpCloud may show deleted members, with and without
// totals.
func forms(t *testing.T, test func(t *testing.T, sim *jumpcloudtest.Simulator, client *jumpcloud.Client)) {
	for _, how := range []jumpcloudtest.GoneMembers{jumpcloudtest.ForgetGone, jumpcloudtest.OmitGone, jumpcloudtest.NullGone} {
		for _, omitted := range []bool{false, true} {
			t.Run(fmt.Sprintf("gone %s, totals omitted %v", how, omitted), func(t *testing.T) {
				sim, client := simulator(t)
				sim.Set(func(b *jumpcloudtest.Behaviour) { b.GoneMembers, b.OmitTotals = how, omitted })
				test(t, sim, client)
			})
		}
	}
}

// without deletes some of the ids and returns the others.
func without[T ~string](t *testing.T, ids []T, remove func(string) error, some ...int) []T {
	t.Helper()
	var left []T
	for i, id := range ids {
		if slices.Contains(some, i) {
			must(t, remove(string(id)))
		} else {
			left = append(left, id)
		}
	}
	return left
}

// A page that is shorter than requested, because of deleted members, is not the last
// one: of 208 memberships three belong to deleted users, and 205 users are members.
func TestMembersWhoAreGone(t *testing.T) {
	forms(t, func(t *testing.T, sim *jumpcloudtest.Simulator, client *jumpcloud.Client) {
		ids := addUsers(t, sim, 208)
		group := addGroup(t, sim, "All", ids...)
		want := without(t, ids, sim.DeleteUser, 3, 70, 150)
		got, _, err := client.GroupMembers(t.Context(), group)
		must(t, err)
		equal(t, "members", got, want)
	})
}

// The same from the side of a user who was in deleted groups.
func TestGroupsThatAreGone(t *testing.T) {
	forms(t, func(t *testing.T, sim *jumpcloudtest.Simulator, client *jumpcloud.Client) {
		user := addUser(t, sim, "mira", nil)
		var groups []directory.GroupID
		for i := range 230 {
			groups = append(groups, addGroup(t, sim, fmt.Sprintf("Group %03d", i), user))
		}
		want := without(t, groups, sim.DeleteGroup, 0, 50, 99, 100, 229)
		got, err := client.GroupsOf(t.Context(), user)
		must(t, err)
		equal(t, "groups", got, want)
	})
}

// And from the side of a connection source.
func TestAssociatesThatAreGone(t *testing.T) {
	forms(t, func(t *testing.T, sim *jumpcloudtest.Simulator, client *jumpcloud.Client) {
		id, err := sim.CreateDirectory("Example")
		must(t, err)
		source := directory.ConnectionSource{Type: directory.Office365Source, ID: id}
		ids := addUsers(t, sim, 208)
		var groups []directory.GroupID
		for i := range 120 {
			groups = append(groups, addGroup(t, sim, fmt.Sprintf("Group %03d", i)))
			must(t, sim.Associate(string(groups[i]), id))
		}
		for _, each := range ids {
			must(t, sim.Associate(string(each), id))
		}
		wantUsers, wantGroups := without(t, ids, sim.DeleteUser, 1, 2, 3), without(t, groups, sim.DeleteGroup, 0, 119)
		gotUsers, gotGroups, err := associated(t.Context(), client, source)
		must(t, err)
		equal(t, "users", gotUsers, wantUsers)
		equal(t, "groups", gotGroups, wantGroups)
	})
}

// A complete page of deleted members, as after the deletion of a department: with a
// total, the list continues behind it.
func TestPageOfNobody(t *testing.T) {
	sim, client := simulator(t)
	sim.Set(func(b *jumpcloudtest.Behaviour) { b.GoneMembers = jumpcloudtest.OmitGone })
	ids := addUsers(t, sim, 300)
	group := addGroup(t, sim, "All", ids...)
	var department []int
	for i := range 100 {
		department = append(department, 100+i)
	}
	want := without(t, ids, sim.DeleteUser, department...)
	got, _, err := client.GroupMembers(t.Context(), group)
	must(t, err)
	equal(t, "members", got, want)
}

// An element that is no user loses only its own place on a page of users.
func TestUsersOnPagesWithHoles(t *testing.T) {
	for name, mishap := range map[string]jumpcloudtest.Fault{
		"nulls": {Answer: jumpcloudtest.Nulls, Count: 2}, "short": {Answer: jumpcloudtest.ShortPage, Count: 2}, "nobody": {Answer: jumpcloudtest.EmptyPage},
	} {
		t.Run(name, func(t *testing.T) {
			sim, client := simulator(t)
			ids := addUsers(t, sim, 208)
			sim.FailNext(mishap)
			var got []directory.UserID
			must(t, client.EachUser(t.Context(), func(user directory.User) error {
				got = append(got, user.ID)
				return nil
			}))
			missing := map[jumpcloudtest.Mistake]int{jumpcloudtest.EmptyPage: 100}[mishap.Answer]
			if missing == 0 {
				missing = 2
			}
			if len(got) != 208-missing || got[len(got)-1] != ids[207] {
				t.Errorf("%d users, want all that exist, up to the last", len(got))
			}
			// Requested users are read one by one where the list does not show them.
			sim.FailNext(mishap)
			if found, err := readUsers(t, client, ids[:50]); err != nil || len(found) != 50 {
				t.Errorf("%d users, %v, want 50 and no error", len(found), err)
			}
		})
	}
}

// Elements without an id are skipped.
func TestElementsThatNameNothing(t *testing.T) {
	user := `{"type":"user","id":"` + userID + `"}`
	for _, nothing := range []string{`null`, `5`, `"x"`, `[]`, `{}`, `{"type":"user"}`, `{"id":"` + groupID + `"}`, `{"type":"user","id":null}`,
		`{"to":null}`, `{"to":{"type":"user"}}`, `{"attributes":null,"to":{}}`} {
		client := clientOf(pages(`[`+nothing+`,`+user+`,`+nothing+`]`, `[]`))
		got, _, err := client.GroupMembers(t.Context(), groupID)
		must(t, err)
		equal(t, nothing, got, []directory.UserID{userID})
	}
}

// pages answers every list with the bodies, one for each page, and then with empty
// ones.
func pages(bodies ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		skip, err := strconv.Atoi(r.URL.Query().Get("skip"))
		if n := skip / 100; err == nil && skip%100 == 0 && n < len(bodies) {
			fmt.Fprint(w, bodies[n])
			return
		}
		fmt.Fprint(w, "[]")
	})
}

// Whatever is wrong in a list, reading it ends, and the error says that it is
// incomplete.
func TestListsWithoutEnd(t *testing.T) {
	user := func(n int) string {
		return fmt.Sprintf(`{"type":"user","id":"%024x","_id":"%024x","username":"u"}`, n, n)
	}
	var hundred []string
	for i := range 100 {
		hundred = append(hundred, user(i))
	}
	page := "[" + strings.Join(hundred, ",") + "]"
	for name, test := range map[string]struct {
		page  func(skip int) string
		total string
		most  int // requests
	}{
		"skip is ignored":          {func(int) string { return page }, "", 2},
		"skip is ignored, a total": {func(int) string { return page }, "250", 2},
		"always somebody new":      {func(skip int) string { return "[" + user(skip) + "]" }, "", 2000},
		"always nobody":            {func(int) string { return "[null]" }, "", 2000},
		"a total beyond reason":    {func(int) string { return "[]" }, "999999999999", 2000},
	} {
		t.Run(name, func(t *testing.T) {
			requests := 0
			client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests++
				skip, _ := strconv.Atoi(r.URL.Query().Get("skip"))
				body := test.page(skip)
				if strings.HasSuffix(r.URL.Path, "/systemusers") {
					body = `{"results":` + body
					if test.total != "" {
						body += `,"totalCount":` + test.total
					}
					body += "}"
				} else if test.total != "" {
					w.Header().Set("X-Total-Count", test.total)
				}
				fmt.Fprint(w, body)
			}))
			if _, _, err := client.GroupMembers(t.Context(), groupID); !fault.Is(err, fault.Transient) || requests > test.most {
				t.Errorf("members: %v after %d requests, want a transient fault within the requests of the row", err, requests)
			}
			requests = 0
			if err := client.EachUser(t.Context(), func(directory.User) error { return nil }); !fault.Is(err, fault.Transient) || requests > test.most {
				t.Errorf("users: %v after %d requests, want a transient fault within the requests of the row", err, requests)
			}
		})
	}
}

// While users join and leave all the time, no user who stays seems to be gone: those
// found are members, and the error says that there may be more.
func TestListThatNeverRests(t *testing.T) {
	sim, _ := simulator(t)
	ids := addUsers(t, sim, 250)
	group := addGroup(t, sim, "All", ids...)
	requests := 0
	client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		must(t, sim.RemoveMember(string(group), string(ids[requests])))
		requests++
		sim.ServeHTTP(w, r)
	}))
	got, _, err := client.GroupMembers(t.Context(), group)
	if !fault.Is(err, fault.Transient) || requests != 9 {
		t.Errorf("%d users after %d requests, %v, want a transient fault after 9 requests", len(got), requests, err)
	}
	for _, stays := range ids[requests:] {
		if !slices.Contains(got, stays) {
			t.Errorf("%s is not among the members found, want every user who stays", stays)
		}
	}
}

// A total that differs from page to page does not mean a change if the list is the
// same.
func TestTotalThatWavers(t *testing.T) {
	sim, _ := simulator(t)
	ids := addUsers(t, sim, 208)
	group := addGroup(t, sim, "All", ids...)
	requests := 0
	client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		sim.ServeHTTP(total{w, strconv.Itoa(208 + requests)}, r)
	}))
	got, _, err := client.GroupMembers(t.Context(), group)
	must(t, err)
	equal(t, "members", got, ids)
	if requests != 6 {
		t.Errorf("%d requests, want 6", requests)
	}
}

// total replaces the total of a list.
type total struct {
	http.ResponseWriter
	says string
}

func (w total) WriteHeader(status int) {
	w.Header().Set("X-Total-Count", w.says)
	w.ResponseWriter.WriteHeader(status)
}

// The objects found before the list could no longer be read are associated.
func TestListThatBreaksOff(t *testing.T) {
	sim, client := simulator(t)
	ids := addUsers(t, sim, 208)
	group := addGroup(t, sim, "All", ids...)
	id, err := sim.CreateDirectory("Example")
	must(t, err)
	for _, each := range ids {
		must(t, sim.Associate(string(each), id))
	}
	source := directory.ConnectionSource{Type: directory.Office365Source, ID: id}
	refused := jumpcloudtest.Fault{Status: http.StatusForbidden, Skip: 1}
	sim.FailNext(refused)
	got, _, err := client.GroupMembers(t.Context(), group)
	if !fault.Is(err, fault.Forbidden) {
		t.Error(err)
	}
	equal(t, "members", got, ids[:100])
	sim.FailNext(refused)
	users, _, err := associated(t.Context(), client, source)
	if !fault.Is(err, fault.Forbidden) {
		t.Error(err)
	}
	equal(t, "associated", users, ids[:100])

	// One association is found in an incomplete list; its absence needs the complete list.
	for i := range 110 {
		app, err := sim.CreateApplication(fmt.Sprintf("App %03d", i))
		must(t, err)
		must(t, sim.Associate(string(ids[0]), app))
		source = directory.ConnectionSource{Type: directory.ApplicationSource, ID: app}
		if i == 0 {
			defer func(first directory.ConnectionSource) {
				sim.FailNext(refused)
				if is, err := client.IsUserAssociated(t.Context(), first, ids[0]); err != nil || !is {
					t.Errorf("on the first page: %v, %v; want true and no error", is, err)
				}
			}(source)
		}
	}
	sim.FailNext(refused)
	if is, err := client.IsUserAssociated(t.Context(), source, ids[0]); !fault.Is(err, fault.Forbidden) {
		t.Errorf("on the page that cannot be read: %v, %v; want a fault of kind Forbidden", is, err)
	}
}

// Our channel is found even after short pages.
func TestChannelsOnPagesWithHoles(t *testing.T) {
	for _, mistake := range []jumpcloudtest.Mistake{jumpcloudtest.Nulls, jumpcloudtest.ShortPage} {
		for _, omitted := range []bool{false, true} {
			sim, client := simulator(t)
			for i := range 105 {
				_, err := sim.AddChannel(jumpcloudtest.Fields{"name": fmt.Sprintf("Channel %03d", i), "type": "CHANNEL_TYPE_EMAIL"})
				must(t, err)
			}
			made := setUp(t, client, setup)
			sim.Set(func(b *jumpcloudtest.Behaviour) { b.OmitTotals = omitted })
			sim.FailNext(jumpcloudtest.Fault{Method: "GET", Path: "/api/v2/notifications/channels", Answer: mistake, Count: 3})
			state, err := client.SetUpWebhook(t.Context(), setup)
			if err != nil || state.Channel.Created || state.Channel.ID != made.Channel.ID {
				t.Errorf("%s, totals omitted %v: %+v, %v, want the existing channel", mistake, omitted, state, err)
			}
		}
	}
}

// A page of the feed states how many events it should have; if it has fewer, that does
// not make it the last one.
func TestFeedPagesWithHoles(t *testing.T) {
	event := func(n int) string { return fmt.Sprintf(`{"id":"e%d","event_type":"user_update"}`, n) }
	for name, test := range map[string]struct {
		bodies []string
		counts []string // X-Result-Count, "" for none
		want   int
	}{
		"an event left out": {[]string{`[` + event(1) + `]`, `[` + event(2) + `]`}, []string{"2", "1"}, 2},
		"a null":            {[]string{`[null,` + event(1) + `]`, `[` + event(2) + `]`}, []string{"2", "1"}, 2},
		"nothing left":      {[]string{`[]`, `[` + event(2) + `]`}, []string{"2", "1"}, 1},
		"without counts":    {[]string{`[` + event(1) + `]`, `[` + event(2) + `,` + event(3) + `]`, `[]`}, []string{"", "", ""}, 3},
		"one page":          {[]string{`[` + event(1) + `]`}, []string{"1"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			requests := 0
			client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Limit", "2")
				if test.counts[requests] != "" {
					w.Header().Set("X-Result-Count", test.counts[requests])
				}
				w.Header().Set("X-Search_after", fmt.Sprintf("[%d]", requests))
				fmt.Fprint(w, test.bodies[requests])
				requests++
			}))
			events, _ := read(t, client, jumpcloud.EventQuery{From: time.Now().Add(-time.Hour)})
			if len(events) != test.want || requests != len(test.bodies) {
				t.Errorf("%d events in %d requests, want %d in %d", len(events), requests, test.want, len(test.bodies))
			}
		})
	}
}
