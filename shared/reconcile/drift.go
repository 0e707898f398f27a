package reconcile

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// Drift compares what a list of Entra shows, or a list of its changes, with what was written,
// and sends a task for each user and group that may differ, to the bulk lane. It writes nothing
// itself: a list may be older than our last write, so the task reads the account or the group
// and compares it ([Task.Compare]). So the same page may come any number of times, and its
// reader may die at any point: what was found is recorded once, by the task.
type Drift struct {
	Store *store.Store
	// UserTasks and GroupTasks are the bulk lanes.
	UserTasks, GroupTasks queue.Sender
	Metrics               metric.Counter
}

// ResyncCause is the type of the cause of the tasks that a comparison with Entra sends.
const ResyncCause = "resync"

// Check returns a fault that names the first part that is missing.
func (d Drift) Check() error {
	return fault.Missing("reconcile.new", fault.Part{Name: "Store", There: d.Store != nil}, fault.Part{Name: "UserTasks", There: d.UserTasks != nil},
		fault.Part{Name: "GroupTasks", There: d.GroupTasks != nil}, fault.Part{Name: "Metrics", There: d.Metrics != nil})
}

// DriftFound are the users and groups that may differ, each once. They got a task, except for
// those who are to lose something in a directory with a guard: they are announced together.
type DriftFound struct {
	Users  []directory.UserID
	Groups []directory.GroupID
	// LetIn are the users among them whose accounts somebody enabled, and why those are to be
	// disabled.
	LetIn map[directory.UserID]directory.Reason
	// Strangers are the accounts that somebody made members of groups among them and that are to
	// be taken out.
	Strangers map[directory.GroupID][]directory.EntraID
	// Reported is how many of them are only reported, because the directory wants that.
	Reported int
}

// defers reports whether those who are to lose something in a directory get no task yet.
func (d Drift) defers(dir directory.Directory) bool {
	return dir.Settings.RepairDrift && !dir.Settings.Guard.Off()
}

// Accounts sends the tasks that a page of accounts needs. whole says that the page is of a list
// of all accounts, which shows all values; in a list of changes a value that is not shown may
// have been cleared.
func (d Drift) Accounts(ctx context.Context, dir directory.Directory, page []directory.AccountChange, whole bool) (DriftFound, error) {
	ids := make([]directory.EntraID, len(page))
	for i, shown := range page {
		ids[i] = shown.ID
	}
	owners, err := d.Store.Owners(ctx, dir.TenantObject, ids)
	if err != nil {
		return DriftFound{}, err
	}
	asked := usersAmong(dir, owners)
	var free []directory.EntraID
	for _, shown := range page {
		if _, owned := owners[shown.ID]; owned {
			continue
		}
		if !shown.Gone { // of what is free, only a way in matters
			free = append(free, shown.ID)
		}
		if directory.IsJumpCloudID(shown.Account.ImmutableID) {
			asked = append(asked, directory.UserID(shown.Account.ImmutableID))
		}
	}
	former, err := d.Store.FormerUsers(ctx, dir.TenantObject, dir.ID, free)
	if err != nil {
		return DriftFound{}, err
	}
	asked = append(asked, former...)
	links, without := map[directory.EntraID]directory.Link{}, map[directory.UserID]directory.Link{}
	err = d.Store.EachLink(ctx, dir.ID, asked, func(link directory.Link) {
		if links[link.EntraID] = link; link.EntraID == "" {
			without[link.User] = link
		}
	})
	if err != nil {
		return DriftFound{}, err
	}
	found := DriftFound{LetIn: map[directory.UserID]directory.Reason{}}
	for _, shown := range page {
		if link, linked := links[shown.ID]; linked && plan.MayDiffer(link, shown, whole) {
			found.Users = append(found.Users, link.User)
			if d.defers(dir) && link.Reason != "" && plan.LetIn(link, shown) {
				found.LetIn[link.User] = link.Reason
			}
		}
		if link, linked := without[directory.UserID(shown.Account.ImmutableID)]; linked && plan.Returned(link, shown) {
			found.Users = append(found.Users, link.User)
		}
	}
	return d.send(ctx, dir, found)
}

// usersAmong are the users among the owners who claimed an account by a directory.
func usersAmong(dir directory.Directory, owners map[directory.EntraID]store.Owner) []directory.UserID {
	var users []directory.UserID
	for _, owner := range owners {
		if ownsHere(dir, owner) {
			users = append(users, owner.User)
		}
	}
	return users
}

// ownsHere reports whether an owner is a user who claimed an account by a directory.
func ownsHere(dir directory.Directory, owner store.Owner) bool {
	return owner.User != "" && owner.Organization == dir.Organization && slices.Contains(owner.Directories, dir.ID)
}

