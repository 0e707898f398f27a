package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// Groups brings groups up to date: who is in them, which connects users to the
// directory, and the security groups in Entra.
type Groups struct {
	Store   *store.Store
	Systems GroupSystems
	Metrics metric.Counter
	// Live and Bulk are the lanes of users: a user who leaves a group must not wait
	// behind a first connection. Soon and Later are those of groups.
	Live, Bulk, Soon, Later queue.Sender
	// Publisher is told of every action that was completed; nil tells nobody.
	Publisher Publisher
}

// GroupAttempt is a task that is being tried.
type GroupAttempt struct {
	GroupTask
	Number int  // 1 for the first try
	Last   bool // no further try follows by itself
}

// Sync tries tasks of one directory together. No group occurs twice. The outcomes
// stand in the order of the attempts; one group's trouble is never another's.
func (g Groups) Sync(ctx context.Context, id directory.ID, attempts []GroupAttempt) []Outcome {
	b := &groupBatch{Groups: g}
	for _, a := range attempts {
		b.groups = append(b.groups, &group{attempt: a})
	}
	b.run(ctx, id)
	outcomes := make([]Outcome, len(attempts))
	for i, each := range b.groups {
		outcomes[i] = each.outcome
	}
	return outcomes
}

// groupBatch is the work on some groups of one directory.
type groupBatch struct {
	Groups
	dir       directory.Directory
	jumpcloud JumpCloudGroups
	entra     EntraGroups
	leases    *leases
	groups    []*group
	completed []plan.Action
}

// group is the work on one group.
type group struct {
	attempt GroupAttempt
	paths   []directory.Path // by which it is connected
	plan    plan.Group
	link    directory.GroupLink
	// source is the group in JumpCloud, nil if it is gone there; read says whether it
	// was asked for, held whether the connection source holds it.
	source     *directory.Group
	read, held bool
	// lagging and lookAt are as lagging and again of a user.
	lagging  []directory.Claim
	lookAt   time.Time
	todo     []plan.Action
	unkept   []plan.Action
	byID     map[directory.EntraID]directory.Member // the members by the account that they are or are to be
	members  map[directory.UserID]directory.Member  // of which more is known now
	open     []plan.Action                          // of which nobody knows how they ended, when the attempt began
	unsure   []string                               // and now
	touched  []store.Touch
	again    bool // a member is to be tried again
	obstacle *directory.Obstacle
	withheld *fault.Error // a permission was missing for a part of what is to be done
	claimed  bool         // the group in Entra is new to us
	awaits   bool         // members are about to get their accounts
	waited   bool         // and does not any more
	over     bool
	failed   bool
	outcome  Outcome
}

// run reads the groups and takes them through the stages, as those of users.
func (b *groupBatch) run(ctx context.Context, id directory.ID) {
	if !b.readRecords(ctx, id) {
		return
	}
	over := func(g *group) bool { return g.over }
	inStages(ctx, b.groups, over, b.authorize)
	inWaves(b.groups, func(g *group) {
		inStages(ctx, []*group{g}, over, b.readSource, b.readGroups, b.readMembership)
	}, func(groups []*group) {
		wave := *b
		wave.groups, wave.leases = groups, newLeases(b.Store)
		wave.work(ctx)
	})
}

// work takes groups that were read through the stages.
func (b *groupBatch) work(ctx context.Context) {
	defer func() { b.leases.endAll(ctx, b.groups) }()
	b.expect(ctx)
	inStages(ctx, b.groups, func(g *group) bool { return g.over },
		b.lease, b.recall, b.reclaim, b.spare, b.loadMembers, b.await, b.lookUp, b.decide, b.claim, b.write, b.settle)
	b.recordFailures(ctx)
	b.lookAgain(ctx)
	b.publish(ctx)
}

// readRecords reads what we know of the directory and of each group there.
func (b *groupBatch) readRecords(ctx context.Context, id directory.ID) bool {
	var ids []directory.GroupID
	for _, g := range b.groups {
		if g.attempt.Group != "" {
			ids = append(ids, g.attempt.Group)
		}
	}
	look, err := b.Store.LookGroups(ctx, id, ids)
	if fault.Is(err, fault.NotFound) {
		zerolog.Ctx(ctx).Info().Str("directory", string(id)).Int("tasks", len(ids)).Msg("the directory is gone: nothing to do")
		return false
	}
	for _, g := range b.groups {
		if err != nil {
			b.retryUnseen(ctx, g, err)
			continue
		}
		known := look.Groups[g.attempt.Group]
		link, found := known.Link(id)
		g.link, g.unsure, g.paths = link, link.OpenActions, known.Paths(id)
		g.plan = plan.Group{Settings: look.Directory.Settings, Connected: known.Connected(id), Name: link.Name,
			Exists: known.Connected(id) || link.Reason != directory.GroupDeleted}
		// A group that nobody ever connected is none of our business, unless the
		// connection source is to be asked.
		g.over = !found && !g.plan.Connected && !g.attempt.Source
		if !found {
			g.link = directory.GroupLink{Directory: id, Group: g.attempt.Group, Status: directory.Pending}
		}
		if !g.over && known.Busy(id, time.Now()) {
			g.busy()
		}
	}
	b.dir = look.Directory
	return err == nil
}

