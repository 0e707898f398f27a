package world_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httputil"
	"path"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/wiring"
	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
)

// late is a JumpCloud whose answers are older than they could be.
type late struct {
	http.RoundTripper
	path string // of the requests that are concerned

	// slow says that the next answer is kept for some seconds; meanwhile is called after
	// the first of them: what it changes is newer than the answer.
	slow      atomic.Bool
	meanwhile func()
	// changed says that answers are not as before any more; stale that requests are
	// answered all the same as they were the last time before that.
	changed, stale atomic.Bool
	old            int // how many were

	mu    sync.Mutex
	known map[string][]byte // the last answers, by their URLs
}

// over is [world.Config.JumpCloud].
func (l *late) over(next http.RoundTripper) http.RoundTripper {
	l.RoundTripper, l.known = next, map[string][]byte{}
	return l
}

// RoundTrip implements http.RoundTripper.
func (l *late) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.RoundTripper.RoundTrip(r)
	if matches, _ := path.Match(l.path, r.URL.Path); err != nil || !matches {
		return response, err
	}
	if l.slow.CompareAndSwap(true, false) {
		time.Sleep(time.Second)
		l.meanwhile()
		time.Sleep(5 * time.Second)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if before, known := l.known[r.URL.String()]; known && l.stale.Load() {
		l.old++
		return http.ReadResponse(bufio.NewReader(bytes.NewReader(before)), r)
	}
	if l.changed.Load() {
		return response, nil
	}
	answer, err := httputil.DumpResponse(response, true)
	l.known[r.URL.String()] = answer
	return response, err
}

// sourced is a company whose directory has a connection source, and in it the people of the
// company by one group that the source has.
type sourced struct {
	*company
	source string
}

// newSourced makes one with a connection source that has the user ann and the group Crew,
// in which bob is.
func newSourced(t *testing.T, c world.Config) (o sourced, ann, bob directory.UserID, crew directory.GroupID) {
	t.Helper()
	o = sourced{company: newCompany(t, 1, c)}
	var err error
	o.source, err = o.JumpCloud.CreateDirectory("M365")
	o.Must(err)
	ann, bob = o.Hire("ann"), o.Hire("bob")
	crew = o.Group("Crew", bob)
	o.Must(o.JumpCloud.Associate(string(ann), o.source))
	o.Must(o.JumpCloud.Associate(string(crew), o.source))
	o.Settings(o.Directory, func(s *directory.Settings) {
		s.ConnectionSource = directory.ConnectionSource{Type: directory.Office365Source, ID: o.source}
	})
	o.SyncSource()
	o.Settle(time.Hour)
	if !o.Enabled("ann") || !o.Enabled("bob") {
		t.Fatalf("ann is enabled: %t, bob: %t, want both at the start", o.Enabled("ann"), o.Enabled("bob"))
	}
	return o, ann, bob, crew
}

// bulkUser sends a task for a user to the bulk lane, which works beside the live one.
func (o *company) bulkUser(task reconcile.Task) {
	task.Directory, task.Cause = o.Directory.ID, plan.Cause{Type: "retried", At: time.Now().UTC()}
	o.Must(reconcile.Enqueue(context.Background(), o.Queues[wiring.UsersBulk], task))
}

// bulkGroup sends a task for a group to the bulk lane.
func (o *company) bulkGroup(task reconcile.GroupTask) {
	task.Directory, task.Cause = o.Directory.ID, plan.Cause{Type: "retried", At: time.Now().UTC()}
	o.Must(reconcile.Enqueue(context.Background(), o.Queues[wiring.GroupsBulk], task))
}

// rest waits until all was done that follows from what happened: also what the sweep and
// the rechecks do.
func (o *company) rest() {
	time.Sleep(20 * time.Minute)
	o.Settle(time.Hour)
}

const (
	apiUser        = "/api/systemusers/*"
	apiUserSource  = "/api/v2/users/*/associations"
	apiGroupSource = "/api/v2/usergroups/*/associations"
	apiMemberOf    = "/api/v2/users/*/memberof"
	apiGroup       = "/api/v2/usergroups/*"
	apiMembers     = "/api/v2/usergroups/*/membership"
)

