package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// Users brings users up to date.
type Users struct{ Parts }

// NewUsers returns a fault that names the first part that is missing.
func NewUsers(parts Parts) (Users, error) { return Users{parts.remembering()}, parts.check() }

// users names them in logs, metrics and records.
var users = noun{subject: "user", attempts: "user", failed: "user_attempts_failed", ended: "users_settled", scope: directory.OfUsers}

// Sync tries tasks of one directory together, with shared reads and batches of writes. No
// user occurs twice. The outcomes are in the order of the attempts; the failure of one
// user does not affect another.
func (s Users) Sync(ctx context.Context, id directory.ID, attempts []Attempt) []Outcome {
	b := &userBatch{}
	b.Parts, b.trouble = s.Parts, newRecognition()
	for _, a := range attempts {
		b.objects = append(b.objects, &user{work: work{attempted: a.attempted(users), stage: readingRecords}, attempt: a})
	}
	b.run(ctx, id)
	return b.outcomes()
}

// userBatch is the work on some users of one directory.
type userBatch struct {
	linkEngine[*user]
	siblings  []directory.Directory // the other directories on the tenant
	excluded  store.Excluded        // who is excluded from the directory
	jumpcloud JumpCloud
	listed    map[directory.UserID]directory.User  // users that were read by a list
	kept      map[directory.UserID][]directory.UPN // the names of excluded users without a known account; nil: not read
	entra     Entra
}

// user is the work on one user. Each of its parts is filled in by the stages after which
// it is named.
type user struct {
	work
	attempt   Attempt
	called    string             // the user name, for people
	settings  directory.Settings // of the directory
	known     store.User
	connected directory.Connected
	link      directory.Link
	excluded  bool // as a member of the group whose members are excluded
	read      userRead
	plan      plan.User
	match     userMatch
	guard     userGuard
	written   userWritten
}

// userRead is what JumpCloud has of a user.
type userRead struct {
	source *directory.User // nil: deleted
	failed error           // why it could not be read
	// groups are those that have the user as member in JumpCloud; held says whether the
	// connection source has the user. Both are read only if the task asks for them.
	groups []directory.GroupID
	held   bool
	// unjudged says that one read did not show the user, who had no access to lose: nothing
	// else says that the user is gone.
	unjudged bool
	// spared says that one read did not show the user, who is excluded.
	spared bool
	// checkedExclusion says that it was read whether the user is in the group whose members are
	// excluded, before access is lost or something is written; exclusionFailed is why it could not be.
	checkedExclusion bool
	exclusionFailed  error
	// readmitted says that the user has just left the group whose members are excluded.
	readmitted bool
	// doubted are the paths that JumpCloud does not show any more and that are not yet
	// believed to be gone.
	doubted []directory.Path
	// overtaken says that JumpCloud shows a path that the user left after a time that the read
	// may show.
	overtaken bool
	// stranded is the StrandedAt of the link for which all was read.
	stranded time.Time
	// passwordAt is when the newest password that we know of was set.
	passwordAt time.Time
}

// userMatch is how the user came to the account.
type userMatch struct {
	// adopted says that the decision gave the user an account that was not the user's
	// so far; it is claimed first.
	adopted bool
	// unannounced says that tasks for those who wait for the account may not have
	// been sent.
	unannounced bool
	// gone says that the account is not in Entra any more; restores, that it is to be
	// restored; nameTaken, why that is not possible.
	gone, restores bool
	nameTaken      *directory.Obstacle
}

// userWritten is the results of the actions.
type userWritten struct {
	before   directory.Link      // before the current action
	failures []directory.Reason  // of the actions that failed
	problems []directory.Problem // the attributes that Entra refused
	restored bool                // a restoration of the account was tried
}

// userPlanStages are the stages that decide how users are to stand, after they were read.
func userPlanStages() []stage[*userBatch, *user] {
	return []stage[*userBatch, *user]{
		{"refresh", (*userBatch).refresh, true},       // reads known, link and connected again after paths changed
		{"judge reads", (*userBatch).endUnread, true}, // ends users who could not be read
		{"expect", (*userBatch).expect, true},         // sets lagging and recheckAt
		{"authorize", (*userBatch).authorize, false},  // ends all in a tenant that has not given consent yet
		{"recall", (*userBatch).recall, false},        // sets open and link: what interrupted actions wrote is not known
		{"desire", (*userBatch).desire, false},        // sets plan
		{"exclude", (*userBatch).exclude, false},      // ends excluded users; sets link of who is excluded no more
	}
}