// authorize ends the attempts in a directory whose tenant could never be asked who
// it is, and finds the clients.
func (b *groupBatch) authorize(ctx context.Context, groups []*group) {
	var err error
	if b.dir.TenantObject == "" {
		err = notAuthorized(b.dir)
	}
	if err == nil {
		if b.jumpcloud, err = b.Systems.JumpCloudGroups(ctx, b.dir.Organization); err != nil {
			err = jumpCloudTrouble(err)
		}
	}
	if err == nil {
		b.entra, err = b.Systems.EntraGroups(ctx, b.dir.Tenant)
	}
	if err != nil {
		b.failEach(ctx, groups, err)
	}
}

// reclaim claims the groups in Entra that were given free when their groups were
// released and that are connected again, or that are to be deleted after all. One that
// went to another group meanwhile is forgotten: it is looked for by name.
func (b *groupBatch) reclaim(ctx context.Context, groups []*group) {
	for _, g := range groups {
		back := g.plan.Connected && g.plan.Exists
		deletes := b.dir.Settings.DeleteGroups && g.link.Owner == directory.CreatedByUs
		if !g.link.Freed || !back && !deletes {
			continue
		}
		_, err := b.Store.Claim(ctx, b.dir.TenantObject, g.link.EntraID, b.owner(g), b.dir.ID)
		switch {
		case err == nil:
			g.link.Freed = false
		case fault.Is(err, fault.Conflict):
			g.link.Former = g.link.EntraID
			g.link.EntraID, g.link.Owner, g.link.Applied, g.link.Note, g.link.Freed = "", "", "", "", false
		default:
			b.fail(ctx, g, err)
		}
	}
}

// spare keeps a group in Entra that is ours to delete and that another directory on
// the tenant has as well.
func (b *groupBatch) spare(ctx context.Context, groups []*group) {
	for _, g := range groups {
		if !b.dir.Settings.DeleteGroups || g.plan.Connected && g.plan.Exists || g.link.EntraID == "" || g.link.Freed {
			continue
		}
		owner, err := b.Store.Owner(ctx, b.dir.TenantObject, g.link.EntraID)
		if err != nil && !fault.Is(err, fault.NotFound) {
			b.fail(ctx, g, err)
			continue
		}
		if slices.ContainsFunc(owner.Directories, func(id directory.ID) bool { return id != b.dir.ID }) {
			g.plan.Settings.DeleteGroups = false
		}
	}
}

// loadMembers reads the members that are to be looked at, with the accounts that
// their users have now.
func (b *groupBatch) loadMembers(ctx context.Context, groups []*group) {
	if !b.dir.Settings.ManageGroups {
		return
	}
	for _, g := range groups {
		if err := b.loadMembersOf(ctx, g); err != nil {
			b.fail(ctx, g, err)
		}
	}
}

func (b *groupBatch) loadMembersOf(ctx context.Context, g *group) (err error) {
	if !g.plan.Connected || !g.plan.Exists {
		return nil
	}
	if g.touched, err = b.Store.Touched(ctx, b.dir.ID, g.attempt.Group); err != nil {
		return err
	}
	var members []directory.Member
	g.plan.All = g.attempt.Whole || g.link.EntraID == "" || len(g.open) > 0 || g.link.Coming > 0
	if g.plan.All {
		members, err = b.Store.AllMembers(ctx, b.dir.ID, g.attempt.Group)
	} else {
		users := make([]directory.UserID, len(g.touched))
		for i, t := range g.touched {
			users[i] = t.User
		}
		members, err = b.Store.SomeMembers(ctx, b.dir.ID, g.attempt.Group, users)
	}
	if err != nil {
		return err
	}
	users := make([]directory.UserID, len(members))
	for i, m := range members {
		users[i] = m.User
	}
	links, err := b.Store.LinksOf(ctx, b.dir.ID, users)
	if err != nil {
		return err
	}
	g.byID = map[directory.EntraID]directory.Member{}
	for _, m := range members {
		link := links[m.User]
		g.plan.Members = append(g.plan.Members, plan.Member{Member: m, Account: link.Account(), Coming: link.Account() == "" && link.Status == directory.Pending})
		if m.Applied != "" {
			g.byID[m.Applied] = m
		}
	}
	for _, m := range g.plan.Members {
		if m.Wanted && m.Account != "" {
			g.byID[m.Account] = m.Member
		}
	}
	return nil
}

// While at least this many members of a group wait for their accounts the group
// waits for them, so that they join twenty to a request: until it got no further for
// a while.
const (
	manyComing  = 3
	comingQuiet = 2 * time.Minute
)

// comingStep is how long a group waits before it looks how many are coming still:
// about as long as Graph takes to create a twentieth of a first sync's accounts for
// them, and longer when nothing has changed for a while.
func comingStep(coming int, unchanged time.Duration) time.Duration {
	const each, shortest, longest = 50 * time.Millisecond, time.Second, 30 * time.Second
	return min(max(time.Duration(coming)*each, unchanged/4, shortest), longest)
}

