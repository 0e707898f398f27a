package users_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// drift compares lists of Entra with what was written. Its tasks are in f.again.
func (f *fixture) drift() reconcile.Drift {
	return reconcile.Drift{Store: f.store, UserTasks: f, GroupTasks: unread{}, Metrics: f.metrics}
}

// listed is an account as a list of all accounts shows it, and as a list of changes does: that
// one leaves out what is empty, and the manager.
func (f *fixture) listed(account entratest.User, whole bool) directory.AccountChange {
	if !account.Deleted.IsZero() {
		return directory.AccountChange{ID: directory.EntraID(account.ID), Gone: true}
	}
	shown := directory.AccountChange{ID: directory.EntraID(account.ID), Account: directory.Account{
		ID: directory.EntraID(account.ID), UPN: directory.UPN(account.UserPrincipalName), ImmutableID: account.Text("onPremisesImmutableId"), Enabled: account.AccountEnabled,
		SyncedFromOnPremises: account.Properties["onPremisesSyncEnabled"] == true,
		Attributes: directory.Attributes{
			directory.UserPrincipalName: directory.Text(account.UserPrincipalName), directory.AccountEnabled: directory.Bool(account.AccountEnabled),
		}}}
	for _, name := range []directory.Attribute{directory.GivenName, directory.Surname, directory.DisplayName, directory.MailNickname, directory.JobTitle, directory.Department} {
		if value := directory.Text(account.Text(string(name))); whole || len(value) > 0 {
			shown.Account.Attributes[name] = value
		}
	}
	phones, _ := account.Properties["businessPhones"].([]any)
	var numbers directory.Value
	for _, phone := range phones {
		numbers = append(numbers, fmt.Sprint(phone))
	}
	if whole || len(numbers) > 0 {
		shown.Account.Attributes[directory.BusinessPhones] = numbers
	}
	if manager := directory.EntraID(account.Manager); whole {
		shown.Manager = &manager
	}
	return shown
}

// resync compares all accounts of the tenant, the deleted ones too, and handles the tasks.
func (f *fixture) resync(whole bool) reconcile.DriftFound {
	f.t.Helper()
	found := f.compareAll(whole)
	f.drain()
	return found
}

// compareAll compares all accounts of the tenant.
func (f *fixture) compareAll(whole bool) reconcile.DriftFound {
	f.t.Helper()
	var page []directory.AccountChange
	for _, account := range f.accounts.Users() {
		page = append(page, f.listed(account, whole))
	}
	found, err := f.drift().Accounts(context.Background(), f.directory, page, whole)
	f.must(err)
	return found
}

// drifts are the findings that were recorded, oldest first.
func (f *fixture) drifts() []directory.Change {
	f.t.Helper()
	changes := []directory.Change{}
	for _, a := range f.actions() {
		if a.Type != plan.Drift {
			continue
		}
		if a.Status != plan.Succeeded || a.Cause.Type != reconcile.ResyncCause || a.CompletedAt.IsZero() || a.EventType() != plan.UserDrift {
			f.t.Errorf("the record of a finding is %+v, want it completed, with the cause %q and the event %q", a, reconcile.ResyncCause, plan.UserDrift)
		}
		changes = append(changes, a.Changes...)
	}
	return changes
}

// byHand changes an account in Entra as an administrator there does.
func (f *fixture) byHand(id directory.EntraID, properties map[string]any) {
	f.t.Helper()
	_, err := f.accounts.UpdateUser(string(id), properties)
	f.must(err)
}

// person with a job title, a department that entrasync does not write, and an account that was
// written an hour ago.
func (f *fixture) longAgo(name string) (directory.UserID, directory.EntraID) {
	f.t.Helper()
	id := f.person(name)
	f.update(id, jumpcloudtest.Fields{"jobTitle": "Lead", "department": "Ops"})
	f.run(id)
	f.drain()
	time.Sleep(time.Hour)
	return id, f.link(id).EntraID
}