// slowAnswer is a read, and a change that is newer than its answer.
type slowAnswer struct {
	path  string
	read  func(o sourced, user directory.UserID, group directory.GroupID) // sends the task that reads
	newer func(o sourced, user directory.UserID, group directory.GroupID) error
	// enabled says whether ann, who is in the source, and bob, who is in its group, are
	// enabled in the end.
	ann, bob bool
	name     string // of the group, "" if it is not looked at
	surname  string // of ann, "" if it is not looked at
	unread   bool   // after the change nothing is read any more
}

// slowAnswers are the reads by what is read.
var slowAnswers = map[string]slowAnswer{
	"the user is in the source": {path: apiUserSource,
		read: func(o sourced, ann directory.UserID, _ directory.GroupID) {
			o.bulkUser(reconcile.Task{User: ann, Source: true})
		},
		newer: func(o sourced, ann directory.UserID, _ directory.GroupID) error {
			return o.JumpCloud.Dissociate(string(ann), o.source)
		},
		bob: true},
	"the group is in the source": {path: apiGroupSource,
		read: func(o sourced, _ directory.UserID, crew directory.GroupID) {
			o.bulkGroup(reconcile.GroupTask{Group: crew, Source: true})
		},
		newer: func(o sourced, _ directory.UserID, crew directory.GroupID) error {
			return o.JumpCloud.Dissociate(string(crew), o.source)
		},
		ann: true},
	"the groups of the user": {path: apiMemberOf,
		read: func(o sourced, _ directory.UserID, _ directory.GroupID) {
			o.bulkUser(reconcile.Task{User: o.people[1], Memberships: true})
		},
		newer: func(o sourced, _ directory.UserID, crew directory.GroupID) error {
			return o.JumpCloud.RemoveMember(string(crew), string(o.people[1]))
		},
		ann: true},
	"the user, with the source": {path: apiUser,
		read: func(o sourced, ann directory.UserID, _ directory.GroupID) {
			o.bulkUser(reconcile.Task{User: ann, Source: true})
		},
		newer: func(o sourced, ann directory.UserID, _ directory.GroupID) error {
			return o.JumpCloud.SuspendUser(string(ann))
		},
		bob: true},
	"the user, with the groups": {path: apiUser,
		read: func(o sourced, _ directory.UserID, _ directory.GroupID) {
			o.bulkUser(reconcile.Task{User: o.people[1], Memberships: true})
		},
		newer: func(o sourced, _ directory.UserID, _ directory.GroupID) error {
			return o.JumpCloud.SuspendUser(string(o.people[1]))
		},
		ann: true},
	"the user alone": {path: apiUser,
		read: func(o sourced, ann directory.UserID, _ directory.GroupID) {
			o.bulkUser(reconcile.Task{User: ann})
		},
		newer: func(o sourced, ann directory.UserID, _ directory.GroupID) error {
			return o.JumpCloud.SuspendUser(string(ann))
		},
		bob: true},
	"the name of the user, with the groups": {path: apiUser,
		read: func(o sourced, ann directory.UserID, _ directory.GroupID) {
			o.bulkUser(reconcile.Task{User: ann, Memberships: true})
		},
		newer: func(o sourced, ann directory.UserID, _ directory.GroupID) error {
			return o.JumpCloud.UpdateUser(string(ann), jumpcloudtest.Fields{"lastname": "Moss"})
		},
		ann: true, bob: true, surname: "Moss"},
	"the name of the group": {path: apiGroup,
		read: func(o sourced, _ directory.UserID, crew directory.GroupID) {
			o.bulkGroup(reconcile.GroupTask{Group: crew})
		},
		newer: func(o sourced, _ directory.UserID, crew directory.GroupID) error {
			return o.JumpCloud.RenameGroup(string(crew), "Team")
		},
		ann: true, bob: true, name: "Team"},
	"the name of the group, with the source": {path: apiGroup,
		read: func(o sourced, _ directory.UserID, crew directory.GroupID) {
			o.bulkGroup(reconcile.GroupTask{Group: crew, Source: true, AllMembers: true})
		},
		newer: func(o sourced, _ directory.UserID, crew directory.GroupID) error {
			return o.JumpCloud.RenameGroup(string(crew), "Team")
		},
		ann: true, bob: true, name: "Team"},
	"the group, which is deleted": {path: apiGroup,
		read: func(o sourced, _ directory.UserID, crew directory.GroupID) {
			o.bulkGroup(reconcile.GroupTask{Group: crew, Source: true, AllMembers: true})
		},
		newer: func(o sourced, _ directory.UserID, crew directory.GroupID) error {
			return o.JumpCloud.DeleteGroup(string(crew))
		},
		ann: true},
	"the source of the group, which is deleted": {path: apiGroupSource,
		read: func(o sourced, _ directory.UserID, crew directory.GroupID) {
			o.bulkGroup(reconcile.GroupTask{Group: crew, Source: true, AllMembers: true})
		},
		newer: func(o sourced, _ directory.UserID, crew directory.GroupID) error {
			return o.JumpCloud.DeleteGroup(string(crew))
		},
		ann: true},
	"the members of a group that is dissociated": {path: apiMembers,
		read: func(o sourced, _ directory.UserID, crew directory.GroupID) {
			o.bulkGroup(reconcile.GroupTask{Group: crew, AllMembers: true})
		},
		newer: func(o sourced, _ directory.UserID, crew directory.GroupID) error {
			return o.JumpCloud.Dissociate(string(crew), o.source)
		},
		ann: true, unread: true},
	"the groups of a user whose group is dissociated": {path: apiMemberOf,
		read: func(o sourced, _ directory.UserID, _ directory.GroupID) {
			o.bulkUser(reconcile.Task{User: o.people[1], Memberships: true})
		},
		newer: func(o sourced, _ directory.UserID, crew directory.GroupID) error {
			return o.JumpCloud.Dissociate(string(crew), o.source)
		},
		ann: true},
	"the user, who is deleted": {path: apiUser,
		read: func(o sourced, ann directory.UserID, _ directory.GroupID) {
			o.bulkUser(reconcile.Task{User: ann, Source: true, Memberships: true})
		},
		newer: func(o sourced, ann directory.UserID, _ directory.GroupID) error {
			return o.JumpCloud.DeleteUser(string(ann))
		},
		bob: true},
}

