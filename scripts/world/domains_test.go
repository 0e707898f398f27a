package world_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// looking is a world that counts how often the tenant is read.
type looking struct {
	*world.World
	t     *testing.T
	reads atomic.Int64
}

func newLooking(t *testing.T) *looking {
	t.Helper()
	l := &looking{t: t}
	l.World = world.New(t, world.Config{Latency: 50 * time.Millisecond, Before: func(r *http.Request) error {
		if strings.HasSuffix(r.URL.Path, "/organization") {
			l.reads.Add(1)
		}
		return nil
	}})
	return l
}

// come hires people with addresses in a domain and connects them.
func (l *looking) come(domain string, n int) (ids []directory.UserID) {
	l.t.Helper()
	for i := range n {
		name := fmt.Sprintf("%s%d", strings.ReplaceAll(domain, ".", ""), i)
		ids = append(ids, l.HireAs(name, name+"@"+domain))
	}
	l.Connect(ids...)
	return ids
}

// all fails unless all users have the status and the reason.
func (l *looking) all(ids []directory.UserID, status directory.LinkStatus, reason directory.Reason) {
	l.t.Helper()
	for _, id := range ids {
		if link := l.Link(id); link.Status != status || link.Reason != reason {
			l.t.Errorf("the link is %s %q (%s), want %s %q", link.Status, link.Reason, link.Message, status, reason)
		}
	}
}

// stand reports whether all users have the status.
func (l *looking) stand(ids []directory.UserID, status directory.LinkStatus) bool {
	for _, id := range ids {
		if l.Link(id).Status != status {
			return false
		}
	}
	return true
}

// withinRuns is how long it takes until those are written whose domain was verified: two runs of the sweep.
const withinRuns = 11 * time.Minute

// When a domain is verified in Entra, everybody who was parked for it is written within some
// minutes, and nobody else is touched. The tenant is read once in some minutes while somebody
// waits, and not at all while nobody does.
func TestADomainThatIsVerifiedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLooking(t)
		ann := l.Hire("ann")
		l.Connect(ann)
		l.Settle(5 * time.Minute)
		time.Sleep(time.Hour)
		l.reads.Store(0)
		time.Sleep(3 * time.Hour)
		if n := l.reads.Load(); n != 0 {
			t.Errorf("the tenant was read %d times while nobody waits, want never", n)
		}
		first, second := l.come("first.example", 30), l.come("second.example", 1)
		l.Settle(10 * time.Minute)
		l.all(first, directory.Parked, directory.DomainNotVerified)
		l.all(second, directory.Parked, directory.DomainNotVerified)
		time.Sleep(30 * time.Minute) // what came with the connection has passed
		l.reads.Store(0)
		time.Sleep(time.Hour)
		if n := l.reads.Load(); n < 6 || n > 15 {
			t.Errorf("the tenant was read %d times in an hour for two domains, want once in about five minutes", n)
		}
		l.Must(l.Tenant.SetVerified("first.example", true))
		took := l.Until("those of the first domain are written", withinRuns, func() bool { return l.stand(first, directory.Synced) })
		t.Logf("written after %s", took)
		l.Settle(10 * time.Minute)
		l.all(second, directory.Parked, directory.DomainNotVerified)
		if account, found := l.Tenant.User("firstexample0@first.example"); !found || !account.AccountEnabled {
			t.Errorf("the account is %+v, want it enabled", account)
		}
		// An address in another domain ends the wait, and nobody reads the tenant any more.
		l.Must(l.JumpCloud.UpdateUser(string(second[0]), jumpcloudtest.Fields{"email": "sec@" + world.Domain}))
		l.Settle(10 * time.Minute)
		l.all(second, directory.Synced, "")
		time.Sleep(15 * time.Minute)
		l.reads.Store(0)
		time.Sleep(3 * time.Hour)
		if n := l.reads.Load(); n != 0 {
			t.Errorf("the tenant was read %d times once nobody waits, want never", n)
		}
		dir, err := l.Store.Directory(t.Context(), l.Directory.ID)
		l.Must(err)
		if got := strings.Join(dir.VerifiedDomains, " "); !strings.Contains(got, "first.example") {
			t.Errorf("the directory shows the domains %s, want first.example among them", got)
		}
	})
}

// A domain that is not federated any more lets those in who have no immutable id.
func TestADomainThatIsNotFederatedAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLooking(t)
		_, err := l.Tenant.AddUser(entratest.User{UserPrincipalName: "ann@" + world.Domain})
		l.Must(err)
		ann := l.Hire("ann")
		l.Connect(ann)
		l.Settle(5 * time.Minute)
		l.Must(l.JumpCloud.UpdateUser(string(ann), jumpcloudtest.Fields{"email": "ann@fed.example"}))
		l.Settle(5 * time.Minute)
		l.all([]directory.UserID{ann}, directory.Parked, directory.DomainFederated)
		time.Sleep(time.Hour)
		l.Must(l.Tenant.SetFederated("fed.example", false))
		l.Until("the name is written", withinRuns, func() bool { return l.stand([]directory.UserID{ann}, directory.Synced) })
		if _, found := l.Tenant.User("ann@fed.example"); !found {
			t.Error("there is no account ann@fed.example, want Ann's")
		}
	})
}

// A domain that has gone is named by everybody whose address is in it, and by the directory if
// its settings list it; when it is back, all goes on by itself.
func TestADomainThatGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLooking(t)
		l.Must(l.Tenant.SetVerified("new.example", true))
		l.Settings(l.Directory, func(s *directory.Settings) {
			s.Domains = []directory.Domain{{Name: world.Domain}, {Name: "new.example"}}
		})
		early := l.come("new.example", 1)
		l.Settle(5 * time.Minute)
		l.all(early, directory.Synced, "")
		// An administrator moves the account to another domain, and removes the domain.
		_, err := l.Tenant.UpdateUser("newexample0@new.example", map[string]any{"userPrincipalName": "newexample0@" + world.Domain})
		l.Must(err)
		l.Must(l.Tenant.SetVerified("new.example", false))
		time.Sleep(time.Hour)
		late := l.HireAs("late", "late@new.example")
		l.Connect(late)
		l.Settle(10 * time.Minute)
		l.all([]directory.UserID{late}, directory.Parked, directory.DomainNotVerified)
		if link := l.Link(late); !strings.Contains(link.Message, "new.example") {
			t.Errorf("the message is %q, want the domain in it", link.Message)
		}
		time.Sleep(15 * time.Minute)
		dir, err := l.Store.Directory(t.Context(), l.Directory.ID)
		l.Must(err)
		if dir.Status != directory.Active || dir.Reason != directory.DomainNotVerified || !strings.Contains(dir.Message, "new.example") {
			t.Errorf("the directory is %s %s %q, want active, and that new.example is not verified", dir.Status, dir.Reason, dir.Message)
		}
		l.Must(l.Tenant.SetVerified("new.example", true))
		l.Until("the user is written", withinRuns, func() bool { return l.stand([]directory.UserID{late}, directory.Synced) })
		time.Sleep(15 * time.Minute)
		if dir, err = l.Store.Directory(t.Context(), l.Directory.ID); err != nil || dir.Reason != "" {
			t.Errorf("the directory says %s %q, %v, want nothing", dir.Reason, dir.Message, err)
		}
	})
}