// values are properties of an account that tests compare.
type values struct {
	Enabled             bool
	UPN, Title, ID, Has string
}

func (f *fixture) values(id directory.EntraID) values {
	f.t.Helper()
	a := f.account(string(id))
	return values{a.AccountEnabled, a.UserPrincipalName, a.Text("jobTitle"), a.Text("onPremisesImmutableId"), a.Text("department")}
}

// cases are what an administrator of Entra does to an account, and what is recorded of it. The
// job title is written by entrasync, the department is not.
func driftCases(user directory.UserID) map[string]struct {
	by    map[string]any
	found []directory.Change
} {
	change := func(name directory.Attribute, from, to string) []directory.Change {
		return []directory.Change{{Attribute: name, From: directory.Text(from), To: directory.Text(to)}}
	}
	return map[string]struct {
		by    map[string]any
		found []directory.Change
	}{
		"another title":              {map[string]any{"jobTitle": "Boss"}, change(directory.JobTitle, "Lead", "Boss")},
		"no title":                   {map[string]any{"jobTitle": nil}, change(directory.JobTitle, "Lead", "")},
		"disabled":                   {map[string]any{"accountEnabled": false}, change(directory.AccountEnabled, "true", "false")},
		"renamed":                    {map[string]any{"userPrincipalName": "anna@contoso.example"}, change(directory.UserPrincipalName, "ann@contoso.example", "anna@contoso.example")},
		"renamed in its case":        {map[string]any{"userPrincipalName": "Ann@contoso.example"}, []directory.Change{}},
		"another immutable id":       {map[string]any{"onPremisesImmutableId": "bWlsZA=="}, change(directory.ImmutableID, string(user), "bWlsZA==")},
		"no immutable id":            {map[string]any{"onPremisesImmutableId": nil}, change(directory.ImmutableID, string(user), "")},
		"what entrasync never wrote": {map[string]any{"department": "Sales", "city": "Berlin"}, []directory.Change{}},
		"a phone, which is not set":  {map[string]any{"businessPhones": []any{"+1 555 0100"}}, change(directory.BusinessPhones, "", "+1 555 0100")},
	}
}

// What somebody else changes in Entra is found by a list of all accounts and by one of changes,
// recorded once, and repaired; what entrasync never wrote stays.
func TestDriftIsRepaired(t *testing.T) {
	for name := range driftCases("") {
		for _, whole := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, whole %t", name, whole), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFixture(t)
					ann, account := f.longAgo("ann")
					tc, before := driftCases(ann)[name], f.values(account)
					f.byHand(account, tc.by)
					department := f.values(account).Has
					page := f.resync(whole)
					if diff := cmp.Diff(tc.found, f.drifts()); diff != "" {
						t.Errorf("recorded (-want +got):\n%s", diff)
					}
					want := before
					want.Has = department
					if name == "renamed in its case" {
						want.UPN = "Ann@contoso.example"
					}
					if got := f.values(account); got != want {
						t.Errorf("the account has %+v, want %+v", got, want)
					}
					if link := f.link(ann); link.Status != directory.Synced || len(link.Drift) > 0 {
						t.Errorf("link %+v, want it synced without a finding", link)
					}
					if tasks := len(page.Users); tasks != len(tc.found) || page.Reported != 0 {
						t.Errorf("%d tasks and %d only reported, want %d and 0", tasks, page.Reported, len(tc.found))
					}
					time.Sleep(time.Hour)
					if again := f.compareAll(whole); len(again.Users) > 0 || len(f.drifts()) != len(tc.found) {
						t.Errorf("the next resync sends %d tasks and has recorded %d findings, want 0 and %d", len(again.Users), len(f.drifts()), len(tc.found))
					}
				})
			})
		}
	}
}

