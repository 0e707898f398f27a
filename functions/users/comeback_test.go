package users_test

import (
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// A user leaves one directory while another one on the tenant keeps the account, and then
// leaves that one too. A directory to which the user comes back does not know the state and
// the values of the account any more, because the other one wrote them meanwhile; also if
// attempts on the user fail meanwhile.
func TestWhoComesBackToADirectoryHasAnAccountThatOthersWrote(t *testing.T) {
	noRead := func(f *fixture) { f.mishap(503) }
	notShown := func(f *fixture) { f.mishap(404) }
	noAnswer := func(f *fixture) { f.must(f.entra.FailNext(entratest.Fault{Path: "batch$", Status: 503, Times: 3})) }
	none := func(*fixture) {}
	for name, tc := range map[string]struct {
		left, away, back func(*fixture) // happens before the attempt after the user left, while the user is away, and after the return; nil: no attempt
	}{
		"no attempt fails":                                {none, nil, none},
		"an attempt while the user is away":               {none, none, none},
		"JumpCloud cannot be read while the user is away": {none, noRead, none},
		"JumpCloud does not show the user then":           {none, notShown, none},
		"JumpCloud cannot be read after the return":       {none, nil, noRead},
		"JumpCloud does not show the user after it":       {none, nil, notShown},
		"Entra does not answer after the return":          {none, nil, noAnswer},
		"no attempt before the return":                    {nil, nil, none},
		"no attempt that succeeds before the return":      {noRead, nil, none},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				one, two := shared(f)
				ann := f.unconnected("ann", "ann@contoso.example")
				f.update(ann, jumpcloudtest.Fields{"lastname": "Lee"})
				for _, dir := range []directory.Directory{one, two} {
					f.in(dir).connect(ann)
					f.run(ann)
				}
				time.Sleep(time.Minute)
				f.in(two).disconnect(ann)
				if tc.left != nil {
					tc.left(f)
					f.run(ann) // it stays enabled, because the first directory has it
				}
				f.jumpcloud.Mend()
				f.update(ann, jumpcloudtest.Fields{"lastname": "Moss"})
				f.in(one).run(ann)
				f.in(one).disconnect(ann)
				f.run(ann)
				if f.account("ann@contoso.example").AccountEnabled {
					t.Fatal("the account is enabled in no directory, want it disabled")
				}
				f.update(ann, jumpcloudtest.Fields{"lastname": "Lee"})
				f.in(two)
				if tc.away != nil {
					tc.away(f)
					f.run(ann)
				}
				f.connect(ann)
				f.jumpcloud.Mend()
				tc.back(f)
				f.run(ann)
				f.jumpcloud.Mend()
				f.work(ann)
				account := f.account("ann@contoso.example")
				if name := account.Text("surname"); !account.AccountEnabled || name != "Lee" {
					t.Errorf("after the return the account is enabled: %v, and has the surname %q, want true and Lee: %+v", account.AccountEnabled, name, f.link(ann))
				}
			})
		})
	}
}

// mishap makes JumpCloud answer the next twenty reads of users with a status.
func (f *fixture) mishap(status int) {
	f.jumpcloud.FailNext(jumpcloudtest.Fault{PathContains: "/systemusers", Status: status, Times: 20})
}
