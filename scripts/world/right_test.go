package world_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/wiring"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// A right that JumpCloud's key lacks is recognised: who needs it waits for one probe a
// minute, however many they are, and everything else goes on.
func TestARightOfTheKeyIsMissing(t *testing.T) {
	for path, want := range map[string]struct {
		scope directory.Scope
		right string
	}{
		"/usergroups": {directory.OfGroups, "groups.readonly"},
		"/membership": {directory.OfPart, "users.readonly"},
		"/memberof":   {directory.OfPart, "groups.readonly"},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrowded(t, 60)
				c.JumpCloud.FailNext(jumpcloudtest.Fault{PathContains: path, Status: http.StatusForbidden, Times: 1 << 20})
				for i, id := range c.people[1:] { // the first one stays
					c.Must(c.JumpCloud.RemoveMember(string(c.groups[(i+1)*3/60]), string(id)))
				}
				time.Sleep(10 * time.Minute)
				for _, id := range c.groups { // an administrator asks to read all their members
					c.SyncGroup(id)
				}
				for _, id := range c.people[1:] {
					c.Must(reconcile.Enqueue(t.Context(), c.Queues[wiring.UsersLive], reconcile.Task{Directory: c.Directory.ID, User: id, Memberships: true, Cause: plan.Cause{Type: "retried", At: time.Now().UTC()}}))
				}
				c.Until("the directory is suspended", time.Minute, func() bool { return c.dir().Of(want.scope) != nil })
				if s := c.dir().Of(want.scope); s.Reason != directory.JumpCloudRefused || !strings.Contains(s.Message, want.right) {
					t.Errorf("suspended: %+v, want reason %q with a message that names %s", *s, directory.JumpCloudRefused, want.right)
				}
				time.Sleep(10 * time.Minute)
				start := c.requests()
				time.Sleep(30 * time.Minute)
				if asked := c.requests() - start; asked > 35 {
					t.Errorf("%d requests in half an hour, want at most 35: a probe a minute", asked)
				}
				c.Must(c.JumpCloud.UpdateUser(string(c.people[0]), jumpcloudtest.Fields{"jobTitle": "Lead"}))
				c.Until("a change that needs no such right is made", time.Minute, func() bool { return c.lead("Lead") == 1 })
				c.JumpCloud.Mend()
				c.Until("only the first one is in a group", 2*time.Minute, func() bool {
					left := 0
					for i := range c.groups {
						left += len(c.Members(fmt.Sprintf("Team %d", i)))
					}
					return left == 1 && c.dir().Of(want.scope) == nil
				})
			})
		})
	}
}
