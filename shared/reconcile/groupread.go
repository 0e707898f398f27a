package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// readSource asks the connection source: which users and groups it holds, for a task
// without a group, and whether it holds the group, for one that asks.
func (b *groupBatch) readSource(ctx context.Context, groups []*group) {
	source := b.dir.Settings.ConnectionSource
	for _, g := range groups {
		switch {
		case g.attempt.Group == "":
			if err := b.connectAll(ctx, source, g.attempt.Cause); err != nil {
				b.fail(ctx, g, err)
				continue
			}
			g.over = true
		case g.attempt.Source && source.Type != directory.NoSource:
			if err := b.readHeld(ctx, g, source); err != nil {
				b.fail(ctx, g, err)
			}
		}
	}
}

// readHeld makes the group connected by the source, or not, as the source has it.
func (b *groupBatch) readHeld(ctx context.Context, g *group, source directory.ConnectionSource) (err error) {
	if g.held, err = b.jumpcloud.IsGroupAssociated(ctx, source, g.attempt.Group); err != nil {
		return jumpCloudTrouble(err)
	}
	if g.held || !slices.Contains(g.paths, directory.Source) {
		return b.connectGroup(ctx, g, g.held)
	}
	gone := states(g.attempt.Claims, g.link.Claimed, directory.Dissociated, func(c directory.Claim) bool { return c.Source == source })
	if !gone {
		gone, err = b.judge(ctx, g, store.Doubt{What: store.GroupSource}, func(ctx context.Context) (bool, error) {
			_, groups, err := b.jumpcloud.Associated(ctx, source)
			if fault.Is(err, fault.NotFound) {
				return true, nil
			}
			return !slices.Contains(groups, g.attempt.Group), err
		})
	}
	if err != nil || !gone {
		return err
	}
	return b.connectGroup(ctx, g, false)
}

// connectGroup makes the group connected by the source, or not.
func (b *groupBatch) connectGroup(ctx context.Context, g *group, held bool) error {
	var err error
	if held {
		err = b.connectBySource(ctx, g.attempt.Group, g.attempt.Cause)
	} else {
		_, err = b.Store.DisconnectGroup(ctx, b.dir.ID, g.attempt.Group, directory.Source)
	}
	if err != nil {
		return err
	}
	return b.reread(ctx, g)
}

// connectBySource makes a group connected by the source; one that was not before is
// read again a little later.
func (b *groupBatch) connectBySource(ctx context.Context, id directory.GroupID, cause plan.Cause) error {
	isNew, err := b.Store.ConnectGroup(ctx, b.dir.ID, id, directory.Source, time.Now().UTC())
	if err != nil || !isNew {
		return err
	}
	return Enqueue(ctx, b.Later, GroupTask{Directory: b.dir.ID, Group: id, Cause: cause, Whole: true}.Recheck())
}

// reread reads the link and the paths of a group again, after they were changed.
func (b *groupBatch) reread(ctx context.Context, g *group) error {
	look, err := b.Store.LookGroups(ctx, b.dir.ID, []directory.GroupID{g.attempt.Group})
	if err != nil {
		return err
	}
	known := look.Groups[g.attempt.Group]
	link, found := known.Link(b.dir.ID)
	g.plan.Connected, g.paths = known.Connected(b.dir.ID), known.Paths(b.dir.ID)
	if g.over = !found; found {
		g.link = link
	}
	return nil
}

// connectAll connects what the source holds, and has those asked whom another source
// connected before, or who are not in its list any more. Without a source all stay as
// they are.
func (b *groupBatch) connectAll(ctx context.Context, source directory.ConnectionSource, cause plan.Cause) error {
	if source.Type == directory.NoSource {
		return nil
	}
	users, groups, err := b.jumpcloud.Associated(ctx, source)
	if err != nil {
		return jumpCloudTrouble(err)
	}
	now := time.Now().UTC()
	for _, id := range users {
		if err := b.Store.Connect(ctx, b.dir.ID, id, directory.Source, now); err != nil {
			return err
		}
	}
	for _, id := range groups {
		if err := b.connectBySource(ctx, id, cause); err != nil {
			return err
		}
	}
	if err := b.sendUsers(ctx, b.Bulk, cause, users); err != nil {
		return err
	}
	if err := b.sendGroups(ctx, cause, groups); err != nil {
		return err
	}
	if err := b.askUnlistedUsers(ctx, cause, users); err != nil {
		return err
	}
	return b.askUnlistedGroups(ctx, cause, groups)
}

