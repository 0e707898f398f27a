package world_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/wiring"
	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/metric"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
)

// crowded is a world with people in groups, and a trouble that can come and go.
type crowded struct {
	*world.World
	t      *testing.T
	people []directory.UserID
	groups []directory.GroupID
	// refusal, unless nil, is what Entra's sign-in answers.
	refusal atomic.Pointer[string]
	logins  atomic.Int64
	// losing says that the messages of probes are lost.
	losing atomic.Bool
}

// forgetful is a queue that loses the messages of probes at times.
type forgetful struct {
	queue.Queue
	*crowded
}

// Send implements queue.Queue.
func (f forgetful) Send(ctx context.Context, messages ...queue.Message) error {
	if f.losing.Load() {
		messages = slices.DeleteFunc(slices.Clone(messages), func(m queue.Message) bool {
			task, err := reconcile.ReadTask(m.Body)
			return err == nil && task.Probe
		})
	}
	if len(messages) == 0 {
		return nil
	}
	return f.Queue.Send(ctx, messages...)
}

// newCrowded makes a world where so many people in three groups are in sync. Each of its
// workers is a process of its own.
func newCrowded(t *testing.T, people int) *crowded {
	t.Helper()
	c := &crowded{t: t}
	c.World = world.New(t, world.Config{Latency: 20 * time.Millisecond, Apart: true, Settings: func(s *directory.Settings) {
		s.Attributes["user_job_title"] = true
	}, Queue: func(_ string, q queue.Queue) queue.Queue { return forgetful{q, c} }, Process: func(p world.Process) world.Process {
		p.Transport = refusing{c, p.Transport}
		return p
	}})
	for i := range people {
		c.people = append(c.people, c.Hire(fmt.Sprintf("p%03d", i)))
	}
	for i := range 3 {
		c.groups = append(c.groups, c.Group(fmt.Sprintf("Team %d", i), c.people[i*people/3:(i+1)*people/3]...))
	}
	c.Settle(time.Minute)
	c.ConnectGroups(c.groups...)
	c.Settle(30 * time.Minute)
	if !c.inSync() {
		t.Fatal("not all are in sync at the start, want all")
	}
	return c
}

// refusing answers the sign-ins of a world whose sign-in is refused.
type refusing struct {
	*crowded
	to http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (r refusing) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Host != functiontest.LoginHost || request.Method != http.MethodPost {
		return r.to.RoundTrip(request)
	}
	r.logins.Add(1)
	if body := r.refusal.Load(); body != nil {
		return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(*body)), Request: request}, nil
	}
	return r.to.RoundTrip(request)
}

// inSync reports whether all links are in sync.
func (c *crowded) inSync() bool {
	return !slices.ContainsFunc(c.people, func(id directory.UserID) bool { return c.Link(id).Status != directory.Synced }) &&
		!slices.ContainsFunc(c.groups, func(id directory.GroupID) bool { return c.GroupLink(id).Status != directory.Synced })
}

// dir is the record of the directory.
func (c *crowded) dir() directory.Directory {
	c.t.Helper()
	dir, err := c.Store.Directory(c.t.Context(), c.Directory.ID)
	c.Must(err)
	return dir
}

// requests are how many requests the outside systems got, with sign-ins.
func (c *crowded) requests() int {
	return c.Entra.Counters().Requests + c.JumpCloud.Counters().Requests + int(c.logins.Load())
}

// titles changes the title of everybody.
func (c *crowded) titles(title string) {
	c.t.Helper()
	for _, id := range c.people {
		c.Must(c.JumpCloud.UpdateUser(string(id), jumpcloudtest.Fields{"jobTitle": title}))
	}
}

// haveTitle reports whether everybody has a title in Entra and is in sync.
func (c *crowded) haveTitle(title string) bool {
	for _, account := range c.Accounts() {
		if strings.HasPrefix(account.UserPrincipalName, "p") && account.Text("jobTitle") != title {
			return false
		}
	}
	return c.inSync()
}

// suspensions are how often it was counted that the directory is suspended for a reason.
func (c *crowded) suspensions(reason directory.Reason) int {
	return c.Metrics.Counts()[metric.Key(reconcile.SuspendedMetric, "reason", string(reason))]
}

