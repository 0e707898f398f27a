package world_test

import (
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
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
