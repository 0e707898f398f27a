package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// Users brings users up to date.
type Users struct {
	Store   *store.Store
	Systems Systems
	Metrics metric.Counter
	// Later takes the tasks of users who wait for an account that arrived.
	Later queue.Sender
	// GroupsLive and GroupsBulk are the lanes of groups: who joins or leaves one
	// changes it at once, who gets an account joins with many others.
	GroupsLive, GroupsBulk queue.Sender
	// Publisher is told of every action that was completed; nil tells nobody.
	Publisher Publisher
}

// Sync tries tasks of one directory together: one read of our records, one of
// JumpCloud, one batch of look-ups and one batch of writes for all of them. No
// user occurs twice. The outcomes stand in the order of the attempts; one user's
// trouble is never another's.
func (s Users) Sync(ctx context.Context, id directory.ID, attempts []Attempt) []Outcome {
	b := &batch{Users: s}
	for _, a := range attempts {
		b.users = append(b.users, &user{attempt: a})
	}
	b.run(ctx, id)
	outcomes := make([]Outcome, len(attempts))
	for i, u := range b.users {
		outcomes[i] = u.outcome
	}
	return outcomes
}

// batch is the work on some users of one directory.
type batch struct {
	Users
	dir       directory.Directory
	siblings  []directory.Directory // the other directories on the tenant
	entra     Entra
	users     []*user
	completed []plan.Action
}

// user is the work on one user.
type user struct {
	attempt   Attempt
	name      string // of the user, for people
	known     store.User
	source    *directory.User // in JumpCloud; nil: deleted
	connected directory.Connected
	plan      plan.User
	link      directory.Link
	todo      []plan.Action  // what is still to be sent
	unkept    []plan.Action  // what happened and was not recorded yet
	before    directory.Link // as it was before the action that is under way
	// adopted says that a decision made an account the user's that was not so
	// far; it is claimed first.
	adopted  bool
	obstacle *directory.Obstacle
	problems []directory.Problem // the attributes that Entra refused
	toTell   bool                // nobody may have been told that the account arrived
	renamed  bool                // the name that it had is free
	restored bool                // a restoration of the account was tried
	lost     directory.EntraID   // the account that is gone with its user
	// passwordAt is when the newest password was set that we know of.
	passwordAt time.Time
	over       bool // nothing more is tried
	failed     bool // and the link is to say why
	outcome    Outcome
}

// run takes the users through the stages. After each, those that are over drop
// out; those that failed get their reason recorded at the end.
func (b *batch) run(ctx context.Context, id directory.ID) {
	if !b.readRecords(ctx, id) || b.readMemberships(ctx) && !b.readRecords(ctx, id) {
		return
	}
	inStages(ctx, b.users, func(u *user) bool { return u.over },
		b.authorize, b.readJumpCloud, b.leaveAll, b.openEntra, b.reclaim, b.share, b.checkDomains, b.readBlind, b.findManagers, b.lookUp, b.wait, b.decide, b.claim, b.checkIDs, b.closeInterrupted, b.write, b.settle)
	b.recordFailures(ctx)
	b.publish(ctx)
}

// readRecords reads what we know of the directory and of each user there. A user
// that was never connected is none of our business. It reports whether there is
// anything to do.
func (b *batch) readRecords(ctx context.Context, id directory.ID) bool {
	ids := make([]directory.UserID, len(b.users))
	for i, u := range b.users {
		ids[i] = u.attempt.User
	}
	look, err := b.Store.Look(ctx, id, ids)
	if fault.Is(err, fault.NotFound) {
		zerolog.Ctx(ctx).Info().Str("directory", string(id)).Int("tasks", len(ids)).Msg("the directory is gone: nothing to do")
		return false
	}
	if err != nil {
		for _, u := range b.users {
			b.retryUnseen(ctx, u, err)
		}
		return false
	}
	b.dir, b.siblings = look.Directory, look.Siblings
	for _, u := range b.users {
		u.known = look.Users[u.attempt.User]
		link, found := u.known.Link(id)
		u.connected = b.howConnected(u.known)
		if u.over = u.failed || u.outcome.Retry || !found && !u.connected.Here; u.over {
			continue
		}
		if !found {
			link = directory.Link{Directory: id, User: u.attempt.User, Status: directory.Pending, State: directory.Absent}
		}
		u.link, u.name, u.toTell = link, string(link.UPN), link.Arrived
	}
	return true
}