// Where drift is only reported nothing is written until JumpCloud has another value; the
// finding goes with that, when the account has our value again, and when repair is turned on.
func TestDriftIsReported(t *testing.T) {
	ends := map[string]struct {
		do    func(*fixture, directory.UserID, directory.EntraID)
		title string
	}{
		"JumpCloud has another title": {func(f *fixture, id directory.UserID, _ directory.EntraID) {
			f.update(id, jumpcloudtest.Fields{"jobTitle": "Chief"})
			f.run(id)
		}, "Chief"},
		"the account has ours again": {func(f *fixture, _ directory.UserID, account directory.EntraID) {
			f.byHand(account, map[string]any{"jobTitle": "Lead"})
			f.resync(false)
		}, "Lead"},
		"JumpCloud has what was found": {func(f *fixture, id directory.UserID, _ directory.EntraID) {
			f.update(id, jumpcloudtest.Fields{"jobTitle": "Boss"})
			f.run(id)
		}, "Boss"},
		"the title is not written any more": {func(f *fixture, id directory.UserID, _ directory.EntraID) {
			f.settings(func(s *directory.Settings) { s.Attributes["user_job_title"] = false })
			f.run(id)
		}, "Boss"},
		"repair is turned on": {func(f *fixture, id directory.UserID, _ directory.EntraID) {
			f.settings(func(s *directory.Settings) { s.RepairDrift = true })
			f.run(id)
		}, "Lead"},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.settings(func(s *directory.Settings) { s.RepairDrift = false })
				ann, account := f.longAgo("ann")
				f.byHand(account, map[string]any{"jobTitle": "Boss"})
				page := f.resync(true)
				f.update(ann, jumpcloudtest.Fields{"lastname": "Moss"})
				f.run(ann)
				time.Sleep(time.Hour)
				if again := f.resync(true); len(page.Users) != 1 || page.Reported != 1 || len(again.Users) != 0 {
					t.Errorf("tasks %v with %d reported, and then %v, want 1, 1 and none", page.Users, page.Reported, again.Users)
				}
				link := f.link(ann)
				finding, found := link.Drift.Of(directory.JobTitle)
				if !found || len(link.Drift) != 1 || finding.Expected.String() != "Lead" || finding.Found.String() != "Boss" || finding.At.IsZero() || link.Status != directory.Synced {
					t.Errorf("link %+v, want it synced with one finding, from Lead to Boss", link)
				}
				if a := f.account(string(account)); a.Text("jobTitle") != "Boss" || a.Text("surname") != "Moss" || len(f.drifts()) != 1 {
					t.Errorf("the account has %v and %v with %d findings recorded, want Boss, Moss and 1", a.Text("jobTitle"), a.Text("surname"), len(f.drifts()))
				}
				end.do(f, ann, account)
				if title, left := f.values(account).Title, f.link(ann).Drift; title != end.title || len(left) > 0 || len(f.drifts()) != 1 {
					t.Errorf("in the end %q with the findings %v and %d recorded, want %q, none and 1", title, left, len(f.drifts()), end.title)
				}
			})
		})
	}
}

// An account that entrasync disabled and somebody enabled is disabled again, and its sessions
// end.
func TestWhoWasLetInByHandIsShutOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, account := f.longAgo("ann")
		f.must(f.jumpcloud.SuspendUser(string(ann)))
		f.run(ann)
		time.Sleep(time.Hour)
		f.byHand(account, map[string]any{"accountEnabled": true})
		before := len(f.actions())
		f.resync(true)
		var types []plan.Type
		for _, a := range f.actions()[before:] {
			types = append(types, a.Type)
		}
		slices.Sort(types)
		if want := []plan.Type{plan.Deprovision, plan.Drift, plan.EndSessions}; !slices.Equal(types, want) || f.values(account).Enabled || f.link(ann).State != directory.Disabled {
			t.Errorf("actions %v, enabled %t, link %v, want %v, disabled both", types, f.values(account).Enabled, f.link(ann).State, want)
		}
	})
}

