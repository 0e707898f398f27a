package plan

import (
	"maps"
	"slices"
	"time"

	"entrasync/shared/directory"
)

// HoldKind is a kind of actions that take access away. The guard counts each by itself, and a
// hold on one does not hold the other: a locked-out intruder never waits behind a
// reorganization.
type HoldKind string

// The kinds.
const (
	Removals    HoldKind = "removals"    // somebody left, was disconnected or deleted, or is taken out of a group
	Suspensions HoldKind = "suspensions" // somebody is suspended, locked out, or has an expired password
)

// HoldKinds are both kinds.
func HoldKinds() []HoldKind { return []HoldKind{Removals, Suspensions} }

// KindOf is the kind of an action that disables an account for a reason.
func KindOf(reason directory.Reason) HoldKind {
	switch reason {
	case directory.SuspendedReason, directory.Locked, directory.PasswordExpired:
		return Suspensions
	default:
		return Removals
	}
}

// Reason is the reason of a link that waits in a hold of the kind.
func (k HoldKind) Reason() directory.Reason {
	if k == Suspensions {
		return directory.HeldSuspensions
	}
	return directory.HeldRemovals
}

// Counted are the people who lost access within the window of a guard, each once, and when.
type Counted map[string]int64

// Within are those who are still within a window at a time.
func (c Counted) Within(window time.Duration, now time.Time) Counted {
	recent := maps.Clone(c)
	maps.DeleteFunc(recent, func(_ string, at int64) bool { return now.Sub(time.Unix(at, 0)) >= window })
	return recent
}

// Has reports whether a person is counted.
func (c Counted) Has(person string) bool {
	_, counted := c[person]
	return counted
}

// With are those who are counted and some more at a time. Who was counted before counts from
// then on, and once: an attempt that is repeated may take access only now.
func (c Counted) With(now time.Time, people ...string) Counted {
	all := Counted{}
	maps.Copy(all, c)
	for _, person := range people {
		all[person] = now.Unix()
	}
	return all
}

// Lately reports whether a person was counted so shortly before a time that there is no need to
// count again.
func (c Counted) Lately(person string, now time.Time) bool {
	const moment = 30 * time.Second
	at, counted := c[person]
	return counted && now.Sub(time.Unix(at, 0)) < moment
}

// Next is how many people are counted if some more are.
func (c Counted) Next(people ...string) int { return len(c.With(time.Time{}, people...)) }

// TakesAccess is the action of a decision that disables an account that is open, or may be, or
// that deletes one; nil if none does. An account that is certainly disabled is not disabled again. Nobody has access
// by one that is created or restored only now.
func (d Decision) TakesAccess() *Action {
	for i := range d.Actions {
		action := &d.Actions[i]
		enabled, written := action.Value(directory.AccountEnabled)
		switch {
		case action.Type == Provision || action.Type == Restore:
			return nil
		case action.Type == Deprovision, action.Type == DeleteAccount, written && enabled.Equal(directory.Bool(false)) && d.Link.State != directory.Disabled:
			return action
		}
	}
	return nil
}

// MayTake reports whether an action that is to be sent disables an account, or takes people out of
// a group.
func (a Action) MayTake() bool {
	if a.Status == Failed || a.Status == Undecided {
		return false
	}
	return a.Type == RemoveMembers || a.Type == DeleteGroup || (Decision{Actions: []Action{a}}).TakesAccess() != nil
}

// Withheld are the actions of a decision that are done although the account stays open: an
// account that is only taken over with that is not taken over. Nothing that follows the
// disabling of an account is among them.
func Withheld(actions []Action) []Action {
	if slices.ContainsFunc(actions, func(a Action) bool { return a.Type == TakeOver }) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(actions), func(a Action) bool {
		return a.Type == Deprovision || a.Type == EndSessions || a.Type == DeleteAccount
	})
}

// WhileHeld are the actions on an account that stays open although some would disable it: those
// that go on, and the end of its sessions if the user has a new password.
func (u User) WhileHeld(link directory.Link, actions []Action) []Action {
	left := Withheld(actions)
	if u.NewPassword && link.State == directory.Enabled && !slices.ContainsFunc(actions, func(a Action) bool { return a.Type == TakeOver }) {
		left = append(of(link, []Action{{Type: EndSessions, Reason: directory.PasswordChanged}}), left...)
	}
	return left
}

// TakesOut are the accounts that an action takes out of a group in Entra; members are those
// that are known to be in it, whom its deletion takes out.
func (a Action) TakesOut(members []directory.EntraID) []directory.EntraID {
	switch a.Type {
	case DeleteGroup:
		return members
	case RemoveMembers:
		var out []directory.EntraID
		for _, change := range a.Changes {
			if change.Attribute == directory.Members {
				for _, id := range change.From {
					out = append(out, directory.EntraID(id))
				}
			}
		}
		return out
	default:
		return nil
	}
}

// Sparable are the parts of actions on a group that wait for as long as some accounts are not
// to be taken out of it: those that [Sparing] leaves out.
func Sparable(actions []Action, spared map[directory.EntraID]bool) []Action {
	var waiting []Action
	for _, action := range actions {
		switch action.Type {
		case DeleteGroup:
			waiting = append(waiting, action)
		case RemoveMembers:
			out := slices.DeleteFunc(action.TakesOut(nil), func(id directory.EntraID) bool { return !spared[id] })
			waiting = append(waiting, removing(out)...)
		}
	}
	return waiting
}

// Sparing are actions on a group without those that take some accounts out of it: a group from
// which one is not to be taken out is not deleted.
func Sparing(actions []Action, spared map[directory.EntraID]bool) []Action {
	if len(spared) == 0 {
		return actions
	}
	var left []Action
	for _, action := range actions {
		switch action.Type {
		case DeleteGroup:
			continue
		case RemoveMembers:
			out := slices.DeleteFunc(action.TakesOut(nil), func(id directory.EntraID) bool { return spared[id] })
			left = append(left, removing(out)...)
		default:
			left = append(left, action)
		}
	}
	return left
}