// askUnlistedUsers has the users asked who are connected by a source and are not among
// those that it has: each look asks the source.
func (b *groupBatch) askUnlistedUsers(ctx context.Context, cause plan.Cause, listed []directory.UserID) error {
	var about []store.Doubt
	for cursor, first := "", true; first || cursor != ""; first = false {
		list, err := b.Store.Connections(ctx, b.dir.ID, 0, cursor)
		if err != nil {
			return err
		}
		for _, c := range list.Items {
			if slices.Contains(c.Paths, directory.Source) && !slices.Contains(listed, c.User) {
				about = append(about, store.Doubt{What: store.UserSource, User: c.User})
			}
		}
		cursor = list.Cursor
	}
	return b.askUsers(ctx, about, Task{Cause: cause, Source: true})
}

// askUnlistedGroups has the groups asked who are connected by a source and are not
// among those that it has.
func (b *groupBatch) askUnlistedGroups(ctx context.Context, cause plan.Cause, listed []directory.GroupID) error {
	var tasks []GroupTask
	var about []store.Doubt
	now := time.Now().UTC()
	for cursor, first := "", true; first || cursor != ""; first = false {
		list, err := b.Store.GroupConnections(ctx, b.dir.ID, 0, cursor)
		if err != nil {
			return err
		}
		for _, c := range list.Items {
			if !slices.Contains(c.Paths, directory.Source) || slices.Contains(listed, c.Group) {
				continue
			}
			people, err := b.people(ctx, c.Group)
			if err != nil {
				return err
			}
			about = append(about, store.Doubt{Directory: b.dir.ID, What: store.GroupSource, Group: c.Group, People: people, Listed: true, Absence: plan.Absence{Since: now}})
			tasks = append(tasks, GroupTask{Directory: b.dir.ID, Group: c.Group, Cause: cause, Source: true, NotBefore: now.Add(plan.SecondRead)})
		}
		cursor = list.Cursor
	}
	if err := b.Store.AddDoubts(ctx, about...); err != nil {
		return err
	}
	return Enqueue(ctx, b.Later, tasks...)
}

// readGroups reads the groups in JumpCloud. One that is gone is connected no more. Of
// one that is let go only whether it is gone is of interest, and of one that was let
// go because it was gone, whether it is there after all.
func (b *groupBatch) readGroups(ctx context.Context, groups []*group) {
	for _, g := range groups {
		back := g.attempt.Thought > 0 && len(g.link.Lost) > 0
		if !g.plan.Connected && g.link.Status == directory.Released && !back {
			continue
		}
		found, err := b.jumpcloud.Group(ctx, g.attempt.Group)
		switch {
		case fault.Is(err, fault.NotFound):
			g.read = true
			if err := b.lose(ctx, g); err != nil {
				b.fail(ctx, g, err)
			}
		case err == nil && back && !g.plan.Connected:
			if err := b.connectLost(ctx, g); err != nil {
				b.fail(ctx, g, err)
			}
			fallthrough
		case err == nil:
			g.read, g.source = true, &found
			if g.plan.Connected {
				g.plan.Name = found.Name
			}
		case g.plan.Connected:
			b.fail(ctx, g, jumpCloudTrouble(err))
		}
	}
}

// lose ends the connection of a group that JumpCloud does not know any more, once that
// is believed.
func (b *groupBatch) lose(ctx context.Context, g *group) error {
	if !g.plan.Connected {
		g.plan.Exists = false
		return nil
	}
	stated := states(g.attempt.Claims, g.link.Claimed, directory.Removed, anything)
	if !stated {
		gone, err := b.judge(ctx, g, store.Doubt{What: store.GroupExists}, func(ctx context.Context) (bool, error) {
			found, err := b.jumpcloud.IsGroupFound(ctx, g.attempt.Group)
			return !found, err
		})
		switch {
		case err != nil:
			return err
		case !gone && g.lookAt.IsZero():
			return contradicted("the group")
		case !gone:
			g.endDoubtful()
			return nil
		}
		g.link.Lost = g.paths
		if b.record(ctx, []*group{g}); g.over { // before they are gone
			return nil
		}
	}
	g.plan.Exists = false
	_, err := b.Store.DisconnectGroup(ctx, b.dir.ID, g.attempt.Group, "")
	return err
}

