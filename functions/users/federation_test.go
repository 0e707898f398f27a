package users_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
)

// aside is the name of an account while its immutable id is changed.
const aside = "ann@contoso.onmicrosoft.example"

// federated makes the directory write immutable ids.
func (f *fixture) federated() {
	f.settings(func(s *directory.Settings) { s.Federated = true })
}

// annThere makes an account of Ann in the federated domain with an immutable id, and
// connects Ann to the directory.
func (f *fixture) annThere(immutableID any) directory.UserID {
	f.t.Helper()
	_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@fed.example", Properties: map[string]any{"onPremisesImmutableId": immutableID}})
	f.must(err)
	ann := f.unconnected("ann", "ann@fed.example")
	f.connect(ann)
	return ann
}

// patches returns the names and immutable ids that were sent to Graph, with its
// answers.
func (f *fixture) patches() (list []string) {
	for _, r := range f.entra.Requests() {
		for _, each := range batchOf(r) {
			body, _ := each["body"].(map[string]any)
			upn, renames := body["userPrincipalName"]
			id, identifies := body["onPremisesImmutableId"]
			if each["method"] == "PATCH" && (renames || identifies) {
				list = append(list, fmt.Sprint(upn, " ", id))
			}
		}
	}
	return list
}

// batchOf are the items of a batch.
func batchOf(r entratest.Request) (items []map[string]any) {
	list, _ := r.Body["requests"].([]any)
	for _, each := range list {
		if item, is := each.(map[string]any); is {
			items = append(items, item)
		}
	}
	return items
}

// atHome fails unless there is one account, in the federated domain and with Ann's
// immutable id, and its link is in sync.
func (f *fixture) atHome(ann directory.UserID, upn string) {
	f.t.Helper()
	account, found := f.accounts.User(upn)
	link := f.link(ann)
	if !found || account.Text("onPremisesImmutableId") != string(ann) || len(f.accounts.Users()) != 1 {
		f.t.Errorf("%d accounts, %+v; link %+v", len(f.accounts.Users()), account.Properties, link)
	}
	if link.Status != directory.Synced || link.Aside != nil || link.UPN != directory.UPN(upn) || len(link.OpenActions) > 0 {
		f.t.Errorf("link: %+v, want Status %v, no Aside, UPN %v, 0 OpenActions", link, directory.Synced, upn)
	}
	for _, a := range f.actions() {
		if a.Status == plan.Started {
			f.t.Errorf("never ended: %+v, want Status not %v", a, plan.Started)
		}
	}
}

// allow has an administrator confirm that Ann may have the account with the immutable id of
// another user; nil if it has none.
func (f *fixture) allow(ann directory.UserID, theirs any) {
	f.t.Helper()
	if id, has := theirs.(string); has {
		f.run(ann)
		f.mustWait("with the id of another user", ann, directory.UserID(id))
		f.confirm(ann)
	}
}

// To write an immutable id in a federated domain, the account moves to the tenant's own
// domain and back: an account that is taken over, one that is already linked, and one
// with the id of a user who released it, which an administrator has confirmed.
func TestAnImmutableIDInAFederatedDomain(t *testing.T) {
	for _, before := range []any{nil, "64a1b2c3d4e5f60718293a4c"} {
		for _, linked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v, linked %v", before, linked), func(t *testing.T) {
				f := newFixture(t)
				ann := f.annThere(before)
				if linked && before == nil {
					f.run(ann)
					if account := f.account("ann@fed.example"); account.Text("onPremisesImmutableId") != "" || len(f.patches()) != 0 {
						t.Fatalf("nobody wanted an id: %+v, %v, want onPremisesImmutableId \"\", 0 patches", account.Properties, f.patches())
					}
				}
				f.federated()
				f.update(ann, jumpcloudtest.Fields{"jobTitle": "Lead"})
				f.allow(ann, before)
				if again := f.run(ann); again != 0 {
					t.Errorf("%d messages come again: %+v, want 0", again, f.link(ann))
				}
				f.atHome(ann, "ann@fed.example")
				if want := []string{aside + " <nil>", "ann@fed.example " + string(ann)}; !slices.Equal(f.patches(), want) {
					t.Errorf("sent %q, want %q", f.patches(), want)
				}
				var moved []plan.Type
				for _, a := range f.actions() {
					if a.Status != plan.Succeeded && (a.Error == nil || a.Error.Reason != directory.FormerOwned) {
						t.Errorf("refused: %+v, want Status %v", a, plan.Succeeded)
					}
					if a.Type == plan.LeaveDomain || a.Type == plan.JoinDomain {
						moved = append(moved, a.Type)
					}
				}
				if !slices.Equal(moved, []plan.Type{plan.LeaveDomain, plan.JoinDomain}) || f.account("ann@fed.example").Text("jobTitle") != "Lead" {
					t.Errorf("actions %v", moved)
				}
				if n := f.requests(func() { f.run(ann) }); n != 0 {
					t.Errorf("another sync costs %d requests, want 0", n)
				}
			})
		}
	}
}

