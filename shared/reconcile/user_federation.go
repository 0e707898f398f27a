package reconcile

import (
	"context"
	"fmt"
	"slices"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// readBlind reads what accounts are called and identified by where that is in doubt and
// matters, as after an answer that was lost while an account was moved aside.
func (b *userBatch) readBlind(ctx context.Context, users []*user) {
	blind := slices.DeleteFunc(slices.Clone(users), func(u *user) bool { return !u.plan.Blind() })
	if len(blind) == 0 {
		return
	}
	accounts := make([]directory.EntraID, len(blind))
	for i, u := range blind {
		accounts[i] = u.link.EntraID
	}
	for i, found := range b.entra.Read(ctx, accounts) {
		u := blind[i]
		if found.Err != nil {
			b.fail(ctx, u, found.Err)
			continue
		}
		u.plan = u.plan.Seen(found.Account)
		u.link = u.plan.Link
	}
}

// checkIDs makes sure that nobody else has the immutable id for which an account is to
// leave its domain: it could not come home with it.
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
			u.stay()
			u.written.problems = append(u.written.problems, directory.Problem{Attribute: directory.ImmutableID, Reason: directory.UPNConflict, Message: fmt.Sprintf(
				"the account %s (%s) has the onPremisesImmutableId of this user: delete it, or take the id off it", found.Account.UPN, found.Account.ID)})
		}
	}
}

// leaves reports whether an action moves an account aside.
func leaves(a plan.Action) bool { return a.Type == plan.LeaveDomain }

// stay gives up moving the account aside, and with it the way home.
func (u *user) stay() {
	i := slices.IndexFunc(u.todo, leaves)
	if i < 0 {
		i = 0 // it was to leave just now
	} else {
		u.todo = slices.Delete(slices.Clone(u.todo), i, i+1)
	}
	if i < len(u.todo) && u.todo[i].Type == plan.JoinDomain {
		u.todo = slices.Delete(slices.Clone(u.todo), i, i+1)
	}
}

// unmoved deals with an action that was to move an account out of its domain or into one
// and that Entra refused. It reports whether the rest goes on.
func (b *userBatch) unmoved(u *user, action plan.Action, f *fault.Error) bool {
	switch action.Type {
	case plan.LeaveDomain:
		if other, ok := u.plan.Elsewhere(action); ok && reasonOf(f) == directory.UPNConflict {
			u.todo = append([]plan.Action{other}, u.todo...)
			return true
		}
		u.stay()
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
