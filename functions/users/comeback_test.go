package users_test

import (
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// A user leaves one directory while another one on the tenant keeps the account, and then
// leaves that one too. A directory to which the user comes back does not know the state and
// the values of the account any more, because the other one wrote them meanwhile.
func TestWhoComesBackToADirectoryHasAnAccountThatOthersWrote(t *testing.T) {
	f := newFixture(t)
	one, two := shared(f)
	ann := f.unconnected("ann", "ann@contoso.example")
	f.update(ann, jumpcloudtest.Fields{"lastname": "Lee"})
	for _, dir := range []directory.Directory{one, two} {
		f.in(dir).connect(ann)
		f.run(ann)
	}
	f.in(two).disconnect(ann)
	f.run(ann) // it stays enabled, because the first directory has it
	f.update(ann, jumpcloudtest.Fields{"lastname": "Moss"})
	f.in(one).run(ann)
	f.in(one).disconnect(ann)
	f.run(ann)
	if f.account("ann@contoso.example").AccountEnabled {
		t.Fatal("the account is enabled in no directory, want it disabled")
	}
	f.update(ann, jumpcloudtest.Fields{"lastname": "Lee"})
	f.in(two).connect(ann)
	f.run(ann)
	account := f.account("ann@contoso.example")
	if name := account.Text("surname"); !account.AccountEnabled || name != "Lee" {
		t.Errorf("after the return the account is enabled: %v, and has the surname %q, want true and Lee", account.AccountEnabled, name)
	}
}