// The account of somebody who left is disabled again if somebody enables it, or that is
// reported once, however the user left; unless it belongs to somebody else by now.
func TestALeaverWhoWasLetInByHandIsShutOut(t *testing.T) {
	accounts := map[string]func(*fixture){
		"created": func(*fixture) {},
		"taken over, with an immutable id that is not ours": func(f *fixture) {
			_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example", Properties: map[string]any{"onPremisesImmutableId": "x7WcQ0bH2U+4mZ1kq3nV9A=="}})
			f.must(err)
		},
	}
	leaves := map[string]func(*fixture, directory.UserID){
		"deleted": func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.DeleteUser(string(id))) },
		"disconnected": func(f *fixture, id directory.UserID) {
			_, err := f.store.Disconnect(f.t.Context(), f.directory.ID, id, directory.Direct, directory.Disconnected)
			f.must(err)
		},
	}
	for name, leave := range leaves {
		for _, whole := range []bool{true, false} {
			for of, account := range accounts {
				for _, who := range []string{"repaired", "reported", "somebody else's"} {
					t.Run(fmt.Sprintf("%s, %s, whole %t, %s", of, name, whole, who), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							f := newFixture(t)
							account(f)
							f.settings(func(s *directory.Settings) { s.RepairDrift = who != "reported" })
							ann, account := f.longAgo("ann")
							leave(f, ann)
							f.run(ann)
							time.Sleep(time.Hour)
							f.run(ann)
							time.Sleep(time.Hour)
							if link := f.link(ann); !link.Freed || link.State != directory.Disabled {
								t.Fatalf("link %+v, want it freed and disabled", link)
							}
							f.byHand(account, map[string]any{"accountEnabled": true})
							wantDrifts, wantEnabled := 1, who != "repaired"
							if who == "somebody else's" {
								_, err := f.store.Claim(t.Context(), f.directory.TenantObject, account, store.Owner{Organization: f.directory.Organization, User: "65f0000000000000000000ff"}, f.directory.ID)
								f.must(err)
								wantDrifts = 0
							}
							f.resync(whole)
							time.Sleep(time.Hour)
							f.resync(whole)
							if got := f.values(account).Enabled; got != wantEnabled || len(f.drifts()) != wantDrifts {
								t.Errorf("enabled %t with the findings %v, want %t with %d", got, f.drifts(), wantEnabled, wantDrifts)
							}
							if link := f.link(ann); !link.Freed || link.Status != directory.Released {
								t.Errorf("link %+v, want it released and freed", link)
							}
							owners, err := f.store.Owners(t.Context(), f.directory.TenantObject, []directory.EntraID{account})
							f.must(err)
							if owner := owners[account]; owner.User == ann {
								t.Errorf("the account belongs to %+v, want it free again", owner)
							}
						})
					})
				}
			}
		}
	}
}

