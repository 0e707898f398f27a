package entra_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// hires are actions that create accounts, as in a first sync.
func hires(from, to int) []plan.Action {
	var actions []plan.Action
	for i := from; i < to; i++ {
		upn := fmt.Sprintf("new%d@contoso.example", i)
		actions = append(actions, plan.Action{Type: plan.Provision, Changes: []directory.Change{
			{Attribute: directory.UserPrincipalName, To: directory.Text(upn)},
			{Attribute: directory.DisplayName, To: directory.Text(upn)},
			{Attribute: directory.MailNickname, To: directory.Text(fmt.Sprintf("new%d", i))},
			{Attribute: directory.AccountEnabled, To: directory.Bool(true)},
		}})
	}
	return actions
}

// hired ends the test if any of the accounts was not created.
func hired(t *testing.T, client *entra.Client, from, to int) {
	t.Helper()
	for i, result := range client.Apply(t.Context(), hires(from, to)) {
		if result.Err != nil {
			t.Errorf("%d of %d: %v", i, to-from, result.Err)
			return
		}
	}
}

// The writes of a first sync are sent as fast as the quota comes in, a part of the
// bucket stays, and Graph never has to refuse one.
func TestWritesKeepToTheQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t)
		start := time.Now()
		hired(t, n.client, 0, 2700)
		if took := time.Since(start); took != 0 {
			t.Errorf("the first writes waited %s, want none with a full bucket", took)
		}
		hired(t, n.client, 2700, 4700)
		if took := time.Since(start).Round(time.Millisecond); took != 100*time.Second {
			t.Errorf("2,000 writes more took %s, want 100 s at 20 a second", took)
		}
		if c := n.sim.Counters(); c.Throttled != 0 || c.WriteUnits != 4700 {
			t.Errorf("%d write units, %d refused; want 4700 and none", c.WriteUnits, c.Throttled)
		}
	})
}

// Members that are bound count as Graph counts them.
func TestBoundMembersCountByThrees(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t)
		group, people := n.group(t, entratest.Group{DisplayName: "g"}), n.people(t, 50)
		hired(t, n.client, 0, 2700)
		start := time.Now()
		wentThrough(t, n.write(t, adding(group, people...)))
		// The last of 7, 7 and 4 units is sent when all 18 have come in.
		if took := time.Since(start).Round(time.Millisecond); took != 900*time.Millisecond {
			t.Errorf("50 members took %s, want 18 units at 20 a second", took)
		}
	})
}

// A suspension is sent at once, however many writes of a first sync wait.
func TestASuspensionDoesNotWaitBehindAFirstSync(t *testing.T) {
	for name, action := range map[string]plan.Action{
		"suspended": block(""),
		"changed":   {Type: plan.Update, Changes: update("", "city", "Bern").Changes, Cause: plan.Cause{Event: true}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := simulated(t)
				action.EntraID = n.people(t, 1)[0]
				hired(t, n.client, 0, 2700)
				var bulk sync.WaitGroup
				for i := range 4 {
					bulk.Go(func() { hired(t, n.client, 2700+100*i, 2800+100*i) })
				}
				time.Sleep(time.Second) // the bubble's time
				start := time.Now()
				if result := n.client.Apply(t.Context(), []plan.Action{action})[0]; result.Err != nil || time.Since(start) > 0 {
					t.Errorf("after %s: %v, want no error at once", time.Since(start), result.Err)
				}
				bulk.Wait()
				if took := time.Since(start); took < 10*time.Second || n.sim.Counters().Throttled > 0 {
					t.Errorf("the first sync took %s, want at least 10s and no refusals", took)
				}
			})
		})
	}
}

// A write that would wait longer than there is time is returned unsent, as if Graph had
// throttled it.
func TestNoTimeForTheQuotaIsSaidAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t)
		hired(t, n.client, 0, 2700)
		n.sim.ResetCounters()
		ctx, cancel := context.WithTimeout(t.Context(), 5500*time.Millisecond) // half a second after what is to be spare
		defer cancel()
		start := time.Now()
		result := n.client.Apply(ctx, hires(2700, 2720))[0]
		if f := fault.Of(result.Err); f == nil || f.Kind != fault.Throttled || f.RetryAfter != time.Second {
			t.Errorf("%v, want Throttled with a wait of 1s", result.Err)
		}
		if took := time.Since(start); took != 0 || n.sim.Counters().Operations != 0 {
			t.Errorf("took %s, %+v; want no wait and no operations", took, n.sim.Counters())
		}
	})
}

