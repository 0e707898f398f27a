package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// settleTime is how long after a write to an account its absence may be a
// replica that lags, and not a deletion (Graph answers 404 for objects created
// minutes ago; the bound is assumed).
const settleTime = 5 * time.Minute

// interrupted is the reason of an action whose outcome nobody learnt.
const interrupted directory.Reason = "interrupted"

// begin fills in what the record of the user's next action needs.
func (b *batch) begin(u *user) {
	action := &u.todo[0]
	action.ID = uuid.Must(uuid.NewV7()).String()
	action.Directory = b.dir.ID
	action.Subject = plan.Subject{Kind: "user", ID: string(u.attempt.User), Name: u.name}
	action.Cause = u.attempt.Cause
	action.Status, action.At = plan.Started, time.Now().UTC()
	u.link.OpenAction = action.ID
	u.unkept = append(u.unkept, *action)
}

// record keeps the links of the users with what happened to them. A user whose
// link somebody else changed meanwhile is over and comes again.
func (b *batch) record(ctx context.Context, users []*user) {
	recordings := make([]store.Recording, len(users))
	for i, u := range users {
		if at := u.attempt.Cause.At; at.After(u.link.LastEventAt) {
			u.link.LastEventAt = at
		}
		recordings[i] = store.Recording{Link: u.kept(), Actions: u.unkept}
	}
	for i, err := range b.Store.Record(ctx, recordings...) {
		if err != nil {
			b.retryUnseen(ctx, users[i], err)
			continue
		}
		users[i].unkept = nil
		users[i].link.Version++
	}
}

// kept is the link as it is recorded. While an account is being taken over and
// nothing was written to it, the link is kept without it: only a write that
// succeeded, or an account that was ours all along, makes it the user's.
func (u *user) kept() directory.Link {
	if u.takingOver() {
		return forget(u.link)
	}
	return u.link
}

// complete folds the result of an action into the link.
func (b *batch) complete(ctx context.Context, u *user, action plan.Action, result Result) {
	action.CompletedAt = time.Now().UTC()
	u.link.OpenAction = ""
	if result.Err != nil {
		b.completeFailed(ctx, u, action, result.Err)
		return
	}
	action.Status, action.EntraID = plan.Succeeded, result.ID
	u.link = u.plan.Completed(u.link, action, result.ID)
	u.link.LastWriteAt = action.CompletedAt
	u.adopted = false
	b.note(ctx, u, action)
	if action.Type == plan.Provision {
		if _, err := b.Store.Claim(ctx, b.dir.Tenant, result.ID, b.owner(u)); err != nil {
			u.link = forget(u.link) // the next look finds the account, knows it for ours and claims it
			b.fail(ctx, u, err)
		}
	}
}

// completeFailed notes why an action failed. What may succeed later ends the
// attempt; what a person must mend becomes the user's obstacle, and the other
// actions go on.
func (b *batch) completeFailed(ctx context.Context, u *user, action plan.Action, err error) {
	f := b.classify(u, action, err)
	action.Status = plan.Failed
	action.Error = &plan.Failure{Kind: string(f.Kind), Reason: reasonOf(f), Message: f.Message}
	b.note(ctx, u, action)
	if u.takingOver() {
		if err := b.Store.Unclaim(ctx, b.dir.Tenant, u.link.EntraID, b.owner(u)); err != nil {
			b.fail(ctx, u, err)
			return
		}
		u.link, u.adopted, u.todo = forget(u.link), false, nil
	}
	if f.Kind.Decide() != fault.Park {
		b.fail(ctx, u, f)
		return
	}
	if u.obstacle == nil {
		u.obstacle = &directory.Obstacle{Reason: reasonOf(f), Message: f.Message}
	}
}

// takingOver reports whether the user's account was somebody else's so far and
// nothing was written to it yet.
func (u *user) takingOver() bool { return u.adopted && u.link.Owner == directory.TakenOver }

// forget is the link without the account that could not be taken over.
func forget(link directory.Link) directory.Link {
	link.EntraID, link.UPN, link.Owner, link.State, link.Applied = "", "", "", directory.Absent, nil
	return link
}

