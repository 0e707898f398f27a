package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// loadMembers reads the marks, and for a managed group the members that are to be
// compared, with the accounts that their users have now.
func (b *groupBatch) loadMembers(ctx context.Context, groups []*group) {
	for _, g := range groups {
		if err := b.loadMembersOf(ctx, g); err != nil {
			b.fail(ctx, g, err)
		}
	}
}

func (b *groupBatch) loadMembersOf(ctx context.Context, g *group) (err error) {
	if !g.plan.Connected || !g.plan.Exists {
		return nil
	}
	if g.read.marked, err = b.Store.Marks(ctx, b.dir.ID, g.attempt.Group); err != nil {
		return err
	}
	if !b.dir.Settings.ManageGroups {
		return nil
	}
	members, err := b.toCompare(ctx, g)
	if err != nil {
		return err
	}
	users, place := make([]directory.UserID, len(members)), make(map[directory.UserID]int, len(members))
	g.plan.Members = make([]plan.Member, len(members))
	for i, m := range members {
		users[i], place[m.User], g.plan.Members[i].Member = m.User, i, m
	}
	released := map[directory.EntraID][]int{}
	err = b.Store.EachLink(ctx, b.dir.ID, users, func(link directory.Link) {
		at := place[link.User]
		m := &g.plan.Members[at]
		m.Lost = link.Drift.Gone() || link.Reason == directory.AccountMissing
		if b.dir.Settings.Exclude.HasUPN(link.UPN) && link.EntraID != "" {
			g.match.exclude(link.EntraID)
		}
		if link.Reason == directory.AgentAccount && m.Applied != "" { // an agent's, given up
			g.match.exclude(m.Applied)
		}
		m.Excluded = link.Reason == directory.Excluded
		m.Account, m.Coming = link.Account(), link.Account() == "" && link.Status == directory.Pending
		if m.Account == m.Applied {
			m.Account = m.Applied // the same string
		}
		if m.Wanted && link.Freed && link.EntraID != "" && link.EntraID == m.Applied {
			released[m.Applied] = append(released[m.Applied], at)
		}
	})
	g.match.byID, g.plan.Excluded = nil, g.match.excluded
	if err != nil || len(released) == 0 {
		return err
	}
	return b.findReturning(ctx, g, released)
}

// toCompare reads the members that are to be compared: all, or those that are marked.
func (b *groupBatch) toCompare(ctx context.Context, g *group) ([]directory.Member, error) {
	held := g.attempt.Held || g.link.Hold != "" || len(g.link.HeldIn) > 0 // who was made a member by hand is not marked
	g.plan.All = held || g.attempt.AllMembers || g.comparesNow() || g.link.EntraID == "" || len(g.open) > 0 || g.link.Coming > 0 || g.link.StrangersKept
	if g.plan.All {
		return b.Store.AllMembers(ctx, b.dir.ID, g.attempt.Group)
	}
	users := make([]directory.UserID, len(g.read.marked))
	for i, t := range g.read.marked {
		users[i] = t.User
	}
	return b.Store.SomeMembers(ctx, b.dir.ID, g.attempt.Group, users)
}

// findReturning finds which of the accounts that were released are still those of the
// members who had them, and not somebody else's by now: after a reconnection a group is often
// compared before its users have claimed their accounts again. released are the places of
// the members.
func (b *groupBatch) findReturning(ctx context.Context, g *group, released map[directory.EntraID][]int) error {
	owners, err := b.Store.Owners(ctx, b.dir.TenantObject, slices.Collect(maps.Keys(released)))
	for account, places := range released {
		owner, owned := owners[account]
		for _, at := range places {
			m := &g.plan.Members[at]
			if m.Returning = err == nil && (!owned || owner.Is(store.Owner{Organization: b.dir.Organization, User: m.User})); m.Returning {
				m.Coming = false // nothing is left to add
			}
		}
	}
	return err
}

// byAccount are the members by their accounts: those in the group, and those to add. It is
// made when an action was sent: mostly there is none.
func (g *group) byAccount() map[directory.EntraID]int {
	if g.match.byID != nil {
		return g.match.byID
	}
	g.match.byID = map[directory.EntraID]int{}
	for i, m := range g.plan.Members {
		if m.Applied != "" {
			g.match.byID[m.Applied] = i
		}
	}
	for i, m := range g.plan.Members {
		if m.Wanted && m.Account != "" {
			g.match.byID[m.Account] = i
		}
	}
	return g.match.byID
}

// While at least manyComing members of a group wait for their accounts the group waits for
// them, so that one request adds twenty of them. It stops waiting when their number has
// not changed for comingQuiet.
const (
	manyComing  = 3
	comingQuiet = 2 * time.Minute
	// plannedWaits is how often a group waits for its members in a plan.
	plannedWaits = 2
)

// comingStep is how long a group waits before it counts again who still has no account:
// 50 ms for each of them, and longer when the number has not changed for a while.
func comingStep(coming int, unchanged time.Duration) time.Duration {
	const each, shortest, longest = 50 * time.Millisecond, time.Second, 30 * time.Second
	return min(max(time.Duration(coming)*each, unchanged/4, shortest), longest)
}

// await ends the attempts on groups that wait because many members will get their accounts
// soon, as after a first connection.
func (b *groupBatch) await(_ context.Context, groups []*group) {
	for _, g := range groups {
		coming := g.plan.Coming()
		if coming < manyComing || !b.dir.Settings.ManageGroups {
			continue
		}
		if now := time.Now().UTC(); coming != g.link.Coming {
			g.link.Coming, g.link.ComingAt = coming, now
		}
		g.match.awaits = true
		quiet := time.Since(g.link.ComingAt) >= comingQuiet
		planned := b.Plans && g.number > plannedWaits
		if g.plan.Pressing() || quiet && g.plan.Ready() || planned {
			g.link.ComingAt = time.Now().UTC()
			continue
		}
		g.link.Name, g.link.Reason = g.plan.Name, directory.MemberAbsent
		g.link.Message = fmt.Sprintf("%d of %d members have no account in this directory yet: they join together", coming, len(g.plan.Members))
		b.comeAgain(g, g.comingStep(), nil)
	}
}

// comingStep is how long to wait for the members who will get accounts.
func (g *group) comingStep() time.Duration {
	return comingStep(g.link.Coming, time.Since(g.link.ComingAt))
}
