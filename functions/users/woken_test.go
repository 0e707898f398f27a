package users_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/reconcile"
)

// woken are users whom only a task that is sent once brings up to date. begin returns the
// message whose attempt sends that task, and wrong reports what is wrong in the end.
var woken = map[string]struct {
	begin func(*fixture) events.SQSMessage
	wrong func(*fixture) string
}{
	"somebody waits for a name that becomes free": {
		func(f *fixture) events.SQSMessage {
			ann, bob := f.person("ann"), f.person("bob")
			f.run(ann, bob)
			f.drain()
			time.Sleep(10 * time.Minute)
			f.update(bob, jumpcloudtest.Fields{"email": "bob2@contoso.example"})
			f.update(ann, jumpcloudtest.Fields{"email": "bob@contoso.example"})
			f.run(ann)
			f.drain()
			return f.message(bob, 1)
		},
		func(f *fixture) string {
			if _, found := f.accounts.User("ann@contoso.example"); found {
				return "ann has the earlier name, want bob@contoso.example"
			}
			return f.unlike("bob@contoso.example", "bob2@contoso.example")
		},
	},
	"somebody waits for a name that an excluded user kept": {
		func(f *fixture) events.SQSMessage {
			f.settings(func(s *directory.Settings) { s.Domains = []directory.Domain{{Name: "contoso.example", Default: true}} })
			group, glass := f.Group("Glass"), f.unconnected("glass", "glass@contoso.example")
			f.exclude(directory.Exclude{Group: group})
			f.listExcluded(group, glass)
			eve := f.unconnected("eve", "glass@elsewhere.example")
			f.connect(eve)
			f.run(eve)
			f.drain()
			if link := f.link(eve); link.Status != directory.Parked || link.Reason != directory.UPNConflict {
				f.t.Fatalf("link %+v, want it parked as %s", link, directory.UPNConflict)
			}
			m := f.message(glass, 1)
			task, err := reconcile.ReadTask([]byte(m.Body))
			f.must(err)
			task.Memberships, task.Claims = true, []directory.Claim{{Kind: directory.Left, User: glass, Group: group, At: time.Now().UTC()}}
			body, err := task.Message()
			f.must(err)
			m.Body = string(body.Body)
			return m
		},
		func(f *fixture) string { return f.unlike("glass@contoso.example") },
	},
	"the first read of somebody lags": {
		func(f *fixture) events.SQSMessage {
			f.settings(func(s *directory.Settings) { s.Domains = []directory.Domain{{Name: "contoso.example"}} })
			ann := f.unconnected("ann", "ann@unlisted.example")
			time.Sleep(time.Minute)
			f.jumpcloud.Set(func(b *jumpcloudtest.Behaviour) { b.UserReadLag = 9 * time.Second })
			f.update(ann, jumpcloudtest.Fields{"email": "ann@contoso.example"})
			time.Sleep(time.Second)
			f.connect(ann)
			return f.message(ann, 1)
		},
		func(f *fixture) string { return f.unlike("ann@contoso.example") },
	},
}

// unlike says which account is missing that is to be there.
func (f *fixture) unlike(upns ...string) string {
	for _, upn := range upns {
		if _, found := f.accounts.User(upn); !found {
			return fmt.Sprintf("nobody has the name %s, and it is free", upn)
		}
	}
	return ""
}

// comes hands over a message until no attempt is left to do.
func (f *fixture) comes(m events.SQSMessage) {
	f.t.Helper()
	for range 20 {
		if len(f.handOver(m)) == 0 {
			return
		}
		time.Sleep(f.postponed[m.ReceiptHandle])
	}
	f.t.Fatal("the message comes again after 20 attempts")
}

// The queue refuses the task once: the message comes again, and the task is sent then.
func TestATaskThatIsRefusedOnceIsSentLater(t *testing.T) {
	for name, tc := range woken {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				m := tc.begin(f)
				f.refuses = 1
				if again := f.handOver(m); len(again) != 1 || f.refuses != 0 {
					t.Errorf("%d messages come again and %d refusals are left, want 1 and 0", len(again), f.refuses)
				}
				time.Sleep(f.postponed[m.ReceiptHandle])
				f.comes(m)
				f.drain()
				if wrong := tc.wrong(f); wrong != "" {
					t.Error(wrong)
				}
			})
		})
	}
}

// The process dies at any of its calls and its message comes again, at once or later.
func TestATaskIsSentAlthoughTheProcessDies(t *testing.T) {
	for name, tc := range woken {
		for _, after := range []time.Duration{0, 6 * time.Minute} {
			t.Run(fmt.Sprintf("%s, %s", name, after), func(t *testing.T) {
				for n, died := 1, true; died; n++ {
					synctest.Test(t, func(t *testing.T) {
						f := newFixture(t)
						m := tc.begin(f)
						died = f.dies(n, m)
						time.Sleep(after)
						f.comes(m)
						f.drain()
						if wrong := tc.wrong(f); wrong != "" {
							t.Errorf("call %d: %s", n, wrong)
						}
					})
				}
			})
		}
	}
}

// The account gets another name, and what is written after that fails at first: the name is
// free all the same.
func TestANameIsFreeAlsoIfALaterWriteFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		tc := woken["somebody waits for a name that becomes free"]
		m := tc.begin(f)
		task, err := reconcile.ReadTask([]byte(m.Body))
		f.must(err)
		f.settings(func(s *directory.Settings) { s.Attributes["user_manager"] = true })
		boss := f.person("boss")
		f.run(boss)
		f.drain()
		f.update(task.User, jumpcloudtest.Fields{"manager": string(boss)})
		f.must(f.entra.FailNext(entratest.Fault{Path: "manager/", Status: 503, Times: 1}))
		if again := f.handOver(m); len(again) != 1 {
			t.Errorf("%d messages come again, want 1", len(again))
		}
		time.Sleep(f.postponed[m.ReceiptHandle])
		f.comes(m)
		f.drain()
		if wrong := tc.wrong(f); wrong != "" {
			t.Error(wrong)
		}
	})
}