// userStages are the stages that make it so. Who loses access goes through them apart from
// the others.
func userStages() []stage[*userBatch, *user] {
	return []stage[*userBatch, *user]{
		{"leave groups", (*userBatch).leaveGroups, false},       // removes deleted users from their groups
		{"open Entra", (*userBatch).openEntra, false},           // sets the client of the tenant
		{"reclaim", (*userBatch).reclaim, false},                // sets link: the account whose claim was given up
		{"share", (*userBatch).share, false},                    // sets link: the account of another directory
		{"compare", (*userBatch).compare, false},                // sets link and plan: what somebody else changed in Entra
		{"leave", (*userBatch).leave, false},                    // sets link and plan.Leaver: what follows when somebody left
		{"check others", (*userBatch).checkOthers, false},       // sets plan.SecondAccount: not if somebody else had that account
		{"check domains", (*userBatch).checkDomains, false},     // sets plan.Tenant and the obstacles of its domains
		{"keep names", (*userBatch).keepNames, false},           // sets the obstacles of names that are excluded users'
		{"read accounts", (*userBatch).readBlind, false},        // sets link: the name of an account moved aside
		{"find managers", (*userBatch).findManagers, false},     // sets plan.Desired: the manager's account
		{"look up imported", (*userBatch).lookUpOrigins, false}, // sets plan: accounts from which users were imported
		{"look up", (*userBatch).lookUp, false},                 // sets plan: accounts found by name
		{"wait", (*userBatch).wait, false},                      // ends users whose account may still appear
		{"decide", (*userBatch).decide, false},                  // sets todo, obstacle, link and match
		{"claim", (*userBatch).claimFound, false},               // makes sure that a found account belongs to nobody else
		{"check ids", (*userBatch).checkIDs, false},             // sets todo: no move for an id that is taken
		{"close open actions", (*userBatch).closeInterrupted, false},
		{"guard", (*userBatch).guard, false},  // sets guard and todo: whether many lose access at once
		{"write", (*userBatch).send, false},   // sets written, link and problems
		{"conclude", (*userBatch).end, false}, // sets link: how the user stands
		{"doubt first reads", (*userBatch).doubtFailed, true},
		{"record failures", (*userBatch).recordFailures, true},
		{"recheck", (*userBatch).enqueueRechecks, true},
		{"publish", (*userBatch).publish, true},
	}
}

// run reads the users and takes them through the stages.
func (b *userBatch) run(ctx context.Context, id directory.ID) {
	if !b.readRecords(ctx, id, b.objects) {
		return
	}
	concerned := slices.DeleteFunc(slices.Clone(b.objects), func(u *user) bool { return u.over && !u.asksPaths() })
	if len(concerned) == 0 {
		return
	}
	if s := b.dir.Stopped(directory.OfUsers); s != nil {
		b.setAside(ctx, concerned, *s)
		return
	}
	reading, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	err := b.openJumpCloud(reading, concerned)
	inWaves(concerned, func(u *user) {
		u.stage = "read"
		if err != nil {
			u.read.failed = jumpCloudTrouble(err)
			return
		}
		b.readUser(reading, u)
	}, func(wave []*user) {
		own := *b
		own.completed = nil
		goThrough(ctx, &own, wave, userPlanStages())
		closing, others := apart(wave, (*user).losesAccess)
		sideBySide(func() {
			part := own
			goThrough(ctx, &part, closing, userStages())
		}, func() {
			part := own
			part.completed = nil
			goThrough(ctx, &part, others, userStages())
		})
	})
}

// losesAccess reports whether the account is enabled and is to be disabled.
func (u *user) losesAccess() bool {
	return !u.over && u.link.State == directory.Enabled && u.plan.Desired.State == directory.Disabled
}

// refresh reads our records again if paths may have changed since. If another worker changed
// a link meanwhile, what was read in JumpCloud may be older than what that worker wrote. If
// it connected a user whom a read did not show and who had no access to lose, there is some
// now: whether the user is gone is judged again.
func (b *userBatch) refresh(ctx context.Context, users []*user) {
	if !slices.ContainsFunc(users, (*user).asksPaths) {
		return
	}
	const begun = 1 // the version of a link for which nothing was done yet
	versions := make([]int64, len(users))
	for i, u := range users {
		versions[i] = max(u.link.Version, begun)
	}
	if !b.readRecords(ctx, b.dir.ID, users) {
		return
	}
	for i, u := range users {
		if !u.over && (u.link.Version > versions[i] || u.read.unjudged && u.connected.Here) {
			b.retry(ctx, u, fault.New(fault.Changed, "reconcile.refresh", "another worker changed the user while JumpCloud was read"))
		}
	}
}

func (u *user) standing() *directory.Standing { return &u.link.Standing }

func (u *user) name() string { return u.called }

// isKnown reports whether the user has a link, or is to have one.
func (u *user) isKnown() bool { return u.link.Version > 0 || u.connected.Here }

func (u *user) waiting() (store.Waiting, error) {
	return waitingTask(plan.OfUser, u.id, u.attempt.Task, isUrgent(u.cause, u.claims, u.settings), u.directory)
}

func (u *user) recording() store.Recording { return store.Recording{Link: u.link} }

// logged adds the state of the account.
func (u *user) logged(e *zerolog.Event) *zerolog.Event { return e.Str("state", string(u.link.State)) }

// owner is the user as the owner of an account.
func (b *userBatch) owner(u *user) store.Owner { return u.owner(b.dir.Organization) }

// owner is the user as the owner of an account.
func (u *user) owner(organization directory.OrganizationID) store.Owner {
	return store.Owner{Organization: organization, User: u.attempt.User, Username: u.called}
}
