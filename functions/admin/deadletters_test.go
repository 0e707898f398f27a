package admin_test

import (
	"fmt"
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

const deadLetters = "/v1/dead-letters"

// redrive sends dead letters back, and returns how many were and what was refused.
func (f *fixture) redrive(body string) (redriven int, refused []string) {
	f.t.Helper()
	status, answer := f.call("POST", deadLetters+"/redrive", body)
	n, _ := answer["redriven"].(float64)
	list, _ := answer["refused"].([]any)
	if status != http.StatusAccepted || answer["complete"] != true {
		f.t.Errorf("%s: %d %v, want 202, complete", body, status, answer)
	}
	for _, each := range list {
		view, _ := each.(map[string]any)
		refused = append(refused, fmt.Sprint(view["id"], ": ", view["message"]))
	}
	return int(n), refused
}

// shownDead are the dead letters that a list has, by their first digit.
func (f *fixture) shownDead(query string) string {
	f.t.Helper()
	var ids []string
	for _, id := range f.listed(deadLetters+"?"+query, "id") {
		ids = append(ids, id[:1])
	}
	return strings.Join(ids, " ")
}

// What entrasync did not finish is listed, and is sent back to its queue.
func TestDeadLettersAreShownAndSentBack(t *testing.T) {
	task, err := reconcile.Task{Directory: strandedDirectory, User: ann}.Message()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		message store.Stranded
		queue   func(*fixture) queue.Queue
		pending []string // whose link is pending after it
		tasks   int      // for users and groups, beside the message
	}{
		"a task": {store.Stranded{Organization: organization, Directory: strandedDirectory, Lane: store.UsersLive, About: aboutAnn, Body: task.Body},
			func(f *fixture) queue.Queue { return f.live }, []string{plan.OfUser}, 0},
		"a task of the bulk lane": {store.Stranded{Organization: organization, Directory: strandedDirectory, Lane: store.UsersBulk, About: aboutAnn, Body: task.Body},
			func(f *fixture) queue.Queue { return f.bulk }, []string{plan.OfUser}, 0},
		"a task of a group": {store.Stranded{Organization: organization, Directory: strandedDirectory, Lane: store.GroupsLive, About: []plan.Subject{{Kind: plan.OfGroup, ID: engineering}}, Body: []byte("a task")},
			func(f *fixture) queue.Queue { return f.groupsLive }, []string{plan.OfGroup}, 0},
		"a bulk task of a group": {store.Stranded{Organization: organization, Directory: strandedDirectory, Lane: store.GroupsBulk, Body: []byte("a task")},
			func(f *fixture) queue.Queue { return f.groupsBulk }, nil, 0},
		"an event": {store.Stranded{Organization: organization, Lane: store.Changes, About: append(aboutAnn, plan.Subject{Kind: plan.OfGroup, ID: engineering}), Body: []byte("an event")},
			func(f *fixture) queue.Queue { return f.changes }, []string{plan.OfUser, plan.OfGroup}, 2},
		"what cannot be read": {store.Stranded{Lane: store.Changes, Body: []byte("?"), Unreadable: "it is not a change"},
			func(f *fixture) queue.Queue { return f.changes }, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newStranded(t)
			tc.message.ID = strandedID
			f.strand(tc.message)
			status, list := f.call("GET", deadLetters, "")
			items, _ := list["items"].([]any)
			if status != http.StatusOK || len(items) != 1 {
				t.Fatalf("listed with %d: %v, want one", status, list)
			}
			shown, _ := items[0].(map[string]any)
			if shown["id"] != strandedID || shown["queue"] != string(tc.message.Lane) || shown["canRedrive"] != true || shown["receives"] != 20.0 || len(shown["about"].([]any)) != len(tc.message.About) || shown["body"] != nil ||
				shown["message"] == "" || shown["directoryId"] != nil && shown["directoryId"] != string(tc.message.Directory) {
				t.Errorf("shown as %v, want its id, its queue, whom it is about, why, and no body", shown)
			}
			if n, refused := f.redrive(`{"ids":["` + strandedID + `"]}`); n != 1 || len(refused) > 0 {
				t.Fatalf("%d sent back, refused %q, want 1 sent back", n, refused)
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
			if _, list := f.call("GET", deadLetters, ""); len(list["items"].([]any)) != 0 {
				t.Errorf("still listed: %v, want none", list)
			}
			if n, refused := f.redrive(`{"ids":["` + strandedID + `"]}`); n != 0 || len(refused) != 1 || !strings.Contains(refused[0], "not any more") {
				t.Errorf("sent back twice: %d, refused %q, want that it is not there any more", n, refused)
			}
		})
	}
}

// fiveDead are dead letters of two directories, of an organization, and of none.
func fiveDead(t *testing.T) *fixture {
	t.Helper()
	f := newStranded(t)
	for i, m := range []store.Stranded{
		{Organization: organization, Directory: strandedDirectory, Lane: store.UsersLive},
		{Organization: organization, Directory: strandedDirectory, Lane: store.UsersBulk},
		{Organization: organization, Directory: directory.NewID(organization, "second"), Lane: store.UsersLive},
		{Organization: organization, Lane: store.Changes},
		{Lane: store.Changes, Unreadable: "it is not a change"},
	} {
		m.ID, m.Body = fmt.Sprint(i+1)+strandedID[1:], []byte("b")
		f.strand(m)
	}
	return f
}

