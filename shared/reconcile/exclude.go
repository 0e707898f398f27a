package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
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

// For how long it is believed which accounts have the listed sign-in names: an administrator
// of Entra may give an account another name. Before a write that takes something from its
// owner it is believed for graveLife, and so one look serves a batch.
const (
	nameLife  = time.Minute
	graveLife = 5 * time.Second
)

// asOf is from when on an answer is believed that is used for a write. To a person who asks
// nothing is answered that was known before.
func asOf(grave bool, cause plan.Cause) time.Time {
	life := nameLife
	if grave {
		life = graveLife
	}
	since := time.Now().Add(-life)
	if cause.Requested {
		since = later(since, cause.At)
	}
	return since
}

// isGrave reports whether an action renames, disables, deletes or takes over an account, or takes
// members out of a group.
func isGrave(a plan.Action) bool {
	if a.Type == plan.Provision { // there is no account yet
		return false
	}
	removes := slices.ContainsFunc(a.Changes, func(c directory.Change) bool { return c.Attribute == directory.Members && len(c.From) > 0 })
	return removes || a.Type == plan.TakeOver || a.Type == plan.Restore || a.Type == plan.DeleteGroup || a.Type == plan.DeleteAccount || a.Writes(directory.UserPrincipalName) || a.Writes(directory.AccountEnabled)
}

// named remembers which accounts have the sign-in names that directories exclude, and what
// JumpCloud says of the excluded users who have no account.
type named struct {
	mu     sync.Mutex
	all    map[directory.ID]namedAccounts
	people map[directory.ID]namedPeople
}

// namedAccounts are the accounts that had some sign-in names at a time.
type namedAccounts struct {
	names string
	at    time.Time
	ids   map[directory.EntraID]bool
	had   map[string]bool // the names, in lower case, that accounts have which are not deleted
}

// has reports whether an account has a name.
func (n namedAccounts) has(name directory.UPN) bool { return n.had[strings.ToLower(string(name))] }

// excludedAccounts are the accounts, also deleted ones, that have one of some sign-in names
// as Entra shows it. The answer may be as old as since.
func (p Parts) excludedAccounts(ctx context.Context, entra Entra, id directory.ID, names []directory.UPN, since time.Time) (namedAccounts, error) {
	if len(names) == 0 {
		return namedAccounts{}, nil
	}
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = strings.ToLower(string(name))
	}
	key := strings.Join(texts, "\n")
	if known, is := p.named.of(id, key, since); is {
		return known, nil
	}
	shown := namedAccounts{names: key, at: time.Now(), ids: map[directory.EntraID]bool{}, had: map[string]bool{}}
	for i, found := range entra.FindByUPN(ctx, names, nil) {
		if found.Err != nil {
			return namedAccounts{}, found.Err
		}
		if found.Account != nil {
			shown.ids[found.Account.ID], shown.had[texts[i]] = true, true
		}
		if found.Deleted != nil {
			shown.ids[found.Deleted.ID] = true
		}
	}
	p.named.keep(id, shown)
	return shown, nil
}

