package groups_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/reconcile"
)

// A group that JumpCloud does not return delays no other group of the batch.
func TestAGroupThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	for name, tc := range map[string]struct {
		path   string // of the request that fails
		mishap jumpcloudtest.Fault
	}{
		"the group cannot be read":      {"/usergroups/%s", jumpcloudtest.Fault{Status: 500}},
		"the group is never answered":   {"/usergroups/%s", jumpcloudtest.Fault{Delay: time.Hour}},
		"the members cannot be read":    {"/usergroups/%s/membership", jumpcloudtest.Fault{Status: 503}},
		"the members take long to read": {"/usergroups/%s/membership", jumpcloudtest.Fault{Delay: 7 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				bad := f.group("Bad", f.person("ann"))
				var batch events.SQSEvent
				for i := range 3 {
					id := f.group(fmt.Sprint("Good ", i), f.person(fmt.Sprint("user", i)))
					batch.Records = append(batch.Records, f.message(reconcile.GroupTask{Group: id, AllMembers: true}, 1))
				}
				batch.Records = append(batch.Records, f.message(reconcile.GroupTask{Group: bad, AllMembers: true}, 1))
				tc.mishap.PathContains, tc.mishap.Times = fmt.Sprintf(tc.path, bad), 20
				f.jumpcloud.FailNext(tc.mishap)

				start, last := time.Now(), [3]time.Duration{}
				f.after = func(*http.Request) {
					for i := range last {
						if last[i] == 0 && len(f.tenant.GroupsNamed(fmt.Sprint("Good ", i))) == 1 {
							last[i] = time.Since(start)
						}
					}
				}
				_, err := f.handler.Handle(t.Context(), batch)
				f.must(err)
				for i, took := range last {
					if took == 0 || took > time.Second {
						t.Errorf("the group Good %d was created after %s, want took not 0, took at most %v", i, took, time.Second)
					}
				}
				if link := f.link(bad); tc.mishap.Delay < time.Minute && tc.mishap.Delay > 0 && link.Status != directory.Synced {
					t.Errorf("the slow one: %+v", link)
				}
			})
		})
	}
}
