package reconcile

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// underWay is how long another worker may still work on an action that was begun: longer
// than any invocation runs.
const underWay = 2 * time.Minute

// send sends the actions of users, and takes their results into the links.
func (b *userBatch) send(ctx context.Context, users []*user) {
	b.write(ctx, users, b.mayWrite, func(ctx context.Context, users []*user, actions []plan.Action) {
		asking := Asking(ctx, func(ctx context.Context) bool { return b.mayStill(ctx, users, actions) })
		for i, result := range b.entra.Apply(asking, actions) {
			b.complete(ctx, users[i], actions[i], result)
		}
	})
}

// beginning notes in the link what an action is about to change.
func (u *user) beginning(action *plan.Action) {
	action.EntraID = u.link.EntraID // of an account that was created just now, too
	u.written.before = u.link
	u.link = u.plan.Begun(u.link, *action)
	u.link.NameFreed = u.link.NameFreed || u.givesUpName(*action)
}

// complete takes the result of an action into the link.
func (b *userBatch) complete(ctx context.Context, u *user, action plan.Action, result Result) {
	action.CompletedAt = time.Now().UTC()
	u.link.OpenActions = slices.DeleteFunc(slices.Clone(u.link.OpenActions), func(id string) bool { return id == action.ID })
	if result.Err != nil {
		b.completeFailed(ctx, u, action, result.Err)
		return
	}
	action.Status, action.EntraID = plan.Succeeded, result.ID
	u.link = u.plan.Completed(u.link, action, result.ID)
	u.link.LastWriteAt = action.CompletedAt
	u.match.adopted = false
	b.note(ctx, u, action)
	if action.Type == plan.Restore {
		u.link.Arrived = true
	}
	if action.Type == plan.Provision {
		if _, err := b.claim(ctx, result.ID, b.owner(u)); err != nil {
			// The next attempt finds the account, recognises it as ours and claims it.
			unconfirmed := directory.Creation{UPN: u.link.UPN, At: action.At}
			u.link = u.link.Forgotten()
			u.link.Unconfirmed = &unconfirmed
			b.fail(ctx, u, err)
		}
	}
}

// givesUpName reports whether an action is to give the account another name for good.
func (u *user) givesUpName(action plan.Action) bool {
	had := u.written.before.UPN
	if u.written.before.Aside != nil {
		had = u.written.before.Aside.Home
	}
	upn, written := action.Value(directory.UserPrincipalName)
	return action.Type != plan.LeaveDomain && written && had != "" && !directory.UPN(upn.String()).Same(had)
}

// interrupted reports whether an action was left open by a process that died, also if the
// sweep has ended it since. A young action may still be in the hands of another worker.
func interrupted(action plan.Action) bool {
	ended := action.Error != nil && action.Error.Reason == directory.Interrupted
	return ended || action.Status == plan.Started && time.Since(action.At) >= underWay
}

// recall reads the open actions. What an interrupted action wrote, and when it landed, is
// not known, even if another worker wrote the same attributes since: the link forgets
// their values, and they are written again. If the claim on the account was given up
// since, it is claimed again, unless it belongs to somebody else by now.
func (b *userBatch) recall(ctx context.Context, users []*user) {
	for _, u := range users {
		if b.readOpen(ctx, u); u.over {
			continue
		}
		var unknown []directory.Change
		for _, action := range u.open {
			if interrupted(action) {
				unknown = append(unknown, action.Changes...)
			}
		}
		if len(unknown) == 0 {
			continue
		}
		if u.link.Freed {
			err := b.claimAgain(ctx, u)
			switch {
			case fault.Is(err, fault.Changed):
				b.retry(ctx, u, err)
			case err != nil && !fault.Is(err, fault.Conflict):
				b.fail(ctx, u, err)
			}
			if err != nil {
				continue
			}
		}
		u.link = u.link.Forgetting(unknown)
	}
}

// closeInterrupted ends actions that a process left open when it died. If the lookup found
// our account, its creation succeeded. The result of any other action is unknown, and the
// actions of this attempt include what it left undone. While an action is young, a task
// is sent for the time when it is certain that no worker completes it any more.
func (b *userBatch) closeInterrupted(ctx context.Context, users []*user) {
	for _, u := range users {
		u.link.OpenActions = nil
		for _, action := range u.open {
			proven := action.Type == plan.Provision && u.match.adopted && u.link.Origin == directory.CreatedByUs
			switch {
			case action.Status != plan.Started:
			case proven:
				action.Status, action.EntraID, action.CompletedAt = plan.Succeeded, u.link.EntraID, time.Now().UTC()
				u.link.LastWriteAt = action.At
				b.note(ctx, u, action)
			case interrupted(action):
				b.note(ctx, u, u.interrupt(action))
			default:
				u.link.OpenActions = append(u.link.OpenActions, action.ID)
				u.recheckAt = earliest(u.recheckAt, action.At.Add(underWay))
			}
		}
	}
}