// classify tells apart what the answer alone does not: a name that is taken by
// an account that the look-up did not show yet, and an account that is gone or
// only not replicated yet.
func (b *batch) classify(u *user, action plan.Action, err error) *fault.Error {
	f := *fault.Of(err)
	switch {
	case action.Type == plan.Provision && f.Reason == string(directory.UPNConflict) && !u.attempt.Last && u.attempt.Number <= lookAgain:
		f.Kind = fault.Transient
	case f.Kind == fault.NotFound && time.Since(u.link.LastWriteAt) < settleTime:
		f.Kind = fault.Transient
		f.Message = "Entra does not show the account everywhere yet"
	case f.Kind == fault.NotFound:
		f.Reason = string(directory.AccountMissing)
		f.Message = fmt.Sprintf("the account %s is not in Entra any more: restore it from the deleted users there, or disconnect the user", u.link.EntraID)
	}
	return &f
}

// lookAgain is how often a creation that met an account of the same name is
// tried again, so that the look-up can find the account, before the name counts
// as taken by something else.
const lookAgain = 3

// closeInterrupted ends an action that a process left open when it died. An
// account that the look-up showed to be ours is the proof that its creation
// worked; of other actions the outcome is unknown, and what they left undone is
// among the actions of this attempt.
func (b *batch) closeInterrupted(ctx context.Context, users []*user) {
	for _, u := range users {
		if u.link.OpenAction == "" {
			continue
		}
		action, err := b.Store.Action(ctx, b.dir.Organization, u.link.OpenAction)
		if err != nil && !fault.Is(err, fault.NotFound) {
			b.fail(ctx, u, err)
			continue
		}
		u.link.OpenAction = ""
		if err != nil || action.Status != plan.Started {
			continue
		}
		action.CompletedAt = time.Now().UTC()
		if action.Type == plan.Provision && u.adopted && u.link.Owner == directory.CreatedByUs {
			action.Status, action.EntraID = plan.Succeeded, u.link.EntraID
			u.link.LastWriteAt = action.At
		} else {
			action.Status = plan.Failed
			action.Error = &plan.Failure{Kind: string(fault.Transient), Reason: interrupted, Message: "entrasync stopped before Entra's answer was known; the user was looked at again"}
		}
		b.note(ctx, u, action)
	}
}

// taken is the obstacle of a user whose sign-in name belongs to another one.
func taken(upn directory.UPN, owner store.Owner) *directory.Obstacle {
	return &directory.Obstacle{Reason: directory.UPNConflict, Message: fmt.Sprintf(
		"%s belongs to the JumpCloud user %s already: give one of the two another e-mail", upn, owner.User)}
}

// note has a completed action recorded with the link, published and counted.
func (b *batch) note(ctx context.Context, u *user, action plan.Action) {
	u.unkept = append(u.unkept, action)
	b.completed = append(b.completed, action)
	reason := string(action.Reason)
	level := zerolog.InfoLevel
	if action.Error != nil {
		reason, level = string(action.Error.Reason), zerolog.WarnLevel
	}
	b.Metrics.Count("actions", 1, "type", string(action.Type), "status", string(action.Status), "reason", reason)
	line := zerolog.Ctx(ctx).WithLevel(level).
		Str("action", string(action.Type)).Str("actionId", action.ID).Str("status", string(action.Status)).
		Str("directory", string(b.dir.ID)).Str("user", string(u.attempt.User)).Str("entraId", string(action.EntraID)).
		Str("event", action.Cause.ID).Str("reason", reason)
	if action.Error != nil {
		line = line.Str("kind", action.Error.Kind).Str("message", action.Error.Message)
	}
	line.Msg("action completed")
}

// publish tells the rest of the world what was done. The record is what counts:
// when nobody can be told, that is logged and counted, and nothing is undone.
func (b *batch) publish(ctx context.Context) {
	if b.Publisher == nil || len(b.completed) == 0 {
		return
	}
	if err := b.Publisher.Publish(ctx, b.completed...); err != nil {
		b.Metrics.Count("publish_failed", len(b.completed))
		zerolog.Ctx(ctx).Error().Err(err).Int("actions", len(b.completed)).Msg("actions could not be published")
	}
}
