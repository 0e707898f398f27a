package world_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/admin"
	"entrasync/scripts/wiring"
	"entrasync/scripts/world"
	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/local/secretfile"
	"entrasync/shared/metric"
	"entrasync/shared/results/resultstest"
	"entrasync/shared/resync"
	"entrasync/shared/store"
	"entrasync/shared/stranded"
)

// crashing is a world whose workers die at every request to JumpCloud, as long as dying is
// set. If failing is set, the next request to JumpCloud fails.
type crashing struct {
	*world.World
	t              *testing.T
	dying, failing atomic.Bool
}

func newCrashing(t *testing.T) *crashing {
	t.Helper()
	c := &crashing{t: t}
	c.World = world.New(t, world.Config{Latency: 50 * time.Millisecond, Before: func(r *http.Request) error {
		if c.dying.Load() && r.URL.Host == functiontest.JumpCloudHost {
			panic("the process was killed")
		}
		if r.URL.Host == functiontest.JumpCloudHost && c.failing.CompareAndSwap(true, false) {
			return fault.New(fault.Transient, "test", "the connection was lost")
		}
		return nil
	}})
	return c
}

// untilStranded waits until the workers used up all receives of so many messages and the
// sweep took them out of the dead letters, and mends the workers.
func (c *crashing) untilStranded(messages int) {
	c.t.Helper()
	c.Until("the dead letters are taken", 5*time.Hour, func() bool { return c.stranded() == messages && c.Idle() })
	c.dying.Store(false)
}

// stranded is how many dead letters were counted.
func (c *crashing) stranded() int {
	n := 0
	for _, lane := range stranded.Lanes {
		n += c.Metrics.Counts()[metric.Key("stranded", "queue", string(lane))]
	}
	return n
}

// failures are the reasons of the failed actions that the events show.
func (c *crashing) failures() (reasons []directory.Reason) {
	c.t.Helper()
	list, err := c.Store.CompletedActions(c.t.Context(), store.ActionQuery{})
	c.Must(err)
	for _, a := range list.Items {
		if a.Error != nil {
			reasons = append(reasons, a.Error.Reason)
		}
	}
	return reasons
}

// call sends a request to the API.
func (c *crashing) call(method, path, body string) (status int, answer map[string]any) {
	c.t.Helper()
	const token = "a-token-of-the-world"
	secrets, err := secretfile.Open(filepath.Join(c.t.TempDir(), "secrets.json"), secretfile.Environment{AdminToken: token})
	c.Must(err)
	handler, err := admin.New(admin.API{Store: c.Store, Clients: admin.Through(c.Clients()), Lanes: c.Queues.Lanes(), Changes: c.Queues[wiring.Changes], Resyncs: resync.Starter{Store: c.Store, Jobs: c.Queues[wiring.Resync]},
		Auth: api.TokenAuth(secrets.AdminToken), Secrets: secrets, Results: &resultstest.Memory{}, Metrics: &metric.Memory{}})
	c.Must(err)
	path, query, _ := strings.Cut(path, "?")
	request := events.APIGatewayV2HTTPRequest{RawPath: path, RawQueryString: query, Body: body, Headers: map[string]string{"authorization": "Bearer " + token, "host": "localhost", "content-type": "application/json"}}
	request.RequestContext.HTTP.Method, request.RequestContext.HTTP.Path = method, path
	response, err := handler.Handle(c.t.Context(), request)
	c.Must(err)
	c.Must(json.Unmarshal([]byte(response.Body), &answer))
	return response.StatusCode, answer
}

