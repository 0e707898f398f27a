package users_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// A user that JumpCloud does not return delays no other user of the batch, however
// slowly JumpCloud answers.
func TestWhoCannotBeReadHoldsUpNobody(t *testing.T) {
	for name, tc := range map[string]struct {
		path        string // of the request that fails
		mishap      jumpcloudtest.Fault
		memberships bool // the task reads the groups of the user
	}{
		"the user cannot be read":        {"/systemusers/%s", jumpcloudtest.Fault{Status: 500}, false},
		"the user is never answered":     {"/systemusers/%s", jumpcloudtest.Fault{Delay: time.Hour}, false},
		"the groups cannot be read":      {"/users/%s/memberof", jumpcloudtest.Fault{Status: 503}, true},
		"the groups are never answered":  {"/users/%s/memberof", jumpcloudtest.Fault{Delay: time.Hour}, true},
		"JumpCloud asks to wait for her": {"/systemusers/%s", jumpcloudtest.Fault{Status: 429, RetryAfter: "6"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				var others []directory.UserID
				for i := range 7 {
					others = append(others, f.person(fmt.Sprint("user", i)))
				}
				ann := f.person("ann")
				f.run(append(others, ann)...)
				for _, id := range others {
					f.update(id, jumpcloudtest.Fields{"jobTitle": "Lead"})
				}
				if !tc.memberships { // otherwise a list of users shows her
					f.must(f.jumpcloud.DeleteUser(string(ann)))
				}
				tc.mishap.PathContains, tc.mishap.Times = fmt.Sprintf(tc.path, ann), 20
				f.jumpcloud.FailNext(tc.mishap)

				var batch events.SQSEvent
				for _, id := range others {
					batch.Records = append(batch.Records, f.message(id, 1))
				}
				requested, err := reconcile.Task{Directory: f.directory.ID, User: ann, Memberships: tc.memberships, Cause: plan.Cause{Type: "association_change", ID: "e1", At: time.Now().UTC(), Event: true}}.Message()
				f.must(err)
				m := f.message(ann, 1)
				m.Body = string(requested.Body)
				batch.Records = append(batch.Records, m)

				start := time.Now()
				var written time.Duration
				f.before = func(*http.Request) { written = time.Since(start) }
				response := f.handle(batch)
				if len(response.BatchItemFailures) != 1 || response.BatchItemFailures[0].ItemIdentifier != m.MessageId {
					t.Errorf("%v come again, want %s alone", response.BatchItemFailures, m.MessageId)
				}
				if written > time.Second {
					t.Errorf("the others were written after %s, want at most %v", written, time.Second)
				}
				for i := range others {
					if title := f.account(fmt.Sprintf("user%d@contoso.example", i)).Text("jobTitle"); title != "Lead" {
						t.Errorf("user %d has the title %q, want \"Lead\"", i, title)
					}
				}
				if link := f.link(ann); link.State != directory.Enabled || link.Status != directory.Pending || link.Reason != directory.JumpCloudUnavailable {
					t.Errorf("the user that could not be read: %+v, want State %v, Status %v, Reason %v", link, directory.Enabled, directory.Pending, directory.JumpCloudUnavailable)
				}
				if took := time.Since(start); took > 16*time.Second {
					t.Errorf("the batch took %s, want at most %v", took, 16*time.Second)
				}
			})
		})
	}
}
