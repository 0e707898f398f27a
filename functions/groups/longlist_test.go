package groups_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// toTheEnd invokes the handler with a message, and with those by which its task comes again,
// until none is left, at most so many times.
func toTheEnd(f *fixture, m events.SQSMessage, most int) (invocations int) {
	f.t.Helper()
	for next := []events.SQSMessage{m}; len(next) > 0; {
		if invocations++; invocations > most {
			f.t.Fatalf("the task is not done after %d invocations", most)
		}
		start, current := time.Now(), next[0]
		again := within(f, current)
		if left := timeOut - time.Since(start); left < leastLeft {
			f.t.Errorf("invocation %d ends with %s left, want at least %s", invocations, left, leastLeft)
		}
		if next = next[1:]; again {
			time.Sleep(f.postponed[current.ReceiptHandle])
			next = append(next, comesAgain(current))
		}
		for _, sent := range f.groups.take() {
			task, err := reconcile.ReadGroupTask(sent.Body)
			f.must(err)
			if task.NotBefore.IsZero() && (task.AllMembers || task.Group == "") {
				next = append(next, f.message(task, 1))
			}
		}
	}
	return invocations
}

// slowPages makes each page of a list take some time, in JumpCloud or in Entra. It counts
// them. list is a part of the address.
func (f *fixture) slowPages(list string, page time.Duration) (pages *int) {
	pages = new(int)
	f.outside = func(r *http.Request) error {
		if !strings.Contains(r.URL.Path+f.bodyOf(r), list) {
			return nil
		}
		*pages++
		select {
		case <-time.After(page):
			return nil
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
	return pages
}

// bodyOf reads the body of a request, which keeps it.
func (f *fixture) bodyOf(r *http.Request) string {
	f.t.Helper()
	if r.Body == nil {
		return ""
	}
	body, err := io.ReadAll(r.Body)
	f.must(err)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return string(body)
}

// The list of what the connection source has keeps its place as well. One page of it lists
// the groups.
func TestALongListOfTheSourceKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const people, pages = 1150, 12 + 1
		f := newFixture(t)
		source := f.source(f.crowd(people)...)
		read := f.slowPages("/office365s/"+source+"/associations", 5*time.Second)
		invocations := toTheEnd(f, f.message(reconcile.GroupTask{Source: true}, 1), 5)
		if n := f.connected(); n != people || *read != pages || invocations != 2 {
			t.Errorf("%d users are connected after %d pages in %d invocations, want %d, %d and 2", n, *read, invocations, people, pages)
		}
	})
}

// slowTable is a table that takes a second for each write of one item.
type slowTable struct{ store.Table }

// Put implements store.Table.
func (s slowTable) Put(ctx context.Context, item store.Item, cond store.IfVersion) (int64, error) {
	time.Sleep(time.Second)
	return s.Table.Put(ctx, item, cond)
}

// Users are connected as long as there is time, and the next attempt connects the others.
func TestManyUsersOfTheSourceAreConnectedInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const people = 60
		f := newFixture(t)
		f.source(f.crowd(people)...)
		f.store = store.New(slowTable{f.Table})
		f.restart()
		toTheEnd(f, f.message(reconcile.GroupTask{Source: true}, 1), 8)
		if n := f.connected(); n != people {
			t.Errorf("%d users are connected, want %d", n, people)
		}
	})
}

// crowd adds people to JumpCloud.
func (f *fixture) crowd(n int) []directory.UserID {
	f.t.Helper()
	all := make([]directory.UserID, n)
	for i := range all {
		all[i] = f.person(fmt.Sprintf("user%04d", i))
	}
	return all
}

// source gives the directory a connection source with users.
func (f *fixture) source(users ...directory.UserID) string {
	f.t.Helper()
	source, err := f.jumpcloud.CreateDirectory("M365")
	f.must(err)
	for _, id := range users {
		f.must(f.jumpcloud.Associate(string(id), source))
	}
	f.settings(func(s *directory.Settings) {
		s.ConnectionSource = directory.ConnectionSource{Type: directory.Office365Source, ID: source}
	})
	return source
}

