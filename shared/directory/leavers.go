package directory

import (
	"fmt"
	"time"
)

// LeaverStep is what a directory does with the account of somebody who left, some days after
// sign-in was blocked. It is named like its setting.
type LeaverStep string

// The steps, in the order in which they are done on one day.
const (
	RemoveFromGroups     LeaverStep = "removeFromGroups"
	RemoveLicenses       LeaverStep = "removeLicenses"
	HideFromAddressLists LeaverStep = "hideFromAddressLists"
	ClearManager         LeaverStep = "clearManager"
	DeleteAccount        LeaverStep = "deleteAccount"
)

// LeaverSteps are all steps in their order.
func LeaverSteps() []LeaverStep {
	return []LeaverStep{RemoveFromGroups, RemoveLicenses, HideFromAddressLists, ClearManager, DeleteAccount}
}

// Leavers says after how many days each step follows the block of an account whose user left;
// nil: never.
type Leavers struct {
	RemoveFromGroups     *int `json:"removeFromGroups"`
	RemoveLicenses       *int `json:"removeLicenses"`
	HideFromAddressLists *int `json:"hideFromAddressLists"`
	ClearManager         *int `json:"clearManager"`
	DeleteAccount        *int `json:"deleteAccount"`
}

// LongestLeave is after how many days a step may follow.
const LongestLeave = 365

// DeletionPause is for how long nobody is deleted after the day of the deletion was changed, or the
// directory was put back: until then all who left have their dates, and the guard is asked about
// all of them together.
const DeletionPause = time.Hour

// leaverDay is how long a day of the settings is.
const leaverDay = 24 * time.Hour

// Days are after how many days a step follows; nil: never.
func (l Leavers) Days(step LeaverStep) *int {
	switch step {
	case RemoveFromGroups:
		return l.RemoveFromGroups
	case RemoveLicenses:
		return l.RemoveLicenses
	case HideFromAddressLists:
		return l.HideFromAddressLists
	case ClearManager:
		return l.ClearManager
	case DeleteAccount:
		return l.DeleteAccount
	default:
		return nil
	}
}

// After is when a step follows a block; ok is false if it never does.
func (l Leavers) After(step LeaverStep, block time.Time) (at time.Time, ok bool) {
	days := l.Days(step)
	if days == nil {
		return time.Time{}, false
	}
	return block.Add(time.Duration(*days) * leaverDay), true
}

// WithSettings is the directory with other settings, which somebody chose at a time. If they
// change when accounts are deleted, none is for a while.
func (d Directory) WithSettings(s Settings, now time.Time) Directory {
	before, after := d.Settings.Leavers.DeleteAccount, s.Leavers.DeleteAccount
	if d.Settings = s; after != nil && (before == nil || *before != *after) {
		return d.WithoutDeletions(now)
	}
	return d
}

// WithoutDeletions is the directory with nobody deleted for a while from a time on, if it deletes
// accounts at all.
func (d Directory) WithoutDeletions(now time.Time) Directory {
	if d.Settings.Leavers.DeleteAccount != nil {
		d.DeletesFrom = now.Add(DeletionPause)
	}
	return d
}

// Any reports whether there is a step at all.
func (l Leavers) Any() bool {
	for _, step := range LeaverSteps() {
		if l.Days(step) != nil {
			return true
		}
	}
	return false
}

// Least is how many days after the block a step follows at least: whoever is deleted has
// been blocked for a day.
func (s LeaverStep) Least() int {
	if s == DeleteAccount {
		return 1
	}
	return 0
}

// check returns a fault for the first number of days that cannot be used.
func (l Leavers) check() error {
	for _, step := range LeaverSteps() {
		days := l.Days(step)
		if days != nil && (*days < step.Least() || *days > LongestLeave) {
			return refuse("leavers."+string(step), fmt.Sprintf("%s is %d: it must be whole days from %d to %d after the block, or null for never", step, *days, step.Least(), LongestLeave))
		}
	}
	return nil
}

// Leaving is what is known of an account whose user left, and what was done with it since.
type Leaving struct {
	// Since is when the account was blocked because its user left, or when that was first
	// noticed. The days of the settings count from then.
	Since time.Time `json:"since"`
	// NextAt is when the next step is due; zero if none is.
	NextAt time.Time `json:"nextAt,omitzero"`
	// Done is when each step was done.
	Done map[LeaverStep]time.Time `json:"done,omitempty"`
	// Begun is when a step was begun whose result is not known.
	Begun map[LeaverStep]time.Time `json:"begun,omitempty"`
	// Licenses are those that were taken away, as values of [AssignedLicenses], and Manager
	// is the account of the manager that was. Hidden says that the account was in the address
	// lists before.
	Licenses Value   `json:"licenses,omitempty"`
	Manager  EntraID `json:"manager,omitempty"`
	Hidden   bool    `json:"hidden,omitempty"`
	// GroupLicenses are the products of which the account had a license as a member of groups
	// when its own were taken away: those stay as long as it is in the groups.
	GroupLicenses []string `json:"groupLicenses,omitempty"`
	// Account is the account that was deleted; "" if none was.
	Account EntraID `json:"account,omitempty"`
	// Refused are the steps that Entra refused. They are done when somebody asks for it.
	Refused map[LeaverStep]Obstacle `json:"refused,omitempty"`
	// NotBefore is before when no step is done: somebody enabled the account by hand.
	NotBefore time.Time `json:"notBefore,omitzero"`
	// Over says that nothing more is done: the account is somebody else's by now.
	Over bool `json:"over,omitempty"`
}

// IsDone reports whether a step was done.
func (l Leaving) IsDone(step LeaverStep) bool { return !l.Done[step].IsZero() }

// RestorableUntil is until when the deleted account can be restored; zero if none was deleted.
func (l *Leaving) RestorableUntil() time.Time {
	if l == nil || l.Account == "" {
		return time.Time{}
	}
	return l.Done[DeleteAccount].Add(RestorableDays * leaverDay)
}

// MayRestore reports whether an account is the one that was deleted, and can still be restored
// at a time.
func (l *Leaving) MayRestore(now time.Time) bool {
	return l.RestorableUntil().After(now)
}

// Took reports whether something was taken away that is given back when the user comes back.
func (l Leaving) Took() bool {
	return len(l.Licenses) > 0 || l.Manager != "" || l.Hidden
}

// HasLeft reports whether an account that is disabled for the reason is that of somebody who
// left, and not of somebody who cannot sign in for a while.
func HasLeft(reason Reason) bool {
	switch reason {
	case Deleted, Disconnected, LeftGroup, GroupDisconnected, GroupDeleted:
		return true
	default:
		return false
	}
}