// An account does not move without need: if it already has an id, if the directory does
// not write ids, or if its domain is managed although the directory is federated.
func TestWhoStaysInTheDomain(t *testing.T) {
	for name, tc := range map[string]struct {
		before    any
		federated bool
		upn       string
		want      string // the id
	}{
		"not federated":              {nil, false, "ann@fed.example", ""},
		"theirs":                     {"theirs", true, "ann@fed.example", "theirs"},
		"right already":              {"own", true, "ann@fed.example", "own"},
		"federated and not":          {nil, true, "ann@contoso.example", "own"},
		"theirs in a managed domain": {"theirs", true, "ann@contoso.example", "theirs"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if tc.federated {
				f.federated()
			}
			ann := f.unconnected("ann", tc.upn)
			own := func(id any) any {
				if id == "own" {
					return string(ann)
				}
				return id
			}
			_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: tc.upn, Properties: map[string]any{"onPremisesImmutableId": own(tc.before)}})
			f.must(err)
			f.connect(ann)
			f.run(ann)
			if account := f.account(tc.upn); account.Text("onPremisesImmutableId") != own(tc.want) || f.link(ann).Status != directory.Synced {
				t.Errorf("%+v, %+v", account.Properties, f.link(ann))
			}
			for _, a := range f.actions() {
				if a.Type == plan.LeaveDomain || a.Type == plan.JoinDomain || a.Status != plan.Succeeded {
					t.Errorf("%+v, want Type not %v, Type not %v, Status %v", a, plan.LeaveDomain, plan.JoinDomain, plan.Succeeded)
				}
			}
		})
	}
}

// A new account in a federated domain gets its id at the creation. A rename into such a
// domain works for an account with an id. An account without one keeps its name, with a
// reason; all other attributes are written.
func TestIntoAFederatedDomain(t *testing.T) {
	t.Run("created", func(t *testing.T) {
		f := newFixture(t)
		ann := f.unconnected("ann", "ann@fed.example")
		f.connect(ann)
		f.run(ann)
		f.atHome(ann, "ann@fed.example")
		f.update(ann, jumpcloudtest.Fields{"email": "ann.lee@fed.example"}) // within the domain
		f.run(ann)
		f.atHome(ann, "ann.lee@fed.example")
		if got := f.patches(); !slices.Equal(got, []string{"ann.lee@fed.example <nil>"}) {
			t.Errorf("sent %q", got)
		}
	})
	t.Run("with its id", func(t *testing.T) {
		f := newFixture(t)
		ann := f.person("ann")
		f.run(ann)
		f.update(ann, jumpcloudtest.Fields{"email": "ann@fed.example"})
		f.run(ann)
		f.atHome(ann, "ann@fed.example")
		if got := f.patches(); !slices.Equal(got, []string{"ann@fed.example " + string(ann)}) {
			t.Errorf("sent %q", got)
		}
		f.update(ann, jumpcloudtest.Fields{"email": "ann@contoso.example"}) // and out again
		f.run(ann)
		f.atHome(ann, "ann@contoso.example")
	})
	t.Run("without one", func(t *testing.T) {
		f := newFixture(t)
		_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example"})
		f.must(err)
		ann := f.person("ann")
		f.run(ann)
		f.update(ann, jumpcloudtest.Fields{"email": "ann@fed.example", "jobTitle": "Lead"})
		f.run(ann)
		link := f.link(ann)
		if link.Status != directory.Parked || link.Reason != directory.DomainFederated || link.UPN != "ann@contoso.example" || f.account("ann@contoso.example").Text("jobTitle") != "Lead" ||
			!strings.Contains(link.Message, "ann@fed.example is in a federated domain") || !strings.Contains(link.Message, "set federated on this directory") {
			t.Errorf("%+v", link)
		}
		if got := f.patches(); len(got) > 0 {
			t.Errorf("a name that Entra refuses was sent: %q, want 0", got)
		}
		f.federated()
		f.run(ann)
		f.atHome(ann, "ann@fed.example")
	})
	t.Run("a second account of the user", func(t *testing.T) {
		f := newFixture(t)
		one, two := shared(f)
		f.in(two).settings(func(s *directory.Settings) { s.Domains = []directory.Domain{{Name: "fed.example", Default: true}} })
		two = f.directory
		ann := f.unconnected("ann", "ann@contoso.example")
		f.in(one).connect(ann)
		f.run(ann)
		f.in(two).connect(ann)
		f.run(ann)
		if link := f.link(ann); link.Status != directory.Parked || link.Reason != directory.DomainFederated || !strings.Contains(link.Message, "the user's other account in the tenant") || len(f.accounts.Users()) != 1 {
			t.Errorf("%+v, want Status %v, Reason %v, the text \"the user's other account in the tenant\", 1 Users", link, directory.Parked, directory.DomainFederated)
		}
	})
}

