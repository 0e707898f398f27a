package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// write sends the actions in rounds: the first of every user together, then the
// second, and so on, because writes to one account are serial and those to
// different accounts are not.
func (b *batch) write(ctx context.Context, users []*user) {
	for {
		round := slices.DeleteFunc(slices.Clone(users), func(u *user) bool { return u.over || len(u.todo) == 0 })
		if len(round) == 0 {
			return
		}
		b.writeRound(ctx, round)
	}
}

// writeRound records and sends the next action of each user.
func (b *batch) writeRound(ctx context.Context, users []*user) {
	for _, u := range users {
		b.begin(u)
	}
	b.record(ctx, users)
	users = slices.DeleteFunc(users, func(u *user) bool { return u.over })
	if len(users) == 0 {
		return
	}
	actions := make([]plan.Action, len(users))
	for i, u := range users {
		actions[i], u.todo = u.todo[0], u.todo[1:]
	}
	for i, result := range b.entra.Apply(ctx, actions) {
		b.complete(ctx, users[i], actions[i], result)
	}
}

// settle notes how the users that were not interrupted stand now.
func (b *batch) settle(ctx context.Context, users []*user) {
	for _, u := range users {
		if u.toTell { // an attempt before this one kept the account and perhaps ended then
			b.tellArrived(ctx, u)
			u.link.Arrived = false
		}
		u.link = u.plan.Settled(u.link, u.obstacle, u.problems)
		u.link.NextTryAt = time.Time{}
		if u.withheld != nil {
			b.comeAgain(ctx, u)
		}
		u.link.Freed = u.link.Freed || u.link.Status == directory.Released && u.link.EntraID != "" && !u.connected.Elsewhere
		if u.passwordAt.After(u.link.PasswordAt) {
			u.link.PasswordAt = u.passwordAt
		}
		b.noteParked(u, obstacleKind(u.link.Reason))
	}
	users = slices.DeleteFunc(users, func(u *user) bool { return u.over })
	b.record(ctx, users)
	for _, u := range users {
		if u.link.Arrived && !u.over {
			b.tellArrived(ctx, u)
		}
		if u.over {
			continue
		}
		u.over = true
		b.release(ctx, u)
		b.tellRenamed(ctx, u)
		b.Metrics.Count("users_settled", 1, "status", string(u.link.Status), "reason", string(u.link.Reason))
		u.line(zerolog.Ctx(ctx).Info()).
			Str("status", string(u.link.Status)).Str("state", string(u.link.State)).Str("reason", string(u.link.Reason)).
			Msg("user looked at")
	}
}
