package world_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// A change reaches Entra soon after JumpCloud shows it, also if JumpCloud shows it only some
// time after its event.
func TestReadsThatLagBehindEvents(t *testing.T) {
	title := func(account entratest.User) string { return account.Text("jobTitle") }
	for name, tc := range map[string]struct {
		do   func(*company, directory.UserID) error
		done func(*company, string) bool
	}{
		"suspended": {
			func(o *company, id directory.UserID) error { return o.JumpCloud.SuspendUser(string(id)) },
			func(o *company, name string) bool { return !o.Enabled(name) }},
		"suspended, with an event of an update": {
			func(o *company, id directory.UserID) error {
				o.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.StateEvents = jumpcloudtest.UpdateOnly })
				return o.JumpCloud.SuspendUser(string(id))
			},
			func(o *company, name string) bool { return !o.Enabled(name) }},
		"locked": {
			func(o *company, id directory.UserID) error { return o.JumpCloud.LockUser(string(id)) },
			func(o *company, name string) bool { return !o.Enabled(name) }},
		"the password expired": {
			func(o *company, id directory.UserID) error { return o.JumpCloud.ExpirePassword(string(id)) },
			func(o *company, name string) bool { return !o.Enabled(name) }},
		"promoted": {
			func(o *company, id directory.UserID) error {
				return o.JumpCloud.UpdateUser(string(id), jumpcloudtest.Fields{"jobTitle": "Boss"})
			},
			func(o *company, name string) bool { account, _ := o.Account(name); return title(account) == "Boss" }},
		"deleted": {
			func(o *company, id directory.UserID) error { return o.JumpCloud.DeleteUser(string(id)) },
			func(o *company, name string) bool { return !o.Enabled(name) }},
		"left": {
			func(o *company, id directory.UserID) error {
				return o.JumpCloud.RemoveMember(string(o.group), string(id))
			},
			func(o *company, name string) bool {
				return !o.Enabled(name) && !slices.Contains(o.Members("Staff"), name)
			}},
		"joined another group": {
			func(o *company, id directory.UserID) error {
				return o.JumpCloud.AddMember(string(o.second), string(id))
			},
			func(o *company, name string) bool { return slices.Contains(o.Members("Second"), name) }},
		"the group was renamed": {
			func(o *company, _ directory.UserID) error {
				return o.JumpCloud.RenameGroup(string(o.group), "Everybody")
			},
			func(o *company, name string) bool { return slices.Contains(o.Members("Everybody"), name) }},
		"the group was deleted": {
			func(o *company, _ directory.UserID) error { return o.JumpCloud.DeleteGroup(string(o.group)) },
			func(o *company, name string) bool { return !o.Enabled(name) }},
	} {
		for _, lag := range []time.Duration{0, time.Second, 2 * time.Second, 8 * time.Second, 50 * time.Second} {
			t.Run(fmt.Sprint(name, " ", lag), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := newCompany(t, 3, world.Config{Latency: 10 * time.Millisecond, Settings: func(s *directory.Settings) {
						s.SuspendOnLockout, s.SuspendOnPasswordExpiration = true, true
						s.Attributes["user_job_title"] = true
					}})
					o.addSecond()
					o.lag(lag)
					o.Must(tc.do(o, o.people[0]))
					took := o.Until("it has come to Entra", 2*time.Minute, func() bool { return tc.done(o, o.names[0]) })
					if most := nextStep(lag) + 2*time.Second; took > most {
						t.Errorf("it took %s, want %s at most", took, most)
					}
					o.Settle(time.Hour)
				})
			})
		}
	}
}

// nextStep is when the first read is that shows the change.
func nextStep(lag time.Duration) time.Duration {
	for _, step := range []time.Duration{0, 2 * time.Second, 10 * time.Second} {
		if lag <= step {
			return step
		}
	}
	return time.Minute
}

// A new user joins a group, and JumpCloud shows neither at the time of the events. Nothing
// of the user is in the table then.
func TestAHireWhoIsShownLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newCompany(t, 1, world.Config{Latency: 10 * time.Millisecond})
		o.lag(5 * time.Second)
		eve := o.Hire("eve")
		o.Must(o.JumpCloud.AddMember(string(o.group), string(eve)))
		if took := o.Until("eve has an account and is a member", 2*time.Minute, func() bool { return o.Enabled("eve") && slices.Contains(o.Members("Staff"), "eve") }); took > 12*time.Second {
			t.Errorf("it took %s, want at most 12s", took)
		}
		o.Settle(time.Hour)
	})
}

// If JumpCloud does not show within a minute what an event said, what it shows counts.
func TestAReadIsBelievedInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newCompany(t, 1, world.Config{Latency: 10 * time.Millisecond})
		o.lag(2 * time.Hour)
		before, events := o.JumpCloud.Counters().Requests, len(o.JumpCloud.Events())
		o.Must(o.JumpCloud.SuspendUser(string(o.people[0])))
		if took := o.Settle(time.Hour); took < time.Minute || took > 70*time.Second {
			t.Errorf("the wait took %s, want 60s to 70s", took)
		}
		sent := len(o.JumpCloud.Events()) - events
		if reads := o.JumpCloud.Counters().Requests - before; reads > 6*sent { // four reads for each, and one or two more where two tasks of one user overlap
			t.Errorf("%d reads for %d events, want at most %d", reads, sent, 6*sent)
		}
	})
}

// A JumpCloud that shows changes at once is read at most once for each event, however fast
// the changes follow each other.
func TestReadsThatDoNotLagAreNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newCompany(t, 1, world.Config{Latency: 10 * time.Millisecond, Settings: func(s *directory.Settings) { s.Attributes["user_job_title"] = true }})
		ann := string(o.people[0])
		before, events := o.JumpCloud.Counters().Requests, len(o.JumpCloud.Events())
		for _, title := range []string{"Dev", "Lead", "Boss"} {
			o.Must(o.JumpCloud.UpdateUser(ann, jumpcloudtest.Fields{"jobTitle": title}))
		}
		o.Must(o.JumpCloud.LockUser(ann))
		o.Settle(time.Hour)
		sent := len(o.JumpCloud.Events()) - events
		if reads := o.JumpCloud.Counters().Requests - before; reads > sent {
			t.Errorf("%d reads for %d events, want at most one for each", reads, sent)
		}
	})
}

// Later events of a user do not wait until JumpCloud shows an earlier change.
func TestALaggingReadHoldsUpNoLaterEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newCompany(t, 1, world.Config{Latency: 10 * time.Millisecond})
		o.addSecond()
		o.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.MembershipReadLag = 2 * time.Hour })
		o.Must(o.JumpCloud.AddMember(string(o.second), string(o.people[0])))
		time.Sleep(15 * time.Second) // the next read is due in 45 s
		o.Must(o.JumpCloud.SuspendUser(string(o.people[0])))
		if took := o.Until("the suspended one is out", time.Minute, func() bool { return !o.Enabled(o.names[0]) }); took > time.Second {
			t.Errorf("a suspension took %s, want at most 1s", took)
		}
		o.Settle(time.Hour)
	})
}