// onlyProbes reports whether no message is left but the next probe.
func (c *crowded) onlyProbes() bool {
	left := c.Waiting()
	return c.JumpCloud.Counters().Pending == 0 && len(left) == 1 && left[wiring.UsersLive] == 1
}

// app changes the application and ends all its tokens.
func (c *crowded) app(edit func(*entratest.App)) {
	c.t.Helper()
	c.Must(c.Entra.SetApp(entratest.DefaultApp().ClientID, edit))
	c.Entra.RevokeTokens()
}

// signInRefusal is what Entra's sign-in answers with a code.
func signInRefusal(code int) *string {
	body := fmt.Sprintf(`{"error":"invalid_client","error_description":"AADSTS%d: refused.","error_codes":[%d]}`, code, code)
	return &body
}

// rolesWithout are the permissions that entrasync needs, without those that begin so.
func rolesWithout(prefixes ...string) []string {
	return slices.DeleteFunc(slices.Clone(entratest.RecommendedRoles), func(role string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(role, p) })
	})
}

// troubles are the troubles of a whole directory.
var troubles = []struct {
	reason     directory.Reason
	scope      directory.Scope
	probe      int // requests of a probe
	ill, cured func(*crowded)
}{
	{directory.NotConsented, directory.Everything, 1, func(c *crowded) { c.app(func(a *entratest.App) { a.Tenants = []string{"another"} }) },
		func(c *crowded) { c.app(func(a *entratest.App) { a.Tenants = nil }) }},
	{directory.ApplicationDisabled, directory.Everything, 1, func(c *crowded) { c.app(func(a *entratest.App) { a.Disabled = true }) },
		func(c *crowded) { c.app(func(a *entratest.App) { a.Disabled = false }) }},
	{directory.SecretExpired, directory.Everything, 1, func(c *crowded) { c.app(func(a *entratest.App) { a.SecretExpired = true }) },
		func(c *crowded) { c.app(func(a *entratest.App) { a.SecretExpired = false }) }},
	{directory.CredentialsRefused, directory.Everything, 1, func(c *crowded) { c.app(func(a *entratest.App) { a.ClientSecret = "another" }) },
		func(c *crowded) {
			c.app(func(a *entratest.App) { a.ClientSecret = entratest.DefaultApp().ClientSecret })
		}},
	{directory.SignInBlocked, directory.Everything, 1, func(c *crowded) { c.app(func(a *entratest.App) { a.Blocked = true }) },
		func(c *crowded) { c.app(func(a *entratest.App) { a.Blocked = false }) }},
	{directory.TenantNotFound, directory.Everything, 1, func(c *crowded) { c.refusal.Store(signInRefusal(90002)); c.Entra.RevokeTokens() },
		func(c *crowded) { c.refusal.Store(nil) }},
	{directory.SignInMisconfigured, directory.Everything, 1, func(c *crowded) { c.refusal.Store(signInRefusal(500011)); c.Entra.RevokeTokens() },
		func(c *crowded) { c.refusal.Store(nil) }},
	{directory.ConsentLost, directory.Everything, 1, func(c *crowded) {
		c.Must(c.Entra.FailNext(entratest.Fault{Path: ".", Status: http.StatusUnauthorized, Times: 1 << 20}))
	}, func(c *crowded) { c.Entra.ClearFaults() }},
	{directory.JumpCloudRefused, directory.Everything, 1, func(c *crowded) {
		c.JumpCloud.FailNext(jumpcloudtest.Fault{PathContains: "/api/", Status: http.StatusUnauthorized, Times: 1 << 20})
	}, func(c *crowded) { c.JumpCloud.Mend() }},
	{directory.PermissionMissing, directory.OfUsers, 2, func(c *crowded) { c.app(func(a *entratest.App) { a.Roles = rolesWithout("User") }) },
		func(c *crowded) { c.app(func(a *entratest.App) { a.Roles = entratest.RecommendedRoles }) }},
}

