package plan

import (
	"slices"
	"time"

	"entrasync/shared/directory"
)

// What the link of a user says while actions are sent, after each, and at the end of an attempt.

// Begun is the link while an action is being sent: the values that it changes are not known
// until the answer comes.
func (u User) Begun(link directory.Link, action Action) directory.Link {
	if step, is := action.Step(); is {
		link = u.stepBegun(link, action, step)
	}
	if action.Type == Provision {
		link.Unconfirmed = &directory.Creation{UPN: u.Desired.UPN, At: action.At}
		return link
	}
	if upn, _ := action.Value(directory.UserPrincipalName); action.Type == LeaveDomain {
		link.Aside = &directory.Aside{UPN: directory.UPN(upn.String()), Home: placeOf(link), ImmutableID: link.Applied[directory.ImmutableID].String()}
	}
	return link.Forgetting(action.Changes)
}

// Completed is the link after an action succeeded. id is the account that the
// action wrote. What was not written to a new account is known to be empty.
func (u User) Completed(link directory.Link, action Action, id directory.EntraID) directory.Link {
	if step, is := action.Step(); is {
		return stepDone(link, action, step)
	}
	link.EntraID, link.Unconfirmed = id, nil
	if action.GivesBack() {
		return gaveBack(link, action)
	}
	switch action.Type {
	case Provision:
		link.Origin, link.Applied, link.Arrived = directory.CreatedByUs, directory.Attributes{}, true
		for name, value := range u.Desired.Attributes {
			if len(value) == 0 {
				link.Applied[name] = nil
			}
		}
	case EndSessions:
		link.SessionsToEnd = false
	case TakeOver, Deprovision:
		if link.TakingOver = false; action.Type == Deprovision {
			link.Leaving = anew(link.Leaving, action.CompletedAt)
		}
	case Restore:
		link.Drift, link.Leaving = link.Drift.Without(directory.DeletedAt, directory.ObjectID), anew(link.Leaving, time.Time{})
	}
	for _, change := range action.Changes {
		link.Drift = link.Drift.Without(change.Attribute)
	}
	link.Applied = link.Applied.Set(action.Changes)
	if manager, written := action.Value(directory.Manager); written {
		link.WroteManager = len(manager) > 0
	}
	link = withState(link, action)
	if upn, written := action.Value(directory.UserPrincipalName); written {
		link.UPN = directory.UPN(upn.String())
		if action.Type != LeaveDomain {
			link.Aside = nil
		}
	}
	return link
}

// withState is the link after an action that may have written the state: if the action
// blocked sign-in, the sessions are still to end.
func withState(link directory.Link, action Action) directory.Link {
	enabled, written := action.Value(directory.AccountEnabled)
	if !written {
		return link
	}
	blocked := link.State != directory.Disabled && action.Type != Provision
	link.State = stateOf(enabled.String() == "true")
	link.SessionsToEnd = link.State == directory.Disabled && (blocked || link.SessionsToEnd)
	return link
}

// Concluded is the link when nothing is left to do. It has its status, and only exported
// attributes stay applied, so that a rule that is turned on again writes at once. problems
// are the attributes that Entra refused just now.
func (u User) Concluded(link directory.Link, obstacle *directory.Obstacle, problems []directory.Problem) directory.Link {
	link.Problems = slices.Concat(u.Desired.Problems, problems)
	link.Reason, link.Message = u.Desired.Reason, directory.Sentence(u.Desired.Reason)
	if obstacle == nil {
		obstacle = worst(link.Problems)
	}
	switch {
	case obstacle != nil:
		link.Status, link.Reason, link.Message = directory.Parked, obstacle.Reason, obstacle.Message
	case u.Desired.Managed:
		link.Status = directory.Synced
	default:
		link.Status = directory.Released
	}
	if link.EntraID == "" {
		link.State = directory.Absent
	} else {
		link.ImportMissing = time.Time{}
	}
	link.Drift = u.remaining(link)
	link = link.WithoutWord()
	if u.Desired.Managed && link.Applied != nil {
		link.Applied = link.Applied.Only(u.Desired.Attributes.Set([]directory.Change{
			{Attribute: directory.AccountEnabled}, {Attribute: directory.ImmutableID},
		}))
	}
	return link
}

// stateOf names whether sign-in is allowed.
func stateOf(enabled bool) directory.AccountState {
	if enabled {
		return directory.Enabled
	}
	return directory.Disabled
}