// await has groups wait whose members are about to get their accounts, as after a
// first connection.
func (b *groupBatch) await(_ context.Context, groups []*group) {
	for _, g := range groups {
		coming := g.plan.Coming()
		if coming < manyComing || !b.dir.Settings.ManageGroups {
			continue
		}
		if now := time.Now().UTC(); coming != g.link.Coming {
			g.link.Coming, g.link.ComingAt = coming, now
		}
		g.awaits = true
		quiet := time.Since(g.link.ComingAt) >= comingQuiet
		if g.plan.Pressing() || quiet && g.plan.Ready() {
			g.link.ComingAt = time.Now().UTC()
			continue
		}
		g.link.Name, g.link.Reason = g.plan.Name, directory.MemberAbsent
		g.link.Message = fmt.Sprintf("%d of %d members have no account in this directory yet: they join together", coming, len(g.plan.Members))
		b.later(g, g.comingStep())
	}
}

// comingStep is how long to wait for the members that are coming.
func (g *group) comingStep() time.Duration {
	return comingStep(g.link.Coming, time.Since(g.link.ComingAt))
}

// lookUp searches the groups that have no link to one in Entra yet, all in one go,
// and reads the members of groups that are looked at as a whole.
func (b *groupBatch) lookUp(ctx context.Context, groups []*group) {
	var names []string
	var searching []*group
	for _, g := range groups {
		g.plan.Link = g.link
		if g.plan.Searches() {
			names, searching = append(names, g.plan.Name), append(searching, g)
		}
	}
	if len(names) > 0 {
		for i, found := range b.entra.FindGroups(ctx, names) {
			if found.Err != nil {
				b.fail(ctx, searching[i], found.Err)
				continue
			}
			searching[i].plan.Named = found.Groups
			b.findOwners(ctx, searching[i])
		}
	}
	for _, g := range groups {
		if target := g.plan.Target(); !g.over && target != "" && (g.deleting() || g.plan.All && g.plan.Connected && g.plan.Exists && b.dir.Settings.ManageGroups) {
			b.readPresent(ctx, g, target)
		}
	}
}

// findOwners finds which of the groups of the name belong to other JumpCloud groups.
func (b *groupBatch) findOwners(ctx context.Context, g *group) {
	for _, each := range g.plan.Named {
		owner, err := b.Store.Owner(ctx, b.dir.TenantObject, each.ID)
		taken := err == nil && !owner.Is(b.owner(g))
		if fault.Is(err, fault.NotFound) {
			taken, err = b.asked(ctx, g, directory.MadeFor(each.UniqueName))
		}
		if err != nil {
			b.fail(ctx, g, err)
			return
		}
		if taken {
			g.plan.Taken = append(g.plan.Taken, each.ID)
		}
	}
}

// asked reports whether another JumpCloud group has asked for a group in Entra and does
// not know yet that it is there.
func (b *groupBatch) asked(ctx context.Context, g *group, id directory.GroupID) (bool, error) {
	if id == "" || id == g.attempt.Group {
		return false, nil
	}
	known, err := b.Store.Group(ctx, b.dir.Organization, id)
	return slices.ContainsFunc(known.Links, func(link directory.GroupLink) bool {
		return link.EntraID == "" && len(link.OpenActions) > 0
	}), err
}

// readPresent reads who is in the group in Entra. A group that is gone there is
// forgotten: it is looked for by name again, and created if need be.
func (b *groupBatch) readPresent(ctx context.Context, g *group, target directory.EntraID) {
	members, err := b.entra.MembersOf(ctx, target)
	if fault.Is(err, fault.NotFound) && g.link.EntraID != "" && time.Since(g.link.LastWriteAt) > settleTime {
		if err = b.forget(ctx, g); err == nil {
			g.over, g.failed = true, true
			g.outcome = Outcome{Retry: true, After: firstWait, Afresh: g.attempt.Last}
			return
		}
	}
	if fault.Is(err, fault.NotFound) {
		err = &fault.Error{Op: "reconcile.read members", Kind: fault.Transient, Reason: string(directory.Unavailable), RetryAfter: settleStep, Message: "Entra does not show the group everywhere yet"}
	}
	if err != nil {
		b.fail(ctx, g, err)
		return
	}
	g.plan.Present = map[directory.EntraID]bool{}
	for _, id := range members {
		g.plan.Present[id] = true
	}
}

// forget makes the link one without a group in Entra. If we began to delete it, that
// is what happened to it.
func (b *groupBatch) forget(ctx context.Context, g *group) error {
	if slices.ContainsFunc(g.open, deletes) {
		g.link.Former = g.link.EntraID
	}
	_, err := b.Store.Unclaim(ctx, b.dir.TenantObject, g.link.EntraID, b.owner(g), b.dir.ID)
	g.link.EntraID, g.link.Owner, g.link.Applied, g.link.Note, g.link.Status = "", "", "", "", directory.Pending
	return err
}
