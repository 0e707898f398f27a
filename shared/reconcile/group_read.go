package reconcile

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// readGroup reads a group in JumpCloud. A group that is gone loses its connection. Of a
// group that is not connected it reads only whether it is gone; once it is released, only
// to recheck a group that was believed to be gone.
func (b *groupBatch) readGroup(ctx context.Context, g *group) {
	back := g.thought > 0 && len(g.link.Lost) > 0
	if !g.plan.Connected && g.link.Status == directory.Released && !back {
		return
	}
	found, err := b.askForGroup(ctx, g)
	switch {
	case fault.Is(err, fault.NotFound):
		g.read.answered = true
		err = b.endConnection(ctx, g)
	case err != nil && g.plan.Connected:
		err = jumpCloudTrouble(err)
	case err != nil:
		err = nil // without a connection the result does not matter
	default:
		g.read.answered, g.read.source = true, &found
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

// askForGroup reads a group in JumpCloud. What a read finds of a group that is not connected
// does not keep it from being released, so that read does not use up the time for it.
func (b *groupBatch) askForGroup(ctx context.Context, g *group) (directory.Group, error) {
	if !g.plan.Connected {
		limited, cancel := context.WithTimeout(ctx, readLimit)
		defer cancel()
		ctx = limited
	}
	return b.jumpcloud.Group(ctx, g.attempt.Group)
}

// endConnection ends the connection of a group that JumpCloud does not show any more, once the
// absence is believed.
func (b *groupBatch) endConnection(ctx context.Context, g *group) error {
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
		if b.record(ctx, []*group{g}); g.over { // before the paths are removed
			return nil
		}
	}
	g.plan.Exists = false
	_, err = b.Store.DisconnectGroup(ctx, b.dir.ID, g.attempt.Group, "")
	return err
}

// connectLost connects a group again that was believed to be gone and that JumpCloud shows.
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

// people is how many users may lose access with a group: its members, at least 1.
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

// about is the record of an absence that concerns a group and all its members.
func (b *groupBatch) about(ctx context.Context, g *group, what store.Doubted) (store.Doubt, error) {
	people, err := b.people(ctx, g.attempt.Group)
	return store.Doubt{Directory: b.dir.ID, What: what, Group: g.attempt.Group, People: people}, err
}

// shows says whether what was read of the group shows what a claim says.
func (g *group) shows(c directory.Claim, settings directory.Settings) directory.Shown {
	switch {
	case (c.Kind == directory.Associated || c.Kind == directory.Dissociated) && !g.attempt.Source:
		return directory.Another
	case c.Kind == directory.Associated || c.Kind == directory.Dissociated:
		return c.ShownBySource(settings.ConnectionSource, g.read.held)
	case !g.read.answered:
		return directory.Another
	default:
		return c.ShownByGroup(g.read.source)
	}
}

// sendClaimRecheck sends a task that reads again what this one read.
func (g *group) sendClaimRecheck(ctx context.Context, lanes Lanes, at time.Time) error {
	again := g.attempt.GroupTask
	again.Claims, again.NotBefore, again.Thought = g.lagging, at, 0
	return Enqueue(ctx, lanes.Groups(g.cause), again)
}

// sendAbsenceRecheck sends a task that reads whether the group exists and is connected.
func (g *group) sendAbsenceRecheck(ctx context.Context, lanes Lanes, settings directory.Settings, n int, at time.Time) error {
	return Enqueue(ctx, lanes.Groups(g.cause), GroupTask{Directory: g.directory, Group: g.attempt.Group, Cause: g.cause, Thought: n, NotBefore: at,
		Source: settings.ConnectionSource.Type != directory.NoSource})
}