// Somebody leaves while their account is deleted in Entra, whether or not a resync found that,
// and then somebody restores it, with the state that it had: it is disabled all the same, or
// that is reported once, unless it belongs to somebody else by now.
func TestALeaverWhoseAccountIsRestoredByHandIsShutOut(t *testing.T) {
	leaves := map[string]func(*fixture, directory.UserID){
		"deleted":      func(f *fixture, id directory.UserID) { f.must(f.jumpcloud.DeleteUser(string(id))) },
		"disconnected": (*fixture).disconnect,
	}
	for how, leave := range leaves {
		for _, known := range []bool{true, false} {
			for _, whole := range []bool{true, false} {
				for _, who := range []string{"repaired", "reported", "somebody else's"} {
					t.Run(fmt.Sprintf("%s, known %t, whole %t, %s", how, known, whole, who), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							f := newFixture(t)
							f.settings(func(s *directory.Settings) { s.RepairDrift = who != "reported" })
							ann, account := f.longAgo("ann")
							_, err := f.accounts.DeleteUser(string(account))
							f.must(err)
							if known {
								f.resync(whole)
							}
							found := len(f.drifts())
							leave(f, ann)
							f.run(ann)
							time.Sleep(time.Hour)
							f.run(ann)
							if link := f.link(ann); link.Status != directory.Released || link.State != directory.Absent {
								t.Fatalf("link %+v, want it released without an account", link)
							}
							_, err = f.accounts.RestoreUser(string(account))
							f.must(err)
							wantDrifts, wantEnabled, wantState := found+1, who != "repaired", directory.Disabled
							if who == "somebody else's" {
								_, err = f.store.Claim(t.Context(), f.directory.TenantObject, account, store.Owner{Organization: f.directory.Organization, User: "65f0000000000000000000ff"}, f.directory.ID)
								f.must(err)
								wantDrifts, wantState = found, directory.Absent
							}
							for range 2 {
								f.resync(whole)
								time.Sleep(time.Hour)
							}
							if got := f.values(account).Enabled; got != wantEnabled || len(f.drifts()) != wantDrifts {
								t.Errorf("enabled %t with the findings %v, want %t with %d", got, f.drifts(), wantEnabled, wantDrifts)
							}
							if link := f.link(ann); link.Status != directory.Released || link.State != wantState || link.Account() != "" {
								t.Errorf("link %+v, want it released, %s and freed", link, wantState)
							}
						})
					})
				}
			}
		}
	}
}

// Who comes back after that gets a new account, or the old one if somebody restored it.
func TestALeaverWhoseAccountWasDeletedComesBack(t *testing.T) {
	for _, restored := range []bool{true, false} {
		t.Run(fmt.Sprintf("restored %t", restored), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ann, account := f.longAgo("ann")
				_, err := f.accounts.DeleteUser(string(account))
				f.must(err)
				f.disconnect(ann)
				f.run(ann)
				if time.Sleep(time.Hour); restored {
					_, err = f.accounts.RestoreUser(string(account))
				} else {
					err = f.accounts.PurgeUser(string(account))
				}
				f.must(err)
				f.connect(ann)
				f.run(ann)
				f.drain()
				link := f.link(ann)
				if link.Status != directory.Synced || (link.Account() == account) != restored || !f.account("ann@contoso.example").AccountEnabled {
					t.Errorf("link %+v, want it synced, with the account %s: %t", link, account, restored)
				}
			})
		})
	}
}

// The manager is compared where the list shows one, or the account is read.
func TestAManagerWhoWasChangedByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.settings(func(s *directory.Settings) { s.Attributes["user_manager"] = true })
		bob, boss := f.longAgo("bob")
		ann, account := f.longAgo("ann")
		f.update(ann, jumpcloudtest.Fields{"manager": string(bob)})
		f.run(ann)
		time.Sleep(time.Hour)
		_, other := f.longAgo("eve")
		_, err := f.accounts.SetManager(string(account), string(other))
		f.must(err)
		if found := f.resync(false); len(found.Users) > 0 {
			t.Errorf("a list that says nothing of managers sends tasks for %v, want none", found.Users)
		}
		f.resync(true)
		want := []directory.Change{{Attribute: directory.Manager, From: directory.Text(string(boss)), To: directory.Text(string(other))}}
		if diff := cmp.Diff(want, f.drifts()); diff != "" || f.account(string(account)).Manager != string(boss) {
			t.Errorf("the manager is %v, want %v; recorded (-want +got):\n%s", f.account(string(account)).Manager, boss, diff)
		}
	})
}

