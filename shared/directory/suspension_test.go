package directory_test

import (
	"testing"
	"time"

	"entrasync/shared/directory"
)

// at is a time so many minutes after the beginning.
func at(minutes int) time.Time {
	return time.Date(2026, 1, 1, 0, minutes, 0, 0, time.UTC)
}

func TestWhatASuspensionStops(t *testing.T) {
	suspended := func(scope directory.Scope) directory.Directory {
		return directory.Directory{}.Suspend(directory.Suspension{Reason: directory.PermissionMissing, Message: "grant it", Scope: scope, Since: at(0)}, at(1))
	}
	for _, tc := range []struct {
		scope         directory.Scope
		whole         bool
		users, groups bool // are stopped
		part          bool // of those who wait for a part
	}{
		{directory.Everything, true, true, true, true},
		{directory.OfUsers, false, true, false, false},
		{directory.OfGroups, false, false, true, false},
		{directory.OfPart, false, false, false, true},
	} {
		dir := suspended(tc.scope)
		if got := dir.IsSuspended(); got != tc.whole {
			t.Errorf("%s: suspended %t, want %t", tc.scope, got, tc.whole)
		}
		for scope, want := range map[directory.Scope]bool{directory.OfUsers: tc.users, directory.OfGroups: tc.groups, directory.OfPart: tc.part} {
			if got := dir.Stopped(scope) != nil; got != want {
				t.Errorf("%s: %s stopped %t, want %t", tc.scope, scope, got, want)
			}
		}
		if got := dir.Sends(directory.OfPart, false); got == (tc.part || tc.users) {
			t.Errorf("%s: a user who waits for a part is sent %t, want %t", tc.scope, got, !got)
		}
		if !dir.IsProbed() || dir.IsResuming() {
			t.Errorf("%s: probed %t, resuming %t, want true, false", tc.scope, dir.IsProbed(), dir.IsResuming())
		}
		after := dir.Resume(tc.scope, at(10))
		if after.IsSuspended() || after.Stopped(directory.OfUsers) != nil || !after.Sends(tc.scope, false) || !after.Sends(tc.scope, true) {
			t.Errorf("%s: after the end %+v, want nothing stopped", tc.scope, after)
		}
		if !after.IsProbed() || !after.IsResuming() {
			t.Errorf("%s: after the end probed %t, resuming %t, want true, true", tc.scope, after.IsProbed(), after.IsResuming())
		}
	}
}

func TestASuspensionKeepsItsBeginning(t *testing.T) {
	for _, scope := range []directory.Scope{directory.Everything, directory.OfUsers} {
		dir := directory.Directory{}.Suspend(directory.Suspension{Reason: directory.ConsentLost, Scope: scope, Since: at(0)}, at(1)).
			Suspend(directory.Suspension{Reason: directory.SecretExpired, Scope: scope, Since: at(5)}, at(6))
		if s := dir.Of(scope); s.Reason != directory.SecretExpired || !s.Since.Equal(at(0)) || len(dir.PartlySuspended) > 1 {
			t.Errorf("%s: %+v, want one, %q since the beginning", scope, s, directory.SecretExpired)
		}
	}
}

// The trouble is the reason of the directory for people, and what is only to be compared is
// not shown.
func TestShownSuspension(t *testing.T) {
	dir := directory.Directory{Status: directory.Active, Reason: directory.DomainNotVerified, Message: "verify it"}
	whole := dir.Suspend(directory.Suspension{Reason: directory.SecretExpired, Message: "make a new one", Scope: directory.Everything, Rights: "r"}, at(1))
	if got := whole.Shown(); got.Reason != directory.SecretExpired || got.Message != "make a new one" || got.Suspended.Rights != "" || whole.Suspended.Rights != "r" {
		t.Errorf("%+v, want the reason of the suspension, no rights, and the record as it was", got)
	}
	partly := directory.Directory{}.Suspend(directory.Suspension{Reason: directory.PermissionMissing, Message: "grant it", Scope: directory.OfPart, Rights: "r"}, at(1)).Shown()
	if partly.Reason != directory.PermissionMissing || partly.PartlySuspended[0].Rights != "" {
		t.Errorf("%+v, want the reason of the part, no rights", partly)
	}
}

func TestTheWiderScopeCounts(t *testing.T) {
	for _, tc := range []struct{ one, other, want directory.Scope }{
		{directory.OfPart, directory.Everything, directory.Everything}, {directory.Everything, directory.OfPart, directory.Everything},
		{directory.OfPart, directory.OfUsers, directory.OfUsers}, {"", directory.OfPart, directory.OfPart}, {directory.OfPart, directory.OfPart, directory.OfPart},
	} {
		if got := tc.one.Wider(tc.other); got != tc.want {
			t.Errorf("%q, %q: %q, want %q", tc.one, tc.other, got, tc.want)
		}
	}
}