// An answer of JumpCloud that was made before a change, and that arrives after the event
// about the change was applied, undoes nothing.
func TestASlowAnswerUndoesNoEvent(t *testing.T) {
	for name, tc := range slowAnswers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answers := &late{path: tc.path}
				o, ann, bob, crew := newSourced(t, world.Config{Latency: 10 * time.Millisecond, JumpCloud: answers.over})
				o.people = append(o.people, bob)
				answers.meanwhile = func() { o.Must(tc.newer(o, ann, crew)) }
				answers.slow.Store(true)
				tc.read(o, ann, crew)
				o.rest()
				if answers.slow.Load() {
					t.Fatal("no answer was slow, want one")
				}
				tc.check(t, o)
			})
		})
	}
}

// Nor does an answer that is made after a change and shows what was before, while other
// answers showed the change already.
func TestAStaleAnswerUndoesNoEvent(t *testing.T) {
	for name, tc := range slowAnswers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answers := &late{path: tc.path}
				o, ann, bob, crew := newSourced(t, world.Config{Latency: 10 * time.Millisecond, JumpCloud: answers.over})
				o.people = append(o.people, bob)
				tc.read(o, ann, crew)
				o.Settle(time.Hour)
				time.Sleep(10 * time.Minute)
				answers.changed.Store(true)
				o.Must(tc.newer(o, ann, crew))
				time.Sleep(5 * time.Second)
				tc.check(t, o)
				answers.stale.Store(true)
				tc.read(o, ann, crew)
				time.Sleep(4 * time.Second)
				answers.stale.Store(false)
				o.rest()
				if (answers.old == 0) != tc.unread {
					t.Fatalf("%d answers were stale, want some: %t", answers.old, !tc.unread)
				}
				tc.check(t, o)
			})
		})
	}
}

// check compares Entra with what is to be in the end.
func (tc slowAnswer) check(t *testing.T, o sourced) {
	t.Helper()
	account, _ := o.Account("ann")
	if surname := account.Text("surname"); tc.surname != "" && surname != tc.surname {
		t.Errorf("ann's surname is %s, want %s", surname, tc.surname)
	}
	if a, b := o.Enabled("ann"), o.Enabled("bob"); a != tc.ann || b != tc.bob {
		t.Errorf("ann is enabled: %t, bob: %t, want %t and %t", a, b, tc.ann, tc.bob)
	}
	if tc.name != "" && len(o.Members(tc.name)) != 1 {
		t.Errorf("the group %s has the members %v, want one", tc.name, o.Members(tc.name))
	}
}

// swapped is a queue that keeps the first message back until shortly after the next one.
type swapped struct {
	queue.Queue
	mu   sync.Mutex
	on   bool
	kept []queue.Message
}