// authorize ends the attempts in a directory whose tenant could never be asked who
// it is: without that nobody could tell whose an account is.
func (b *batch) authorize(ctx context.Context, users []*user) {
	if b.dir.TenantObject != "" {
		return
	}
	b.failEach(ctx, users, notAuthorized(b.dir))
}

// notAuthorized says that the tenant of a directory has not let us in yet.
func notAuthorized(dir directory.Directory) error {
	return &fault.Error{Op: "reconcile.authorize", Kind: fault.Unauthorized, Reason: string(directory.PendingConsent),
		Message: "the tenant " + string(dir.Tenant) + " has not let the application in yet: give admin consent in Entra, then PATCH this directory (an empty object will do)"}
}

// howConnected is how a user is connected, here and in the rest of the tenant.
func (b *batch) howConnected(known store.User) directory.Connected {
	c := directory.Connected{Here: len(known.Paths(b.dir.ID)) > 0, Ended: known.Ended(b.dir.ID)}
	own, _ := known.Link(b.dir.ID)
	for _, sibling := range b.siblings {
		link, _ := known.Link(sibling.ID)
		same := link.EntraID == "" || link.EntraID == own.EntraID
		c.Elsewhere = c.Elsewhere || same && len(known.Paths(sibling.ID)) > 0
	}
	return c
}

// hasAnother reports whether a user has another account in the tenant, by another
// directory. One that both have is no other.
func (b *batch) hasAnother(known store.User) bool {
	own, _ := known.Link(b.dir.ID)
	return slices.ContainsFunc(b.siblings, func(sibling directory.Directory) bool {
		link, _ := known.Link(sibling.ID)
		return link.EntraID != "" && link.EntraID != own.EntraID && !link.Freed
	})
}

