package plan

import (
	"slices"
	"testing"
	"time"

	"entrasync/shared/directory"
)

// days is a number of days for a setting.
func days(n int) *int { return &n }

// Which steps are due follows from the settings, since when somebody left, and what was done.
func TestWhichStepsAreDue(t *testing.T) {
	block := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(n int) time.Time { return block.Add(time.Duration(n) * 24 * time.Hour) }
	all := directory.Leavers{RemoveFromGroups: days(0), RemoveLicenses: days(2), HideFromAddressLists: days(2), ClearManager: days(5), DeleteAccount: days(30)}
	done := func(steps ...directory.LeaverStep) map[directory.LeaverStep]time.Time {
		m := map[directory.LeaverStep]time.Time{}
		for _, s := range steps {
			m[s] = block
		}
		return m
	}
	for name, tc := range map[string]struct {
		settings Leavers
		leaving  directory.Leaving
		now      time.Time
		due      []directory.LeaverStep
		next     time.Time
	}{
		"nothing is set":       {Leavers{}, directory.Leaving{Since: block}, at(400), nil, time.Time{}},
		"at once":              {Leavers{Leavers: all}, directory.Leaving{Since: block}, block, []directory.LeaverStep{directory.RemoveFromGroups}, at(0)},
		"a moment too early":   {Leavers{Leavers: all}, directory.Leaving{Since: block, Done: done(directory.RemoveFromGroups)}, at(2).Add(-time.Second), nil, at(2)},
		"on the day":           {Leavers{Leavers: all}, directory.Leaving{Since: block, Done: done(directory.RemoveFromGroups)}, at(2), []directory.LeaverStep{directory.RemoveLicenses, directory.HideFromAddressLists}, at(2)},
		"late, all at once":    {Leavers{Leavers: all}, directory.Leaving{Since: block}, at(31), directory.LeaverSteps(), at(0)},
		"all done":             {Leavers{Leavers: all}, directory.Leaving{Since: block, Done: done(directory.LeaverSteps()...)}, at(31), nil, time.Time{}},
		"deletions pause":      {Leavers{Leavers: directory.Leavers{DeleteAccount: days(1)}, DeletesFrom: at(9)}, directory.Leaving{Since: block}, at(8), nil, at(9)},
		"the pause is over":    {Leavers{Leavers: directory.Leavers{DeleteAccount: days(1)}, DeletesFrom: at(9)}, directory.Leaving{Since: block}, at(9), []directory.LeaverStep{directory.DeleteAccount}, at(9)},
		"refused":              {Leavers{Leavers: directory.Leavers{RemoveLicenses: days(1), ClearManager: days(3)}}, directory.Leaving{Since: block, Refused: map[directory.LeaverStep]directory.Obstacle{directory.RemoveLicenses: {}}}, at(2), nil, at(3)},
		"enabled by hand":      {Leavers{Leavers: directory.Leavers{DeleteAccount: days(1)}}, directory.Leaving{Since: block, NotBefore: at(4)}, at(3), nil, at(4)},
		"somebody else's":      {Leavers{Leavers: all}, directory.Leaving{Since: block, Over: true}, at(40), nil, time.Time{}},
		"back and not away":    {Leavers{Leavers: all}, directory.Leaving{}, at(40), nil, time.Time{}},
		"groups were asked":    {Leavers{Leavers: directory.Leavers{RemoveFromGroups: days(1)}}, directory.Leaving{Since: block, Begun: map[directory.LeaverStep]time.Time{directory.RemoveFromGroups: at(1)}}, at(1), nil, at(1).Add(time.Hour)},
		"asked an hour before": {Leavers{Leavers: directory.Leavers{RemoveFromGroups: days(1)}}, directory.Leaving{Since: block, Begun: map[directory.LeaverStep]time.Time{directory.RemoveFromGroups: at(1)}}, at(2), []directory.LeaverStep{directory.RemoveFromGroups}, at(1).Add(time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.settings.Due(tc.leaving, tc.now); !slices.Equal(got, tc.due) {
				t.Errorf("due are %v, want %v", got, tc.due)
			}
			if got := tc.settings.Next(tc.leaving); !got.Equal(tc.next) {
				t.Errorf("the next is due at %v, want %v", got, tc.next)
			}
		})
	}
}