// A trouble of a whole directory is recognised once. While it lasts, the tasks of
// everybody wait and one probe a minute is all that is asked of the outside systems; when
// it is over, all goes on by itself.
func TestTroubleOfADirectory(t *testing.T) {
	for i, trouble := range troubles {
		people := 60 // all workers have some of them at the same time
		if i == 0 {
			people = 300 // what is asked does not grow with the number of people
		}
		t.Run(string(trouble.reason), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrowded(t, people)
				trouble.ill(c)
				before := c.requests()
				c.titles("Lead")
				c.Until("the directory is suspended", time.Minute, func() bool { return c.dir().Stopped(trouble.scope) != nil })
				if n := c.suspensions(trouble.reason); n != 1 {
					t.Errorf("the directory was suspended %d times, want once by all workers", n)
				}
				c.Until("only the probe is left", 10*time.Minute, c.onlyProbes)
				if s := c.dir().Stopped(trouble.scope); s.Reason != trouble.reason || s.Message == "" || s.Scope != trouble.scope {
					t.Errorf("suspended: %+v, want reason %q for %q, with a message", *s, trouble.reason, trouble.scope)
				}
				recognised := c.requests() - before
				start := c.requests()
				time.Sleep(15 * time.Minute)
				c.titles("Head") // events that come meanwhile are kept
				time.Sleep(15 * time.Minute)
				asked := c.requests() - start
				t.Logf("%d requests until all waited, %d in half an hour", recognised, asked)
				if most := 30*trouble.probe + 5; asked > most {
					t.Errorf("%d requests in half an hour, want at most %d: a probe a minute", asked, most)
				}
				link := c.Link(c.people[0])
				if link.Status != directory.Pending || link.Reason != trouble.reason || link.Message == "" || !link.NextTryAt.IsZero() {
					t.Errorf("a link while suspended: %+v, want %q with reason %q", link.Standing, directory.Pending, trouble.reason)
				}
				trouble.cured(c)
				took := c.Until("all have their title", 2*time.Minute, func() bool { return c.haveTitle("Head") })
				t.Logf("all in sync after %s", took)
				c.Settle(time.Hour)
				if dir := c.dir(); dir.IsSuspended() || len(dir.PartlySuspended) > 0 {
					t.Errorf("after the cure: %+v %+v, want no suspension", dir.Suspended, dir.PartlySuspended)
				}
				if n := c.suspensions(trouble.reason); n < 30 {
					t.Errorf("the suspension was counted %d times, want once with each probe", n)
				}
			})
		})
	}
}

// A missing permission for groups leaves users as they are, and what their events ask for is
// done meanwhile.
func TestAMissingGroupPermissionLeavesUsersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowded(t, 30)
		c.app(func(a *entratest.App) { a.Roles = rolesWithout("Group") })
		for i, id := range c.groups {
			c.Must(c.JumpCloud.RenameGroup(string(id), fmt.Sprintf("Crew %d", i)))
		}
		c.Until("the directory is suspended for groups", time.Minute, func() bool { return c.dir().Of(directory.OfGroups) != nil })
		c.titles("Lead")
		c.Until("all have their title", 30*time.Second, func() bool { return c.lead("Lead") == len(c.people) })
		c.Until("only the probe is left", 10*time.Minute, c.onlyProbes)
		start := c.requests()
		time.Sleep(30 * time.Minute)
		if asked := c.requests() - start; asked > 65 {
			t.Errorf("%d requests in half an hour, want at most 65", asked)
		}
		if link := c.GroupLink(c.groups[0]); link.Status != directory.Pending || link.Reason != directory.PermissionMissing {
			t.Errorf("a group: %+v, want %q with reason %q", link.Standing, directory.Pending, directory.PermissionMissing)
		}
		c.app(func(a *entratest.App) { a.Roles = entratest.RecommendedRoles })
		c.Until("the groups have their names", 2*time.Minute, func() bool { return len(c.Tenant.GroupsNamed("Crew 2")) == 1 && c.inSync() })
	})
}

// lead is how many people have a title in Entra.
func (c *crowded) lead(title string) (n int) {
	for _, account := range c.Accounts() {
		if account.Text("jobTitle") == title {
			n++
		}
	}
	return n
}