// A suspension whose worker dies at every receive ends in the dead letters, and the account
// opens. The sweep takes it out of them: it is shown with its reason, and sent back it is
// done.
func TestACrashLoopHidesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const events = 2 // JumpCloud sends two for a suspension
		c := newCrashing(t)
		ann := c.Hire("ann")
		c.Connect(ann)
		c.Settle(5 * time.Minute)
		c.dying.Store(true)
		c.Must(c.JumpCloud.SuspendUser(string(ann)))
		c.untilStranded(events)
		if link := c.Link(ann); link.Status != directory.Parked || link.Reason != directory.Stranded || !strings.Contains(link.Message, "(user_") || !strings.Contains(link.Message, "20 tries") {
			t.Errorf("%s %s %q, want parked as stranded, with the event and the tries", link.Status, link.Reason, link.Message)
		}
		if got := c.failures(); !slices.Equal(got, []directory.Reason{directory.Stranded, directory.Stranded}) {
			t.Errorf("the events show %v, want stranded for both messages", got)
		}
		_, list := c.call(http.MethodGet, "/v1/dead-letters?directory="+string(c.Directory.ID), "")
		items, _ := list["items"].([]any)
		if len(items) != events {
			t.Fatalf("listed %v, want both messages", list)
		}
		if status, answer := c.call(http.MethodPost, "/v1/dead-letters/redrive", `{"directory":"`+string(c.Directory.ID)+`"}`); status != http.StatusAccepted || answer["redriven"] != float64(events) {
			t.Fatalf("sent back: %d %v, want 202, %d redriven", status, answer, events)
		}
		c.Settle(5 * time.Minute)
		if link := c.Link(ann); c.Enabled("ann") || link.Status != directory.Synced || link.Reason != directory.SuspendedReason || link.Message == "" || len(link.OpenActions) > 0 {
			t.Errorf("enabled %t, %+v, want disabled, because suspended", c.Enabled("ann"), link)
		}
	})
}

// A later change brings the user up to date by itself, and its conclusion replaces the
// reason.
func TestALaterChangeEndsTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrashing(t)
		ann := c.Hire("ann")
		group := c.Group("Design", ann)
		c.ConnectGroups(group)
		c.Settle(5 * time.Minute)
		c.dying.Store(true)
		c.Must(c.JumpCloud.SuspendUser(string(ann)))
		c.SyncGroup(group)
		c.untilStranded(3) // both events and the task of the group
		if user, group := c.Link(ann), c.GroupLink(group); user.Reason != directory.Stranded || group.Reason != directory.Stranded {
			t.Fatalf("the user is %s, the group %s, want both stranded", user.Reason, group.Reason)
		}
		c.EnqueueUser(ann, false)
		c.SyncGroup(group)
		c.Settle(5 * time.Minute)
		if user, group := c.Link(ann), c.GroupLink(group); c.Enabled("ann") || user.Status != directory.Synced || user.Reason != directory.SuspendedReason || group.Status != directory.Synced || group.Reason != "" {
			t.Errorf("enabled %t, the user is %s %s, the group %s %s, want disabled, both synced", c.Enabled("ann"), user.Status, user.Reason, group.Status, group.Reason)
		}
	})
}

// A later change of something else does not end the reason without the work: what is said
// of a stranded link is known to be done only once everything was read.
func TestALaterChangeReadsWhatWasStranded(t *testing.T) {
	type people struct {
		*crashing
		ann   directory.UserID
		group directory.GroupID
	}
	leave := func(p people) { p.Must(p.JumpCloud.RemoveMember(string(p.group), string(p.ann))) }
	rename := func(p people) {
		p.Must(p.JumpCloud.UpdateUser(string(p.ann), jumpcloudtest.Fields{"lastname": "Moss"}))
	}
	for name, tc := range map[string]struct {
		strand, later func(people)
		fails         bool // the first attempt after the change gets no answer of JumpCloud
	}{
		"she leaves, and gets another name":                   {strand: leave, later: rename},
		"she leaves, and the first attempt on the name fails": {strand: leave, later: rename, fails: true},
		"the members are to be read, and the group gets another name": {strand: func(p people) {
			p.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.LossRate = 1 })
			leave(p)
			p.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.LossRate = 0 })
			p.SyncGroup(p.group)
		}, later: func(p people) { p.Must(p.JumpCloud.RenameGroup(string(p.group), "Crew")) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := people{crashing: newCrashing(t)}
				p.ann = p.Hire("ann")
				p.group = p.Group("Design", p.ann, p.Hire("bob"))
				p.ConnectGroups(p.group)
				p.Settle(5 * time.Minute)
				p.dying.Store(true)
				tc.strand(p)
				p.untilStranded(1)
				if user, group := p.Link(p.ann), p.GroupLink(p.group); user.Reason != directory.Stranded && group.Reason != directory.Stranded {
					t.Fatalf("the user is %s, the group %s, want one of them stranded", user.Reason, group.Reason)
				}
				p.failing.Store(tc.fails)
				tc.later(p)
				p.Settle(30 * time.Minute)
				time.Sleep(time.Hour)
				p.Settle(30 * time.Minute)
				if user, group := p.Link(p.ann), p.GroupLink(p.group); p.Enabled("ann") || user.Status != directory.Released || group.Status != directory.Synced || !user.StrandedAt.IsZero() || !group.StrandedAt.IsZero() {
					t.Errorf("ann is enabled %t, %s (%s, stranded at %s), the group %s (stranded at %s), want her disabled and released, the group synced and nothing stranded",
						p.Enabled("ann"), user.Status, user.Reason, user.StrandedAt, group.Status, group.StrandedAt)
				}
			})
		})
	}
}

