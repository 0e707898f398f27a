package reconcile

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// groupWriteLimit is what one write of a group with its members may take (assumed).
const groupWriteLimit = 10 * time.Second

// send sends the actions of groups, and takes their results into the links.
func (b *groupBatch) send(ctx context.Context, groups []*group) {
	b.write(ctx, groups, b.mayWrite, func(ctx context.Context, groups []*group, actions []plan.Action) {
		asking := Asking(ctx, func(ctx context.Context) bool { return b.mayStillChange(ctx, groups, actions) })
		for i, result := range b.entra.ApplyToGroups(asking, actions) {
			b.complete(ctx, groups[i], actions[i], result)
		}
	})
}

// mayWrite ends the attempts on groups for which there is no time left, or whose lease
// another worker has by now.
func (b *groupBatch) mayWrite(ctx context.Context, groups []*group) {
	for _, g := range groups {
		switch {
		case !deadline.Allows(ctx, groupWriteLimit):
			b.comeAgain(g, firstWait, nil)
		case !b.leases.has(g.attempt.Group):
			b.retry(ctx, g, fault.New(fault.Changed, "reconcile.write group", "another worker works on the group by now"))
		}
	}
	b.mayChangeMembers(ctx, groups)
}

// beginning notes what an action is about to change. The action replaces the open actions
// that it repeats.
func (g *group) beginning(action *plan.Action) {
	g.link.PresentAt = time.Time{}
	if action.Type != plan.RestoreGroup {
		action.EntraID = g.link.EntraID
	}
	if action.Writes(directory.DisplayName) {
		g.link.Applied = ""
	}
	g.supersede(*action)
}

// complete takes the result of an action into the link and the members.
func (b *groupBatch) complete(ctx context.Context, g *group, action plan.Action, result GroupResult) {
	action.CompletedAt = time.Now().UTC()
	existed := result.Existed || result.Err == nil && action.Type == plan.RestoreGroup
	if existed { // it is not the new group that the plan was made for
		g.written.members = map[directory.UserID]directory.Member{}
	}
	if result.ID != "" && g.link.EntraID == "" && (existed || action.Type == plan.CreateGroup) {
		if _, err := b.claim(ctx, result.ID, b.owner(g)); err != nil {
			if fault.Is(err, fault.Conflict) { // the next attempt creates one with another unique name
				g.link.Former = result.ID
				err = &fault.Error{Op: "reconcile.create group", Kind: fault.Transient, Message: "the group in Entra that was made for this one is another JumpCloud group's by now", Err: err}
			} else { // it finds the same group by its unique name
				g.written.unsure = append(g.written.unsure, action.ID)
			}
			b.fail(ctx, g, err)
			return
		}
		g.link.EntraID, g.link.Origin, g.link.LastWriteAt = result.ID, directory.CreatedByUs, action.CompletedAt
	}
	if result.Err != nil {
		b.completeFailed(ctx, g, action, result)
		return
	}
	if action.Type == plan.DeleteGroup {
		if _, err := b.unclaim(ctx, g.link.EntraID, b.owner(g)); err != nil {
			b.fail(ctx, g, err)
			return
		}
	}
	action.Status, action.EntraID = plan.Succeeded, result.ID
	g.link = g.plan.Written(g.link, action, result.ID)
	g.link.LastWriteAt = action.CompletedAt
	b.noteMembers(g, &action, result)
	b.note(ctx, g, action)
	if existed { // so all its members are compared
		g.written.unsure = append(g.written.unsure, action.ID)
		b.comeAgain(g, firstWait, nil)
	}
}

// completeFailed notes why an action failed. A group that is gone is searched by name
// again, and a deleted one is restored if the directory wants that.
func (b *groupBatch) completeFailed(ctx context.Context, g *group, action plan.Action, result GroupResult) {
	f := *fault.Of(result.Err)
	if f.Kind == fault.Transient && f.Subject == string(directory.UniqueName) && g.number > hiddenAttempts {
		f.Kind, f.Reason = fault.Conflict, directory.RefusedReason
		f.Message = "Entra says that another object has the unique name " + g.link.UniqueName() + ", and shows none, not among its deleted groups either: look there for a group of this name, and restore it or delete it for good"
	}
	if f.Kind == fault.NotFound {
		if g.link.EntraID != "" && time.Since(g.link.LastWriteAt) > replicationTime {
			if err := b.forget(ctx, g); err != nil {
				b.fail(ctx, g, err)
				return
			}
		}
		f.Kind, f.Message = fault.Transient, "the group is not in Entra any more, or not everywhere yet: it is looked for again"
	}
	action.Status = plan.Failed
	action.Error = &plan.Failure{Kind: string(f.Kind), Reason: reasonOf(&f), Message: sentenceOf(&f)}
	b.note(ctx, g, action)
	if permissionMissing(&f) && standsAlone(action) {
		g.withheld = &f
		return
	}
	if f.Kind.Decide() != fault.Park {
		g.written.unsure = append(g.written.unsure, action.ID)
		b.fail(ctx, g, &f)
		return
	}
	if result.Deleted != nil && b.dir.Settings.RestoreDeleted {
		g.todo = []plan.Action{{Type: plan.RestoreGroup, EntraID: result.Deleted.ID}}
		return
	}
	if g.obstacle == nil {
		g.obstacle = &directory.Obstacle{Reason: reasonOf(&f), Message: sentenceOf(&f)}
	}
	if action.Type == plan.CreateGroup || action.Type == plan.TakeOverGroup {
		g.todo = nil
	}
}

// noteMembers keeps the results for the members of an action. A member that Entra does not
// know may be an account that is not replicated yet, and is retried. The action names the
// first fault.
func (b *groupBatch) noteMembers(g *group, action *plan.Action, result GroupResult) {
	for _, change := range action.Changes {
		if change.Attribute != directory.Members {
			continue
		}
		for i, value := range slices.Concat(change.To, change.From) {
			id := directory.EntraID(value)
			var member directory.Member
			at, known := g.byAccount()[id]
			if known {
				member = g.plan.Members[at].Member
			}
			if now, changed := g.written.members[member.User]; changed {
				member = now
			}
			err := result.Refused[id]
			if err != nil && action.Error == nil {
				action.Error = &plan.Failure{Kind: string(fault.KindOf(err)), Reason: reasonOf(fault.Of(err)), Message: sentenceOf(fault.Of(err))}
			}
			if known {
				b.noteMember(g, member, id, i < len(change.To), err)
			}
		}
	}
}

// noteMember keeps the result for one member that was added or removed.
func (b *groupBatch) noteMember(g *group, member directory.Member, id directory.EntraID, added bool, err error) {
	f := fault.Of(err)
	switch {
	case err == nil && added:
		member.Applied, member.Problem = id, nil
	case err == nil && member.Applied != id: // another account of the user is a member
		return
	case err == nil:
		member.Applied = ""
	case f.Kind == fault.NotFound && g.number <= hiddenAttempts, f.Kind.Decide() == fault.Retry:
		g.written.again = true
		return
	default:
		member.Problem = &directory.Obstacle{Reason: directory.MemberRefused, Message: sentenceOf(f)}
		if reasonOf(f) == directory.QuotaExceeded {
			member.Problem.Reason = directory.QuotaExceeded
		}
	}
	g.written.members[member.User] = member
}
