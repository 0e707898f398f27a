package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// Users brings users up to date.
type Users struct{ Parts }

// NewUsers refuses parts of which one is missing, by its name.
func NewUsers(parts Parts) (Users, error) { return Users{parts}, parts.check() }

// users names them in logs, metrics and records.
var users = noun{subject: "user", attempts: "user", failed: "user_attempts_failed", ended: "users_settled"}

// Sync tries tasks of one directory together: one read of our records, one of
// JumpCloud, one batch of look-ups and one batch of writes for all of them. No
// user occurs twice. The outcomes stand in the order of the attempts; one user's
// trouble is never another's.
func (s Users) Sync(ctx context.Context, id directory.ID, attempts []Attempt) []Outcome {
	b := &userBatch{}
	b.Parts = s.Parts
	for _, a := range attempts {
		b.objects = append(b.objects, &user{work: work{attempted: a.attempted(users)}, attempt: a})
	}
	b.run(ctx, id)
	return b.outcomes()
}

// userBatch is the work on some users of one directory.
type userBatch struct {
	linkEngine[*user]
	siblings  []directory.Directory // the other directories on the tenant
	jumpcloud JumpCloud
	listed    map[directory.UserID]directory.User // users that were read by a list
	entra     Entra
}

// user is the work on one user. Each part of it is filled in by the stages that it is
// named after.
type user struct {
	work
	attempt   Attempt
	called    string // the user, by people
	known     store.User
	connected directory.Connected
	link      directory.Link
	read      userRead
	plan      plan.User
	match     userMatch
	written   userWritten
}

// userRead is what JumpCloud has of a user.
type userRead struct {
	source *directory.User // nil: deleted
	failed error           // why it could not be read
	// groups are those that hold the user in JumpCloud, held says whether the
	// connection source does, as far as the task asks.
	groups []directory.GroupID
	held   bool
	// doubted are the paths that JumpCloud does not show any more, and that are not
	// believed to be gone.
	doubted []directory.Path
	// passwordAt is when the newest password was set that we know of.
	passwordAt time.Time
}

// userMatch is how the user came to the account.
type userMatch struct {
	// adopted says that a decision made an account the user's that was not so
	// far; it is claimed first.
	adopted bool
	// unannounced says that nobody may have been told that the account arrived.
	unannounced bool
}

// userWritten is what became of the actions.
type userWritten struct {
	before   directory.Link      // as it was before the action that is under way
	failures []directory.Reason  // of the actions that failed
	problems []directory.Problem // the attributes that Entra refused
	renamed  bool                // the name that it had is free
	restored bool                // a restoration of the account was tried
	lost     directory.EntraID   // the account that is gone with its user
}

// userStages is the way of users who were read through the engine.
func userStages() []stage[*userBatch, *user] {
	return []stage[*userBatch, *user]{
		{"refresh", (*userBatch).refresh, true},             // sets known, link and connected anew after paths changed
		{"judge reads", (*userBatch).endUnread, true},       // ends who could not be read
		{"expect", (*userBatch).expect, true},               // sets lagging and lookAt
		{"authorize", (*userBatch).authorize, false},        // ends all in a tenant that never let us in
		{"desire", (*userBatch).desire, false},              // sets plan
		{"leave groups", (*userBatch).leaveGroups, false},   // takes deleted users out of their groups
		{"open Entra", (*userBatch).openEntra, false},       // sets the client of the tenant
		{"reclaim", (*userBatch).reclaim, false},            // sets link: the account that was given free
		{"share", (*userBatch).share, false},                // sets link: the account of another directory
		{"check domains", (*userBatch).checkDomains, false}, // sets plan.Tenant and what it refuses
		{"see", (*userBatch).readBlind, false},              // sets link: what an account moved aside is called
		{"find managers", (*userBatch).findManagers, false}, // sets plan.Desired: the manager's account
		{"look up", (*userBatch).lookUp, false},             // sets plan: accounts found by name
		{"wait", (*userBatch).wait, false},                  // ends whose account may still appear
		{"decide", (*userBatch).decide, false},              // sets todo, obstacle, link and match
		{"claim", (*userBatch).claimFound, false},           // makes sure that a found account is nobody else's
		{"check ids", (*userBatch).checkIDs, false},         // sets todo: no move for an id that is taken
		{"close open actions", (*userBatch).closeInterrupted, false},
		{"write", (*userBatch).send, false},   // sets written, link and problems
		{"conclude", (*userBatch).end, false}, // sets link: how the user stands
		{"record failures", (*userBatch).recordFailures, true},
		{"look again", (*userBatch).enqueueRechecks, true},
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
		goThrough(ctx, &own, wave, userStages())
	})
}

// refresh reads our records again if paths may have changed since.
func (b *userBatch) refresh(ctx context.Context, users []*user) {
	if slices.ContainsFunc(users, (*user).asksPaths) {
		b.readRecords(ctx, b.dir.ID, users)
	}
}

func (u *user) standing() *directory.Standing { return &u.link.Standing }

func (u *user) name() string { return u.called }

func (u *user) recording() store.Recording { return store.Recording{Link: u.link} }

// logged adds the state of the account.
func (u *user) logged(e *zerolog.Event) *zerolog.Event { return e.Str("state", string(u.link.State)) }

// owner is the user as the owner of an account.
func (b *userBatch) owner(u *user) store.Owner { return u.owner(b.dir.Organization) }

// owner is the user as the owner of an account.
func (u *user) owner(organization directory.OrganizationID) store.Owner {
	return store.Owner{Organization: organization, User: u.attempt.User, Username: u.called}
}
