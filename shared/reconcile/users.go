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
	// Live takes the tasks of users who are to be looked at again soon, Later those of
	// users who wait for an account that arrived.
	Live, Later queue.Sender
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
	jumpcloud JumpCloud
	listed    map[directory.UserID]directory.User // users that were read by a list
	entra     Entra
	users     []*user
	completed []plan.Action
}

// user is the work on one user.
type user struct {
	attempt Attempt
	name    string // of the user, for people
	known   store.User
	source  *directory.User // in JumpCloud; nil: deleted
	unread  error           // why it could not be read
	// groups are those that hold the user in JumpCloud, held says whether the
	// connection source does, as far as the task asks.
	groups []directory.GroupID
	held   bool
	// lagging are the claims that JumpCloud does not show yet; again is when to look
	// again because of them or of an absence that is not believed yet.
	lagging []directory.Claim
	again   time.Time
	// rethink says that an absence was believed that no event stated.
	rethink   bool
	connected directory.Connected
	plan      plan.User
	link      directory.Link
	todo      []plan.Action      // what is still to be sent
	unkept    []plan.Action      // what happened and was not recorded yet
	refusal   *plan.Action       // what was not even sent and is to be recorded as failed
	failures  []directory.Reason // of the actions that failed
	before    directory.Link     // as it was before the action that is under way
	// adopted says that a decision made an account the user's that was not so
	// far; it is claimed first.
	adopted  bool
	obstacle *directory.Obstacle
	problems []directory.Problem // the attributes that Entra refused
	withheld *fault.Error        // a permission was missing for a part of what is to be done
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

// run reads the users and takes them through the stages.
func (b *batch) run(ctx context.Context, id directory.ID) {
	if !b.readRecords(ctx, id) {
		return
	}
	concerned := slices.DeleteFunc(slices.Clone(b.users), func(u *user) bool { return u.over && !u.asksPaths() })
	if len(concerned) == 0 {
		return
	}
	reading, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	err := b.openJumpCloud(reading, concerned)
	inWaves(concerned, func(u *user) {
		if err != nil {
			u.unread = jumpCloudTrouble(err)
			return
		}
		b.read(reading, u)
	}, func(users []*user) {
		wave := *b
		wave.users = users
		wave.work(ctx, id)
	})
}

// work takes users that were read through the stages. After each, those that are over
// drop out; those that failed get their reason recorded at the end.
func (b *batch) work(ctx context.Context, id directory.ID) {
	if slices.ContainsFunc(b.users, (*user).asksPaths) && !b.readRecords(ctx, id) { // they may be others now
		return
	}
	b.endUnread(ctx)
	b.expect(ctx)
	inStages(ctx, b.users, func(u *user) bool { return u.over },
		b.authorize, b.desire, b.leaveAll, b.openEntra, b.reclaim, b.share, b.checkDomains, b.readBlind, b.findManagers, b.lookUp, b.wait, b.decide, b.claim, b.checkIDs, b.closeInterrupted, b.write, b.settle)
	b.recordFailures(ctx)
	b.lookAgain(ctx)
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
		if u.over = !found && !u.connected.Here; u.over {
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

// notAuthorized says that the tenant of a directory has not let us in yet, and why
// as far as its directory knows.
func notAuthorized(dir directory.Directory) error {
	f := &fault.Error{Op: "reconcile.authorize", Kind: fault.Unauthorized, Reason: string(directory.PendingConsent),
		Message: "the tenant " + string(dir.Tenant) + " has not let the application in yet: give admin consent in Entra, then PATCH this directory (an empty object will do)"}
	if dir.Reason != "" {
		f.Reason = string(dir.Reason)
		f.Message = "the tenant " + string(dir.Tenant) + " does not let the application in: " + dir.Message + ". When that is done, PATCH this directory (an empty object will do)"
	}
	return f
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
// directory: one that the directory holds, or one that it let go and that still
// carries the user's immutable id, which Entra gives to one account only. One that
// both have is no other.
func (b *batch) hasAnother(known store.User) bool {
	own, _ := known.Link(b.dir.ID)
	return slices.ContainsFunc(b.siblings, func(sibling directory.Directory) bool {
		link, _ := known.Link(sibling.ID)
		if link.EntraID == "" || link.EntraID == own.EntraID {
			return false
		}
		return !link.Freed || link.Applied[directory.ImmutableID].String() == string(link.User)
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

// openJumpCloud finds the client of the organization and reads by lists whom it can.
func (b *batch) openJumpCloud(ctx context.Context, users []*user) (err error) {
	ids := make([]directory.UserID, len(users))
	for i, u := range users {
		ids[i] = u.attempt.User
	}
	if b.jumpcloud, err = b.Systems.JumpCloud(ctx, b.dir.Organization); err != nil {
		return err
	}
	b.listed, err = b.jumpcloud.ListUsers(ctx, ids)
	return err
}

// read reads what JumpCloud has of one user: the paths, if the task asks for them,
// and the current state.
func (b *batch) read(ctx context.Context, u *user) {
	if u.unread = b.readPaths(ctx, u); u.unread != nil {
		return
	}
	found, listed := b.listed[u.attempt.User]
	var err error
	if !listed {
		found, err = b.jumpcloud.User(ctx, u.attempt.User)
	}
	switch {
	case err == nil:
		u.source = &found
		u.unread = b.dispel(ctx, u, store.Doubt{What: store.UserExists})
	case fault.Is(err, fault.NotFound):
		u.unread = b.judgeUser(ctx, u)
	default:
		u.unread = jumpCloudTrouble(err)
	}
}

// judgeUser decides whether a user whom JumpCloud does not know any more is gone. It
// is an error as long as that is not believed. Who has neither an account that opens
// nor a group has no access to lose.
func (b *batch) judgeUser(ctx context.Context, u *user) error {
	link, _ := u.known.Link(b.dir.ID)
	access := link.State == directory.Enabled || link.Unconfirmed != nil || len(groupsOf(u.known, b.dir.ID)) > 0
	anybody := func(directory.Claim) bool { return true }
	if !access || states(u.attempt.Claims, directory.Removed, anybody) {
		return nil
	}
	gone, err := b.judge(ctx, u, store.Doubt{What: store.UserExists}, func(ctx context.Context) (bool, error) {
		found, err := b.jumpcloud.IsUserFound(ctx, u.attempt.User)
		return !found, err
	})
	switch {
	case err != nil || gone:
		return err
	case u.again.IsZero():
		return contradicted("the user")
	default:
		return unconfirmed("the user")
	}
}

// dispel forgets a doubt that a second look at a user shows to be none.
func (b *batch) dispel(ctx context.Context, u *user, about store.Doubt) error {
	if u.attempt.NotBefore.IsZero() {
		return nil
	}
	about.Directory, about.User = b.dir.ID, u.attempt.User
	return b.Store.RemoveDoubt(ctx, about)
}

// judge holds an absence that concerns a user against the reads before.
func (b *batch) judge(ctx context.Context, u *user, about store.Doubt, differently func(context.Context) (bool, error)) (believed bool, err error) {
	about.Directory, about.User, about.People = b.dir.ID, u.attempt.User, 1
	v, err := doubts{b.Store, b.Metrics}.judge(ctx, about, differently)
	u.again, u.rethink = earliest(u.again, v.again), u.rethink || v.believed
	return v.believed, err
}

// endUnread ends the attempts of users who could not be read. Who has no link yet
// that could say why is tried again all the same.
func (b *batch) endUnread(ctx context.Context) {
	for _, u := range b.users {
		switch {
		case u.unread == nil:
		case directory.Reason(fault.Of(u.unread).Reason) == directory.AbsenceUnconfirmed:
			b.endDoubtful(u)
		case u.link.Version > 0:
			b.fail(ctx, u, u.unread)
		default:
			b.retryUnseen(ctx, u, u.unread)
		}
	}
}

// endDoubtful ends the attempt of a user who is to be looked at again before it is
// believed that JumpCloud does not know them any more.
func (b *batch) endDoubtful(u *user) {
	u.over, u.failed, u.lagging = true, true, u.attempt.Claims
	f := fault.Of(u.unread)
	u.link.Status, u.link.Reason, u.link.Message, u.link.NextTryAt = directory.Pending, reasonOf(f), sentenceOf(f), u.again
}

// expect holds what events claimed against what was read, also of users who have no
// link yet: a membership that JumpCloud does not show yet may give them one.
func (b *batch) expect(ctx context.Context) {
	now := time.Now().UTC()
	for _, u := range b.users {
		if u.unread != nil || u.outcome.Retry {
			continue
		}
		u.link.Claimed = claimed(u.link.Claimed).with(u.attempt.Claims, now)
		left, again, givenUp := lagging(u.attempt.Claims, u.link.Claimed, b.shown(u), now)
		u.lagging, u.again = left, earliest(u.again, again)
		if givenUp > 0 {
			b.Metrics.Count("claims_given_up", givenUp)
			u.line(zerolog.Ctx(ctx).Warn()).Int("claims", givenUp).Msg("JumpCloud does not show what its event said: the read is believed")
		}
	}
}

// shown says of a claim whether what was read of the user shows it.
func (b *batch) shown(u *user) func(directory.Claim) directory.Shown {
	return func(c directory.Claim) directory.Shown {
		switch c.Kind {
		case directory.Joined, directory.Left:
			return c.ShownByGroups(u.groups)
		case directory.Associated, directory.Dissociated:
			return c.ShownBySource(b.dir.Settings.ConnectionSource, u.held)
		default:
			return c.ShownBy(u.source)
		}
	}
}

// lookAgain has those looked at again, each when it is time, of whom JumpCloud does
// not show yet what its events said, or does not show what was there before.
func (b *batch) lookAgain(ctx context.Context) {
	for _, u := range b.users {
		if u.outcome.Retry { // it comes again as it is
			continue
		}
		again := Task{Directory: b.dir.ID, User: u.attempt.User, Cause: u.attempt.Cause, Claims: u.lagging, NotBefore: u.again,
			Memberships: u.attempt.Memberships, Source: u.attempt.Source}
		thought := Task{Directory: b.dir.ID, User: u.attempt.User, Cause: u.attempt.Cause, Thought: u.attempt.Thought + 1,
			Memberships: true, Source: b.dir.Settings.ConnectionSource.Type != directory.NoSource}
		if u.rethink || u.attempt.Thought > 0 {
			thought.NotBefore = nextThought(u.attempt.Thought)
		}
		tasks := slices.DeleteFunc([]Task{again, thought}, func(t Task) bool { return t.NotBefore.IsZero() })
		if err := Enqueue(context.WithoutCancel(ctx), b.Live, tasks...); err != nil {
			b.retryUnseen(ctx, u, err)
		}
	}
}

// desire applies the rules to what was read.
func (b *batch) desire(_ context.Context, users []*user) {
	for _, u := range users {
		if u.source != nil {
			u.name = u.source.Username
		}
		u.plan = plan.User{
			ID:         u.attempt.User,
			Desired:    directory.Desire(u.source, u.connected, b.settings(u.known)),
			Link:       u.link,
			MayRestore: b.dir.Settings.RestoreDeleted,
			Federated:  b.dir.Settings.Federated,

			SecondAccount: b.hasAnother(u.known),
			NewPassword:   u.gotPassword(u.source) && b.dir.Settings.RevokeSessionsOnPasswordChange,
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
// that one gives it the same name: it may not have that name yet. An account that
// another directory let go is taken back unless it went to somebody else meanwhile.
// What the account holds is not known here.
func (b *batch) share(ctx context.Context, users []*user) {
	for _, u := range users {
		if u.link.EntraID != "" || u.link.Unconfirmed != nil || !u.plan.Desired.Managed || u.plan.Desired.Obstacle != nil {
			continue
		}
		for _, link := range b.accountsElsewhere(u) {
			_, err := b.Store.Claim(ctx, b.dir.TenantObject, link.EntraID, b.owner(u), b.dir.ID)
			if link.Freed && fault.Is(err, fault.Conflict) {
				continue
			}
			if err != nil {
				b.fail(ctx, u, err)
				break
			}
			u.link.EntraID, u.link.UPN, u.link.Owner, u.link.State, u.link.Found, u.link.Arrived = link.EntraID, link.UPN, link.Owner, link.State, link.Found, true
			u.plan.Link = u.link
			break
		}
	}
}

// accountsElsewhere are the links of the other directories of the tenant that give
// the user the same name, those that still hold their account first.
func (b *batch) accountsElsewhere(u *user) []directory.Link {
	var held, freed []directory.Link
	for _, sibling := range b.siblings {
		link, _ := u.known.Link(sibling.ID)
		name, obstacle := sibling.Settings.UserPrincipalName(*u.source)
		switch {
		case link.EntraID == "" || obstacle != nil || !name.Same(u.plan.Desired.UPN):
		case link.Freed:
			freed = append(freed, link)
		default:
			held = append(held, link)
		}
	}
	return append(held, freed...)
}

// checkDomains holds the sign-in names that are to be written against the domains
// that the tenant verified, and finds out which of those are federated. When the tenant
// cannot be asked nothing is lost: Entra refuses what it does not take, and of the
// kinds of domains counts what the tenant said when the directory was changed last.
func (b *batch) checkDomains(ctx context.Context, users []*user) {
	var domains []string
	var since time.Time
	var concerned []*user
	for _, u := range users {
		if u.plan.Names() {
			domains = append(domains, u.plan.Desired.UPN.Domain())
			if cause := u.attempt.Cause; cause.Asked && cause.At.After(since) {
				since = cause.At // the person who asked may just have verified the domain
			}
		}
		if u.plan.Names() || u.plan.Identifies() {
			concerned = append(concerned, u)
		}
	}
	if len(concerned) == 0 {
		return
	}
	tenant, err := b.entra.Tenant(ctx, domains, since)
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
			if found.Unsearched != nil {
				b.unsearched(ctx, u, found.Unsearched)
			}
		}
		if !u.over && len(searched) > 0 {
			u.plan = u.plan.Found(searched, accounts, deleted)
		}
	}
}

// unsearched notes that a deleted account of a user's name would not have been seen.
// The user goes on without: Entra lets a new account have the name.
func (b *batch) unsearched(ctx context.Context, u *user, why error) {
	b.Metrics.Count("deleted_accounts_unsearched", 1, "kind", trouble(fault.Of(why)))
	u.line(zerolog.Ctx(ctx).Warn()).Err(why).Msg("Entra refuses to search the deleted accounts: one of the user's name is neither reported nor restored")
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