// MissingAccounts sends the tasks for users whose accounts a complete list does not show. The
// tasks read whether the accounts are gone.
func (d Drift) MissingAccounts(ctx context.Context, dir directory.Directory, users []directory.UserID) (DriftFound, error) {
	var missing []directory.UserID
	err := d.Store.EachLink(ctx, dir.ID, users, func(link directory.Link) {
		if plan.MayDiffer(link, directory.AccountChange{ID: link.EntraID, Gone: true}, true) {
			missing = append(missing, link.User)
		}
	})
	if err != nil {
		return DriftFound{}, err
	}
	return d.send(ctx, dir, DriftFound{Users: missing})
}

// Groups sends the tasks that a page of groups needs, as Accounts does.
func (d Drift) Groups(ctx context.Context, dir directory.Directory, page []directory.GroupChange, whole bool) (DriftFound, error) {
	if !dir.Settings.ManageGroups {
		return DriftFound{}, nil
	}
	links, err := d.linksOf(ctx, dir, page)
	if err != nil {
		return DriftFound{}, err
	}
	found := DriftFound{Strangers: map[directory.GroupID][]directory.EntraID{}}
	for _, shown := range page {
		link, linked := links[shown.ID]
		if !linked {
			continue
		}
		differs := plan.GroupMayDiffer(link, shown, whole) || plan.GroupReturned(link, shown)
		if link.EntraID != "" {
			others, strangers, err := d.membersMayDiffer(ctx, dir, link, shown)
			if err != nil {
				return DriftFound{}, err
			}
			differs = differs || others
			if len(strangers) > 0 && d.defers(dir) {
				found.Strangers[link.Group] = append(found.Strangers[link.Group], strangers...)
			}
		}
		if differs {
			found.Groups = append(found.Groups, link.Group)
		}
	}
	return d.send(ctx, dir, found)
}

// linksOf reads the links of the connected groups to which the groups of a page belong.
func (d Drift) linksOf(ctx context.Context, dir directory.Directory, page []directory.GroupChange) (map[directory.EntraID]directory.GroupLink, error) {
	ids := make([]directory.EntraID, len(page))
	for i, shown := range page {
		ids[i] = shown.ID
	}
	owners, err := d.Store.Owners(ctx, dir.TenantObject, ids)
	if err != nil {
		return nil, err
	}
	var groups []directory.GroupID
	made := map[directory.GroupID]directory.EntraID{} // the groups that belong to nobody, by whom they were made for
	for _, owner := range owners {
		if owner.Group != "" && owner.Organization == dir.Organization && slices.Contains(owner.Directories, dir.ID) {
			groups = append(groups, owner.Group)
		}
	}
	for _, shown := range page {
		if id := directory.MadeFor(shown.Group.UniqueName); id != "" && owners[shown.ID].Group == "" {
			groups, made[id] = append(groups, id), shown.ID
		}
	}
	return d.groupLinks(ctx, dir, groups, made)
}

// groupLinks reads the links of those of the groups that are connected, by their groups in
// Entra, or by those that were made for them.
func (d Drift) groupLinks(ctx context.Context, dir directory.Directory, groups []directory.GroupID, made map[directory.GroupID]directory.EntraID) (map[directory.EntraID]directory.GroupLink, error) {
	if len(groups) == 0 {
		return nil, nil
	}
	slices.Sort(groups)
	groups = slices.Compact(groups)
	records, err := d.Store.ReadGroups(ctx, dir.ID, groups)
	if err != nil {
		return nil, err
	}
	links := map[directory.EntraID]directory.GroupLink{}
	for group, known := range records.Groups {
		link, linked := known.Link(dir.ID)
		switch {
		case !linked || !known.Connected(dir.ID):
		case link.EntraID != "":
			links[link.EntraID] = link
		case made[group] != "":
			links[made[group]] = link
		}
	}
	return links, nil
}

// membersMayDiffer reports whether the members of a group must be read because of those who
// joined or left it in Entra, and who of them is to be taken out.
func (d Drift) membersMayDiffer(ctx context.Context, dir directory.Directory, link directory.GroupLink, shown directory.GroupChange) (differs bool, strangers []directory.EntraID, err error) {
	changed := slices.Concat(shown.Removed, shown.Added)
	if len(changed) == 0 {
		return false, nil, nil
	}
	owners, err := d.Store.Owners(ctx, dir.TenantObject, changed)
	if err != nil {
		return false, nil, err
	}
	users := usersAmong(dir, owners)
	slices.Sort(users)
	members, err := d.Store.SomeMembers(ctx, dir.ID, link.Group, slices.Compact(users))
	if err != nil {
		return false, nil, err
	}
	byUser := map[directory.UserID]*directory.Member{}
	for i, m := range members {
		byUser[m.User] = &members[i]
	}
	for i, account := range changed {
		m := plan.Membership{Account: account, In: i >= len(shown.Removed), Member: byUser[owners[account].User]}
		differs = differs || plan.MembersMayDiffer(link, dir.Settings.ExactMembership, m)
	}
	if dir.Settings.ExactMembership {
		strangers = plan.Strangers(members, shown.Added, usersOf(dir, owners))
	}
	return differs, strangers, nil
}