// A list that is older than our last write, and a page that comes again, find nothing: the
// account is read by itself, and not before a read certainly shows what was written.
func TestAListThatLagsIsNoDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, account := f.longAgo("ann")
		old := f.listed(f.account(string(account)), true)
		f.update(ann, jumpcloudtest.Fields{"jobTitle": "Chief"})
		f.run(ann)
		var found reconcile.DriftFound
		began := time.Now()
		reads := f.requests(func() {
			var err error
			found, err = f.drift().Accounts(t.Context(), f.directory, []directory.AccountChange{old, old}, true)
			f.must(err)
			tasks := f.again
			f.again = nil
			for _, m := range tasks {
				task, err := reconcile.ReadTask(m.Body)
				f.must(err)
				f.does(task)
			}
		})
		if len(found.Users) != 1 || reads != 0 || len(f.again) != 1 {
			t.Fatalf("%d tasks, %d reads at once and %d tasks for later, want 1, 0 and 1", len(found.Users), reads, len(f.again))
		}
		f.drain()
		if waited := time.Since(began); waited < 4*time.Minute || len(f.drifts()) != 0 || f.values(account).Title != "Chief" || len(f.link(ann).Drift) > 0 {
			t.Errorf("after %s: findings %v, title %q, want none and Chief", waited, f.drifts(), f.values(account).Title)
		}
	})
}

// does handles one task.
func (f *fixture) does(task reconcile.Task) {
	f.t.Helper()
	m, err := task.Message()
	f.must(err)
	event := f.message(task.User, 1)
	event.Body = string(m.Body)
	f.handle(oneMessage(event))
}

// An account that was deleted by hand is a reason, recorded once, or restored; restored by hand
// it is synced again.
func TestAnAccountThatIsDeletedByHand(t *testing.T) {
	for name, tc := range map[string]struct {
		restore, repair, forGood bool
		restored                 bool
	}{
		"a reason":                        {false, true, false, false},
		"restored":                        {true, true, false, true},
		"only reported":                   {true, false, false, false},
		"deleted for good":                {false, true, true, false},
		"deleted for good, would restore": {true, true, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.settings(func(s *directory.Settings) { s.RestoreDeleted, s.RepairDrift = tc.restore, tc.repair })
				ann, account := f.longAgo("ann")
				_, err := f.accounts.DeleteUser(string(account))
				f.must(err)
				deleted := f.account(string(account)).Deleted
				if tc.forGood {
					f.must(f.accounts.PurgeUser(string(account)))
				}
				for range 2 {
					_, err = f.drift().MissingAccounts(t.Context(), f.directory, []directory.UserID{ann})
					f.must(err)
					f.drain()
				}
				want := []directory.Change{{Attribute: directory.DeletedAt, To: directory.Text(deleted.UTC().Format(time.RFC3339))}}
				if tc.forGood {
					want = []directory.Change{{Attribute: directory.ObjectID, From: directory.Text(string(account))}}
				}
				if diff := cmp.Diff(want, f.drifts()); diff != "" {
					t.Errorf("recorded (-want +got):\n%s", diff)
				}
				link := f.link(ann)
				if tc.restored {
					if a := f.account(string(account)); !a.Deleted.IsZero() || !a.AccountEnabled || link.Status != directory.Synced || len(link.Drift) > 0 {
						t.Errorf("account %+v, link %+v, want it restored and synced", a, link)
					}
					return
				}
				if link.Status != directory.Parked || link.Reason != directory.AccountMissing || !link.Drift.Gone() || link.Account() != account {
					t.Errorf("link %+v, want it parked for %s with a finding", link, directory.AccountMissing)
				}
				if tc.forGood {
					return
				}
				if !tc.repair { // what JumpCloud changes is written as usual
					f.update(ann, jumpcloudtest.Fields{"lastname": "Moss"})
					f.run(ann)
					if a, link := f.account(string(account)), f.link(ann); !a.Deleted.IsZero() || a.Text("surname") != "Moss" || link.Status != directory.Synced || len(link.Drift) > 0 {
						t.Errorf("after a change in JumpCloud: account %+v, link %+v, want it restored, written and synced", a, link)
					}
					return
				}
				_, err = f.accounts.RestoreUser(string(account))
				f.must(err)
				f.byHand(account, map[string]any{"jobTitle": "Boss"})
				f.resync(false)
				if link = f.link(ann); link.Status != directory.Synced || len(link.Drift) > 0 || f.values(account).Title != "Lead" {
					t.Errorf("restored by hand: link %+v with the title %q, want it synced with Lead", link, f.values(account).Title)
				}
			})
		})
	}
}

