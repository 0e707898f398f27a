package reconcile

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/store"
)

// Review finds out from our records and from what JumpCloud has for which users of a
// directory a task would do anything. It asks nobody: the decision is the one of the engine,
// on the link alone.
type Review struct {
	// Records are those of the directory and its users.
	Records store.UserRecords
	// Managers are the accounts of the users' managers in the directory.
	Managers map[directory.UserID]directory.EntraID
	// Unchanged reports whether an account that is in the way is certainly as it was when the
	// reason was found; nil: nobody knows.
	Unchanged func(account directory.InTheWay, why directory.Reason) bool
}

// Differs reports whether a task for a user would do anything at a time. found is what
// JumpCloud has; nil if it does not show the user, which the task makes sure of. A user who
// is pending has a task, unless that is forgotten.
func (r Review) Differs(id directory.UserID, found *directory.User, now time.Time) bool {
	b, u := r.of(id, found)
	link, linked := u.known.Link(b.dir.ID)
	switch {
	case !linked && !u.connected.Here:
		return false
	case !linked:
		return true
	case link.Status == directory.Pending:
		return IsForgotten(link.Standing, u.known.Since(b.dir.ID), now)
	case link.Arrived || link.NameFreed || link.Unread():
		return true
	}
	u.link = link
	if r.leaves(b, u, found, now) {
		return true
	}
	if link.Status == directory.Parked && link.Reason == directory.Excluded && b.whyExcluded(u) != nil {
		return false
	}
	if found == nil {
		return u.losesAnything(b.dir.ID)
	}
	return b.differs(u, r)
}

// of is the work on a user, as far as it is known.
func (r Review) of(id directory.UserID, found *directory.User) (*userBatch, *user) {
	b := &userBatch{siblings: r.Records.Siblings, excluded: r.Records.Excluded}
	b.dir = r.Records.Directory
	u := &user{known: r.Records.Users[id], excluded: r.Records.Excluded.Members[id]}
	u.attempt.Task = Task{Directory: b.dir.ID, User: id}
	u.connected, u.read.source = b.howConnected(u.known), found
	return b, u
}

// TakesAccess is why a task for a user would disable an open account, as far as our records and
// JumpCloud say; "" if it would not, or if the directory has no guard.
func (r Review) TakesAccess(id directory.UserID, found *directory.User) directory.Reason {
	b, u := r.of(id, found)
	u.link, _ = u.known.Link(b.dir.ID)
	if b.dir.Settings.Guard.Off() || u.link.State != directory.Enabled || u.link.EntraID == "" || b.whyExcluded(u) != nil {
		return ""
	}
	if desired := directory.Desire(found, u.connected, b.settings(u.known)); desired.State == directory.Disabled && !desired.KeepsFound {
		return desired.Reason
	}
	return ""
}

// longestQueued is how long a task may wait for its turn: a first connection of very many
// users takes hours.
const longestQueued = 6 * time.Hour

// IsForgotten reports whether nobody works any more on something that is pending at a time and
// was connected at another: its task would have been tried since. While one may still be on
// its way, a second one would be too many.
func IsForgotten(s directory.Standing, connected, now time.Time) bool {
	last := slices.MaxFunc([]time.Time{connected, s.NextTryAt, s.LastEventAt, s.LastWriteAt}, time.Time.Compare)
	return now.Sub(last) > longestQueued
}

// losesAnything reports whether a user whom JumpCloud does not show has something to lose.
func (u *user) losesAnything(id directory.ID) bool {
	believed := u.link.Status == directory.Released && u.link.Reason == directory.Deleted && u.link.State != directory.Enabled
	return !believed && (u.link.State == directory.Enabled || u.link.Unconfirmed != nil || len(u.known.Paths(id)) > 0)
}

// differs reports whether the decision about a user whom JumpCloud has would send an action,
// ask Entra something, or change what the link says.
func (b *userBatch) differs(u *user, r Review) bool {
	b.desire(context.Background(), []*user{u}) // pure
	if u.plan.Desired.Managed && b.isBack(u) {
		return true
	}
	if d := u.plan.Desired; d.HasManager {
		b.setManager(u, r.Managers[d.Manager])
	}
	if b.isBlocked(u) && r.Unchanged != nil && r.Unchanged(*u.link.InTheWay, u.link.Reason) {
		return false
	}
	if len(u.plan.Searches()) > 0 || u.plan.Origin() != "" {
		return true
	}
	decision := u.plan.Decide()
	after := u.plan.Concluded(decision.Link, decision.Obstacle, nil)
	return len(decision.Actions) > 0 || after.Status != u.link.Status || after.Reason != u.link.Reason ||
		!slices.EqualFunc(after.Problems, u.link.Problems, func(x, y directory.Problem) bool { return x.Attribute == y.Attribute && x.Reason == y.Reason }) ||
		u.read.passwordAt.After(u.link.PasswordAt) && b.dir.Settings.RevokeSessionsOnPasswordChange
}

// isBlocked reports whether an account is in the way of the user's that a list of Entra's
// accounts or of their changes would show as another one if it were in the way no more. That a
// unit restricts it is shown by neither.
func (b *userBatch) isBlocked(u *user) bool {
	account, desired := u.link.InTheWay, u.plan.Desired
	switch {
	case account == nil || u.link.Status != directory.Parked || u.link.EntraID != "" || u.link.Unconfirmed != nil:
		return false
	case !desired.Managed || desired.Obstacle != nil || !account.UPN.Same(desired.UPN) || len(b.accountsElsewhere(u)) > 0:
		return false
	}
	return slices.Contains([]directory.Reason{directory.SyncedFromOnPremises, directory.GuestAccount, directory.AgentAccount}, u.link.Reason)
}

// ManagersOf are the managers of users, whose accounts a review needs; none if the directory
// does not export them.
func ManagersOf(s directory.Settings, users []directory.User) []directory.UserID {
	if !s.ExportsManager() {
		return nil
	}
	var managers []directory.UserID
	for _, u := range users {
		if u.Manager != "" {
			managers = append(managers, u.Manager)
		}
	}
	return managers
}
