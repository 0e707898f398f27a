package reconcile

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// readRecords reads our records of the directory and of each user there. The attempt on a
// user who was never connected ends. It reports whether there is anything to do.
func (b *userBatch) readRecords(ctx context.Context, id directory.ID, users []*user) bool {
	ids := make([]directory.UserID, len(users))
	for i, u := range users {
		ids[i] = u.attempt.User
	}
	records, err := b.Store.ReadUsers(ctx, id, ids)
	if !b.found(ctx, id, users, err) {
		return false
	}
	b.dir, b.siblings, b.excluded = records.Directory, records.Siblings, records.Excluded
	for _, u := range users {
		u.known, u.settings = records.Users[u.attempt.User], records.Directory.Settings
		link, found := u.known.Link(id)
		u.connected, u.excluded = b.howConnected(u.known), records.Excluded.Members[u.attempt.User]
		if u.over = !found && !u.connected.Here; u.over {
			continue
		}
		if !found {
			link = directory.NewLink(id, u.attempt.User)
		}
		link.Leaving = plan.LeftAgain(link.Leaving, b.connectedAt(u.known), time.Now().UTC())
		link.WroteManager = link.MayHaveManager() // before anything in Applied is forgotten
		u.link, u.called, u.match.unannounced = link, string(link.UPN), link.Arrived
		if link.Unread() { // what the message asked to read is not known
			u.attempt.Memberships, u.attempt.Source, u.attempt.Compare = true, true, true
		}
	}
	return true
}

// connectedAt is when the last connection of a user to the tenant began; zero if there never was
// one.
func (b *userBatch) connectedAt(known store.User) time.Time {
	last := known.Since(b.dir.ID)
	for _, sibling := range b.siblings {
		if at := known.Since(sibling.ID); at.After(last) {
			last = at
		}
	}
	return last
}

// howConnected is how a user is connected, here and in the rest of the tenant.
func (b *userBatch) howConnected(known store.User) directory.Connected {
	c := directory.Connected{Here: len(known.Paths(b.dir.ID)) > 0, Ended: known.Ended(b.dir.ID)}
	own, _ := known.Link(b.dir.ID)
	for _, sibling := range b.siblings {
		link, _ := known.Link(sibling.ID)
		same := link.EntraID == "" || link.EntraID == own.EntraID
		c.Elsewhere = c.Elsewhere || same && len(known.Paths(sibling.ID)) > 0
	}
	return c
}

// others are the links of the user's other accounts in the tenant, through other
// directories: those that a directory still manages, and those that it released with the
// user's immutable id, which only one account in Entra can have. An account that both
// directories share is no other.
func (b *userBatch) others(known store.User) []directory.Link {
	own, _ := known.Link(b.dir.ID)
	var others []directory.Link
	for _, sibling := range b.siblings {
		link, _ := known.Link(sibling.ID)
		identified := link.Applied[directory.ImmutableID].String() == string(link.User)
		if link.EntraID != "" && link.EntraID != own.EntraID && (!link.Freed || identified) {
			others = append(others, link)
		}
	}
	return others
}

// settings are those of the directory. Where directories share a tenant, a user is
// suspended when one of those that connect the user says so: they write the same account.
func (b *userBatch) settings(known store.User) directory.Settings {
	s := b.dir.Settings
	if len(known.Paths(b.dir.ID)) == 0 {
		s.SuspendOnLockout, s.SuspendOnPasswordExpiration = false, false
	}
	for _, sibling := range b.siblings {
		if len(known.Paths(sibling.ID)) > 0 {
			s.SuspendOnLockout = s.SuspendOnLockout || sibling.Settings.SuspendOnLockout
			s.SuspendOnPasswordExpiration = s.SuspendOnPasswordExpiration || sibling.Settings.SuspendOnPasswordExpiration
		}
	}
	return s
}