// Only an account that is blocked because its user left has steps, and whoever is connected or
// only suspended has none.
func TestWhoHasLeft(t *testing.T) {
	link := directory.Link{State: directory.Disabled}
	link.EntraID = "account"
	for name, tc := range map[string]struct {
		change  func(*directory.Link)
		desired directory.Desired
		want    bool
	}{
		"disconnected":         {nil, directory.Desired{State: directory.Disabled, Reason: directory.Disconnected}, true},
		"deleted":              {nil, directory.Desired{State: directory.Disabled, Reason: directory.Deleted}, true},
		"the group is gone":    {nil, directory.Desired{State: directory.Disabled, Reason: directory.GroupDeleted}, true},
		"open":                 {func(l *directory.Link) { l.State = directory.Enabled }, directory.Desired{State: directory.Disabled, Reason: directory.LeftGroup}, false},
		"without an account":   {func(l *directory.Link) { l.EntraID = "" }, directory.Desired{State: directory.Disabled, Reason: directory.LeftGroup}, false},
		"deleted in Entra":     {func(l *directory.Link) { l.State = directory.Absent }, directory.Desired{State: directory.Disabled, Reason: directory.LeftGroup}, false},
		"suspended":            {nil, directory.Desired{Managed: true, State: directory.Disabled, Reason: directory.SuspendedReason}, false},
		"connected elsewhere":  {nil, directory.Desired{State: directory.Enabled, Reason: directory.ConnectedElsewhere}, false},
		"suspended, elsewhere": {nil, directory.Desired{State: directory.Disabled, Reason: directory.SuspendedReason}, false},
		"staged":               {nil, directory.Desired{Managed: true, State: directory.Disabled, Reason: directory.StagedReason}, false},
	} {
		t.Run(name, func(t *testing.T) {
			link := link
			if tc.change != nil {
				tc.change(&link)
			}
			if got := (User{Desired: tc.desired}).HasLeft(link); got != tc.want {
				t.Errorf("has left is %t, want %t", got, tc.want)
			}
		})
	}
}

// A step with nothing to do is done without an action; a deletion is the last of those that are
// due together.
func TestStepsWithNothingToDo(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	link := directory.Link{State: directory.Disabled, Leaving: &directory.Leaving{Since: now.Add(-time.Hour)}}
	link.EntraID = "account"
	due := []directory.LeaverStep{directory.RemoveLicenses, directory.HideFromAddressLists, directory.ClearManager, directory.DeleteAccount}
	for name, tc := range map[string]struct {
		account directory.Account
		want    []Type
	}{
		"nothing": {directory.Account{Attributes: directory.Attributes{directory.ShowInAddressList: directory.Bool(false)}}, []Type{DeleteAccount}},
		"everything": {directory.Account{Licenses: []directory.License{{SKU: "a"}}, Attributes: directory.Attributes{directory.Manager: directory.Text("boss")}},
			[]Type{RemoveLicenses, HideFromAddressLists, ClearManager, DeleteAccount}},
		"only licenses of groups": {directory.Account{GroupLicenses: []directory.GroupLicense{{SKU: "a", Group: "g"}}, Attributes: directory.Attributes{directory.ShowInAddressList: directory.Bool(true)}},
			[]Type{HideFromAddressLists, DeleteAccount}},
	} {
		t.Run(name, func(t *testing.T) {
			u := User{Link: link, Desired: directory.Desired{State: directory.Disabled, Reason: directory.Disconnected}, Leaver: &Leaver{Due: due, Account: tc.account, Now: now}}
			u.Link.Applied = directory.Attributes{directory.AccountEnabled: directory.Bool(false)}
			d := u.Decide()
			var got []Type
			for _, a := range d.Actions {
				got = append(got, a.Type)
				if a.Reason != directory.LeaverReason || a.EntraID != "account" || a.Changes == nil {
					t.Errorf("the action is %+v, want one for the account, with the reason %s", a, directory.LeaverReason)
				}
			}
			if !slices.Equal(got, tc.want) || len(d.Link.Leaving.Done) != len(due)-len(tc.want) {
				t.Errorf("the actions are %v and done is %v, want %v and the others", got, d.Link.Leaving.Done, tc.want)
			}
			if len(link.Leaving.Done) != 0 {
				t.Error("the link of before was changed, want a copy")
			}
			if takes := d.TakesAccess(); takes == nil || takes.Type != DeleteAccount {
				t.Errorf("the guard is asked about %+v, want the deletion", takes)
			}
			if left := Withheld(d.Actions); len(left) != len(tc.want)-1 {
				t.Errorf("while the deletion is held the actions are %+v, want all others", left)
			}
		})
	}
}
