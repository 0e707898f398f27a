package admin_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// strand stores a stranded message about Ann in a lane, and parks her link in the directory.
func (f *fixture) strand(m store.Stranded) store.Stranded {
	f.t.Helper()
	m.At, m.SentAt, m.Group, m.Receives = time.Now().UTC(), time.Now().UTC(), "group", 20
	m.Cause = plan.Cause{Type: "user_suspended", ID: "event-1", At: m.At, Event: true}
	m, err := f.records.AddStranded(f.t.Context(), m)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, about := range m.About {
		err := f.records.ChangeStanding(f.t.Context(), strandedDirectory, about, func(s directory.Standing) directory.Standing {
			s.Status, s.Reason, s.Message = directory.Parked, directory.Stranded, "it was not finished"
			return s
		})
		if err != nil && !fault.Is(err, fault.NotFound) {
			f.t.Fatal(err)
		}
	}
	return m
}

var (
	strandedDirectory = directory.NewID(organization, "main")
	aboutAnn          = []plan.Subject{{Kind: plan.OfUser, ID: ann}}
)

// newStranded is the API with a directory to which Ann and the group are connected.
func newStranded(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	_, err := f.records.PutDirectory(t.Context(), directory.Directory{ID: strandedDirectory, Organization: organization, Name: "main", Tenant: tenant, TenantObject: tenant, Status: directory.Active, Settings: directory.DefaultSettings()})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.records.Connect(t.Context(), strandedDirectory, ann, directory.Direct, time.Now().UTC()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.records.ConnectGroup(t.Context(), strandedDirectory, engineering, directory.Direct, time.Now().UTC()); err != nil {
		t.Fatal(err)
	}
	return f
}

// standing is the link of Ann, or of the group, in the directory.
func (f *fixture) standing(kind string) directory.Standing {
	f.t.Helper()
	user, err := f.records.User(f.t.Context(), organization, ann)
	if err != nil {
		f.t.Fatal(err)
	}
	group, err := f.records.Group(f.t.Context(), organization, engineering)
	if err != nil {
		f.t.Fatal(err)
	}
	link, _ := user.Link(strandedDirectory)
	if groupLink, _ := group.Link(strandedDirectory); kind == plan.OfGroup {
		return groupLink.Standing
	}
	return link.Standing
}

const strandedID = "0190f0e0a0b0c0d0e0f0a1b2c3d4e5f6"

// What entrasync did not finish is listed where it belongs, and is sent back to its queue.
func TestStrandedMessagesAreShownAndSentBack(t *testing.T) {
	task, err := reconcile.Task{Directory: strandedDirectory, User: ann}.Message()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		path    string
		message store.Stranded
		queue   func(*fixture) queue.Queue
		pending []string // whose link is pending after it
		tasks   int      // for users and groups, beside the message
	}{
		"a task": {"/v1/directories/" + string(strandedDirectory), store.Stranded{Organization: organization, Directory: strandedDirectory, Lane: store.UsersLive, About: aboutAnn, Body: task.Body},
			func(f *fixture) queue.Queue { return f.live }, []string{plan.OfUser}, 0},
		"a task of the bulk lane": {"/v1/directories/" + string(strandedDirectory), store.Stranded{Organization: organization, Directory: strandedDirectory, Lane: store.UsersBulk, About: aboutAnn, Body: task.Body},
			func(f *fixture) queue.Queue { return f.bulk }, []string{plan.OfUser}, 0},
		"a task of a group": {"/v1/directories/" + string(strandedDirectory), store.Stranded{Organization: organization, Directory: strandedDirectory, Lane: store.GroupsLive, About: []plan.Subject{{Kind: plan.OfGroup, ID: engineering}}, Body: []byte("a task")},
			func(f *fixture) queue.Queue { return f.groupsLive }, []string{plan.OfGroup}, 0},
		"a bulk task of a group": {"/v1/directories/" + string(strandedDirectory), store.Stranded{Organization: organization, Directory: strandedDirectory, Lane: store.GroupsBulk, Body: []byte("a task")},
			func(f *fixture) queue.Queue { return f.groupsBulk }, nil, 0},
		"an event": {"/v1/organizations/" + organization, store.Stranded{Organization: organization, Lane: store.Changes, About: append(aboutAnn, plan.Subject{Kind: plan.OfGroup, ID: engineering}), Body: []byte("an event")},
			func(f *fixture) queue.Queue { return f.changes }, []string{plan.OfUser, plan.OfGroup}, 2},
		"what cannot be read": {"/v1", store.Stranded{Lane: store.Changes, Body: []byte("?"), Unreadable: "it is not a change"},
			func(f *fixture) queue.Queue { return f.changes }, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newStranded(t)
			tc.message.ID = strandedID
			f.strand(tc.message)
			status, list := f.call("GET", tc.path+"/stranded", "")
			items, _ := list["items"].([]any)
			if status != http.StatusOK || len(items) != 1 {
				t.Fatalf("listed with %d: %v, want one", status, list)
			}
			shown, _ := items[0].(map[string]any)
			if shown["id"] != strandedID || shown["queue"] != string(tc.message.Lane) || shown["canRetry"] != true || shown["receives"] != 20.0 || len(shown["about"].([]any)) != len(tc.message.About) || shown["body"] != nil {
				t.Errorf("shown as %v, want its id, its queue, whom it is about, and no body", shown)
			}
			if status, got := f.call("POST", tc.path+"/stranded/"+strandedID+"/retry", ""); status != http.StatusAccepted || got["id"] != strandedID {
				t.Fatalf("sent back with %d: %v, want 202", status, got)
			}
			received, err := tc.queue(f).Receive(t.Context(), 10, 0)
			if err != nil || len(received) < 1 || string(received[0].Body) != string(tc.message.Body) || received[0].GroupID != "group" {
				t.Errorf("the queue has %v, %v, want the message", received, err)
			}
			for _, kind := range tc.pending {
				if s := f.standing(kind); s.Status != directory.Pending || s.Reason != "" || s.Message != "" {
					t.Errorf("the link of the %s is %+v, want pending", kind, s)
				}
			}
			if tc.tasks > 0 {
				users, groups := len(f.bodies(f.live)), len(f.bodies(f.groupsLive))
				if users+groups != tc.tasks {
					t.Errorf("%d tasks of users and %d of groups, want %d", users, groups, tc.tasks)
				}
			}
			if _, list := f.call("GET", tc.path+"/stranded", ""); len(list["items"].([]any)) != 0 {
				t.Errorf("still listed: %v, want none", list)
			}
			if status, _ := f.call("POST", tc.path+"/stranded/"+strandedID+"/retry", ""); status != http.StatusNotFound {
				t.Errorf("sent back twice: %d, want 404", status)
			}
		})
	}
}

