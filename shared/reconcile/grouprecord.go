package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// begin fills in what the record of the group's next action needs.
func (b *groupBatch) begin(g *group) {
	action := &g.todo[0]
	action.ID = uuid.Must(uuid.NewV7()).String()
	if action.Type != plan.RestoreGroup {
		action.EntraID = g.link.EntraID
	}
	action.Directory = b.dir.ID
	action.Subject = plan.Subject{Kind: "group", ID: string(g.attempt.Group), Name: g.plan.Name}
	action.Cause = g.attempt.Cause
	action.Status, action.At = plan.Started, time.Now().UTC()
	if action.Writes(directory.DisplayName) {
		g.link.Applied = ""
	}
	g.supersede(*action)
	g.link.OpenActions = append(slices.Clone(g.link.OpenActions), action.ID)
	g.unkept = append(g.unkept, *action)
}

// record keeps the links of the groups with what happened to them. A group whose
// link somebody else changed meanwhile is over and comes again.
func (b *groupBatch) record(ctx context.Context, groups []*group) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer cancel()
	recordings := make([]store.Recording, len(groups))
	for i, g := range groups {
		if cause := g.attempt.Cause; cause.Event && cause.At.After(g.link.LastEventAt) {
			g.link.LastEventAt = cause.At
		}
		link := g.link
		recordings[i] = store.Recording{Group: &link, Actions: g.unkept}
	}
	faults := b.Store.Record(ctx, recordings...)
	for i, g := range groups {
		if faults[i] != nil {
			b.retryUnseen(ctx, g, faults[i])
			continue
		}
		g.unkept = nil
		g.link.Version++
	}
}

// complete folds the result of an action into the link and the members.
func (b *groupBatch) complete(ctx context.Context, g *group, action plan.Action, result GroupResult) {
	action.CompletedAt = time.Now().UTC()
	met := result.Met || result.Err == nil && action.Type == plan.RestoreGroup
	if met { // it is not the new group that was decided on
		g.members = map[directory.UserID]directory.Member{}
	}
	if result.ID != "" && g.link.EntraID == "" && (met || action.Type == plan.CreateGroup) {
		if _, err := b.Store.Claim(ctx, b.dir.TenantObject, result.ID, b.owner(g), b.dir.ID); err != nil {
			if fault.Is(err, fault.Conflict) { // the next attempt makes one of another unique name
				g.link.Former = result.ID
				err = &fault.Error{Op: "reconcile.create group", Kind: fault.Transient, Message: "the group in Entra that was made for this one is another JumpCloud group's by now", Err: err}
			} else { // it meets the same group by its unique name
				g.unsure = append(g.unsure, action.ID)
			}
			b.fail(ctx, g, err)
			return
		}
		g.link.EntraID, g.link.Owner, g.link.LastWriteAt = result.ID, directory.CreatedByUs, action.CompletedAt
	}
	if result.Err != nil {
		b.completeFailed(ctx, g, action, result)
		return
	}
	if action.Type == plan.DeleteGroup {
		if _, err := b.Store.Unclaim(ctx, b.dir.TenantObject, g.link.EntraID, b.owner(g), b.dir.ID); err != nil {
			b.fail(ctx, g, err)
			return
		}
	}
	action.Status, action.EntraID = plan.Succeeded, result.ID
	g.link = g.plan.Written(g.link, action, result.ID)
	g.link.LastWriteAt = action.CompletedAt
	b.noteMembers(g, &action, result)
	b.note(ctx, g, action)
	if met { // so who is in it is compared as a whole
		g.unsure = append(g.unsure, action.ID)
		b.later(g, firstWait)
	}
}

