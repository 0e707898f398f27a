package reconcile

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// A permission that the application lacks is a trouble of the tenant and passes when
// somebody grants it. What does not need it is done all the same; what does, and so
// the user or the group, comes again.

// permissionMissing reports whether a fault says that the application lacks a
// permission.
func permissionMissing(f *fault.Error) bool {
	return f.Kind == fault.Unauthorized && f.Reason == string(directory.PermissionMissing)
}

// standsAlone reports whether what comes after an action can be done without it: it
// does not give the user the account, or the group the group, that the rest is about.
func standsAlone(action plan.Action) bool {
	switch action.Type {
	case plan.Provision, plan.TakeOver, plan.Restore, plan.CreateGroup, plan.TakeOverGroup:
		return false
	default:
		return true
	}
}

// lessProperty is an update without the property of the account that it cannot write;
// nothing if nothing is left, or if the property is not named.
func lessProperty(action plan.Action, property string) []plan.Action {
	if action.Type != plan.Update || property == "" {
		return nil
	}
	left := slices.DeleteFunc(slices.Clone(action.Changes), func(c directory.Change) bool {
		whole, _, _ := strings.Cut(string(c.Attribute), ".")
		return whole == property
	})
	if len(left) == 0 || len(left) == len(action.Changes) {
		return nil
	}
	return []plan.Action{{Type: action.Type, EntraID: action.EntraID, Changes: left, Reason: action.Reason}}
}

// comeAgain has a user come again for whom all was done but what the application may
// not do.
func (b *batch) comeAgain(ctx context.Context, u *user) {
	wait := waitBefore(u.attempt.Number, u.withheld)
	u.link.Status, u.link.Reason, u.link.Message = directory.Pending, reasonOf(u.withheld), sentenceOf(u.withheld)
	u.link.NextTryAt = time.Now().UTC().Add(wait)
	u.outcome = Outcome{Retry: true, After: wait, Err: u.withheld, Afresh: u.attempt.Last}
	b.Metrics.Count("user_attempts_failed", 1, "kind", trouble(u.withheld))
	u.line(zerolog.Ctx(ctx).Warn()).Str("reason", string(reasonOf(u.withheld))).Dur("after", wait).Err(u.withheld).Msg("user will be tried again")
}

// comeAgain is that of groups.
func (b *groupBatch) comeAgain(ctx context.Context, g *group) {
	wait := waitBefore(g.attempt.Number, g.withheld)
	b.later(g, wait)
	g.link.Reason, g.link.Message, g.outcome.Err = reasonOf(g.withheld), sentenceOf(g.withheld), g.withheld
	b.Metrics.Count("group_attempts_failed", 1, "kind", trouble(g.withheld))
	g.line(zerolog.Ctx(ctx).Warn()).Str("reason", string(reasonOf(g.withheld))).Dur("after", wait).Err(g.withheld).Msg("group will be tried again")
}