// An account that came to be synchronised from on-premises, and is not any more, is written
// again.
func TestAnAccountThatTheCloudTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, account := f.longAgo("ann")
		f.byHand(account, map[string]any{"onPremisesSyncEnabled": true})
		f.update(ann, jumpcloudtest.Fields{"jobTitle": "Chief"})
		f.run(ann)
		if link := f.link(ann); link.Status != directory.Parked || link.Reason != directory.SyncedFromOnPremises {
			t.Fatalf("link %+v, want it parked for %s", link, directory.SyncedFromOnPremises)
		}
		time.Sleep(time.Hour)
		if found := f.resync(true); len(found.Users) > 0 {
			t.Errorf("tasks for %v while the account is synchronised, want none", found.Users)
		}
		f.byHand(account, map[string]any{"onPremisesSyncEnabled": nil})
		f.resync(true)
		if link := f.link(ann); link.Status != directory.Synced || f.values(account).Title != "Chief" {
			t.Errorf("link %+v with the title %q, want it synced with Chief", link, f.values(account).Title)
		}
	})
}

// Somebody who is parked because the account of that name was deleted gets it once it is
// restored by hand.
func TestADeletedAccountThatIsRestoredByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.unconnected("ann", "ann@contoso.example")
		account, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example", Properties: map[string]any{"onPremisesImmutableId": string(ann)}})
		f.must(err)
		_, err = f.accounts.DeleteUser(account.ID)
		f.must(err)
		f.connect(ann)
		f.run(ann)
		f.drain()
		if link := f.link(ann); link.Status != directory.Parked || link.Reason != directory.AccountDeleted {
			t.Fatalf("link %+v, want it parked for %s", link, directory.AccountDeleted)
		}
		if found := f.resync(false); len(found.Users) > 0 {
			t.Errorf("tasks for %v while the account is deleted, want none", found.Users)
		}
		_, err = f.accounts.RestoreUser(account.ID)
		f.must(err)
		f.resync(false)
		if link := f.link(ann); link.Status != directory.Synced || string(link.EntraID) != account.ID {
			t.Errorf("link %+v, want it synced with the account %s", link, account.ID)
		}
	})
}

// A comparison is not lost when JumpCloud does not show the user and is read again.
func TestAComparisonWaitsForJumpCloud(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann, account := f.longAgo("ann")
		f.byHand(account, map[string]any{"jobTitle": "Boss"})
		f.jumpcloud.FailNext(jumpcloudtest.Fault{PathContains: "/systemusers/", Status: 404})
		f.resync(true)
		if title := f.values(account).Title; title != "Lead" || len(f.drifts()) != 1 {
			t.Errorf("the title is %q with the findings %v, want Lead and one: %+v", title, f.drifts(), f.link(ann))
		}
	})
}