// Who is suspended in JumpCloud while the directory is suspended loses access before the
// other changes that waited are written.
func TestWhoIsSuspendedMeanwhileIsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowded(t, 300)
		c.app(func(a *entratest.App) { a.Tenants = []string{"another"} })
		c.titles("Lead")
		c.Until("the directory is suspended", time.Minute, func() bool { return c.dir().IsSuspended() })
		time.Sleep(10 * time.Minute)
		intruder := c.people[200]
		c.Must(c.JumpCloud.SuspendUser(string(intruder)))
		time.Sleep(10 * time.Minute)
		if !c.Enabled("p200") {
			t.Fatal("the account is disabled although the directory is suspended: the test shows nothing")
		}
		c.app(func(a *entratest.App) { a.Tenants = nil })
		for range 12000 {
			if time.Sleep(10 * time.Millisecond); !c.Enabled("p200") {
				break
			}
		}
		if c.Enabled("p200") {
			t.Fatal("the account is enabled two minutes after the cure")
		}
		if n := c.lead("Lead"); n > 60 {
			t.Errorf("%d other changes were written before, want at most 60: those that workers had begun", n)
		}
		c.Until("all have their title", 2*time.Minute, func() bool { return c.lead("Lead") == len(c.people) })
	})
}

// An administrator who has mended something need not wait for the next probe: a PATCH of the
// directory and a request for one user look at once.
func TestARequestProbesAtOnce(t *testing.T) {
	for name, request := range map[string]func(c *crowded) (method, path, body string){
		"directory": func(c *crowded) (string, string, string) {
			return http.MethodPatch, "/v1/directories/" + string(c.Directory.ID), "{}"
		},
		"user": func(c *crowded) (string, string, string) {
			return http.MethodPost, "/v1/directories/" + string(c.Directory.ID) + "/users/" + string(c.people[0]) + "/sync", ""
		},
		"group": func(c *crowded) (string, string, string) {
			return http.MethodPost, "/v1/directories/" + string(c.Directory.ID) + "/groups/" + string(c.groups[0]) + "/sync", ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrowded(t, 30)
				c.app(func(a *entratest.App) { a.Tenants = []string{"another"} })
				c.titles("Lead")
				c.Until("the directory is suspended", time.Minute, func() bool { return c.dir().IsSuspended() })
				time.Sleep(5*time.Minute + 10*time.Second)
				c.app(func(a *entratest.App) { a.Tenants = nil })
				if status := c.API(request(c)); status/100 != 2 {
					t.Fatalf("status %d, want 2xx", status)
				}
				c.Until("all have their title", 20*time.Second, func() bool { return c.haveTitle("Lead") })
			})
		})
	}
}

// The key of an organization that JumpCloud refuses suspends all of its directories, and one
// probe is for all of them.
func TestARefusedKeySuspendsAllDirectories(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowded(t, 30)
		others := []directory.Directory{c.Kit.Directory("second", nil), c.Kit.Directory("third", nil)}
		c.JumpCloud.FailNext(jumpcloudtest.Fault{PathContains: "/api/", Status: http.StatusUnauthorized, Times: 1 << 20})
		c.titles("Lead")
		c.Until("all directories are suspended", time.Minute, func() bool {
			return c.dir().IsSuspended() && !slices.ContainsFunc(others, func(d directory.Directory) bool {
				now, err := c.Store.Directory(t.Context(), d.ID)
				c.Must(err)
				return !now.IsSuspended()
			})
		})
		time.Sleep(5 * time.Minute)
		start := c.requests()
		time.Sleep(30 * time.Minute)
		if asked := c.requests() - start; asked < 29 || asked > 31 {
			t.Errorf("%d requests in half an hour for three directories, want one a minute", asked)
		}
		c.JumpCloud.Mend()
		c.Until("no directory is suspended", 61*time.Second, func() bool {
			all, err := c.Store.DirectoriesOf(t.Context(), c.Organization())
			c.Must(err)
			return !slices.ContainsFunc(all, directory.Directory.IsSuspended)
		})
		c.Until("all have their title", time.Minute, func() bool { return c.haveTitle("Lead") })
	})
}

// If the message of a probe is lost, the sweep sends another one.
func TestALostProbeIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowded(t, 30)
		c.losing.Store(true)
		c.app(func(a *entratest.App) { a.Tenants = []string{"another"} })
		c.titles("Lead")
		c.Until("the directory is suspended", time.Minute, func() bool { return c.dir().IsSuspended() })
		c.Settle(10 * time.Minute)
		c.losing.Store(false)
		c.app(func(a *entratest.App) { a.Tenants = nil })
		if took := c.Until("all have their title", 8*time.Minute, func() bool { return c.haveTitle("Lead") }); took < time.Minute+time.Second {
			t.Errorf("in sync after %s: no probe was lost, the test shows nothing", took)
		}
	})
}
