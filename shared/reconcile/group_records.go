package reconcile

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// readRecords reads our records of the directory and of each group there.
func (b *groupBatch) readRecords(ctx context.Context, id directory.ID) bool {
	var ids []directory.GroupID
	for _, g := range b.objects {
		if g.attempt.Group != "" {
			ids = append(ids, g.attempt.Group)
		}
	}
	records, err := b.Store.ReadGroups(ctx, id, ids)
	if !b.found(ctx, id, b.objects, err) {
		return false
	}
	b.dir = records.Directory
	for _, g := range b.objects {
		known := records.Groups[g.attempt.Group]
		link, found := known.Link(id)
		g.link, g.written.unsure, g.read.paths, g.read.since = link, link.OpenActions, known.Paths(id), known.Since(id)
		g.plan = plan.Group{Settings: records.Directory.Settings, Connected: known.Connected(id), Name: link.Name, OnlyReport: !records.Directory.Settings.RepairDrift,
			Exists: known.Connected(id) || link.Reason != directory.GroupDeleted}
		// A group that nobody ever connected needs no work, unless the connection source
		// is to be read.
		g.over = !found && !g.plan.Connected && !g.attempt.Source
		if b.excludes(g) {
			g.over, g.linkless = false, !found
		}
		if !found {
			g.link = directory.NewGroupLink(id, g.attempt.Group)
		}
		if g.read.stranded = link.StrandedAt; link.Unread() { // what the message asked to read is not known
			g.attempt.AllMembers, g.attempt.Source, g.attempt.Compare = true, true, true
		}
		if !g.over && !b.excludes(g) && known.Busy(id, time.Now()) {
			g.busy()
		}
	}
	return true
}

// authorize ends the attempts in a directory whose tenant could not be read yet, and gets
// the clients.
func (b *groupBatch) authorize(ctx context.Context, groups []*group) {
	var err error
	if b.dir.TenantObject == "" {
		err = notAuthorized(b.dir)
	}
	if err == nil {
		if b.jumpcloud, err = b.Clients.JumpCloud(ctx, b.dir.Organization); err != nil {
			err = jumpCloudTrouble(err)
		}
	}
	if err == nil {
		b.entra, err = b.Clients.Entra(ctx, b.dir.SignInTenant())
	}
	if err != nil {
		b.failEach(ctx, groups, err)
	}
}
