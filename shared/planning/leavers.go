package planning

import (
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// after is what is planned for an account after one more action.
func (a account) after(id directory.EntraID, action plan.Action) account {
	a.ID = id
	switch action.Type {
	case plan.RemoveLicenses, plan.AssignLicenses:
		for _, change := range action.Changes {
			a.Given, a.Taken = exchanged(a.Given, change.To, change.From), exchanged(a.Taken, change.From, change.To)
		}
	case plan.DeleteAccount:
		a.Deleted = true
	case plan.Restore:
		a.Restored, a.Deleted = true, false
		a.Sets = a.Sets.Set(action.Changes)
	default:
		a.Sets = a.Sets.Set(action.Changes)
	}
	return a
}

// exchanged are values with some more and without some, sorted.
func exchanged(v, more, less directory.Value) directory.Value {
	v = slices.DeleteFunc(append(slices.Clone(v), more...), func(each string) bool { return slices.Contains(less, each) })
	slices.Sort(v)
	return slices.Compact(v)
}

// licensed are the licenses of an account after what is planned.
func (a account) licensed(real directory.Value) directory.Value {
	return exchanged(real, a.Given, a.Taken)
}

// deletedNow is an account after its planned deletion.
func deletedNow(a directory.Account) *directory.DeletedAccount {
	return &directory.DeletedAccount{ID: a.ID, UPN: a.UPN, ImmutableID: a.ImmutableID, At: time.Now().UTC(), Guest: a.Guest, Agent: a.Agent, SyncedFromOnPremises: a.SyncedFromOnPremises}
}