// The list has pages, the last messages first.
func TestStrandedMessagesHavePages(t *testing.T) {
	f := newStranded(t)
	for _, first := range []string{"1", "2", "3"} {
		f.strand(store.Stranded{ID: first + strandedID[1:], Organization: organization, Directory: strandedDirectory, Lane: store.UsersLive, Body: []byte("b")})
	}
	var ids []string
	for cursor, more := "", true; more; {
		path := "/v1/directories/" + string(strandedDirectory) + "/stranded?limit=2" + cursor
		_, list := f.call("GET", path, "")
		for _, item := range list["items"].([]any) {
			ids = append(ids, item.(map[string]any)["id"].(string)[:1])
		}
		var next string
		if next, more = list["cursor"].(string); more {
			cursor = "&cursor=" + next
		}
	}
	if got := strings.Join(ids, " "); got != "3 2 1" {
		t.Errorf("listed %s, want 3 2 1", got)
	}
}

// What cannot be sent back says why, and stays. A link that a worker concluded meanwhile
// stays as it is.
func TestWhatCannotBeSentBack(t *testing.T) {
	f := newStranded(t)
	path := "/v1/directories/" + string(strandedDirectory) + "/stranded/" + strandedID + "/retry"
	for name, m := range map[string]store.Stranded{
		"set the password again": {Directory: strandedDirectory, Lane: store.UsersLive, Password: true},
		"too large":              {Directory: strandedDirectory, Lane: store.UsersLive},
	} {
		m.ID, m.Organization = strandedID, organization
		m = f.strand(m)
		status, got := f.call("POST", path, "")
		if detail, _ := got["detail"].(string); status != http.StatusConflict || !strings.Contains(detail, name) {
			t.Errorf("%s: %d %v, want 409 and the reason", name, status, got)
		}
		if err := f.records.RemoveStranded(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	f.strand(store.Stranded{ID: strandedID, Organization: organization, Directory: strandedDirectory, Lane: store.UsersLive, About: aboutAnn, Body: []byte("b")})
	err := f.records.ChangeStanding(t.Context(), strandedDirectory, aboutAnn[0], func(s directory.Standing) directory.Standing {
		s.Status, s.Reason = directory.Synced, ""
		return s
	})
	if err != nil {
		t.Fatal(err)
	}
	if status, got := f.call("POST", path, ""); status != http.StatusAccepted {
		t.Errorf("%d %v, want 202", status, got)
	}
	if s := f.standing(plan.OfUser); s.Status != directory.Synced {
		t.Errorf("the link is %s, want synced as the worker left it", s.Status)
	}
	for _, wrong := range []string{"/v1/directories/" + string(strandedDirectory) + "/stranded/nonsense/retry", "/v1/organizations/" + organization + "/stranded/" + strandedID + "/retry"} {
		if status, _ := f.call("POST", wrong, ""); status != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", wrong, status)
		}
	}
}
