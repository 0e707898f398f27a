package admin_test

import (
	"fmt"
	"net/url"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
)

// listed reads a list in pages of three and returns all ids; it fails on a longer page.
func (f *fixture) listed(path, id string) []string {
	f.t.Helper()
	var ids []string
	for cursor, pages := "", 1; ; pages++ {
		status, answer := f.call("GET", path+"&limit=3"+cursor, "")
		items, _ := answer["items"].([]any)
		if status != 200 || len(items) > 3 || pages > 100 {
			f.t.Fatalf("%s: %d %v, want 200, at most 3 items, pages at most 100", path, status, answer)
		}
		for _, item := range items {
			view, _ := item.(map[string]any)
			ids = append(ids, fmt.Sprint(view[id]))
		}
		next, more := answer["cursor"].(string)
		if !more {
			return ids
		}
		cursor = "&cursor=" + url.QueryEscape(next)
	}
}

// The filters find parked users and groups, and those with a reason.
func TestListsByStatusAndReason(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	var users []string
	for i := range 40 {
		user := directory.UserID(fmt.Sprintf("64a1b2c3d4e5f607182930%02x", i))
		users = append(users, string(user))
		if err := f.records.Connect(t.Context(), directory.ID(id), user, directory.Direct, noon); err != nil {
			t.Fatal(err)
		}
	}
	stand := func(i int, status directory.LinkStatus, reason directory.Reason, problems ...directory.Problem) {
		f.link(id, directory.UserID(users[i]), func(l *directory.Link) { l.Status, l.Reason, l.Problems = status, reason, problems })
	}
	for i := range 30 {
		stand(i, directory.Synced, "")
	}
	for _, i := range []int{5, 6, 7, 8, 29} {
		stand(i, directory.Parked, directory.DomainNotListed)
	}
	stand(11, directory.Parked, directory.UPNConflict)
	stand(12, directory.Synced, "", directory.Problem{Attribute: directory.Manager, Reason: directory.ManagerAbsent})
	pick := func(indexes ...int) (ids []string) {
		for _, i := range indexes {
			ids = append(ids, users[i])
		}
		return ids
	}
	path := "/v1/directories/" + id + "/users?"
	for query, want := range map[string][]string{
		"":                                    users,
		"status=parked":                       pick(5, 6, 7, 8, 11, 29),
		"reason=domain_not_listed":            pick(5, 6, 7, 8, 29),
		"status=parked&reason=upn_conflict":   pick(11),
		"status=pending&reason=upn_conflict":  nil,
		"reason=manager_absent":               pick(12),
		"status=synced&reason=manager_absent": pick(12),
		"status=pending":                      users[30:],
		"status=released":                     nil,
		"status=held":                         nil,
	} {
		if got := f.listed(path+query, "userId"); !cmp.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	f.connectGroups(id, engineering, sales)
	f.groupLink(id, sales, func(l *directory.GroupLink) { l.Status, l.Reason = directory.Parked, directory.GroupUnusable })
	path = "/v1/directories/" + id + "/groups?"
	for query, want := range map[string][]string{
		"": {engineering, sales}, "status=parked": {sales}, "reason=group_unusable": {sales}, "status=pending": {engineering}, "status=synced": nil,
	} {
		if got := f.listed(path+query, "groupId"); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	// A cursor belongs to its filters.
	_, page := f.call("GET", "/v1/directories/"+id+"/users?status=parked&limit=2", "")
	cursor := fmt.Sprint(page["cursor"])
	for _, other := range []string{"", "&status=synced", "&status=parked&reason=upn_conflict"} {
		status, problem := f.call("GET", "/v1/directories/"+id+"/users?limit=2&cursor="+cursor+other, "")
		mustSay(t, status, problem, 422, "query.cursor", "start again")
	}
}
