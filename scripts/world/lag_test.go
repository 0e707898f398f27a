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

// What an event tells comes to Entra although JumpCloud shows it only a while after,
// soon after it does.
func TestReadsThatLagBehindEvents(t *testing.T) {
	title := func(account entratest.User) string { return account.Text("jobTitle") }
	for name, tc := range map[string]struct {
		do   func(*company, directory.UserID) error
		done func(*company, string) bool
	}{
		"suspended": {
			func(o *company, id directory.UserID) error { return o.JumpCloud.SuspendUser(string(id)) },
			func(o *company, name string) bool { return !o.Enabled(name) }},
		"suspended, told as an update": {
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

// nextStep is when JumpCloud is read again after it shows a change.
func nextStep(lag time.Duration) time.Duration {
	for _, step := range []time.Duration{0, 2 * time.Second, 10 * time.Second} {
		if lag <= step {
			return step
		}
	}
	return time.Minute
}

// A hire joins a group, and JumpCloud shows neither yet when it tells: there is no
// record of ours that could wait for it.
func TestAHireWhoIsShownLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newCompany(t, 1, world.Config{Latency: 10 * time.Millisecond})
		o.lag(5 * time.Second)
		eve := o.Hire("eve")
		o.Must(o.JumpCloud.AddMember(string(o.group), string(eve)))
		if took := o.Until("eve has an account and is a member", 2*time.Minute, func() bool { return o.Enabled("eve") && slices.Contains(o.Members("Staff"), "eve") }); took > 12*time.Second {
			t.Errorf("it took %s", took)
		}
		o.Settle(time.Hour)
	})
}

// What JumpCloud does not show within a minute is not waited for: the read counts.
func TestAReadIsBelievedInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newCompany(t, 1, world.Config{Latency: 10 * time.Millisecond})
		o.lag(2 * time.Hour)
		before, events := o.JumpCloud.Counters().Requests, len(o.JumpCloud.Events())
		o.Must(o.JumpCloud.SuspendUser(string(o.people[0])))
		if took := o.Settle(time.Hour); took < time.Minute || took > 70*time.Second {
			t.Errorf("it was waited for %s", took)
		}
		told := len(o.JumpCloud.Events()) - events
		if reads := o.JumpCloud.Counters().Requests - before; reads > 6*told { // a look or two that meet beside the four of each
			t.Errorf("%d reads for %d events", reads, told)
		}
	})
}

// A JumpCloud that shows at once what it tells is read no more often than it tells,
// however fast people change their minds.
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
		told := len(o.JumpCloud.Events()) - events
		if reads := o.JumpCloud.Counters().Requests - before; reads > told {
			t.Errorf("%d reads for %d events", reads, told)
		}
	})
}

// Later events of somebody do not wait for what JumpCloud does not show yet of them.
func TestALaggingReadHoldsUpNoLaterEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newCompany(t, 1, world.Config{Latency: 10 * time.Millisecond})
		o.addSecond()
		o.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.MembershipReadLag = 2 * time.Hour })
		o.Must(o.JumpCloud.AddMember(string(o.second), string(o.people[0])))
		time.Sleep(15 * time.Second) // the next look is due in 45 s
		o.Must(o.JumpCloud.SuspendUser(string(o.people[0])))
		if took := o.Until("the suspended one is out", time.Minute, func() bool { return !o.Enabled(o.names[0]) }); took > time.Second {
			t.Errorf("a suspension took %s", took)
		}
		o.Settle(time.Hour)
	})
}
