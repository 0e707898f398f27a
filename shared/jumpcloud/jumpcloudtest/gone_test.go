package jumpcloudtest_test

import (
	"fmt"
	"testing"

	. "entrasync/shared/jumpcloud/jumpcloudtest"
)

// 208 memberships, three of them of deleted users: they take places in the first page
// and count in the total.
func TestGoneMembersKeepTheirPlaces(t *testing.T) {
	for how, want := range map[GoneMembers]struct {
		total, nulls int
		pages        []int
	}{
		ForgetGone: {205, 0, []int{100, 100, 5, 0}},
		OmitGone:   {208, 0, []int{98, 99, 8, 0}},
		NullGone:   {208, 3, []int{100, 100, 8, 0}},
		ListGone:   {208, 0, []int{100, 100, 8, 0}},
	} {
		t.Run(string(how), func(t *testing.T) {
			b := start(t, nil)
			group := b.must(b.CreateGroup("All"))
			var ids []string
			for i := range 208 {
				ids = append(ids, b.user(fmt.Sprintf("u%03d", i), nil))
				b.ok(b.AddMember(group, ids[i]))
			}
			b.Set(func(behaviour *Behaviour) { behaviour.GoneMembers = how })
			for _, i := range []int{3, 70, 150} {
				b.ok(b.DeleteUser(ids[i]))
			}
			for _, list := range []string{"members", "membership"} {
				nulls, seen := 0, map[string]bool{}
				for i, length := range want.pages {
					got := b.want(200, "GET", fmt.Sprintf("/api/v2/usergroups/%s/%s?limit=100&skip=%d", group, list, i*100), nil)
					elements, total := bare(got)
					if len(elements) != length || total != fmt.Sprint(want.total) {
						t.Errorf("%s, page %d: %d of %s, want %d of %d", list, i, len(elements), total, length, want.total)
					}
					for _, each := range got.list() {
						id := each.Text("id")
						if to, is := each["to"].(map[string]any); is {
							id, _ = to["id"].(string)
						}
						if each == nil {
							nulls++
						} else if seen[id] || id == "" {
							t.Errorf("%s comes twice or has no id, want each once", id)
						}
						seen[id] = true
					}
				}
				if _, stays := seen[ids[3]]; nulls != want.nulls || stays != (how == ListGone) || !seen[ids[4]] || !seen[ids[207]] {
					t.Errorf("%s: %d nulls, the deleted user %v, want the nulls of the row, and the user only where lists keep it", list, nulls, stays)
				}
			}
			if got := len(b.Members(group)); got != 205 {
				t.Errorf("%d members, want 205", got)
			}
		})
	}
}

// The same from every side: for the groups of a user, for the associations of a source,
// and for the associations of a user.
func TestGoneOnEverySide(t *testing.T) {
	b := start(t, nil)
	b.Set(func(behaviour *Behaviour) { behaviour.GoneMembers = OmitGone })
	user, other := b.user("mira", nil), b.user("otto", nil)
	kept, gone := b.must(b.CreateGroup("Kept")), b.must(b.CreateGroup("Gone"))
	m365 := b.must(b.CreateDirectory("M365"))
	for _, group := range []string{kept, gone} {
		b.ok(b.AddMember(group, user))
		b.ok(b.Associate(group, m365))
	}
	b.ok(b.Associate(other, m365))
	b.ok(b.DeleteGroup(gone))
	b.ok(b.DeleteUser(other))
	for path, total := range map[string]string{
		"/api/v2/users/" + user + "/memberof":                             "2",
		"/api/v2/office365s/" + m365 + "/associations?targets=user_group": "2",
		"/api/v2/office365s/" + m365 + "/usergroups":                      "2",
		"/api/v2/usergroups/" + kept + "/associations?targets=office_365": "1",
	} {
		if elements, got := bare(b.want(200, "GET", path, nil)); len(elements) != 1 || got != total {
			t.Errorf("%s: %d of %s, want 1 of %s", path, len(elements), got, total)
		}
	}
	if elements, total := bare(b.want(200, "GET", "/api/v2/office365s/"+m365+"/associations?targets=user", nil)); len(elements) != 0 || total != "1" {
		t.Errorf("users: %d of %s, want none of 1", len(elements), total)
	}
	b.ok(b.DeleteGroup(kept)) // and what is gone with it
	if elements, total := bare(b.want(200, "GET", "/api/v2/users/"+user+"/memberof", nil)); len(elements) != 0 || total != "2" {
		t.Errorf("memberof: %d of %s, want none of 2", len(elements), total)
	}
}

func TestOmitTotals(t *testing.T) {
	b := start(t, nil)
	b.user("mira", nil)
	b.must(b.CreateGroup("Sales"))
	b.must(b.Notify("http://receiver/", "token"))
	b.Set(func(behaviour *Behaviour) { behaviour.OmitTotals = true })
	if elements, total := bare(b.want(200, "GET", "/api/v2/usergroups", nil)); len(elements) != 1 || total != "" {
		t.Errorf("bare: %d of %q, want 1 without a total", len(elements), total)
	}
	if got := b.want(200, "GET", "/api/systemusers", nil); len(got.results()) != 1 || got.fields()["totalCount"] != nil {
		t.Errorf("version 1: %s, want 1 without a total", got.raw)
	}
	if got := b.want(200, "GET", "/api/v2/notifications/channels", nil).fields(); len(elementsOf(got["channels"])) != 1 || got["count"] != nil {
		t.Errorf("newer service: %v, want 1 without a count", got)
	}
}
