package reconcile

import (
	"context"
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
	// doubted are the paths that JumpCloud does not show any more, and that are not
	// believed to be gone.
	doubted []directory.Path
	// lagging are the claims that JumpCloud does not show yet; again is when to look
	// again because of them or of an absence that is not believed yet.
	lagging   []directory.Claim
	again     time.Time
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