// connected is how many users are connected to the directory.
func (f *fixture) connected() (n int) {
	f.t.Helper()
	for cursor, first := "", true; first || cursor != ""; first = false {
		list, err := f.store.Connections(context.Background(), f.directory.ID, 0, cursor)
		f.must(err)
		n, cursor = n+len(list.Items), list.Cursor
	}
	return n
}

// A list of members in Entra that is longer than an invocation, or leaves no time to write,
// is read on: each page is read once, and the differences are written.
func TestALongListInEntraKeepsItsPlace(t *testing.T) {
	for name, tc := range map[string]struct {
		present     int
		page        time.Duration
		invocations int
	}{
		"9,000 members, 800 ms a page":   {9000, 800 * time.Millisecond, 1},
		"longer than an invocation":      {2500, 20 * time.Second, 2},
		"much longer than an invocation": {6500, 20 * time.Second, 4},
		"it leaves no time to write":     {1500, 20 * time.Second, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				present := f.strangers(tc.present)
				_, err := f.tenant.AddGroup(entratest.Group{DisplayName: "Staff", Members: present})
				f.must(err)
				s := newStaff(f, false)
				f.connect(s.group)
				pages := f.slowPages("/members?", tc.page)
				invocations := toTheEnd(f, f.message(reconcile.GroupTask{Group: s.group, AllMembers: true}, 1), 10)
				if got, want := len(f.inEntra(s.group).Members), len(s.members)+len(present); got != want {
					t.Errorf("%d members in Entra, want %d", got, want)
				}
				if want := (tc.present + 998) / 999; *pages != want || invocations != tc.invocations {
					t.Errorf("%d pages in %d invocations, want %d in %d", *pages, invocations, want, tc.invocations)
				}
				if link := f.link(s.group); link.Status != directory.Synced || !link.PresentAt.IsZero() {
					t.Errorf("the link is %s, and a list of %s is read on; want %s and none", link.Status, link.PresentAt, directory.Synced)
				}
			})
		})
	}
}

// strangers adds accounts to Entra that JumpCloud does not know.
func (f *fixture) strangers(n int) (ids []string) {
	f.t.Helper()
	for i := range n {
		account, err := f.tenant.AddUser(entratest.User{UserPrincipalName: fmt.Sprintf("stranger%d@contoso.example", i), DisplayName: "Stranger", AccountEnabled: true})
		f.must(err)
		ids = append(ids, account.ID)
	}
	return ids
}

// A list that is read on is not used when the group was written in between: it shows Ann, who
// left and was removed after its first page was read. She came back, and is added.
func TestAListInEntraIsNotReadOnAfterAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		s := newStaff(f, true)
		for _, id := range f.strangers(3500) {
			_, err := f.tenant.AddMember(string(f.link(s.group).EntraID), id)
			f.must(err)
		}
		ann := s.members[0]
		f.slowPages("/members?", 20*time.Second)
		m := f.message(reconcile.GroupTask{Group: s.group, AllMembers: true}, 1)
		if !within(f, m) || f.link(s.group).PresentAt.IsZero() {
			t.Fatal("the list was read by one invocation, want that it is read on")
		}
		f.must(f.jumpcloud.RemoveMember(string(s.group), string(ann)))
		f.changed(ann)
		within(f, f.message(reconcile.GroupTask{Group: s.group}, 1))
		if f.holds(s.group, ann) {
			t.Fatal("ann is a member, want that the other task removed her")
		}
		f.must(f.jumpcloud.AddMember(string(s.group), string(ann)))
		f.changed(ann)
		f.groups.take()
		toTheEnd(f, comesAgain(m), 10)
		if !f.holds(s.group, ann) {
			t.Error("ann is no member, want that she was added")
		}
	})
}

// holds reports whether the account of a user is a member of the group in Entra.
func (f *fixture) holds(group directory.GroupID, user directory.UserID) bool {
	f.t.Helper()
	return slices.Contains(f.inEntra(group).Members, string(f.userLink(user).EntraID))
}
