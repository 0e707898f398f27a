package groups_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra"
)

// What somebody else changes about a group comes with Graph's list of changes and is repaired;
// the repair comes with the next one and is no drift. A list of all groups shows nothing then.
func TestDriftOfGroupsComesWithTheListOfChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, func(s *directory.Settings) { s.ExactMembership = true })
		port, err := c.Clients().Entra(t.Context(), c.directory.Tenant)
		c.must(err)
		client, _ := port.(*entra.Client)
		link, err := client.LatestGroups(t.Context())
		c.must(err)
		recorded := 0
		for what, do := range map[string]func() error{
			"renamed": func() error {
				_, err := c.tenant.UpdateGroup(string(c.id), map[string]any{"displayName": "Gang"})
				return err
			},
			"a member removed": func() error { _, err := c.tenant.RemoveMember(string(c.id), string(c.bob)); return err },
			"somebody added":   func() error { _, err := c.tenant.AddMember(string(c.id), string(c.eve)); return err },
		} {
			c.must(do())
			recorded++
			for range 3 { // the change, the repair, nothing
				page, err := client.GroupChanges(t.Context(), link)
				c.must(err)
				c.compareGroups(false, page.Items...)
				if got := len(c.drifts()); got != recorded {
					t.Errorf("%s: %d findings are recorded, want %d", what, got, recorded)
				}
				link = page.Link
				time.Sleep(20 * time.Minute)
			}
		}
		if got := c.names(c.group); !slices.Equal(got, []string{"ann", "bob"}) || c.inEntra(c.group).DisplayName != "Crew" || len(c.link(c.group).Drift) > 0 {
			t.Errorf("in the end the group %q has %v, link %+v; want Crew with ann and bob and no finding", c.inEntra(c.group).DisplayName, got, c.link(c.group))
		}
		whole, err := client.GroupPage(t.Context(), "")
		c.must(err)
		if found := c.compareGroups(true, whole.Items...); len(found.Groups) > 0 || len(whole.Items) != 1 {
			t.Errorf("the list of all %d groups sends tasks for %v, want 1 group and none", len(whole.Items), found.Groups)
		}
	})
}