// A process may die at any point while an account is moved, and the user may change
// meanwhile: the next attempt finishes the work. The account never stays aside, and
// there is never a second one.
func TestAProcessDiesWhileAnAccountIsMoved(t *testing.T) {
	seen := map[int]bool{}
	for name, then := range map[string]struct {
		do      func(*fixture, directory.UserID)
		upn     string
		enabled bool
	}{
		"nothing": {func(*fixture, directory.UserID) {}, "ann@fed.example", true},
		"suspended": {func(f *fixture, ann directory.UserID) { f.must(f.jumpcloud.SuspendUser(string(ann))) },
			"ann@fed.example", false},
		"disconnected": {func(f *fixture, ann directory.UserID) { f.disconnect(ann) }, "ann@fed.example", false},
		"renamed": {func(f *fixture, ann directory.UserID) {
			f.update(ann, jumpcloudtest.Fields{"email": "lee@fed.example"})
		}, "lee@fed.example", true},
		"moved": {func(f *fixture, ann directory.UserID) {
			f.update(ann, jumpcloudtest.Fields{"email": "ann@contoso.example"})
		}, "ann@contoso.example", true},
		"not federated": {func(f *fixture, _ directory.UserID) { f.settings(func(s *directory.Settings) { s.Federated = false }) }, "ann@fed.example", true},
	} {
		for at := 1; at <= 4; at++ { // at the search for the id, at each of the two writes, or never
			for _, how := range []string{"dies", "loses the answer"} {
				t.Run(fmt.Sprintf("%s, %s at %d", name, how, at), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						f := newFixture(t)
						ann := f.annThere(nil)
						f.run(ann)
						f.federated()
						if how == "dies" {
							f.onRequest(at, func() { panic("killed") })
						} else {
							f.loseReply(at)
						}
						func() {
							defer func() { _ = recover() }()
							f.run(ann)
						}()
						f.before = nil
						f.entra.ClearFaults()
						wasAside := false
						if _, there := f.accounts.User(aside); there {
							wasAside = true
						}
						then.do(f, ann)
						time.Sleep(3 * time.Minute) // no worker can still work on it
						f.work(ann)
						account, found := f.accounts.User(then.upn)
						id := account.Text("onPremisesImmutableId")
						link := f.link(ann)
						if !found || len(f.accounts.Users()) != 1 || account.AccountEnabled != then.enabled || link.Aside != nil || len(link.OpenActions) > 0 || link.Status == directory.Parked {
							t.Errorf("%d accounts, %+v; link %+v, want found true, 1 Users, AccountEnabled %v, no Aside, 0 OpenActions, Status not %v", len(f.accounts.Users()), account, link, then.enabled, directory.Parked)
						}
						if id != string(ann) && (wasAside || name == "nothing") {
							t.Errorf("the id is %q; was aside %v", id, wasAside)
						}
						seen[at] = seen[at] || wasAside
						if n := f.requests(func() { f.run(ann) }); n != 0 {
							t.Errorf("another sync costs %d requests, want 0", n)
						}
					})
				})
			}
		}
	}
	if !seen[2] || !seen[3] {
		t.Errorf("no account was aside in any case: %v", seen)
	}
}

