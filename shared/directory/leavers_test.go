package directory

import (
	"testing"
	"time"

	"entrasync/shared/fault"
)

// The days of the steps have limits, and the refusal names the setting.
func TestTheDaysOfTheSteps(t *testing.T) {
	for _, step := range LeaverSteps() {
		for n, ok := range map[int]bool{-1: false, 0: step != DeleteAccount, 1: true, LongestLeave: true, LongestLeave + 1: false} {
			s := DefaultSettings()
			switch step {
			case RemoveFromGroups:
				s.Leavers.RemoveFromGroups = &n
			case RemoveLicenses:
				s.Leavers.RemoveLicenses = &n
			case HideFromAddressLists:
				s.Leavers.HideFromAddressLists = &n
			case ClearManager:
				s.Leavers.ClearManager = &n
			case DeleteAccount:
				s.Leavers.DeleteAccount = &n
			}
			if got := s.Leavers.Days(step); got == nil || *got != n || !s.Leavers.Any() {
				t.Errorf("%s is %v, want %d", step, got, n)
			}
			err := s.Check()
			if (err == nil) != ok || err != nil && fault.Of(err).Subject != "settings.leavers."+string(step) {
				t.Errorf("%s of %d days: got %v, want it allowed: %t", step, n, err, ok)
			}
		}
	}
}

// Only a change of the deletion lets nobody be deleted for a while.
func TestDeletionsPauseAfterAChange(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	week, month := 7, 30
	none, one, other := Settings{}, Settings{Leavers: Leavers{DeleteAccount: &week}}, Settings{Leavers: Leavers{DeleteAccount: &month}}
	same := Settings{Leavers: Leavers{DeleteAccount: &[]int{7}[0], ClearManager: &week}}
	for name, tc := range map[string]struct {
		before, after Settings
		pauses        bool
	}{"turned on": {none, one, true}, "changed": {one, other, true}, "another step": {one, same, false}, "turned off": {one, none, false}, "off": {none, none, false}} {
		if got := (Directory{Settings: tc.before}).WithSettings(tc.after, now).DeletesFrom; got.IsZero() == tc.pauses || tc.pauses && !got.Equal(now.Add(DeletionPause)) {
			t.Errorf("%s: deletions are from %v on, want a pause: %t", name, got, tc.pauses)
		}
	}
}
