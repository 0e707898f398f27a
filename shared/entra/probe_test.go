package entra_test

import (
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
)

// A probe signs in again, although the token is still good: so it finds that the
// credentials no longer are, and that they are again.
func TestAProbeSignsInAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simulated(t)
		probe := func() (directory.Tenant, error) {
			tenant, _, err := n.client.Probe(t.Context(), directory.Everything)
			return tenant, err
		}
		if tenant, err := probe(); err != nil || tenant.ID == "" {
			t.Fatalf("%+v, %v, want the tenant", tenant, err)
		}
		expired := func(is bool) {
			if err := n.sim.SetApp(entratest.DefaultApp().ClientID, func(a *entratest.App) { a.SecretExpired = is }); err != nil {
				t.Fatal(err)
			}
		}
		expired(true)
		time.Sleep(time.Minute)
		if _, err := probe(); fault.Of(err) == nil || fault.Of(err).Reason != directory.SecretExpired {
			t.Errorf("%v, want %s", err, directory.SecretExpired)
		}
		expired(false)
		time.Sleep(time.Minute)
		if _, err := probe(); err != nil {
			t.Errorf("%v, want no fault", err)
		}
		if signIns := n.signInRequests(func() { _, _ = probe() }); signIns != 0 {
			t.Errorf("%d sign-ins for a second probe at once, want 0", signIns)
		}
	})
}

// A probe of a scope needs the permission to read it; the rights show that others were
// granted or taken away.
func TestAProbeOfAScope(t *testing.T) {
	for _, tc := range []struct {
		lacks         []string
		users, groups bool // may be read
	}{
		{nil, true, true},
		{[]string{"User.ReadWrite.All"}, false, true},
		{[]string{"Group.ReadWrite.All", "GroupMember.ReadWrite.All"}, true, false},
	} {
		n := lacking(t, tc.lacks...)
		for scope, may := range map[directory.Scope]bool{directory.OfUsers: tc.users, directory.OfGroups: tc.groups, directory.OfPart: true} {
			_, rights, err := n.client.Probe(t.Context(), scope)
			refused := fault.Is(err, fault.Unauthorized) && fault.Of(err).Reason == directory.PermissionMissing
			if refused == may || !refused && err != nil || rights == "" {
				t.Errorf("without %v, %s: %v, rights %q; want refused %t, and rights", tc.lacks, scope, err, rights, !may)
			}
		}
	}
	all, less := lacking(t), lacking(t, "User.RevokeSessions.All")
	_, one, _ := all.client.Probe(t.Context(), directory.OfPart)
	_, other, _ := less.client.Probe(t.Context(), directory.OfPart)
	if one == other {
		t.Errorf("rights %q with and without a permission, want them to differ", one)
	}
}