// A write that waits for the quota is not sent if it may not be sent any more after the wait; one
// that does not wait asks nobody.
func TestAWriteAsksAfterItsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t)
		may, asked := true, 0
		ctx := reconcile.Asking(t.Context(), func(context.Context) bool { asked++; return may })
		if err := n.client.Apply(ctx, hires(0, 2700))[2699].Err; err != nil {
			t.Fatal(err)
		}
		if asked != 0 {
			t.Errorf("asked %d times, want never without a wait", asked)
		}
		start := time.Now()
		if err := n.client.Apply(ctx, hires(2700, 2720))[0].Err; err != nil || asked != 1 || time.Since(start) == 0 {
			t.Errorf("%v after %s, asked %d times, want no error after a wait and once", err, time.Since(start), asked)
		}
		n.sim.ResetCounters()
		may = false
		for i, result := range n.client.Apply(ctx, hires(2720, 2740)) {
			if f := fault.Of(result.Err); f == nil || f.Kind != fault.Throttled || f.RetryAfter != time.Second {
				t.Errorf("%d: %v, want Throttled with a wait of 1s", i, result.Err)
			}
		}
		if sent := n.sim.Counters().Operations; sent != 0 || asked != 2 {
			t.Errorf("%d operations, asked %d times, want 0 and 2", sent, asked)
		}
	})
}

// Processes that do not know of each other share the quota: few units are lost to
// refusals, and all processes make progress.
func TestSeveralProcessesShareTheQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const processes, each, batch = 4, 3000, 10
		n := simulated(t)
		start := time.Now()
		var all sync.WaitGroup
		for p := range processes {
			client := n.another(t)
			all.Go(func() {
				for from := p * each; from < (p+1)*each; from += batch {
					todo := hires(from, from+batch)
					for len(todo) > 0 {
						todo = refusedOf(t, client, todo)
					}
				}
			})
		}
		all.Wait()
		units := processes * each
		least := time.Duration(units-3000) * 50 * time.Millisecond
		// Which writes clash differs from run to run: 8 to 14 percent more than the quota alone.
		if took := time.Since(start); took > least+least/6 {
			t.Errorf("took %s, the quota alone %s: %d of %d write units were refused; want at most a sixth more", took, least, n.sim.Counters().Throttled, n.sim.Counters().WriteUnits)
		}
	})
}

// another is a client of the same application in the same tenant, as in another
// process.
func (n tenant) another(t *testing.T) *entra.Client {
	t.Helper()
	return clientIn(t, n.sim)
}

// clientIn is a client of the default application in the default tenant.
func clientIn(t interface {
	Helper()
	Fatal(args ...any)
}, sim *entratest.Simulator) *entra.Client {
	t.Helper()
	app := entratest.DefaultApp()
	client, err := entra.New(entra.Config{
		GraphURL: "https://graph.microsoft.com/v1.0", LoginURL: "https://login.microsoftonline.com", Tenant: directory.TenantID(entratest.DefaultTenant().ID), ClientID: app.ClientID,
		Proof:     func(context.Context) (entra.Proof, error) { return entra.Proof{ClientSecret: app.ClientSecret}, nil },
		Transport: entratest.Transport(sim),
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// refusedOf sends actions, waits as long as Graph says, and returns those that Graph
// throttled.
func refusedOf(t *testing.T, client *entra.Client, actions []plan.Action) (again []plan.Action) {
	t.Helper()
	var wait time.Duration
	for i, result := range client.Apply(t.Context(), actions) {
		if f := fault.Of(result.Err); fault.Is(result.Err, fault.Throttled) {
			again, wait = append(again, actions[i]), max(wait, f.RetryAfter)
		} else if result.Err != nil {
			t.Error(result.Err)
		}
	}
	time.Sleep(wait + 100*time.Millisecond) // the bubble's time
	return again
}

// Only a refusal because of the write quota makes other writes wait.
func TestWhoWaitsAfterARefusal(t *testing.T) {
	for scope, want := range map[string]time.Duration{
		"Tenant_Application/Write/app/tenant":     20 * time.Second,
		"Tenant_Application/ReadWrite/app/tenant": 0,
		"": 0,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &stub{t: t}
			s.answer = func(n int, r sent) (int, http.Header, string) {
				if n > 1 {
					return done(t)(n, r)
				}
				return 200, nil, reply(t, r, func(item) map[string]any {
					return map[string]any{"status": 429, "headers": map[string]string{"Retry-After": "20", "x-ms-throttle-scope": scope}}
				})
			}
			client := s.client()
			if result := client.Apply(t.Context(), []plan.Action{update("e1", "city", "A")})[0]; !fault.Is(result.Err, fault.Throttled) {
				t.Errorf("%q: %v, want Throttled", scope, result.Err)
			}
			start := time.Now()
			if result := client.Apply(t.Context(), []plan.Action{update("e2", "city", "A")})[0]; result.Err != nil || time.Since(start).Round(time.Second) != want {
				t.Errorf("%q: the next write waited %s, want %s: %v", scope, time.Since(start), want, result.Err)
			}
		})
	}
}
