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
	"entrasync/shared/store"
)

// Users brings users up to date.
type Users struct {
	Store   *store.Store
	Systems Systems
	Metrics metric.Counter
}

// Sync tries tasks of one directory together: one read of JumpCloud, one batch
// of look-ups and one batch of writes for all of them. No user occurs twice.
// The outcomes stand in the order of the attempts; one user's trouble is never
// another's.
func (s Users) Sync(ctx context.Context, id directory.ID, attempts []Attempt) []Outcome {
	batch := &batch{Users: s, now: time.Now().UTC()}
	for _, a := range attempts {
		batch.users = append(batch.users, &user{attempt: a})
	}
	dir, err := s.Store.Directory(ctx, id)
	switch {
	case fault.Is(err, fault.NotFound):
		zerolog.Ctx(ctx).Info().Str("directory", string(id)).Int("tasks", len(attempts)).Msg("the directory is gone: nothing to do")
	case err != nil:
		batch.failAll(batch.users, err)
	default:
		batch.dir = dir
		batch.run(ctx)
	}
	outcomes := make([]Outcome, len(attempts))
	for i, u := range batch.users {
		outcomes[i] = u.outcome
	}
	return outcomes
}

// batch is the work on some users of one directory.
type batch struct {
	Users
	dir   directory.Directory
	entra Entra
	now   time.Time
	users []*user
}

// user is the work on one user.
type user struct {
	attempt Attempt
	known   store.User
	plan    plan.User
	todo    []plan.Action
	// adopted is the account that a decision made ours before anything was
	// written to it; it is claimed first.
	adopted  bool
	link     directory.Link
	obstacle *directory.Obstacle
	name     string
	over     bool
	outcome  Outcome
}

// run takes the users through the stages. After each, those that are over drop
// out.
func (b *batch) run(ctx context.Context) {
	for _, stage := range []func(context.Context, []*user){
		b.readRecords, b.readJumpCloud, b.openEntra, b.lookUp, b.decide, b.claim, b.closeInterrupted, b.write, b.settle,
	} {
		if live := b.live(); len(live) > 0 {
			stage(ctx, live)
		}
	}
}

// live are the users that are not over.
func (b *batch) live() []*user {
	return slices.DeleteFunc(slices.Clone(b.users), func(u *user) bool { return u.over })
}

// readRecords reads what we know of each user. A user that was never connected
// is none of our business.
func (b *batch) readRecords(ctx context.Context, users []*user) {
	for _, u := range users {
		known, err := b.Store.User(ctx, b.dir.Organization, u.attempt.User)
		if err != nil {
			b.fail(ctx, u, err)
			continue
		}
		link, found := known.Link(b.dir.ID)
		if !found && len(known.Paths(b.dir.ID)) == 0 {
			u.over = true
			continue
		}
		if !found {
			link = directory.Link{Directory: b.dir.ID, User: u.attempt.User, Status: directory.Pending, State: directory.Absent}
		}
		u.known, u.link = known, link
	}
}

// readJumpCloud reads the current state of the users and applies the rules.
func (b *batch) readJumpCloud(ctx context.Context, users []*user) {
	ids := make([]directory.UserID, len(users))
	for i, u := range users {
		ids[i] = u.attempt.User
	}
	jc, err := b.Systems.JumpCloud(ctx, b.dir.Organization)
	if err != nil {
		b.failEach(ctx, users, err)
		return
	}
	current, err := jc.Users(ctx, ids)
	if err != nil {
		b.failEach(ctx, users, err)
		return
	}
	for _, u := range users {
		var source *directory.User
		u.name = string(u.link.UPN)
		if found, exists := current[u.attempt.User]; exists {
			source, u.name = &found, found.Username
		}
		u.plan = plan.User{
			ID:        u.attempt.User,
			Desired:   directory.Desire(source, len(u.known.Paths(b.dir.ID)) > 0, b.dir.Settings),
			Link:      u.link,
			Federated: b.dir.Settings.Federated,
		}
	}
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

// lookUp searches the accounts of users that have none yet, all in one go.
func (b *batch) lookUp(ctx context.Context, users []*user) {
	var searched []*user
	var upns []directory.UPN
	attributes := map[directory.Attribute]bool{}
	for _, u := range users {
		if !u.plan.NeedsLookup() {
			continue
		}
		searched, upns = append(searched, u), append(upns, u.plan.Desired.UPN)
		for name := range u.plan.Desired.Attributes {
			attributes[name] = true
		}
	}
	if len(searched) == 0 {
		return
	}
	for i, found := range b.entra.FindByUPN(ctx, upns, slices.Sorted(maps.Keys(attributes))) {
		u := searched[i]
		if found.Err != nil {
			b.fail(ctx, u, found.Err)
			continue
		}
		u.plan.LookedUp, u.plan.Account = true, found.Account
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
		owner, err := b.Store.Claim(ctx, b.dir.Tenant, u.link.EntraID, b.owner(u))
		if fault.Is(err, fault.Conflict) {
			u.adopted, u.todo, u.link = false, nil, u.plan.Link
			u.obstacle = taken(u.plan.Desired.UPN, owner)
		} else if err != nil {
			b.fail(ctx, u, err)
		}
	}
}

// owner is the user as the owner of an account.
func (b *batch) owner(u *user) store.Owner {
	return store.Owner{Organization: b.dir.Organization, User: u.attempt.User, Directory: b.dir.ID}
}

// write sends the actions in rounds: the first of every user together, then the
// second, and so on, because writes to one account are serial and those to
// different accounts are not.
func (b *batch) write(ctx context.Context, users []*user) {
	for {
		var round []*user
		for _, u := range users {
			if !u.over && len(u.todo) > 0 {
				round = append(round, u)
			}
		}
		if len(round) == 0 {
			return
		}
		b.writeRound(ctx, round)
	}
}

// writeRound records, sends and completes the next action of each user.
func (b *batch) writeRound(ctx context.Context, users []*user) {
	var sent []*user
	var actions []plan.Action
	for _, u := range users {
		action := b.begin(u)
		if err := b.record(ctx, u, action); err != nil {
			b.fail(ctx, u, err)
			continue
		}
		sent, actions = append(sent, u), append(actions, action)
	}
	if len(sent) == 0 {
		return
	}
	for i, result := range b.entra.Apply(ctx, actions) {
		b.complete(ctx, sent[i], actions[i], result)
	}
}

// settle notes how the users that were not interrupted stand now.
func (b *batch) settle(ctx context.Context, users []*user) {
	for _, u := range users {
		u.link = u.plan.Settled(u.link, u.obstacle)
		u.link.NextTryAt = time.Time{}
		if err := b.record(ctx, u); err != nil {
			b.fail(ctx, u, err)
			continue
		}
		u.over = true
		b.Metrics.Count("users_settled", 1, "status", string(u.link.Status), "reason", string(u.link.Reason))
		zerolog.Ctx(ctx).Info().
			Str("directory", string(b.dir.ID)).Str("user", string(u.attempt.User)).
			Str("cause", u.attempt.Cause.Type).Str("event", u.attempt.Cause.ID).
			Str("status", string(u.link.Status)).Str("state", string(u.link.State)).Str("reason", string(u.link.Reason)).
			Msg("user looked at")
	}
}
