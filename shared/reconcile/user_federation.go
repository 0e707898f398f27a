package reconcile

import (
	"context"
	"fmt"
	"slices"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// checkOthers reads the other accounts of users who are to get an account and whom other
// directories let go. Somebody else may have had such an account since, and given it another
// immutable id: then the new account gets the user's.
func (b *userBatch) checkOthers(ctx context.Context, users []*user) {
	var released []directory.EntraID
	var of []*user
	for _, u := range users {
		others := b.others(u.known)
		managed := slices.ContainsFunc(others, func(link directory.Link) bool { return !link.Freed })
		if managed || u.link.EntraID != "" || !u.plan.Desired.Managed {
			continue
		}
		for _, link := range others {
			released, of = append(released, link.EntraID), append(of, u)
		}
	}
	if len(released) == 0 {
		return
	}
	identified := map[*user]bool{}
	for i, found := range b.entra.Read(ctx, released, nil) {
		u := of[i]
		switch {
		case u.over:
		case found.Err != nil:
			b.fail(ctx, u, found.Err)
		case found.Account == nil || found.Account.ImmutableID == string(u.attempt.User): // a deleted one may come back
			identified[u] = true
		}
	}
	for _, u := range of {
		u.plan.SecondAccount = identified[u]
	}
}

// readBlind reads the sign-in names and immutable ids of accounts where the plan needs them
// and the link does not know them, as after an answer that was lost while an account was
// moved aside.
func (b *userBatch) readBlind(ctx context.Context, users []*user) {
	blind := slices.DeleteFunc(slices.Clone(users), func(u *user) bool { return !u.plan.Blind() })
	if len(blind) == 0 {
		return
	}
	accounts := make([]directory.EntraID, len(blind))
	for i, u := range blind {
		accounts[i] = u.link.EntraID
	}
	for i, found := range b.entra.Read(ctx, accounts, nil) {
		u := blind[i]
		if found.Err != nil {
			b.fail(ctx, u, found.Err)
			continue
		}
		u.plan = u.plan.Seen(found.Account)
		u.link = u.plan.Link
	}
}

// checkIDs makes sure that no other account has the immutable id that an account is to
// get outside its domain: with such an id it could not return to the domain.
func (b *userBatch) checkIDs(ctx context.Context, users []*user) {
	var leaving []*user
	var ids []string
	for _, u := range users {
		if slices.ContainsFunc(u.todo, leaves) {
			leaving, ids = append(leaving, u), append(ids, string(u.attempt.User))
		}
	}
	if len(leaving) == 0 {
		return
	}
	for i, found := range b.entra.FindByImmutableID(ctx, ids) {
		u := leaving[i]
		switch {
		case found.Err != nil:
			b.fail(ctx, u, found.Err)
		case found.Account != nil && found.Account.ID != u.link.EntraID:
			u.cancelMove()
			u.written.problems = append(u.written.problems, directory.Problem{Attribute: directory.ImmutableID, Reason: directory.UPNConflict, Message: fmt.Sprintf(
				"the account %s (%s) has the onPremisesImmutableId of this user: delete it, or take the id off it", found.Account.UPN, found.Account.ID)})
		}
	}
}

// leaves reports whether an action moves an account aside.
func leaves(a plan.Action) bool { return a.Type == plan.LeaveDomain }

// cancelMove removes from todo the action that moves the account aside and the one that brings
// it back.
func (u *user) cancelMove() {
	i := slices.IndexFunc(u.todo, leaves)
	if i < 0 {
		i = 0 // the move aside is the action that Entra refused
	} else {
		u.todo = slices.Delete(slices.Clone(u.todo), i, i+1)
	}
	if i < len(u.todo) && u.todo[i].Type == plan.JoinDomain {
		u.todo = slices.Delete(slices.Clone(u.todo), i, i+1)
	}
}

// handleRefusedMove handles a refused action that was to move an account out of a
// federated domain or into one. It reports whether the other actions go on.
func (b *userBatch) handleRefusedMove(u *user, action plan.Action, f *fault.Error) bool {
	switch action.Type {
	case plan.LeaveDomain:
		if other, ok := u.plan.Elsewhere(action); ok && reasonOf(f) == directory.UPNConflict {
			u.todo = append([]plan.Action{other}, u.todo...)
			return true
		}
		u.cancelMove()
	case plan.JoinDomain:
		if back, ok := plan.AsItWas(u.link, action); ok {
			u.todo = append([]plan.Action{back}, u.todo...)
		}
		if u.link.Aside != nil {
			f.Message += fmt.Sprintf("; meanwhile the account signs in as %s", u.link.Aside.UPN)
		}
	}
	return false
}