// of are the accounts that are known; is says that they are, of those names and as of since.
func (n *named) of(id directory.ID, names string, since time.Time) (known namedAccounts, is bool) {
	if n == nil {
		return known, false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	known = n.all[id]
	return known, known.names == names && known.at.After(since)
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
// have an account all the same. faceless says that nothing shows which account is that of one
// of them.
func (b *groupBatch) excludedIn(ctx context.Context, strangers bool, since time.Time) (accounts map[directory.EntraID]bool, faceless bool, err error) {
	accounts, without, err := b.excludedUsers(ctx, b.dir)
	if err != nil {
		return nil, false, err
	}
	names := slices.Clone(b.dir.Settings.Exclude.UPNs)
	if strangers {
		if err := b.addNames(ctx, b.dir, b.jumpcloud, without, since); err != nil {
			return nil, false, err
		}
		for _, id := range slices.Sorted(maps.Keys(without)) {
			names = append(names, without[id]...)
		}
	}
	listed, err := b.excludedAccounts(ctx, b.entra, b.dir.ID, names, since)
	maps.Copy(accounts, listed.ids)
	for _, theirs := range without {
		faceless = faceless || !slices.ContainsFunc(theirs, listed.has)
	}
	return accounts, faceless, err
}

// excludedUsers are the accounts of the users whom a directory excludes, and the users who
// have none here, with the sign-in names that we remember of them.
func (p Parts) excludedUsers(ctx context.Context, dir directory.Directory) (accounts map[directory.EntraID]bool, without map[directory.UserID][]directory.UPN, err error) {
	users := slices.Clone(dir.Settings.Exclude.Users)
	if group := dir.Settings.Exclude.Group; group != "" {
		members, err := p.Store.ExcludedMembers(ctx, dir.ID, group)
		if err != nil {
			return nil, nil, err
		}
		users = append(users, members...)
	}
	accounts, without = map[directory.EntraID]bool{}, map[directory.UserID][]directory.UPN{}
	for _, id := range users {
		without[id] = nil
	}
	err = p.Store.EachLink(ctx, dir.ID, slices.Sorted(maps.Keys(without)), func(link directory.Link) {
		if link.EntraID != "" {
			accounts[link.EntraID] = true
			delete(without, link.User)
		} else {
			without[link.User] = link.ExcludedAs
		}
	})
	return accounts, without, err
}

// addNames adds the sign-in names that accounts of users may have by what JumpCloud says of
// the users, not older than since and than peopleLife. Of a user whom JumpCloud does not have
// only the names are known that we remember.
func (p Parts) addNames(ctx context.Context, dir directory.Directory, jumpcloud JumpCloud, names map[directory.UserID][]directory.UPN, since time.Time) error {
	if len(names) == 0 {
		return nil
	}
	found, err := p.people(ctx, dir.ID, jumpcloud, slices.Sorted(maps.Keys(names)), since)
	for id, user := range found {
		names[id] = joined(names[id], dir.Settings.Names(user))
	}
	return err
}

// joined are the names of two lists, each once.
func joined(some, others []directory.UPN) []directory.UPN {
	all := slices.Clone(some)
	for _, name := range others {
		if !slices.ContainsFunc(all, name.Same) {
			all = append(all, name)
		}
	}
	return all
}

// people reads users in JumpCloud, those whom no list shows one by one.
func (p Parts) people(ctx context.Context, id directory.ID, jumpcloud JumpCloud, users []directory.UserID, since time.Time) (map[directory.UserID]directory.User, error) {
	now := time.Now()
	if known := p.named.peopleOf(id, users, later(since, now.Add(-peopleLife))); known != nil {
		return known, nil
	}
	found := map[directory.UserID]directory.User{}
	for chunk := range slices.Chunk(users, listedAtOnce) {
		some, err := jumpcloud.ListUsers(ctx, chunk)
		if err != nil {
			return nil, jumpCloudTrouble(err)
		}
		maps.Copy(found, some)
	}
	for _, each := range users {
		if _, listed := found[each]; listed {
			continue
		}
		user, err := jumpcloud.User(ctx, each)
		switch {
		case err == nil:
			found[each] = user
		case !fault.Is(err, fault.NotFound):
			return nil, jumpCloudTrouble(err)
		}
	}
	p.named.keepPeople(id, namedPeople{users: users, at: now, found: found})
	return found, nil
}

// peopleLife is for how long it is believed what JumpCloud says of the excluded users.
const peopleLife = time.Minute

// namedPeople are users as JumpCloud had them at a time.
type namedPeople struct {
	users []directory.UserID // that were asked for
	at    time.Time
	found map[directory.UserID]directory.User
}

// peopleOf are the users that are known; nil if they were read before since, or if they are
// not all of them.
func (n *named) peopleOf(id directory.ID, users []directory.UserID, since time.Time) map[directory.UserID]directory.User {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if known := n.people[id]; slices.Equal(known.users, users) && known.at.After(since) {
		return known.found
	}
	return nil
}

// keepPeople notes what JumpCloud says of users.
func (n *named) keepPeople(id directory.ID, read namedPeople) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.people == nil {
		n.people = map[directory.ID]namedPeople{}
	}
	n.people[id] = read
}

// listedAtOnce is how many users are listed together.
const listedAtOnce = 100

// spareExcluded finds the accounts that a group must neither get nor lose. As long as the
// members of the excluded group are not known the attempt waits.
func (b *groupBatch) spareExcluded(ctx context.Context, g *group, actions []plan.Action) error {
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
	accounts, faceless, err := b.excludedIn(ctx, b.dir.Settings.ExactMembership || slices.ContainsFunc(actions, deletes), asOf(slices.ContainsFunc(actions, isGrave), g.cause))
	if err != nil {
		return err
	}
	maps.Copy(accounts, g.match.excluded)
	g.plan.Excluded, g.plan.Faceless = accounts, faceless
	if exclude.Group == "" {
		return nil
	}
	return b.Store.NoteKept(ctx, b.dir.ID, exclude.Group, g.attempt.Group, g.plan.Kept()...)
}

// mayHoldExcluded reports whether a group in Entra is about to be deleted and somebody is
// excluded: then it is read who is in it.
func (b *groupBatch) mayHoldExcluded(g *group) bool {
	return b.dir.Settings.Exclude.Any() && slices.ContainsFunc(g.plan.Decide().Actions, deletes)
}

// keepExcluded prevents the deletion of a group in Entra that has an excluded account as a
// member, who would lose what the group gives.
func (b *groupBatch) keepExcluded(ctx context.Context, g *group, actions []plan.Action) {
	if err := b.spareExcluded(ctx, g, actions); err != nil {
		b.fail(ctx, g, err)
	}
	if g.over {
		return
	}
	for id := range g.plan.Excluded {
		if g.plan.Present[id] {
			g.plan.Settings.DeleteGroups = false
			g.obstacle = &directory.Obstacle{Reason: directory.Excluded, Message: fmt.Sprintf(
				"the group in Entra is not deleted, because the account %s in it is excluded from this directory: take it out of the group in Entra, or off the setting exclude, and sync the group again", id)}
			return
		}
	}
}

// mayChangeMembers ends the attempts on groups whose next action would change members that
// are excluded by now.
func (b *groupBatch) mayChangeMembers(ctx context.Context, groups []*group) {
	for _, g := range live(groups) {
		if err := b.changesExcluded(ctx, g, g.todo[0]); err != nil {
			b.retry(ctx, g, err)
		}
	}
}

// mayStillChange is mayChangeMembers for actions that had to wait before they are sent.
func (b *groupBatch) mayStillChange(ctx context.Context, groups []*group, actions []plan.Action) bool {
	for i, g := range groups {
		if b.changesExcluded(ctx, g, actions[i]) != nil {
			return false
		}
	}
	return true
}

// changesExcluded returns an error if an action changes members of a group and somebody may be
// excluded since the attempt began.
func (b *groupBatch) changesExcluded(ctx context.Context, g *group, action plan.Action) error {
	changed := membersOf(action)
	if len(changed) == 0 {
		return nil
	}
	var users []directory.UserID
	for _, id := range changed {
		if at, known := g.byAccount()[id]; known {
			users = append(users, g.plan.Members[at].User)
		}
	}
	now, err := b.Store.ReadExcluded(ctx, b.dir.ID, b.dir.Settings.Exclude.Group, users)
	if err == nil && (!now.Equal(b.dir.Settings.Exclude) || len(now.Members) > 0 || !now.Exclusion.Known()) {
		return changedExclude()
	}
	return err
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