// settings are those of the directory. Where directories share a tenant, a user
// is suspended when one of those that hold the user says so: they write the same
// account.
func (b *batch) settings(known store.User) directory.Settings {
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

// readLimit bounds the reading of JumpCloud for a batch: a JumpCloud that hangs
// must not hold up everybody.
const readLimit = 15 * time.Second

// readJumpCloud reads the current state of the users and applies the rules.
func (b *batch) readJumpCloud(ctx context.Context, users []*user) {
	ids := make([]directory.UserID, len(users))
	for i, u := range users {
		ids[i] = u.attempt.User
	}
	jc, err := b.Systems.JumpCloud(ctx, b.dir.Organization)
	if err != nil {
		b.failEach(ctx, users, jumpCloudTrouble(err))
		return
	}
	limited, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	current, failed := jc.Users(limited, ids)
	for _, u := range users {
		if err := failed[u.attempt.User]; err != nil {
			b.fail(ctx, u, jumpCloudTrouble(err))
			continue
		}
		var source *directory.User
		if found, exists := current[u.attempt.User]; exists {
			source, u.name = &found, found.Username
		}
		u.source = source
		u.plan = plan.User{
			ID:         u.attempt.User,
			Desired:    directory.Desire(source, u.connected, b.settings(u.known)),
			Link:       u.link,
			MayRestore: b.dir.Settings.RestoreDeleted,
			Federated:  b.dir.Settings.Federated,

			SecondAccount: b.hasAnother(u.known),
			NewPassword:   u.gotPassword(source) && b.dir.Settings.RevokeSessionsOnPasswordChange,
		}
	}
}

// passwordEventLag is how much later than the date of a password the event about
// it may be (assumed).
const passwordEventLag = time.Minute

// gotPassword reports whether JumpCloud has a newer password than the one that we
// know of: by the date that it gives, or by the event that made us look, unless
// that is about the password of that date. The first date of all changes nothing.
func (u *user) gotPassword(source *directory.User) bool {
	known, event := u.link.PasswordAt, u.attempt.PasswordAt
	if now := time.Now().UTC(); event.After(now) { // an event of the future would hide all that come before
		event = now
	}
	u.passwordAt = known
	if source != nil && source.PasswordDate.After(u.passwordAt) {
		u.passwordAt = source.PasswordDate
	}
	if event.Sub(u.passwordAt) > passwordEventLag {
		u.passwordAt = event
	}
	first := known.IsZero() && event.IsZero()
	return !first && u.passwordAt.After(known)
}

// openEntra finds the client of the tenant.
func (b *batch) openEntra(ctx context.Context, users []*user) {
	entra, err := b.Systems.Entra(ctx, b.dir.Tenant)
	if err != nil {
		b.failEach(ctx, users, err)
		return
	}
	b.entra = entra
}

// share takes the account that a user has in the tenant by another directory, if
// that one gives it the same name: it may not have that name yet. What it holds is
// not known here.
func (b *batch) share(ctx context.Context, users []*user) {
	for _, u := range users {
		if u.link.EntraID != "" || u.link.Unconfirmed != nil || !u.plan.Desired.Managed || u.plan.Desired.Obstacle != nil {
			continue
		}
		for _, sibling := range b.siblings {
			link, _ := u.known.Link(sibling.ID)
			name, obstacle := sibling.Settings.UserPrincipalName(*u.source)
			if link.EntraID == "" || link.Freed || obstacle != nil || !name.Same(u.plan.Desired.UPN) {
				continue
			}
			if _, err := b.Store.Claim(ctx, b.dir.TenantObject, link.EntraID, b.owner(u), b.dir.ID); err != nil {
				b.fail(ctx, u, err)
				break
			}
			u.link.EntraID, u.link.UPN, u.link.Owner, u.link.State, u.link.Arrived = link.EntraID, link.UPN, link.Owner, link.State, true
			u.plan.Link = u.link
			break
		}
	}
}

// checkDomains holds the sign-in names that are to be written against the domains
// that the tenant verified, and finds out which of those are federated. When the tenant
// cannot be asked nothing is lost: Entra refuses what it does not take, and of the
// kinds of domains counts what the tenant said when the directory was changed last.
func (b *batch) checkDomains(ctx context.Context, users []*user) {
	var domains []string
	var concerned []*user
	for _, u := range users {
		if u.plan.Names() {
			domains = append(domains, u.plan.Desired.UPN.Domain())
		}
		if u.plan.Names() || u.plan.Identifies() {
			concerned = append(concerned, u)
		}
	}
	if len(concerned) == 0 {
		return
	}
	tenant, err := b.entra.Tenant(ctx, domains)
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("directory", string(b.dir.ID)).Msg("the tenant's domains cannot be read")
		tenant = b.dir.KnownTenant()
	}
	for _, u := range concerned {
		if u.plan.Tenant = tenant; u.plan.Names() && err == nil {
			u.plan.Desired = u.plan.Desired.In(tenant)
		}
	}
}

// reclaim claims the accounts that were given free when their users were released
// and who are back. An account that went to somebody else meanwhile is forgotten:
// the user gets another one. What an account of ours holds after that time is not
// known.
func (b *batch) reclaim(ctx context.Context, users []*user) {
	for _, u := range users {
		if !u.link.Freed || !u.plan.Desired.Managed {
			continue
		}
		_, err := b.Store.Claim(ctx, b.dir.TenantObject, u.link.EntraID, b.owner(u), b.dir.ID)
		switch {
		case err == nil:
			u.link.Freed, u.link.Applied, u.link.Arrived = false, nil, true
		case fault.Is(err, fault.Conflict):
			u.link = forget(u.link)
		default:
			b.fail(ctx, u, err)
			continue
		}
		u.plan.Link = u.link
	}
}

