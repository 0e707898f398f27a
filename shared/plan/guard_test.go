package plan

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
)

// Every reason for which an account is disabled is of one of both kinds.
func TestOfWhichKindItIsToDisableSomebody(t *testing.T) {
	for reason, want := range map[directory.Reason]HoldKind{
		directory.SuspendedReason: Suspensions, directory.Locked: Suspensions, directory.PasswordExpired: Suspensions,
		directory.LeftGroup: Removals, directory.GroupDisconnected: Removals, directory.GroupDeleted: Removals,
		directory.Deleted: Removals, directory.Disconnected: Removals, directory.StagedReason: Removals, "": Removals,
	} {
		if got := KindOf(reason); got != want {
			t.Errorf("to disable somebody because of %q counts among the %s, want the %s", reason, got, want)
		}
	}
}

// People are counted once each, for as long as the window is.
func TestPeopleAreCountedOnce(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	c := Counted(nil).With(now, "ada", "bob").With(now.Add(time.Minute), "ada", "cy")
	if got := c.Next("ada", "dee", "dee"); got != 4 {
		t.Errorf("with ada again and dee twice %d people are counted, want 4", got)
	}
	for after, want := range map[time.Duration]int{0: 3, time.Hour - time.Second: 3, time.Hour: 2, time.Hour + time.Minute: 0} {
		if got := len(c.Within(time.Hour, now.Add(after))); got != want {
			t.Errorf("after %s %d people are counted, want %d", after, got, want)
		}
	}
	if !c.Lately("ada", now.Add(time.Minute+29*time.Second)) || c.Lately("ada", now.Add(time.Minute+30*time.Second)) || c.Lately("eve", now) {
		t.Error("ada was counted lately at the wrong times, want it for half a minute")
	}
	if len(c) != 3 {
		t.Errorf("%d people are left in what was counted, want it unchanged", len(c))
	}
}

// Only who has an open account has something to lose.
func TestWhichDecisionsTakeAccess(t *testing.T) {
	open := func(to bool) []directory.Change {
		return []directory.Change{{Attribute: directory.AccountEnabled, To: directory.Bool(to)}}
	}
	for name, c := range map[string]struct {
		state   directory.AccountState
		actions []Action
		takes   Type // "": none
		left    []Type
	}{
		"an open account is disabled":                     {directory.Enabled, []Action{{Type: Deprovision, Changes: open(false)}, {Type: EndSessions}}, Deprovision, nil},
		"and brought up to date":                          {directory.Enabled, []Action{{Type: Deprovision, Changes: open(false)}, {Type: EndSessions}, {Type: Update}}, Deprovision, []Type{Update}},
		"one that is disabled unless it was just enabled": {directory.Disabled, []Action{{Type: Deprovision, Changes: open(false)}}, Deprovision, nil},
		"one whose state is not known":                    {"", []Action{{Type: Deprovision, Changes: open(false)}}, Deprovision, nil},
		"the sessions of a disabled one end":              {directory.Disabled, []Action{{Type: EndSessions}}, "", nil},
		"one is created disabled":                         {directory.Absent, []Action{{Type: Provision, Changes: open(false)}}, "", nil},
		"a deleted one is restored and disabled":          {"", []Action{{Type: Restore}, {Type: Deprovision, Changes: open(false)}}, "", nil},
		"one is enabled":                                  {directory.Disabled, []Action{{Type: Update}, {Type: Enable, Changes: open(true)}}, "", nil},
		"an open one is taken over and disabled":          {directory.Enabled, []Action{{Type: TakeOver, Changes: open(false)}, {Type: EndSessions}, {Type: Update}}, TakeOver, nil},
		"an open one is taken over and stays open":        {directory.Enabled, []Action{{Type: TakeOver, Changes: open(true)}}, "", nil},
		"a disabled one is taken over and stays as it is": {directory.Disabled, []Action{{Type: TakeOver, Changes: open(false)}}, "", nil},
	} {
		d := Decision{Actions: c.actions, Link: directory.Link{State: c.state}}
		got := d.TakesAccess()
		switch {
		case (got != nil) != (c.takes != ""):
			t.Errorf("%s: %v takes access, want %q", name, got, c.takes)
			continue
		case got == nil:
			continue
		case got.Type != c.takes:
			t.Errorf("%s: %q takes access, want %q", name, got.Type, c.takes)
		}
		var left []Type
		for _, action := range Withheld(c.actions) {
			left = append(left, action.Type)
		}
		if !slices.Equal(left, c.left) {
			t.Errorf("%s: %v are done although the account stays open, want %v", name, left, c.left)
		}
	}
}

// Whoever is spared stays in the group, and the others leave it.
func TestSparingMembers(t *testing.T) {
	accounts := make([]directory.EntraID, 0, 45)
	for i := range 45 {
		accounts = append(accounts, directory.EntraID(string(rune('A'+i/26))+string(rune('a'+i%26))))
	}
	actions := append([]Action{{Type: RenameGroup}}, append(adding(accounts[40:]), removing(accounts[:40])...)...)
	if diff := cmp.Diff(actions, Sparing(actions, nil)); diff != "" {
		t.Errorf("without anybody to spare the actions change (-want +got):\n%s", diff)
	}
	spared := map[directory.EntraID]bool{accounts[0]: true, accounts[39]: true}
	var out []directory.EntraID
	left := Sparing(actions, spared)
	for _, action := range left {
		out = append(out, action.TakesOut(nil)...)
	}
	if want := accounts[1:39]; !slices.Equal(out, want) {
		t.Errorf("%v are taken out, want %v", out, want)
	}
	if left[0].Type != RenameGroup || left[1].Type != AddMembers {
		t.Errorf("the other actions are %v and %v, want them unchanged", left[0].Type, left[1].Type)
	}
	deletion := []Action{{Type: DeleteGroup}}
	if got := deletion[0].TakesOut(accounts); !slices.Equal(got, accounts) {
		t.Errorf("a deletion takes %d out, want all %d", len(got), len(accounts))
	}
	if left := Sparing(deletion, spared); len(left) > 0 {
		t.Errorf("a group with somebody to spare is deleted")
	}
}