// usersOf are the users who claimed accounts by a directory, by their accounts.
func usersOf(dir directory.Directory, owners map[directory.EntraID]store.Owner) map[directory.EntraID]directory.UserID {
	of := map[directory.EntraID]directory.UserID{}
	for account, owner := range owners {
		if ownsHere(dir, owner) {
			of[account] = owner.User
		}
	}
	return of
}

// MissingGroups sends the tasks for groups that a complete list does not show.
func (d Drift) MissingGroups(ctx context.Context, dir directory.Directory, groups []directory.GroupID) (DriftFound, error) {
	links, err := d.groupLinks(ctx, dir, slices.Clone(groups), nil)
	if err != nil {
		return DriftFound{}, err
	}
	var missing []directory.GroupID
	for id, link := range links {
		if plan.GroupMayDiffer(link, directory.GroupChange{ID: id, Gone: true}, true) {
			missing = append(missing, link.Group)
		}
	}
	return d.send(ctx, dir, DriftFound{Groups: missing})
}

// Members sends the task of a group if a complete list of its members in Entra differs from
// what was written.
func (d Drift) Members(ctx context.Context, dir directory.Directory, group directory.GroupID, accounts []directory.EntraID) (DriftFound, error) {
	members, err := d.Store.AllMembers(ctx, dir.ID, group)
	if err != nil || !dir.Settings.ManageGroups || !plan.ListDiffers(members, accounts, dir.Settings.ExactMembership) {
		return DriftFound{}, err
	}
	found := DriftFound{Groups: []directory.GroupID{group}}
	if d.defers(dir) && dir.Settings.ExactMembership {
		strangers := plan.Strangers(members, accounts, nil)
		owners, err := d.Store.Owners(ctx, dir.TenantObject, strangers)
		if err != nil {
			return DriftFound{}, err
		}
		if strangers = plan.Strangers(members, strangers, usersOf(dir, owners)); len(strangers) > 0 {
			found.Strangers = map[directory.GroupID][]directory.EntraID{group: strangers}
		}
	}
	return d.send(ctx, dir, found)
}

// send sends a task for each user and each group, except for those who are to lose something,
// and counts them.
func (d Drift) send(ctx context.Context, dir directory.Directory, found DriftFound) (DriftFound, error) {
	slices.Sort(found.Users)
	slices.Sort(found.Groups)
	found.Users, found.Groups = slices.Compact(found.Users), slices.Compact(found.Groups)
	var users []directory.UserID
	for _, id := range found.Users {
		if _, closes := found.LetIn[id]; !closes {
			users = append(users, id)
		}
	}
	groups := slices.DeleteFunc(slices.Clone(found.Groups), func(id directory.GroupID) bool { return len(found.Strangers[id]) > 0 })
	cause := plan.Cause{Type: ResyncCause, At: time.Now().UTC(), Many: true}
	if err := Compare(ctx, d.UserTasks, d.GroupTasks, dir.ID, cause, users, groups); err != nil {
		return DriftFound{}, err
	}
	d.count("user", len(found.Users))
	d.count("group", len(found.Groups))
	if !dir.Settings.RepairDrift {
		found.Reported = len(found.Users) + len(found.Groups)
	}
	return found, nil
}

// Compare sends the tasks that compare users and groups of a directory with Entra.
func Compare(ctx context.Context, toUsers, toGroups queue.Sender, id directory.ID, cause plan.Cause, users []directory.UserID, groups []directory.GroupID) error {
	tasks := make([]Task, len(users))
	for i, user := range users {
		tasks[i] = Task{Directory: id, User: user, Cause: cause, Compare: true}
	}
	groupTasks := make([]GroupTask, len(groups))
	for i, group := range groups {
		groupTasks[i] = GroupTask{Directory: id, Group: group, Cause: cause, Compare: true}
	}
	if err := Enqueue(ctx, toUsers, tasks...); err != nil {
		return err
	}
	return Enqueue(ctx, toGroups, groupTasks...)
}

// count counts the users or groups that may differ.
func (d Drift) count(kind string, n int) {
	if n > 0 {
		d.Metrics.Count("drift_suspected", n, "kind", kind)
	}
}