// A leaver whose account is to be moved is blocked first.
func TestALeaverIsBlockedBeforeTheAccountIsMoved(t *testing.T) {
	f := newFixture(t)
	ann := f.annThere(nil)
	f.run(ann)
	f.federated()
	f.must(f.jumpcloud.SuspendUser(string(ann)))
	f.run(ann)
	f.atHome(ann, "ann@fed.example")
	var types []plan.Type
	for _, a := range f.actions() {
		types = append(types, a.Type)
	}
	if want := []plan.Type{plan.TakeOver, plan.Deprovision, plan.EndSessions, plan.LeaveDomain, plan.JoinDomain}; !slices.Equal(types, want) {
		t.Errorf("%v, want %v", types, want)
	}
}

// If another account has the name in the tenant's own domain, another name is used.
func TestAsideUnderAnotherName(t *testing.T) {
	f := newFixture(t)
	f.federated()
	ann := f.annThere(nil)
	other, err := f.accounts.AddUser(entratest.User{UserPrincipalName: aside})
	f.must(err)
	f.run(ann)
	account, link := f.account("ann@fed.example"), f.link(ann)
	if account.Text("onPremisesImmutableId") != string(ann) || link.Status != directory.Synced || link.Aside != nil {
		t.Errorf("%+v, %+v", account.Properties, link)
	}
	if got := f.patches(); len(got) != 3 || got[1] != string(ann)+"@contoso.onmicrosoft.example <nil>" {
		t.Errorf("sent %q", got)
	}
	if u, _ := f.accounts.User(other.ID); u.UserPrincipalName != aside {
		t.Errorf("somebody else was renamed: %+v, want UserPrincipalName %v", u, aside)
	}
}

// The account that has the user's id is found before the move, because the moved
// account could not come back.
func TestAnImmutableIDThatAnotherAccountHas(t *testing.T) {
	f := newFixture(t)
	f.federated()
	ann := f.annThere(nil)
	old, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann.old@contoso.example", Properties: map[string]any{"onPremisesImmutableId": string(ann)}})
	f.must(err)
	f.update(ann, jumpcloudtest.Fields{"jobTitle": "Lead"})
	f.run(ann)
	account, link := f.account("ann@fed.example"), f.link(ann)
	if account.Text("onPremisesImmutableId") != "" || account.Text("jobTitle") != "Lead" || len(f.patches()) != 0 {
		t.Errorf("%+v, %q, want onPremisesImmutableId \"\", jobTitle \"Lead\", 0 patches", account.Properties, f.patches())
	}
	if link.Status != directory.Parked || link.Reason != directory.UPNConflict || !strings.Contains(link.Message, "ann.old@contoso.example ("+old.ID+") has the onPremisesImmutableId of this user") {
		t.Errorf("%+v", link)
	}
	_, err = f.accounts.UpdateUser(old.ID, map[string]any{"onPremisesImmutableId": nil})
	f.must(err)
	f.run(ann)
	if link := f.link(ann); link.Status != directory.Synced || f.account("ann@fed.example").Text("onPremisesImmutableId") != string(ann) {
		t.Errorf("%+v", link)
	}
}

// whenSent calls do before Graph gets a batch that contains a text.
func (f *fixture) whenSent(text string, do func()) {
	f.before = func(r *http.Request) {
		if r.Body == nil {
			return
		}
		body, err := io.ReadAll(r.Body)
		f.must(err)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if strings.Contains(string(body), text) {
			do()
		}
	}
}

