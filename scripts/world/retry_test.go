package world_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// Everybody who was parked for a reason is tried again by one request, as soon as the reason is
// gone: what entrasync read moments before is not believed.
func TestOneRequestTriesEverybodyAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLooking(t)
		people, others := l.come("new.example", 45), l.come("other.example", 2)
		l.Settle(5 * time.Minute)
		l.all(people, directory.Parked, directory.DomainNotVerified)
		c := crashing{World: l.World, t: t}
		path := "/v1/directories/" + string(l.Directory.ID) + "/sync/users"
		retry := func() {
			t.Helper()
			all := float64(len(people) + len(others))
			if status, answer := c.call(http.MethodPost, path, `{"status":"parked","reason":"domain_not_verified"}`); status != http.StatusAccepted || answer["sent"] != all || answer["complete"] != true {
				t.Fatalf("got %d %v, want 202, %v sent, complete", status, answer, all)
			}
		}
		retry() // too early: the tenant is read, and nothing has changed
		l.Settle(time.Minute)
		l.all(people, directory.Parked, directory.DomainNotVerified)
		l.Must(l.Tenant.SetVerified("new.example", true))
		retry()
		l.Until("all are written", time.Minute, func() bool { return l.stand(people, directory.Synced) })
		l.Settle(time.Minute)
		l.all(others, directory.Parked, directory.DomainNotVerified)
	})
}

// A request for a group also reads whether the connection source has it: an event may have been
// missed. A group that is connected by hand stays connected.
func TestARequestForAGroupReadsTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrashing(t)
		source, err := c.JumpCloud.CreateDirectory("M365")
		c.Must(err)
		design, crew := c.Group("Design", c.Hire("ann")), c.Group("Crew", c.Hire("bob"))
		c.Must(c.JumpCloud.Associate(string(crew), source))
		c.Directory = c.Settings(c.Directory, func(s *directory.Settings) {
			s.ConnectionSource = directory.ConnectionSource{Type: directory.Office365Source, ID: source}
		})
		c.SyncSource()
		c.ConnectGroups(design)
		c.Settle(10 * time.Minute)
		if !c.Enabled("ann") || !c.Enabled("bob") {
			t.Fatalf("ann is enabled %t, bob %t, want both", c.Enabled("ann"), c.Enabled("bob"))
		}
		c.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.LossRate = 1 })
		c.Must(c.JumpCloud.Dissociate(string(crew), source))
		time.Sleep(time.Hour)
		c.Settle(10 * time.Minute)
		if !c.Enabled("bob") {
			t.Fatal("bob is disabled although the event was lost, want him enabled")
		}
		if status, answer := c.call(http.MethodPost, "/v1/directories/"+string(c.Directory.ID)+"/sync/groups", `{"all":true}`); status != http.StatusAccepted || answer["sent"] != 2.0 {
			t.Fatalf("got %d %v, want 202, 2 sent", status, answer)
		}
		time.Sleep(10 * time.Minute)
		c.Settle(10 * time.Minute)
		if !c.Enabled("ann") || c.Enabled("bob") || c.GroupLink(design).Status != directory.Synced || c.GroupLink(crew).Status != directory.Released {
			t.Errorf("ann is enabled %t, her group %s; bob is enabled %t, his group %s; want ann and her group as before, and bob disabled", c.Enabled("ann"), c.GroupLink(design).Status, c.Enabled("bob"), c.GroupLink(crew).Status)
		}
	})
}
