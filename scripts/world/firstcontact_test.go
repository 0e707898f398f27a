package world_test

import (
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// Whatever happens to a person about when a group connects them for the first time is not
// lost, although the events about it concern nobody whom entrasync knows, and the first
// read shows the person as before.
func TestWhatHappenedAboutTheFirstConnectionIsNotLost(t *testing.T) {
	for name, first := range map[string]func(*company, directory.UserID){
		"who joins a connected group": func(o *company, id directory.UserID) {
			o.lag(9 * time.Second)
			o.Must(o.JumpCloud.AddMember(string(o.group), string(id)))
			time.Sleep(1500 * time.Millisecond)
			o.Must(o.JumpCloud.SuspendUser(string(id)))
		},
		"whose group is connected": func(o *company, id directory.UserID) {
			group := o.Group("New", id)
			o.lag(9 * time.Second)
			o.Must(o.JumpCloud.SuspendUser(string(id)))
			o.ConnectGroups(group)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newCompany(t, 1, world.Config{Latency: 10 * time.Millisecond})
				id := o.Hire("ann")
				time.Sleep(time.Minute)
				first(o, id)
				o.Settle(time.Hour)
				if account, found := o.Account("ann"); !found || account.AccountEnabled {
					t.Errorf("ann has an account: %v, and it is enabled: %v, want true and false", found, account.AccountEnabled)
				}
			})
		})
	}
}

// So it is with an address: who is parked because the first read shows one that cannot be
// a name in the tenant gets an account all the same.
func TestAnAddressThatChangesAboutTheFirstConnectionIsNotLost(t *testing.T) {
	for name, connect := range map[string]func(o *company, id directory.UserID, move func()){
		"who joins a connected group": func(o *company, id directory.UserID, move func()) {
			o.Must(o.JumpCloud.AddMember(string(o.group), string(id)))
			time.Sleep(3 * time.Second)
			move()
		},
		"whose group is connected": func(o *company, id directory.UserID, move func()) {
			group := o.Group("New", id)
			time.Sleep(time.Minute)
			move()
			time.Sleep(time.Second)
			o.ConnectGroups(group)
		},
		"who is connected directly": func(o *company, id directory.UserID, move func()) {
			move()
			time.Sleep(time.Second)
			o.Connect(id)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newCompany(t, 1, world.Config{Latency: 10 * time.Millisecond})
				id := o.HireAs("ann", "ann@unknown.example")
				time.Sleep(time.Minute)
				o.lag(9 * time.Second)
				connect(o, id, func() {
					o.Must(o.JumpCloud.UpdateUser(string(id), jumpcloudtest.Fields{"email": "ann@" + world.Domain}))
				})
				o.rest()
				if link := o.Link(id); !o.Enabled("ann") {
					t.Errorf("ann has no enabled account, and the link is %s (%s), want an account", link.Status, link.Reason)
				}
			})
		})
	}
}