// completeFailed notes why an action failed. A group that is gone is looked for by
// its name again, and one that was deleted is restored where the directory wants that.
func (b *groupBatch) completeFailed(ctx context.Context, g *group, action plan.Action, result GroupResult) {
	f := *fault.Of(result.Err)
	if f.Kind == fault.Transient && f.Subject == string(plan.UniqueName) && g.attempt.Number > lookAgain {
		f.Kind, f.Reason = fault.Conflict, string(directory.RefusedReason)
		f.Message = "Entra says that another object has the unique name " + g.link.UniqueName() + ", and shows none, not among its deleted groups either: look there for a group of this name, and restore it or delete it for good"
	}
	if f.Kind == fault.NotFound {
		if g.link.EntraID != "" && time.Since(g.link.LastWriteAt) > settleTime {
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
		g.unsure = append(g.unsure, action.ID)
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

// noteMembers keeps what became of the members of an action. One that Entra does
// not know may be an account that is not replicated yet: it is tried again. What
// was refused stands in the action.
func (b *groupBatch) noteMembers(g *group, action *plan.Action, result GroupResult) {
	for _, change := range action.Changes {
		if change.Attribute != plan.Members {
			continue
		}
		for i, value := range slices.Concat(change.To, change.From) {
			id := directory.EntraID(value)
			member, known := g.byID[id]
			if now, changed := g.members[member.User]; changed {
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

// noteMember keeps what became of one member that was added or taken out.
func (b *groupBatch) noteMember(g *group, member directory.Member, id directory.EntraID, added bool, err error) {
	f := fault.Of(err)
	switch {
	case err == nil && added:
		member.Applied, member.Problem = id, nil
	case err == nil && member.Applied != id: // another account of the user is a member
		return
	case err == nil:
		member.Applied = ""
	case f.Kind == fault.NotFound && g.attempt.Number <= lookAgain, f.Kind.Decide() == fault.Retry:
		g.again = true
		return
	default:
		member.Problem = &directory.Obstacle{Reason: directory.MemberRefused, Message: sentenceOf(f)}
		if reasonOf(f) == directory.QuotaExceeded {
			member.Problem.Reason = directory.QuotaExceeded
		}
	}
	g.members[member.User] = member
}

// fail ends the attempt of one group and says in the link why, as that of a user.
func (b *groupBatch) fail(ctx context.Context, g *group, err error) {
	f := fault.Of(err)
	g.over, g.failed = true, true
	g.link.Reason, g.link.Message = reasonOf(f), sentenceOf(f)
	b.Metrics.Count("group_attempts_failed", 1, "kind", trouble(f))
	log := g.line(zerolog.Ctx(ctx).Warn()).Str("kind", string(f.Kind)).Str("reason", string(reasonOf(f))).Err(err)
	if f.Kind.Decide() == fault.Park || (g.attempt.Last && f.Kind.Decide() == fault.Fail) {
		g.link.Status, g.link.NextTryAt = directory.Parked, time.Time{}
		b.Metrics.Count("groups_settled", 1, "status", string(g.link.Status), "reason", string(g.link.Reason))
		log.Msg("group parked")
		return
	}
	wait := waitBefore(g.attempt.Number, f)
	g.link.Status, g.link.NextTryAt = directory.Pending, time.Now().UTC().Add(wait)
	g.outcome = Outcome{Retry: true, After: wait, Err: err, Afresh: g.attempt.Last}
	log.Dur("after", wait).Msg("group will be tried again")
}

// failEach ends the attempt of every group for the same cause.
func (b *groupBatch) failEach(ctx context.Context, groups []*group, err error) {
	for _, g := range groups {
		b.fail(ctx, g, err)
	}
}

// retryUnseen ends an attempt without a trace in the link: another worker holds the
// newer one, or the table cannot be used.
func (b *groupBatch) retryUnseen(ctx context.Context, g *group, err error) {
	f := fault.Of(err)
	g.over, g.failed = true, false
	g.outcome = Outcome{Retry: true, After: waitBefore(g.attempt.Number, f), Err: err, Afresh: g.attempt.Last}
	b.Metrics.Count("group_attempts_failed", 1, "kind", trouble(f))
	g.line(zerolog.Ctx(ctx).Warn()).Dur("after", g.outcome.After).Err(err).Msg("group will be tried again")
}

// recordFailures keeps the links of groups whose attempt failed, with what is known
// of their members.
func (b *groupBatch) recordFailures(ctx context.Context) {
	failed := slices.DeleteFunc(slices.Clone(b.groups), func(g *group) bool { return !g.failed || g.attempt.Group == "" })
	for _, g := range failed {
		if err := b.Store.PutMembers(context.WithoutCancel(ctx), g.known()...); err != nil {
			zerolog.Ctx(ctx).Error().Err(err).Str("group", string(g.attempt.Group)).Msg("what became of members could not be recorded: it is found out again")
			continue
		}
		g.link.OpenActions = g.unsure
	}
	if len(failed) > 0 {
		b.record(ctx, failed)
	}
}

// known are the members of whom more is known now. While there is no group in Entra
// they stay as they are: the one that they were in may come back.
func (g *group) known() []directory.Member {
	if g.link.EntraID == "" {
		return nil
	}
	return slices.Collect(maps.Values(g.members))
}

// note has a completed action recorded with the link, published and counted.
func (b *groupBatch) note(ctx context.Context, g *group, action plan.Action) {
	g.unkept = append(g.unkept, action)
	b.completed = append(b.completed, action)
	reason, level := string(action.Reason), zerolog.InfoLevel
	if action.Error != nil {
		reason, level = string(action.Error.Reason), zerolog.WarnLevel
	}
	b.Metrics.Count("actions", 1, "type", string(action.Type), "status", string(action.Status), "reason", reason)
	g.line(zerolog.Ctx(ctx).WithLevel(level)).Str("action", string(action.Type)).Str("actionId", action.ID).
		Str("status", string(action.Status)).Str("entraId", string(action.EntraID)).Str("reason", reason).Msg("action completed")
}

// publish tells the rest of the world what was done.
func (b *groupBatch) publish(ctx context.Context) {
	publish(ctx, b.Publisher, b.Metrics, b.completed)
}

// line begins what is logged about the attempt of a group.
func (g *group) line(e *zerolog.Event) *zerolog.Event {
	cause := g.attempt.Cause
	return e.Str("directory", string(g.attempt.Directory)).Str("group", string(g.attempt.Group)).
		Str("cause", cause.Type).Str("event", cause.ID).Int("attempt", g.attempt.Number)
}