// Entra may refuse the move away: then the account stays. It may refuse the move back
// with the new id: then the account comes back with its old id. If it had none, the
// link says where the account is, and the next attempt moves it back.
func TestMovesThatAreRefused(t *testing.T) {
	const theirs = "64a1b2c3d4e5f60718293a4c"
	no := entratest.Fault{Method: "PATCH", Path: `^/v1\.0/users/`, Status: 400, Body: `{"error":{"code":"Request_BadRequest","message":"Something that nobody published."}}`}
	for name, tc := range map[string]struct {
		before  any
		refused string // what is sent when it is refused; "": the new id
		upn, id string // that it has then
		says    string
	}{
		"leaving":                  {nil, aside, "ann@fed.example", "", "Something that nobody published"},
		"coming home":              {theirs, "", "ann@fed.example", theirs, "Something that nobody published"},
		"coming home, without one": {nil, "", aside, "", "meanwhile the account signs in as " + aside},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.federated()
			ann := f.annThere(tc.before)
			f.allow(ann, tc.before)
			if tc.refused == "" {
				tc.refused = `"onPremisesImmutableId":"` + string(ann)
			}
			f.whenSent(tc.refused, func() { f.must(f.entra.FailNext(no)) })
			if again := f.run(ann); again != 0 {
				t.Errorf("%d come again, want 0", again)
			}
			f.before = nil
			link := f.link(ann)
			if account, found := f.accounts.User(tc.upn); !found || account.Text("onPremisesImmutableId") != tc.id {
				t.Errorf("%q: %+v, want found true, onPremisesImmutableId %v", f.patches(), link, tc.id)
			}
			if link.Status != directory.Parked || !strings.Contains(link.Message, tc.says) || link.UPN != directory.UPN(tc.upn) || (link.Aside != nil) != (tc.upn == aside) {
				t.Errorf("%+v", link)
			}
			f.entra.ClearFaults()
			f.run(ann)
			f.atHome(ann, "ann@fed.example")
		})
	}
}

// Graph throttles between the two moves: the account comes back as soon as Graph
// accepts requests.
func TestAMoveThatIsThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.federated()
		ann := f.annThere(nil)
		f.whenSent(`"onPremisesImmutableId":"`+string(ann), func() {
			f.before = nil
			f.must(f.entra.FailNext(entratest.Fault{Path: "batch$", Status: 429, Times: 2, Header: map[string]string{"Retry-After": "60"}}))
		})
		if again := f.run(ann); again != 1 || f.link(ann).Aside == nil || f.link(ann).UPN != aside || f.link(ann).Status != directory.Pending {
			t.Fatalf("%d come again, %+v, want again 1, an Aside, UPN %v, Status %v", again, f.link(ann), aside, directory.Pending)
		}
		time.Sleep(time.Minute)
		f.work(ann)
		f.atHome(ann, "ann@fed.example")
	})
}

// A domain may become federated after the tenant was last read: a write that Graph then
// refuses is tried again, and no user is parked for it.
func TestADomainThatBecomesFederated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example"})
		f.must(err)
		ann, bob := f.person("ann"), f.unconnected("bob", "bob@contoso.onmicrosoft.example")
		f.connect(bob)
		f.run(ann, bob)
		time.Sleep(time.Minute)
		f.must(f.accounts.SetFederated("contoso.example", true))
		f.federated()
		f.update(bob, jumpcloudtest.Fields{"email": "bob@contoso.example"})
		f.work(ann, bob)
		for id, upn := range map[directory.UserID]string{ann: "ann@contoso.example", bob: "bob@contoso.example"} {
			if account := f.account(upn); account.Text("onPremisesImmutableId") != string(id) || f.link(id).Status != directory.Synced {
				t.Errorf("%+v, %+v", account.Properties, f.link(id))
			}
		}
	})
}

// If the tenant cannot be read, the domains in the record of the directory are used.
func TestFederatedDomainsOfATenantThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		dir, err := f.store.Directory(t.Context(), f.directory.ID)
		f.must(err)
		dir.FederatedDomains, dir.InitialDomain = []string{"fed.example"}, "contoso.onmicrosoft.example"
		dir.Settings.Federated = true
		_, err = f.store.PutDirectory(t.Context(), dir)
		f.must(err)
		ann := f.annThere(nil)
		time.Sleep(time.Hour)
		f.must(f.entra.FailNext(entratest.Fault{Path: "/organization", Status: 503, Times: 100}))
		f.work(ann)
		f.atHome(ann, "ann@fed.example")
	})
}

// An immutable id is not forgotten if the answer to its write was lost.
func TestALostImmutableIDIsWrittenAgain(t *testing.T) {
	for _, done := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example"})
			f.must(err)
			ann := f.person("ann")
			f.run(ann)
			f.federated()
			status := 503
			if done {
				status = 0
			}
			f.fail(status)
			if again := f.run(ann); again != 1 {
				t.Fatalf("%d come again, want 1", again)
			}
			f.work(ann)
			f.atHome(ann, "ann@contoso.example")
		})
	}
}
