package reconcile

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// readGroup reads a group in JumpCloud. One that is gone is connected no more. Of one
// that is let go only whether it is gone is of interest, and of one that was let go
// because it was gone, whether it is there after all.
func (b *groupBatch) readGroup(ctx context.Context, g *group) {
	back := g.thought > 0 && len(g.link.Lost) > 0
	if !g.plan.Connected && g.link.Status == directory.Released && !back {
		return
	}
	found, err := b.jumpcloud.Group(ctx, g.attempt.Group)
	switch {
	case fault.Is(err, fault.NotFound):
		g.read.asked = true
		err = b.lose(ctx, g)
	case err != nil && g.plan.Connected:
		err = jumpCloudTrouble(err)
	case err != nil:
		err = nil // of no interest
	default:
		g.read.asked, g.read.source = true, &found
		if back && !g.plan.Connected {
			err = b.connectLost(ctx, g)
		}
		if g.plan.Connected {
			g.plan.Name = found.Name
		}
	}
	if err != nil {
		b.fail(ctx, g, err)
	}
}

// lose ends the connection of a group that JumpCloud does not know any more, once that
// is believed.
func (b *groupBatch) lose(ctx context.Context, g *group) error {
	if !g.plan.Connected {
		g.plan.Exists = false
		return nil
	}
	about, err := b.about(ctx, g, store.GroupExists)
	if err != nil {
		return err
	}
	gone, err := b.isGone(ctx, g, about, func(ctx context.Context) (bool, error) { return b.jumpcloud.IsGroupFound(ctx, g.attempt.Group) })
	if err != nil {
		return err
	}
	if !gone {
		b.awaitSecondRead(g, "the group")
		return nil
	}
	if g.believed {
		g.link.Lost = g.read.paths
		if b.record(ctx, []*group{g}); g.over { // before they are gone
			return nil
		}
	}
	g.plan.Exists = false
	_, err = b.Store.DisconnectGroup(ctx, b.dir.ID, g.attempt.Group, "")
	return err
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
	g.link.Lost, g.plan.Exists, g.attempt.AllMembers = nil, true, true
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

// about is an absence that concerns a group and all who are in it.
func (b *groupBatch) about(ctx context.Context, g *group, what store.Doubted) (store.Doubt, error) {
	people, err := b.people(ctx, g.attempt.Group)
	return store.Doubt{Directory: b.dir.ID, What: what, Group: g.attempt.Group, People: people}, err
}

// shows says of a claim whether what was read of the group shows it.
func (g *group) shows(c directory.Claim, settings directory.Settings) directory.Shown {
	switch {
	case c.Kind == directory.Associated || c.Kind == directory.Dissociated:
		return c.ShownBySource(settings.ConnectionSource, g.read.held)
	case !g.read.asked:
		return directory.Another
	default:
		return c.ShownByGroup(g.read.source)
	}
}

// expectAgain sends the task that asks again what this one asked.
func (g *group) expectAgain(ctx context.Context, lanes Lanes, at time.Time) error {
	again := g.attempt.GroupTask
	again.Claims, again.NotBefore, again.Thought = g.lagging, at, 0
	return Enqueue(ctx, lanes.GroupsLive, again)
}

// rethinkAgain sends a task that asks whether the group is there and is connected.
func (g *group) rethinkAgain(ctx context.Context, lanes Lanes, settings directory.Settings, n int, at time.Time) error {
	return Enqueue(ctx, lanes.GroupsLive, GroupTask{Directory: g.directory, Group: g.attempt.Group, Cause: g.cause, Thought: n, NotBefore: at,
		Source: settings.ConnectionSource.Type != directory.NoSource})
}