// Who strands on the way to the first connection is shown like everybody else, and is
// connected as soon as that is possible again; who is not to be connected after all is not
// shown for ever.
func TestANewcomerIsShown(t *testing.T) {
	for name, tc := range map[string]struct {
		fromSource, ofGroup bool
		leaves              bool // before anybody could read it
	}{
		"a user joins a group":                      {},
		"a user joins a group and leaves again":     {leaves: true},
		"a user comes by the source":                {fromSource: true},
		"a user comes by the source and leaves":     {fromSource: true, leaves: true},
		"a group comes by the source":               {fromSource: true, ofGroup: true},
		"a group comes by the source and leaves it": {fromSource: true, ofGroup: true, leaves: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrashing(t)
				source, err := c.JumpCloud.CreateDirectory("M365")
				c.Must(err)
				c.Settings(c.Directory, func(s *directory.Settings) {
					s.ConnectionSource = directory.ConnectionSource{Type: directory.Office365Source, ID: source}
				})
				ann, design := c.Hire("ann"), c.Group("Design", c.Hire("bob"))
				crew := c.Group("Crew", ann)
				c.ConnectGroups(design)
				c.Settle(5 * time.Minute)
				come, leave, messages, path := c.JumpCloud.AddMember, c.JumpCloud.RemoveMember, 1, "/users/"+string(ann)
				if tc.fromSource {
					come, leave = func(source, id string) error { return c.JumpCloud.Associate(id, source) }, func(source, id string) error { return c.JumpCloud.Dissociate(id, source) }
				} else {
					source = string(design)
				}
				who := string(ann)
				if tc.ofGroup {
					who, path = string(crew), "/groups/"+string(crew)
				}
				c.dying.Store(true)
				c.Must(come(source, who))
				if tc.leaves {
					c.Must(leave(source, who))
					messages = 2
				}
				c.Until("the newcomer is shown", 5*time.Hour, func() bool {
					link := c.Link(ann).Standing
					if tc.ofGroup {
						link = c.GroupLink(crew).Standing
					}
					return link.Status == directory.Parked && link.Reason == directory.Stranded && link.Message != ""
				})
				c.Until("the dead letters are taken", 5*time.Hour, func() bool { return c.stranded() == messages })
				// No event is about a group, and none about who leaves before it was taken that somebody came.
				if got := c.failures(); !tc.ofGroup && (len(got) == 0 || len(got) > messages || got[0] != directory.Stranded) {
					t.Errorf("the events show %v, want 1 to %d of the reason %s", got, messages, directory.Stranded)
				}
				c.dying.Store(false)
				time.Sleep(20 * time.Minute)
				c.Settle(time.Hour)
				time.Sleep(20 * time.Minute)
				c.Settle(time.Hour)
				want := http.StatusOK
				if tc.leaves {
					want = http.StatusNotFound
				}
				if status, view := c.call(http.MethodGet, "/v1/directories/"+string(c.Directory.ID)+path, ""); status != want || c.Enabled("ann") == tc.leaves || !tc.leaves && view["status"] != string(directory.Synced) {
					t.Errorf("later: %d %v, and ann is enabled %t, want %d, and the account as JumpCloud has it", status, view, c.Enabled("ann"), want)
				}
			})
		})
	}
}