// endDoubtful ends the attempt of a group that is to be looked at again before it is
// believed that JumpCloud does not know it any more.
func (g *group) endDoubtful() {
	g.over, g.failed, g.lagging = true, true, g.attempt.Claims
	f := fault.Of(unconfirmed("the group"))
	g.link.Status, g.link.Reason, g.link.Message, g.link.NextTryAt = directory.Pending, reasonOf(f), sentenceOf(f), g.lookAt
}

// connectLost connects a group again that JumpCloud shows after all.
func (b *groupBatch) connectLost(ctx context.Context, g *group) error {
	for _, path := range g.link.Lost {
		if _, err := b.Store.ConnectGroup(ctx, b.dir.ID, g.attempt.Group, path, time.Now().UTC()); err != nil {
			return err
		}
	}
	if err := b.reread(ctx, g); err != nil {
		return err
	}
	g.link.Lost, g.plan.Exists, g.attempt.Whole = nil, true, true
	return nil
}

// people are those who are in a group, one at least: so many may lose access with it.
func (b *groupBatch) people(ctx context.Context, id directory.GroupID) (int, error) {
	members, err := b.Store.AllMembers(ctx, b.dir.ID, id)
	people := 0
	for _, m := range members {
		if m.Wanted {
			people++
		}
	}
	return max(people, 1), err
}

// judge holds an absence that concerns a group against the reads before.
func (b *groupBatch) judge(ctx context.Context, g *group, about store.Doubt, differently func(context.Context) (bool, error)) (believed bool, err error) {
	about.Directory, about.Group = b.dir.ID, g.attempt.Group
	if about.People, err = b.people(ctx, g.attempt.Group); err != nil {
		return false, err
	}
	v, err := doubts{b.Store, b.Metrics}.judge(ctx, about, differently, func(ctx context.Context) error { return b.rethink(ctx, g, 0) })
	g.lookAt = earliest(g.lookAt, v.again)
	return v.believed, err
}

// rethink has a group looked at again, after n second thoughts.
func (b *groupBatch) rethink(ctx context.Context, g *group, n int) error {
	at := nextThought(n)
	if at.IsZero() {
		return nil
	}
	return Enqueue(context.WithoutCancel(ctx), b.Soon, GroupTask{Directory: b.dir.ID, Group: g.attempt.Group, Cause: g.attempt.Cause, Thought: n + 1,
		Source: b.dir.Settings.ConnectionSource.Type != directory.NoSource, NotBefore: at})
}

// expect holds what events claimed against what was read.
func (b *groupBatch) expect(ctx context.Context) {
	now := time.Now().UTC()
	for _, g := range b.groups {
		if g.outcome.Retry || g.attempt.Group == "" {
			continue
		}
		g.link.Claimed = claimed(g.link.Claimed).with(g.attempt.Claims, now)
		if g.failed { // all claims are held against the next read
			continue
		}
		left, again, givenUp := lagging(g.attempt.Claims, g.link.Claimed, b.shown(g), now)
		g.lagging, g.lookAt = left, earliest(g.lookAt, again)
		if givenUp > 0 {
			b.Metrics.Count("claims_given_up", givenUp)
			g.line(zerolog.Ctx(ctx).Warn()).Int("claims", givenUp).Msg("JumpCloud does not show what its event said: the read is believed")
		}
	}
}

// shown says of a claim whether what was read of the group shows it.
func (b *groupBatch) shown(g *group) func(directory.Claim) directory.Shown {
	return func(c directory.Claim) directory.Shown {
		switch {
		case c.Kind == directory.Associated || c.Kind == directory.Dissociated:
			return c.ShownBySource(b.dir.Settings.ConnectionSource, g.held)
		case !g.read:
			return directory.Another
		default:
			return c.ShownByGroup(g.source)
		}
	}
}

// lookAgain has groups looked at again, as users.
func (b *groupBatch) lookAgain(ctx context.Context) {
	for _, g := range b.groups {
		if g.outcome.Retry || g.attempt.Group == "" { // it comes again as it is
			continue
		}
		var err error
		if g.attempt.Thought > 0 {
			err = b.rethink(ctx, g, g.attempt.Thought)
		}
		if err == nil && !g.lookAt.IsZero() {
			again := g.attempt.GroupTask
			again.Claims, again.NotBefore, again.Thought = g.lagging, g.lookAt, 0
			err = Enqueue(context.WithoutCancel(ctx), b.Soon, again)
		}
		if err != nil {
			b.retryUnseen(ctx, g, err)
		}
	}
}
