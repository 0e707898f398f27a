package reconcile

import (
	"context"
	"slices"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// A change of settings is planned before anybody gets a task. What the plan takes access away
// with is announced to the guard then: for each kind all people together, whether they are
// disabled or taken out of groups.

// announcement is what planned actions take away, by kind and by the group out of which people
// are taken ("": they are disabled).
type announcement map[plan.HoldKind]map[directory.GroupID][]store.HeldItem

// AnnouncePlanned announces whom planned actions take access from in a directory by one cause,
// as [Parts.Announce] does. It returns the holds in which they wait now, with how many of
// these people are in each.
func (p Parts) AnnouncePlanned(ctx context.Context, dir directory.Directory, cause plan.Cause, actions []plan.Action) (map[string]int, error) {
	held := map[string]int{}
	if dir.Settings.Guard.Off() {
		return held, nil
	}
	all := announcement{}
	if err := p.plannedToDisable(ctx, dir, cause, actions, all); err != nil {
		return held, err
	}
	for _, action := range actions {
		if action.Directory == dir.ID && action.Subject.Kind == plan.OfGroup && action.MayTake() {
			if err := p.plannedToTakeOut(ctx, dir, cause, action, all); err != nil {
				return held, err
			}
		}
	}
	for _, kind := range plan.HoldKinds() {
		if err := p.announceKind(ctx, dir, kind, all[kind], held); err != nil {
			return held, err
		}
	}
	return held, nil
}

// add adds what one person is to lose.
func (a announcement) add(kind plan.HoldKind, item store.HeldItem) {
	if a[kind] == nil {
		a[kind] = map[directory.GroupID][]store.HeldItem{}
	}
	a[kind][item.Group] = append(a[kind][item.Group], item)
}

// plannedToDisable finds whose accounts are to be disabled that are enabled.
func (p Parts) plannedToDisable(ctx context.Context, dir directory.Directory, cause plan.Cause, actions []plan.Action, all announcement) error {
	of := map[directory.UserID]directory.Reason{}
	var users []directory.UserID
	for _, action := range actions {
		if action.Directory != dir.ID || action.Subject.Kind != plan.OfUser || !action.MayTake() {
			continue
		}
		user := directory.UserID(action.Subject.ID)
		if _, known := of[user]; !known {
			users = append(users, user)
		}
		of[user] = action.Reason
	}
	return p.Store.EachLink(ctx, dir.ID, users, func(link directory.Link) {
		if reason := of[link.User]; link.State == directory.Enabled {
			all.add(plan.KindOf(reason), store.HeldItem{User: link.User, Account: link.EntraID, Name: string(link.UPN), Action: plan.Deprovision, Reason: reason, Cause: cause})
		}
	})
}

// plannedToTakeOut finds who is to be taken out of a group and has an account that is enabled,
// or one of which nothing is known.
func (p Parts) plannedToTakeOut(ctx context.Context, dir directory.Directory, cause plan.Cause, action plan.Action, all announcement) error {
	group := directory.GroupID(action.Subject.ID)
	members, err := p.Store.AllMembers(ctx, dir.ID, group)
	if err != nil {
		return err
	}
	of := map[directory.EntraID]directory.UserID{}
	var applied []directory.EntraID
	for _, m := range members {
		if m.Applied != "" {
			of[m.Applied], applied = m.User, append(applied, m.Applied)
		}
	}
	out := action.TakesOut(applied)
	links := map[directory.UserID]directory.Link{}
	var users []directory.UserID
	for _, account := range out {
		if user := of[account]; user != "" {
			users = append(users, user)
		}
	}
	if err := p.Store.EachLink(ctx, dir.ID, users, func(l directory.Link) { links[l.User] = l }); err != nil {
		return err
	}
	for _, account := range out {
		item := store.HeldItem{User: of[account], Account: account, Group: group, GroupName: action.Subject.Name, Action: action.Type, Cause: cause}
		link := links[item.User]
		item.Name = string(link.UPN)
		switch {
		case item.User != "" && link.EntraID == account && link.State == directory.Disabled:
			continue
		case action.Type == plan.DeleteGroup:
			item.Reason = directory.GroupDisconnected
		case item.User != "":
			item.Reason = directory.LeftGroup
		}
		all.add(plan.Removals, item)
	}
	return nil
}

// announceKind asks the guard about all people of a kind, group by group. The others count as
// expected, so that it is as if it were asked about all at once.
func (p Parts) announceKind(ctx context.Context, dir directory.Directory, kind plan.HoldKind, groups map[directory.GroupID][]store.HeldItem, held map[string]int) error {
	everybody := people(groups)
	var order []directory.GroupID
	for group := range groups {
		order = append(order, group)
	}
	slices.Sort(order)
	for _, group := range order {
		items := groups[group]
		q := question{dir: dir, kind: kind, items: items, together: true, announces: true, group: group, expected: everybody - people(map[directory.GroupID][]store.HeldItem{group: items})}
		q.members = func(ctx context.Context) (int, error) {
			all, err := p.Store.AllMembers(ctx, dir.ID, group)
			return len(slices.DeleteFunc(all, func(m directory.Member) bool { return m.Applied == "" })), err
		}
		verdicts, err := p.guard(ctx, q)
		if err != nil {
			return err
		}
		for _, v := range verdicts {
			if v.hold != nil {
				held[v.hold.ID]++
			}
		}
	}
	return nil
}

// people counts who loses something, each once.
func people(groups map[directory.GroupID][]store.HeldItem) int {
	all := map[string]bool{}
	for _, items := range groups {
		for _, item := range items {
			all[item.Person()] = true
		}
	}
	return len(all)
}
