package planning

import (
	"context"
	"slices"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// name notes the names of the accounts that actions name by their ids: the members of groups
// and managers. One that belongs to nobody whom entrasync knows has its sign-in name.
func (p *Plan) name(ctx context.Context, actions []plan.Action) error {
	byDirectory := map[directory.ID][]directory.EntraID{}
	for _, a := range actions {
		byDirectory[a.Directory] = append(byDirectory[a.Directory], accountsIn(a)...)
	}
	names := map[directory.EntraID]string{}
	for id, accounts := range byDirectory {
		if len(accounts) == 0 {
			continue
		}
		dir, err := p.Store.Directory(ctx, id)
		if err != nil {
			return err
		}
		slices.Sort(accounts)
		owners, err := p.Store.Owners(ctx, dir.TenantObject, slices.Compact(accounts))
		if err != nil {
			return err
		}
		for account, owner := range owners {
			names[account] = owner.Username
		}
		strangers := slices.DeleteFunc(slices.Compact(accounts), func(account directory.EntraID) bool { return IsMade(account) || names[account] != "" })
		if err := p.nameStrangers(ctx, dir.Tenant, strangers, names); err != nil {
			return err
		}
	}
	for i := range actions {
		for _, account := range accountsIn(actions[i]) {
			if names[account] == "" {
				continue
			}
			if actions[i].AccountNames == nil {
				actions[i].AccountNames = map[directory.EntraID]string{}
			}
			actions[i].AccountNames[account] = names[account]
		}
	}
	return nil
}

// nameStrangers adds the sign-in names of accounts. One that cannot be read has none: the plan is
// right without it.
func (p *Plan) nameStrangers(ctx context.Context, id directory.TenantID, accounts []directory.EntraID, names map[directory.EntraID]string) error {
	if len(accounts) == 0 {
		return nil
	}
	entra, err := p.clients.Entra(ctx, id)
	if err != nil {
		return err
	}
	for i, found := range entra.Read(ctx, accounts, nil) {
		if found.Account != nil {
			names[accounts[i]] = string(found.Account.UPN)
		}
	}
	return nil
}

// accountsIn are the accounts that an action names by their ids.
func accountsIn(a plan.Action) (ids []directory.EntraID) {
	for _, c := range a.Changes {
		if c.Attribute != directory.Members && c.Attribute != directory.Manager {
			continue
		}
		for _, value := range slices.Concat(c.From, c.To) {
			ids = append(ids, directory.EntraID(value))
		}
	}
	return ids
}
