package planning

import (
	"context"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// planned are clients whose writes are kept in a table.
type planned struct {
	reconcile.Clients
	table    store.Table
	replaced *replaced
}

// Entra implements reconcile.Clients.
func (p planned) Entra(ctx context.Context, id directory.TenantID) (reconcile.Entra, error) {
	real, err := p.Clients.Entra(ctx, id)
	return tenant{Entra: real, table: p.table, id: id, replaced: p.replaced}, err
}

// tenant is a tenant as it is after what was planned.
type tenant struct {
	reconcile.Entra
	table    store.Table
	id       directory.TenantID
	replaced *replaced
}

// madePrefix begins the ids of accounts and groups that are only planned: Entra has none like
// them.
const madePrefix = "planned-"

// madeFor is the id of what is to be created for a subject.
func madeFor(s plan.Subject) directory.EntraID {
	return directory.EntraID(madePrefix + s.Kind + "-" + s.ID)
}

// IsMade reports whether an id is that of an account or a group that is only planned.
func IsMade(id directory.EntraID) bool { return strings.HasPrefix(string(id), madePrefix) }

// account is what is planned for an account.
type account struct {
	ID directory.EntraID `json:"id"`
	// Sets are the attributes that are planned to be written.
	Sets directory.Attributes `json:"sets,omitempty"`
	// Restored says that it is a deleted one that is to be restored.
	Restored bool `json:"restored,omitempty"`
	// Deleted says that it is to be deleted.
	Deleted bool `json:"deleted,omitempty"`
	// Given and Taken are the licenses that it is to get and to lose.
	Given directory.Value `json:"given,omitempty"`
	Taken directory.Value `json:"taken,omitempty"`
}

// upn is the sign-in name that the account is to have; "" if it keeps the one it has.
func (a account) upn() directory.UPN {
	return directory.UPN(a.Sets[directory.UserPrincipalName].String())
}

// applied is an account as it is after what was planned, with the values of some attributes.
func (a account) applied(real directory.Account, attributes []directory.Attribute) *directory.Account {
	real.ID = a.ID
	values := directory.Attributes{}
	for _, name := range attributes {
		values[name] = real.Attributes[name]
		if to, written := a.Sets[name]; written {
			values[name] = to
		}
		if name == directory.AssignedLicenses {
			values[name] = a.licensed(real.Attributes[name])
			real.Licenses = directory.LicensesIn(values[name])
		}
	}
	real.Attributes = values
	if upn := a.upn(); upn != "" {
		real.UPN = upn
	}
	if enabled, written := a.Sets[directory.AccountEnabled]; written {
		real.Enabled = enabled.Equal(directory.Bool(true))
	}
	if id, written := a.Sets[directory.ImmutableID]; written {
		real.ImmutableID = id.String()
	}
	return &real
}

// accounts are what is planned for some accounts.
func (t tenant) accounts(ctx context.Context, ids []directory.EntraID) (map[string]account, error) {
	sks := make([]string, len(ids))
	for i, id := range ids {
		sks[i] = folded(id)
	}
	return recordsOf[account](ctx, t, t.pk(accountsPart), sks)
}

// Apply implements reconcile.Entra: nothing is sent, and what each action is to write is noted, unless
// Entra would refuse it.
func (t tenant) Apply(ctx context.Context, actions []plan.Action) []reconcile.Result {
	results := make([]reconcile.Result, len(actions))
	ids := make([]directory.EntraID, len(actions))
	for i, action := range actions {
		results[i].ID = action.EntraID
		if action.Type == plan.Provision {
			results[i].ID = madeFor(action.Subject)
		}
		ids[i] = results[i].ID
	}
	known, err := t.accounts(ctx, ids)
	notes := t.notes()
	before := t.before(ctx, actions, ids)
	for i, action := range actions {
		found, own := before[i], known[folded(ids[i])]
		if results[i].Err = refusal(action, ids[i], found); results[i].Err != nil {
			continue
		}
		if found.Account != nil && isWritten(action) && !IsMade(ids[i]) && !own.Restored {
			t.replaced.note(action, found.Account)
		}
		if len(action.Changes) == 0 && action.Type != plan.Restore && action.Type != plan.DeleteAccount {
			continue
		}
		if upn, written := action.Value(directory.UserPrincipalName); written {
			notes.add(t.pk(namesPart), folded(upn.String()), ids[i])
		}
		notes.add(t.pk(accountsPart), folded(ids[i]), own.after(ids[i], action))
	}
	if err == nil {
		err = notes.keep(ctx)
	}
	for i := range results {
		if results[i].Err == nil {
			results[i].Err = err
		}
	}
	return results
}

// SetPassword implements reconcile.Entra: nothing is sent.
func (t tenant) SetPassword(context.Context, directory.EntraID, string) error { return nil }

// FindByUPN implements reconcile.Entra. Whoever is to get a name has it, and whoever is to
// lose it has not.
func (t tenant) FindByUPN(ctx context.Context, upns []directory.UPN, attributes []directory.Attribute) []reconcile.Found {
	found := t.Entra.FindByUPN(ctx, upns, attributes)
	sks := make([]string, len(upns))
	var ids []directory.EntraID
	for i, upn := range upns {
		sks[i] = folded(upn)
		if found[i].Account != nil {
			ids = append(ids, found[i].Account.ID)
		}
		if found[i].Deleted != nil {
			ids = append(ids, found[i].Deleted.ID)
		}
	}
	named, err := recordsOf[directory.EntraID](ctx, t, t.pk(namesPart), sks)
	if err != nil {
		return failed(found, err)
	}
	for _, id := range named {
		ids = append(ids, id)
	}
	known, err := t.accounts(ctx, ids)
	if err != nil {
		return failed(found, err)
	}
	for i, upn := range upns {
		f := &found[i]
		if f.Err != nil {
			continue
		}
		holder, is := known[folded(named[folded(upn)])]
		switch {
		case is && holder.upn().Same(upn) && (f.Account == nil || f.Account.ID != holder.ID):
			*f = t.Read(ctx, []directory.EntraID{holder.ID}, attributes)[0]
		case f.Account != nil:
			if own, is := known[folded(f.Account.ID)]; is {
				f.Account = own.applied(*f.Account, attributes)
			}
			switch {
			case !f.Account.UPN.Same(upn):
				f.Account = nil
			case known[folded(f.Account.ID)].Deleted:
				f.Account, f.Deleted = nil, deletedNow(*f.Account)
			}
		}
		if f.Deleted != nil && known[folded(f.Deleted.ID)].Restored {
			f.Deleted = nil
		}
	}
	return found
}

// failed are answers that all fail.
func failed(found []reconcile.Found, err error) []reconcile.Found {
	for i := range found {
		found[i] = reconcile.Found{Err: err}
	}
	return found
}

// Read implements reconcile.Entra.
func (t tenant) Read(ctx context.Context, accounts []directory.EntraID, attributes []directory.Attribute) []reconcile.Found {
	known, err := t.accounts(ctx, accounts)
	if err != nil {
		return failed(make([]reconcile.Found, len(accounts)), err)
	}
	found := asked(accounts, func(id directory.EntraID) bool { return !IsMade(id) }, func(real []directory.EntraID) []reconcile.Found {
		return t.Entra.Read(ctx, real, attributes)
	})
	for i, id := range accounts {
		own, is := known[folded(id)]
		switch f := &found[i]; {
		case !is || f.Err != nil:
		case own.Deleted:
			f.Account = nil
		case f.Account != nil:
			f.Account = own.applied(*f.Account, attributes)
		case own.Restored || IsMade(id):
			f.Account = own.applied(directory.Account{}, attributes)
		}
	}
	return found
}

// FindDeleted implements reconcile.Entra. An account that is planned to be deleted is among them.
func (t tenant) FindDeleted(ctx context.Context, accounts []directory.EntraID) []reconcile.Found {
	known, err := t.accounts(ctx, accounts)
	if err != nil {
		return failed(make([]reconcile.Found, len(accounts)), err)
	}
	found := asked(accounts, func(id directory.EntraID) bool {
		return !IsMade(id) && !known[folded(id)].Restored && !known[folded(id)].Deleted
	}, func(real []directory.EntraID) []reconcile.Found { return t.Entra.FindDeleted(ctx, real) })
	there := asked(accounts, func(id directory.EntraID) bool { return !IsMade(id) && known[folded(id)].Deleted },
		func(real []directory.EntraID) []reconcile.Found { return t.Entra.Read(ctx, real, nil) })
	for i, id := range accounts {
		switch {
		case there[i].Err != nil:
			found[i].Err = there[i].Err
		case there[i].Account != nil:
			found[i].Deleted = deletedNow(*known[folded(id)].applied(*there[i].Account, nil))
		}
	}
	return found
}

// FindByImmutableID implements reconcile.Entra. An account that is to be created has the id of
// its user.
func (t tenant) FindByImmutableID(ctx context.Context, ids []string) []reconcile.Found {
	found := t.Entra.FindByImmutableID(ctx, ids)
	accounts := make([]directory.EntraID, 0, 2*len(ids))
	for i, id := range ids {
		accounts = append(accounts, madeFor(plan.Subject{Kind: plan.OfUser, ID: id}))
		if found[i].Account != nil {
			accounts = append(accounts, found[i].Account.ID)
		}
	}
	known, err := t.accounts(ctx, accounts)
	if err != nil {
		return failed(found, err)
	}
	for i, id := range ids {
		f := &found[i]
		own, made := known[folded(madeFor(plan.Subject{Kind: plan.OfUser, ID: id}))]
		switch {
		case f.Err != nil:
		case made && own.Sets[directory.ImmutableID].String() == id:
			f.Account = own.applied(directory.Account{}, nil)
		case f.Account != nil:
			if other, is := known[folded(f.Account.ID)]; is {
				f.Account = other.applied(*f.Account, nil)
			}
			if f.Account.ImmutableID != id || known[folded(f.Account.ID)].Deleted {
				f.Account = nil
			}
		}
	}
	return found
}

// fresh is a list of accounts that begins now.
func fresh(group directory.EntraID, from directory.AccountList) directory.AccountList {
	if from.Began.IsZero() {
		from = directory.AccountList{Group: group, Began: time.Now().UTC()}
	}
	from.Complete, from.Pages = true, max(from.Pages, 1)
	return from
}