// Two directories on one tenant write the same account: what the other one wrote is no drift.
func TestWhatAnotherDirectoryWroteIsNoDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		other := f.newDirectory("other", func(s *directory.Settings) {
			s.AllowSharedDomains, s.CustomAttributes = true, map[string]directory.ExtensionAttribute{"team": "extensionAttribute1"}
		})
		f.settings(func(s *directory.Settings) {
			s.AllowSharedDomains, s.CustomAttributes = true, map[string]directory.ExtensionAttribute{"badge": "extensionAttribute1"}
		})
		for _, pair := range [][2]directory.ID{{f.directory.ID, other.ID}, {other.ID, f.directory.ID}} {
			d, err := f.store.Directory(t.Context(), pair[0])
			f.must(err)
			d.Shares = []directory.ID{pair[1]}
			_, err = f.store.PutDirectory(t.Context(), d)
			f.must(err)
		}
		ann, account := f.longAgo("ann")
		f.update(ann, jumpcloudtest.Fields{"attributes": []any{map[string]any{"name": "badge", "value": "7"}, map[string]any{"name": "team", "value": "red"}}})
		f.run(ann)
		f.Connect(other, ann)
		f.handle(oneMessage(f.messageIn(other.ID, ann, 1)))
		f.drain()
		time.Sleep(time.Hour)
		f.does(reconcile.Task{Directory: f.directory.ID, User: ann, Compare: true, Cause: plan.Cause{Type: reconcile.ResyncCause, Many: true}})
		extensions, _ := f.account(string(account)).Properties["onPremisesExtensionAttributes"].(map[string]any)
		if extensions["extensionAttribute1"] != "red" || len(f.drifts()) > 0 {
			t.Errorf("the attribute is %v with the findings %v, want what the other directory wrote, and none", extensions["extensionAttribute1"], f.drifts())
		}
	})
}

// The process dies at any of its calls while it compares a page or handles the task: the end is
// the same, and the finding is recorded once.
func TestTheProcessDiesWhileItRepairsDrift(t *testing.T) {
	for n, died := 1, true; died; n++ {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			ann, account := f.longAgo("ann")
			f.byHand(account, map[string]any{"jobTitle": "Boss", "accountEnabled": false, "onPremisesImmutableId": "bWlsZA=="})
			page := []directory.AccountChange{f.listed(f.account(string(account)), true)}
			mortal := functiontest.NewMortal(2*n - 1)
			dying := f.drift()
			dying.Store, dying.UserTasks = store.New(mortal.Table(f.Table)), mortal.Sender(f)
			_, _ = dying.Accounts(t.Context(), f.directory, page, true)
			died = mortal.Died() != ""
			for range 2 { // the page comes again
				_, err := f.drift().Accounts(t.Context(), f.directory, page, true)
				f.must(err)
			}
			tasks := f.again
			f.again = nil
			for _, m := range tasks {
				event := f.message(ann, 1)
				event.Body = string(m.Body)
				died = f.dies(n, event) || died
				f.again = append(f.again, m)
			}
			time.Sleep(6 * time.Minute)
			f.drain()
			for range 2 {
				time.Sleep(11 * time.Minute)
				f.must(reconcile.Sweep{Store: f.store, Users: f, Groups: unread{}, Metrics: &metric.Memory{}}.Run(t.Context()))
				f.drain()
			}
			want := values{Enabled: true, UPN: "ann@contoso.example", Title: "Lead", ID: string(ann)}
			if got := f.values(account); got != want {
				t.Errorf("dead at call %d: the account has %+v, want %+v", n, got, want)
			}
			if link := f.link(ann); link.Status != directory.Synced || len(link.Drift) > 0 || len(link.OpenActions) > 0 {
				t.Errorf("dead at call %d: link %+v, want it synced without findings and open actions", n, link)
			}
			if got := len(f.drifts()); got != 3 {
				t.Errorf("dead at call %d: %d findings recorded, want 3: %v", n, got, f.drifts())
			}
		})
	}
}

// Findings are counted by the attribute, and pages that show no difference cost no request and
// no task.
func TestDriftIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		_, account := f.longAgo("ann")
		if cost := f.requests(func() { f.resync(true); f.resync(false) }); cost != 0 {
			t.Errorf("pages without a difference cost %d requests, want 0", cost)
		}
		f.byHand(account, map[string]any{"jobTitle": "Boss"})
		f.resync(true)
		key := metric.Key("drift_found", "kind", "user", "attribute", "jobTitle")
		if n := f.metrics.Counts()[key]; n != 1 {
			t.Errorf("%s is %d, want 1: %v", key, n, f.metrics.Counts())
		}
	})
}