// Send implements queue.Sender.
func (s *swapped) Send(ctx context.Context, all ...queue.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.on && s.kept == nil {
		s.kept = all
		return nil
	}
	if s.kept != nil {
		kept := s.kept
		time.AfterFunc(300*time.Millisecond, func() { _ = s.Queue.Send(context.WithoutCancel(ctx), kept...) })
	}
	s.on, s.kept = false, nil
	return s.Queue.Send(ctx, all...)
}

// edges are what connects ann or bob, and how it begins and ends.
var edges = map[string]struct {
	slow    string // the path of the read
	name    string // of the person
	add     func(o sourced, ann directory.UserID, crew directory.GroupID) error
	removed func(o sourced, ann directory.UserID, crew directory.GroupID) error
}{
	"a user in the source": {apiUserSource, "ann",
		func(o sourced, ann directory.UserID, _ directory.GroupID) error {
			return o.JumpCloud.Associate(string(ann), o.source)
		},
		func(o sourced, ann directory.UserID, _ directory.GroupID) error {
			return o.JumpCloud.Dissociate(string(ann), o.source)
		}},
	"a group in the source": {apiGroupSource, "bob",
		func(o sourced, _ directory.UserID, crew directory.GroupID) error {
			return o.JumpCloud.Associate(string(crew), o.source)
		},
		func(o sourced, _ directory.UserID, crew directory.GroupID) error {
			return o.JumpCloud.Dissociate(string(crew), o.source)
		}},
	"a member": {apiMemberOf, "bob",
		func(o sourced, _ directory.UserID, crew directory.GroupID) error {
			return o.JumpCloud.AddMember(string(crew), string(o.people[1]))
		},
		func(o sourced, _ directory.UserID, crew directory.GroupID) error {
			return o.JumpCloud.RemoveMember(string(crew), string(o.people[1]))
		}},
}

// What begins and ends, or ends and begins, within the time that reads lag is right in the
// end, also if the events arrive in the other order and an answer is slow.
func TestAnEdgeThatChangesTwiceWhileReadsLag(t *testing.T) {
	for name, tc := range edges {
		for _, begins := range []bool{false, true} {
			for _, swap := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, first added: %t, swapped: %t", name, begins, swap), func(t *testing.T) {
					for _, slow := range []string{"", tc.slow, apiUser} {
						for _, gap := range []time.Duration{300 * time.Millisecond, 3 * time.Second, 5 * time.Second, 8 * time.Second} {
							synctest.Test(t, func(t *testing.T) {
								var changes *swapped
								answers := &late{path: slow, meanwhile: func() {}}
								o, ann, bob, crew := newSourced(t, world.Config{Latency: 10 * time.Millisecond, JumpCloud: answers.over, Queue: func(name string, q queue.Queue) queue.Queue {
									if name != wiring.Changes {
										return q
									}
									changes = &swapped{Queue: q}
									return changes
								}})
								o.people = append(o.people, bob)
								first, second := tc.removed, tc.add
								if begins {
									o.Must(tc.removed(o, ann, crew))
									o.rest()
									first, second = second, first
								}
								o.lag(9 * time.Second)
								changes.on = swap
								answers.slow.Store(slow != "")
								o.Must(first(o, ann, crew))
								time.Sleep(gap)
								o.Must(second(o, ann, crew))
								o.rest()
								if o.Enabled(tc.name) == begins {
									t.Errorf("gap %s, slow %q: %s is enabled: %t, want %t", gap, slow, tc.name, begins, !begins)
								}
							})
						}
					}
				})
			}
		}
	}
}

// A group that the source has for the first time, and for some seconds only, connects nobody
// in the end.
func TestAGroupThatIsAssociatedForSomeSeconds(t *testing.T) {
	for _, gap := range []time.Duration{time.Second, 3 * time.Second, 8 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			o, _, bob, _ := newSourced(t, world.Config{Latency: 10 * time.Millisecond})
			eve := o.Hire("eve")
			group := o.Group("New", eve, bob)
			time.Sleep(time.Minute)
			o.lag(9 * time.Second)
			o.Must(o.JumpCloud.Associate(string(group), o.source))
			time.Sleep(gap)
			o.Must(o.JumpCloud.Dissociate(string(group), o.source))
			o.rest()
			if o.Enabled("eve") {
				t.Errorf("gap %s: eve is enabled, and the group is %s, want neither", gap, o.GroupLink(group).Status)
			}
		})
	}
}
