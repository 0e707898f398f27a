package planning

import (
	"context"
	"slices"
	"sync"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// Some of what Entra would refuse can be read before: that an account was deleted there, or that
// another one has the immutable id of one that is to be created. It is refused here likewise, so that
// the engine plans what it would do then. What the accounts have is read at the same time: it says
// what the plan replaces, also where the link of a user does not know it.

// replaced are the values that planned actions replace, by the ids of the actions.
type replaced struct {
	mu     sync.Mutex
	values map[string]directory.Attributes
}

// isBlind reports whether a change does not say what it replaces. One of licenses has those that are
// given and taken, and not all.
func isBlind(c directory.Change) bool {
	return len(c.From) == 0 && c.Attribute != directory.AssignedLicenses
}

// note notes what an account has of the attributes that an action is to change and of which it is
// not known what they had.
func (r *replaced) note(action plan.Action, has *directory.Account) {
	values := directory.Attributes{}
	for _, c := range action.Changes {
		if !isBlind(c) {
			continue
		}
		switch c.Attribute {
		case directory.AccountEnabled:
			values[c.Attribute] = directory.Bool(has.Enabled)
		case directory.ImmutableID:
			values[c.Attribute] = directory.Text(has.ImmutableID)
		case directory.UserPrincipalName:
			values[c.Attribute] = directory.Text(string(has.UPN))
		default:
			values[c.Attribute] = has.Attributes[c.Attribute]
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.values == nil {
		r.values = map[string]directory.Attributes{}
	}
	r.values[action.ID] = values
}

// fill is an action that says what it replaces.
func (r *replaced) fill(action plan.Action) plan.Action {
	r.mu.Lock()
	defer r.mu.Unlock()
	values := r.values[action.ID]
	if len(values) == 0 {
		return action
	}
	action.Changes = slices.Clone(action.Changes)
	for i, c := range action.Changes {
		if isBlind(c) {
			action.Changes[i].From = values[c.Attribute]
		}
	}
	return action
}

// before reads what Entra has of the accounts that actions are to write, after what was planned
// before them. ids are those accounts. Who is taken over was just found.
func (t tenant) before(ctx context.Context, actions []plan.Action, ids []directory.EntraID) []reconcile.Found {
	found := make([]reconcile.Found, len(actions))
	ask := func(is func(plan.Action) bool, about func(at []int) []reconcile.Found) {
		var at []int
		for i, action := range actions {
			if is(action) {
				at = append(at, i)
			}
		}
		if len(at) == 0 {
			return
		}
		for n, answer := range about(at) {
			found[at[n]] = answer
		}
	}
	accounts := func(at []int) []directory.EntraID {
		some := make([]directory.EntraID, len(at))
		for n, i := range at {
			some[n] = ids[i]
		}
		return some
	}
	identifies := func(a plan.Action) bool { return a.Type == plan.Provision && a.Writes(directory.ImmutableID) }
	ask(identifies, func(at []int) []reconcile.Found {
		of := make([]string, len(at))
		for n, i := range at {
			id, _ := actions[i].Value(directory.ImmutableID)
			of[n] = id.String()
		}
		return t.FindByImmutableID(ctx, of)
	})
	ask(func(a plan.Action) bool { return a.Type == plan.Restore }, func(at []int) []reconcile.Found { return t.FindDeleted(ctx, accounts(at)) })
	ask(isWritten, func(at []int) []reconcile.Found {
		var attributes []directory.Attribute
		for _, i := range at {
			for _, c := range actions[i].Changes {
				if isBlind(c) {
					attributes = append(attributes, c.Attribute)
				}
			}
		}
		slices.Sort(attributes)
		return t.Read(ctx, accounts(at), slices.Compact(attributes))
	})
	return found
}

// isWritten reports whether an action writes to an account that is to exist already and was not just
// found.
func isWritten(a plan.Action) bool {
	return a.Type != plan.Provision && a.Type != plan.TakeOver && a.Type != plan.Restore
}

// refusal is why Entra would refuse to write an account; nil if nothing is known that says so.
func refusal(action plan.Action, id directory.EntraID, found reconcile.Found) error {
	const op = "planning.apply"
	switch {
	case found.Err != nil:
		return found.Err
	case action.Type == plan.Provision && found.Account != nil && found.Account.ID != id:
		return &fault.Error{Op: op, Kind: fault.Conflict, Reason: directory.UPNConflict, Subject: string(directory.ImmutableID),
			Message: "another account in Entra has the same " + string(directory.ImmutableID)}
	case action.Type == plan.Restore && found.Deleted == nil && found.Unsearched == nil, isWritten(action) && found.Account == nil:
		return fault.New(fault.NotFound, op, "Entra does not have the account")
	default:
		return nil
	}
}

// unknownMembers are the accounts that actions are to add to groups and that Entra does not have,
// with the refusals.
func (t tenant) unknownMembers(ctx context.Context, actions []plan.Action) (map[directory.EntraID]error, error) {
	var ids []directory.EntraID
	for _, action := range actions {
		for _, c := range action.Changes {
			if c.Attribute != directory.Members {
				continue
			}
			for _, id := range c.To {
				ids = append(ids, directory.EntraID(id))
			}
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	unknown := map[directory.EntraID]error{}
	for i, found := range t.Read(ctx, ids, nil) {
		switch {
		case found.Err != nil:
			return nil, found.Err
		case found.Account == nil:
			unknown[ids[i]] = &fault.Error{Op: "planning.add members", Kind: fault.Invalid, Reason: directory.MemberRefused,
				Message: "Entra does not have the account that is to be a member, because it was deleted: restore it, and try the group again"}
		}
	}
	return unknown, nil
}