// lookUp searches the accounts of users that have none yet, all in one go.
func (b *batch) lookUp(ctx context.Context, users []*user) {
	var upns []directory.UPN
	attributes := map[directory.Attribute]bool{}
	for _, u := range users {
		upns = append(upns, u.plan.Searches()...)
		for name := range u.plan.Desired.Attributes {
			attributes[name] = true
		}
	}
	if len(upns) == 0 {
		return
	}
	answers := b.entra.FindByUPN(ctx, upns, slices.Sorted(maps.Keys(attributes)))
	for _, u := range users {
		searched := u.plan.Searches()
		own := answers[:len(searched)]
		answers = answers[len(searched):]
		var accounts []*directory.Account
		var deleted []*directory.DeletedAccount
		for _, found := range own {
			if found.Err != nil {
				b.fail(ctx, u, found.Err)
				break
			}
			accounts, deleted = append(accounts, found.Account), append(deleted, found.Deleted)
		}
		if !u.over && len(searched) > 0 {
			u.plan = u.plan.Found(searched, accounts, deleted)
		}
	}
}

// wait ends the attempt of users about whom nothing can be concluded yet: their
// account was asked for, is not seen, and may still come. After settleTime it is
// certain that it does not.
func (b *batch) wait(ctx context.Context, users []*user) {
	for _, u := range users {
		if !u.plan.Unsettled() {
			continue
		}
		if time.Since(u.plan.Link.Unconfirmed.At) >= settleTime {
			u.plan.Link.Unconfirmed = nil
			continue
		}
		b.fail(ctx, u, &fault.Error{Op: "reconcile.wait", Kind: fault.Transient, Reason: string(directory.Unavailable), RetryAfter: settleStep,
			Message: "Entra did not confirm the account " + string(u.plan.Link.Unconfirmed.UPN) + " and does not show it yet: it is looked for again"})
	}
}

// decide has the plan made.
func (b *batch) decide(_ context.Context, users []*user) {
	for _, u := range users {
		d := u.plan.Decide()
		u.adopted = d.Link.EntraID != u.link.EntraID
		u.todo, u.obstacle, u.link = d.Actions, d.Obstacle, d.Link
	}
}

// claim makes sure that an account that was found belongs to nobody else.
func (b *batch) claim(ctx context.Context, users []*user) {
	for _, u := range users {
		if !u.adopted {
			continue
		}
		owner, err := b.Store.Claim(ctx, b.dir.TenantObject, u.link.EntraID, b.owner(u), b.dir.ID)
		if fault.Is(err, fault.Conflict) {
			owner, err = b.claimOrWait(ctx, u)
		}
		if fault.Is(err, fault.Conflict) {
			u.adopted, u.todo, u.link = false, nil, forget(u.plan.Link)
			u.obstacle = taken(u.plan.Desired.UPN, owner.Name())
		} else if err != nil {
			b.fail(ctx, u, err)
		}
	}
}

// claimOrWait has the user looked at when the account is free, and claims it once
// more, in case that happened just now.
func (b *batch) claimOrWait(ctx context.Context, u *user) (store.Owner, error) {
	wait := store.Wait{For: store.FreeAccount(b.dir.TenantObject, u.link.EntraID), Directory: b.dir.ID, User: u.attempt.User}
	if err := b.Store.AddWaits(ctx, wait); err != nil {
		return store.Owner{}, err
	}
	return b.Store.Claim(ctx, b.dir.TenantObject, u.link.EntraID, b.owner(u), b.dir.ID)
}

// owner is the user as the owner of an account.
func (b *batch) owner(u *user) store.Owner {
	return store.Owner{Organization: b.dir.Organization, User: u.attempt.User, Username: u.name}
}

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
		u.link.Freed = u.link.Freed || u.link.Status == directory.Released && u.link.EntraID != "" && !u.connected.Elsewhere
		u.link.NextTryAt = time.Time{}
		if u.passwordAt.After(u.link.PasswordAt) {
			u.link.PasswordAt = u.passwordAt
		}
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