// The list has filters and pages, the last messages first.
func TestDeadLettersHaveFiltersAndPages(t *testing.T) {
	f := fiveDead(t)
	for query, want := range map[string]string{
		"":                                       "5 4 3 2 1",
		"organization=" + organization:           "4 3 2 1",
		"directory=" + string(strandedDirectory): "2 1",
		"directory=" + string(strandedDirectory) + "&queue=users-bulk": "2",
		"queue=changes":                         "5 4",
		"queue=groups-live":                     "",
		"organization=64a1b2c3d4e5f60718293aff": "",
		"organization=64a1b2c3d4e5f60718293aff&directory=" + string(strandedDirectory): "",
	} {
		if got := f.shownDead(query); got != want {
			t.Errorf("%s: listed %q, want %q", query, got, want)
		}
	}
	status, problem := f.call("GET", deadLetters+"?queue=imports", "")
	mustSay(t, status, problem, 422, "query.queue", "users-live")
}

// All that match a filter are sent back, and no others.
func TestDeadLettersAreSentBackByAFilter(t *testing.T) {
	for body, want := range map[string]string{
		`{"all":true}`:                                                           "",
		`{"queue":"users-live"}`:                                                 "5 4 2",
		`{"organization":"` + organization + `"}`:                                "5",
		`{"directory":"` + string(strandedDirectory) + `"}`:                      "5 4 3",
		`{"directory":"` + string(strandedDirectory) + `","queue":"users-bulk"}`: "5 4 3 1",
		`{"ids":["3` + strandedID[1:] + `","5` + strandedID[1:] + `"]}`:          "4 2 1",
	} {
		f := fiveDead(t)
		n, refused := f.redrive(body)
		left := f.shownDead("")
		if left != want || len(refused) > 0 || n != 5-len(strings.Fields(want)) {
			t.Errorf("%s: %d sent back, refused %q, left %q, want %q left", body, n, refused, left, want)
		}
	}
	f := fiveDead(t)
	for body, field := range map[string]string{
		`{}`: "body", `{"all":false}`: "body", `{"ids":[]}`: "body", `{"all":true,"queue":"changes"}`: "body", `{"queue":"imports"}`: "body.queue", `{"lane":"changes"}`: "body.lane",
	} {
		status, problem := f.call("POST", deadLetters+"/redrive", body)
		if at, _ := location(problem); status != 422 || at != field {
			t.Errorf("%s: %d at %q, want 422 at %q", body, status, at, field)
		}
	}
	if got := f.shownDead(""); got != "5 4 3 2 1" {
		t.Errorf("left %q, want all", got)
	}
}

// What cannot be sent back says why, and stays. A link that a worker concluded meanwhile
// stays as it is.
func TestWhatCannotBeSentBack(t *testing.T) {
	f := newStranded(t)
	for why, m := range map[string]store.Stranded{
		"set the password again": {Directory: strandedDirectory, Lane: store.UsersLive, Password: true},
		"too large":              {Directory: strandedDirectory, Lane: store.UsersLive},
	} {
		m.ID, m.Organization = strandedID, organization
		m = f.strand(m)
		for _, body := range []string{`{"ids":["` + strandedID + `"]}`, `{"all":true}`} {
			if n, refused := f.redrive(body); n != 0 || len(refused) != 1 || !strings.Contains(refused[0], why) {
				t.Errorf("%s: %d sent back, refused %q, want none, and %q", body, n, refused, why)
			}
		}
		if _, list := f.call("GET", deadLetters, ""); !strings.Contains(fmt.Sprint(list), why) || !strings.Contains(fmt.Sprint(list), "canRedrive:false") {
			t.Errorf("listed as %v, want that it cannot be sent back, and %q", list, why)
		}
		f.must(f.records.RemoveStranded(t.Context(), m))
	}
	f.strand(store.Stranded{ID: strandedID, Organization: organization, Directory: strandedDirectory, Lane: store.UsersLive, About: aboutAnn, Body: []byte("b")})
	f.must(f.records.ChangeStanding(t.Context(), strandedDirectory, aboutAnn[0], func(s directory.Standing) directory.Standing {
		s.Status, s.Reason = directory.Synced, ""
		return s
	}))
	if n, refused := f.redrive(`{"ids":["` + strandedID + `"]}`); n != 1 {
		t.Errorf("%d sent back, refused %q, want 1", n, refused)
	}
	if s := f.standing(plan.OfUser); s.Status != directory.Synced {
		t.Errorf("the link is %s, want synced as the worker left it", s.Status)
	}
}

// Wherever the process dies that sends all back: what was not sent back is still listed, and
// the request can be repeated.
func TestARedriveThatDiesIsRepeated(t *testing.T) {
	for n, died := 1, true; died; n++ {
		f := fiveDead(t)
		process := f.dies(n)
		f.call("POST", deadLetters+"/redrive", `{"all":true}`)
		died = process.dead
		f.serve(f.api)
		left := f.shownDead("")
		again, refused := f.redrive(`{"all":true}`)
		if again != len(strings.Fields(left)) || len(refused) > 0 || f.shownDead("") != "" {
			t.Errorf("call %d: left %q, then %d sent back, refused %q, want all of them", n, left, again, refused)
		}
		if !died && left != "" {
			t.Errorf("left %q although nothing died, want none", left)
		}
		if sent := len(f.bodies(f.live)) + len(f.bodies(f.bulk)); sent < 3 {
			t.Errorf("call %d: %d tasks are back in the queues, want 3", n, sent)
		}
	}
}
