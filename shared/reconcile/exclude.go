package reconcile

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// Excluded people are those whose accounts entrasync never writes in a directory, see
// [directory.Exclude]. The rule is applied twice: the stage "exclude" ends the attempt on an
// excluded user before anything is decided, and right before actions are sent the settings
// and the members of the group are read once more, so that whoever is excluded meanwhile is
// not written either. As long as the members are not known nothing is written at all.

// ExcludeTask is the task that reads the members of the group that a directory excludes; ok
// is false if it excludes none.
func ExcludeTask(dir directory.Directory, cause plan.Cause) (task GroupTask, ok bool) {
	group := dir.Settings.Exclude.Group
	return GroupTask{Directory: dir.ID, Group: group, Cause: cause, AllMembers: true}, group != ""
}

// nameLife is for how long it is believed which accounts have the listed sign-in names: an
// administrator of Entra may give an account another name.
const nameLife = time.Minute

// named remembers which accounts have the sign-in names that directories exclude.
type named struct {
	mu  sync.Mutex
	all map[directory.ID]namedAccounts
}

// namedAccounts are the accounts that had some sign-in names at a time.
type namedAccounts struct {
	names string
	at    time.Time
	ids   map[directory.EntraID]bool
}

// excludedAccounts are the accounts, also deleted ones, that have one of some sign-in names
// as Entra shows it. The answer may be a minute old.
func (p Parts) excludedAccounts(ctx context.Context, entra Entra, id directory.ID, names []directory.UPN) (map[directory.EntraID]bool, error) {
	if len(names) == 0 {
		return nil, nil
	}
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = strings.ToLower(string(name))
	}
	key := strings.Join(texts, "\n")
	if ids := p.named.of(id, key, time.Now()); ids != nil {
		return ids, nil
	}
	now, ids := time.Now(), map[directory.EntraID]bool{}
	for _, found := range entra.FindByUPN(ctx, names, nil) {
		if found.Err != nil {
			return nil, found.Err
		}
		if found.Account != nil {
			ids[found.Account.ID] = true
		}
		if found.Deleted != nil {
			ids[found.Deleted.ID] = true
		}
	}
	p.named.keep(id, namedAccounts{names: key, at: now, ids: ids})
	return ids, nil
}

// of are the accounts that are known; nil if that is too long ago or of other names.
func (n *named) of(id directory.ID, names string, now time.Time) map[directory.EntraID]bool {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if known := n.all[id]; known.names == names && now.Sub(known.at) < nameLife {
		return known.ids
	}
	return nil
}

// keep notes which accounts have the names.
func (n *named) keep(id directory.ID, found namedAccounts) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.all == nil {
		n.all = map[directory.ID]namedAccounts{}
	}
	n.all[id] = found
}

// excludedIn are all accounts that a directory excludes, as far as they can be known: those
// of the excluded users, and those that have a listed sign-in name. With strangers they also
// are those that have the names of excluded users who have no account here: such a person may
// have an account all the same.
func (b *groupBatch) excludedIn(ctx context.Context, strangers bool) (map[directory.EntraID]bool, error) {
	exclude := b.dir.Settings.Exclude
	users := slices.Clone(exclude.Users)
	if exclude.Group != "" {
		members, err := b.Store.ExcludedMembers(ctx, b.dir.ID, exclude.Group)
		if err != nil {
			return nil, err
		}
		users = append(users, members...)
	}
	accounts, without := map[directory.EntraID]bool{}, setOf(users)
	if err := b.Store.EachLink(ctx, b.dir.ID, users, func(link directory.Link) {
		if link.EntraID != "" {
			accounts[link.EntraID] = true
			delete(without, link.User)
		}
	}); err != nil {
		return nil, err
	}
	names := slices.Clone(exclude.UPNs)
	if strangers && len(without) > 0 {
		theirs, err := b.namesOf(ctx, slices.Sorted(maps.Keys(without)))
		if err != nil {
			return nil, err
		}
		names = append(names, theirs...)
	}
	listed, err := b.excludedAccounts(ctx, b.entra, b.dir.ID, names)
	maps.Copy(accounts, listed)
	return accounts, err
}

// namesOf are the sign-in names that users would have in the directory.
func (b *groupBatch) namesOf(ctx context.Context, users []directory.UserID) ([]directory.UPN, error) {
	found := map[directory.UserID]directory.User{}
	for chunk := range slices.Chunk(users, listedAtOnce) {
		some, err := b.jumpcloud.ListUsers(ctx, chunk)
		if err != nil {
			return nil, jumpCloudTrouble(err)
		}
		maps.Copy(found, some)
	}
	settings := b.dir.Settings
	settings.Exclude = directory.Exclude{}
	var names []directory.UPN
	for _, id := range users {
		if user, listed := found[id]; listed {
			if name, obstacle := settings.UserPrincipalName(user); obstacle == nil {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// listedAtOnce is how many users are listed together.
const listedAtOnce = 100

// spareExcluded finds the accounts that a group must neither get nor lose. As long as the
// members of the excluded group are not known the attempt waits.
func (b *groupBatch) spareExcluded(ctx context.Context, g *group) error {
	exclude := b.dir.Settings.Exclude
	now, err := b.Store.ReadExcluded(ctx, b.dir.ID, exclude.Group, nil)
	switch {
	case err != nil:
		return err
	case !now.Equal(exclude):
		b.retry(ctx, g, changedExclude())
		return nil
	case !now.Exclusion.Known():
		b.awaitExclusion(g, exclude.WhyUnread())
		return nil
	}
	accounts, err := b.excludedIn(ctx, b.dir.Settings.ExactMembership)
	if err != nil {
		return err
	}
	maps.Copy(accounts, g.match.excluded)
	g.plan.Excluded = accounts
	if exclude.Group == "" {
		return nil
	}
	return b.Store.NoteKept(ctx, b.dir.ID, exclude.Group, g.attempt.Group, g.plan.Kept()...)
}

// mayChangeMembers ends the attempts on groups whose next action would change members that
// are excluded by now.
func (b *groupBatch) mayChangeMembers(ctx context.Context, groups []*group) {
	for _, g := range groups {
		changed := membersOf(g.todo[0])
		if g.over || len(changed) == 0 {
			continue
		}
		var users []directory.UserID
		for _, id := range changed {
			if at, known := g.byAccount()[id]; known {
				users = append(users, g.plan.Members[at].User)
			}
		}
		now, err := b.Store.ReadExcluded(ctx, b.dir.ID, b.dir.Settings.Exclude.Group, users)
		switch {
		case err != nil:
			b.retry(ctx, g, err)
		case !now.Equal(b.dir.Settings.Exclude), len(now.Members) > 0, !now.Exclusion.Known():
			b.retry(ctx, g, changedExclude())
		}
	}
}

// changesMembers reports whether an action adds accounts to a group or removes some.
func changesMembers(action plan.Action) bool { return len(membersOf(action)) > 0 }

// membersOf are the accounts that an action adds to a group or removes from it.
func membersOf(action plan.Action) []directory.EntraID {
	var ids []directory.EntraID
	for _, change := range action.Changes {
		if change.Attribute == directory.Members {
			ids = append(ids, accounts(slices.Concat(change.To, change.From))...)
		}
	}
	return ids
}
