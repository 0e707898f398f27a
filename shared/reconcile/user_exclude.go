package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// exclude ends the attempts on excluded users before anything is decided. Whoever is not
// excluded any more is compared with nothing from before.
func (b *userBatch) exclude(ctx context.Context, users []*user) {
	for _, u := range users {
		if err := b.lastLook(ctx, u); err != nil {
			b.fail(ctx, u, err)
			continue
		}
		if why := b.whyExcluded(u); why != nil {
			b.closeInterrupted(ctx, []*user{u})
			b.parkExcluded(ctx, u, why)
			continue
		}
		switch {
		case u.read.spared: // the exclusion ended just now
			b.retry(ctx, u, changedExclude())
			continue
		case !u.link.Excluded && !u.read.readmitted:
			continue
		}
		u.link.Excluded, u.link.ExcludedAs, u.link.Applied, u.link.Arrived = false, nil, nil, u.link.EntraID != ""
		u.match.unannounced = u.link.Arrived
		u.plan.Link = u.link
	}
}

// lastLook reads once more whether a user who is about to lose access is in the group whose
// members are excluded: the event that says so may still be on its way.
func (b *userBatch) lastLook(ctx context.Context, u *user) error {
	if !b.mayHaveJoined(u) || !u.losesAccess() {
		return nil
	}
	return b.readWhetherExcluded(ctx, u)
}

// mayHaveJoined reports whether a user may be in the group whose members are excluded although
// our records do not say so, and this attempt has not read it.
func (b *userBatch) mayHaveJoined(u *user) bool {
	return b.excluded.Group != "" && !u.excluded && !u.attempt.Memberships && !u.read.checkedExclusion && u.read.source != nil
}

// readWhetherExcluded reads whether a user is in the group whose members are excluded.
func (b *userBatch) readWhetherExcluded(ctx context.Context, u *user) error {
	u.read.checkedExclusion = true
	groups, err := b.jumpcloud.GroupsOf(ctx, u.attempt.User)
	if err != nil {
		return jumpCloudTrouble(err)
	}
	if u.excluded = slices.Contains(groups, b.excluded.Group); !u.excluded {
		return nil
	}
	return b.Store.PutExcluded(ctx, b.dir.ID, b.excluded.Group, u.attempt.User)
}

// lookBeforeWriting reads once in an attempt, before the first write, whether users are in the
// group whose members are excluded: the event of a new member may be lost, and catch-up finds
// it a minute later. What concerns many is not looked up, one by one: a first sync would take
// twice as many requests to JumpCloud.
func (b *userBatch) lookBeforeWriting(ctx context.Context, users []*user) {
	looking, _ := apart(users, func(u *user) bool { return !u.cause.Many && b.mayHaveJoined(u) })
	inWaves(looking, func(u *user) { u.read.exclusionFailed = b.readWhetherExcluded(ctx, u) }, func([]*user) {})
	for _, u := range looking {
		if u.read.exclusionFailed != nil {
			b.fail(ctx, u, u.read.exclusionFailed)
		}
	}
}

// whyExcluded says which rule excludes a user, as far as it is known before Entra is read;
// nil if none does. A user who was released has nothing left to exclude.
func (b *userBatch) whyExcluded(u *user) *directory.Obstacle {
	if !u.connected.Here && (u.link.EntraID == "" || u.link.Freed) && u.link.Unconfirmed == nil {
		return nil
	}
	return b.excluded.Exclude.Why(u.attempt.User, u.excluded, plan.User{Link: u.link}.SignInNames()...)
}

// parkExcluded ends the attempt on an excluded user. From now on it is not known what Entra
// has, and nothing of the user waits in a hold.
func (b *userBatch) parkExcluded(ctx context.Context, u *user, why *directory.Obstacle) {
	if err := b.leaveHolds(ctx, u); err != nil {
		b.fail(ctx, u, err)
		return
	}
	u.over, u.failed, u.todo = true, true, nil
	u.link.Status, u.link.Reason, u.link.Message, u.link.NextTryAt = directory.Parked, why.Reason, why.Message, time.Time{}
	u.link.Excluded, u.link.Applied, u.link.Problems = true, nil, nil
	u.link = plan.WithoutDate(u.link)
	u.link.ExcludedAs = b.namesToKeep(u)
	if u.read.passwordAt.After(u.link.PasswordAt) {
		u.link.PasswordAt = u.read.passwordAt
	}
	u.endStranded(u.standing(), u.read.stranded)
	u.refused = u.parking(obstacleKind(why.Reason))
	b.countEnded(u)
	u.line(zerolog.Ctx(ctx).Info()).Str("reason", string(why.Reason)).Msg("the user is excluded: nothing is written")
}

// namesToKeep are the sign-in names that the account of an excluded user may have; none if we
// know the account.
func (b *userBatch) namesToKeep(u *user) []directory.UPN {
	switch {
	case u.link.EntraID != "":
		return nil
	case u.read.source == nil:
		return u.link.ExcludedAs
	}
	return joined(u.link.ExcludedAs, b.dir.Settings.Names(*u.read.source))
}

// keepNames keeps the sign-in names that excluded users without a known account have or would
// have from everybody else: users who would get such a name keep the one that they have, and
// those without an account get none. Only somebody who is about to get a name costs a read of
// the excluded users.
func (b *userBatch) keepNames(ctx context.Context, users []*user) {
	exclude := b.dir.Settings.Exclude
	if len(exclude.Users) == 0 && exclude.Group == "" {
		return
	}
	var since time.Time
	getting := slices.DeleteFunc(slices.Clone(users), func(u *user) bool { return !u.getsName() })
	for _, u := range getting {
		if u.cause.Requested {
			since = later(since, u.cause.At)
		}
	}
	if len(getting) == 0 {
		return
	}
	_, without, err := b.excludedUsers(ctx, b.dir)
	if err == nil {
		err = b.addNames(ctx, b.dir, b.jumpcloud, without, since)
	}
	if err != nil {
		b.failEach(ctx, getting, err)
		return
	}
	b.kept = without
	for _, u := range getting {
		b.keepName(ctx, u, u.plan.Desired.UPN)
	}
}

// getsName reports whether the user is about to get a sign-in name that the account does not
// have, with an account or without.
func (u *user) getsName() bool {
	if !u.plan.Names() {
		return false
	}
	own := u.link.EntraID != "" && slices.ContainsFunc(u.plan.SignInNames(), u.plan.Desired.UPN.Same)
	return !own
}

// keepName keeps a user from an account that has or would get one of some names, if one is that
// of an excluded user.
func (b *userBatch) keepName(ctx context.Context, u *user, names ...directory.UPN) {
	for _, id := range slices.Sorted(maps.Keys(b.kept)) {
		for _, name := range names {
			if slices.ContainsFunc(b.kept[id], name.Same) && id != u.attempt.User {
				u.plan.Desired = u.plan.Desired.Unnamed(*b.dir.Settings.Exclude.WhyNamedAs(name, id))
				b.awaitName(ctx, u, id)
				return
			}
		}
	}
}

// awaitName records that a user waits for a name that an excluded user keeps, and then looks
// again, in case that exclusion ended just now.
func (b *userBatch) awaitName(ctx context.Context, u *user, keeper directory.UserID) {
	err := b.Store.AddWaits(ctx, store.Wait{For: store.ExcludedName(b.dir.ID, keeper), Directory: b.dir.ID, User: u.attempt.User})
	if err != nil {
		b.fail(ctx, u, err)
		return
	}
	now, err := b.Store.ReadExcluded(ctx, b.dir.ID, b.excluded.Group, []directory.UserID{keeper})
	switch {
	case err != nil:
		b.fail(ctx, u, err)
	case now.Why(keeper) == nil:
		b.retry(ctx, u, changedExclude())
	}
}

// refuseExcluded parks a user who turned out to be excluded after an account was found and
// claimed. An account that was not ours before is given up.
func (b *userBatch) refuseExcluded(ctx context.Context, u *user, why *directory.Obstacle) {
	if u.match.adopted {
		account := u.link.EntraID
		u.match.adopted, u.link = false, u.plan.Link.Forgotten()
		if err := b.giveUpClaim(ctx, u, account); err != nil {
			b.fail(ctx, u, err)
			return
		}
	}
	b.parkExcluded(ctx, u, why)
}

// awaitExclusion ends the attempt on an object that is to be written while it is not known
// who is excluded: the group is being read.
func (e *linkEngine[T]) awaitExclusion(o T, why *directory.Obstacle) {
	s := o.standing()
	s.Reason, s.Message = why.Reason, why.Message
	e.comeAgain(o, exclusionStep, nil)
}

// exclusionStep is the wait between two looks whether the members of the excluded group are
// known.
const exclusionStep = 5 * time.Second

// changedExclude says that somebody may be excluded since the attempt began.
func changedExclude() error {
	return fault.New(fault.Changed, "reconcile.exclude", "who is excluded changed meanwhile: it is decided again")
}

// mayWrite is the last look before actions are sent: it ends the attempts on users who are
// excluded by now, and on all as long as that is not known.
func (b *userBatch) mayWrite(ctx context.Context, users []*user) {
	b.lookBeforeWriting(ctx, users)
	if users = live(users); len(users) == 0 {
		return
	}
	now, err := b.excludedOf(ctx, users)
	if err != nil {
		b.retryEach(ctx, users, err)
		return
	}
	var since time.Time
	for _, u := range users {
		since = later(since, asOf(isGrave(u.todo[0]), u.cause))
	}
	accounts, err := b.excludedAccounts(ctx, b.entra, b.dir.ID, now.UPNs, since)
	if err != nil {
		b.failEach(ctx, users, err)
		return
	}
	for _, u := range users {
		why := now.Why(u.attempt.User, u.plan.SignInNames(u.todo[0])...)
		switch {
		case why != nil:
			b.refuseExcluded(ctx, u, why)
		case accounts.ids[u.todo[0].EntraID] || accounts.ids[u.link.EntraID]:
			b.refuseExcluded(ctx, u, now.WhyAccount())
		case !now.Exclusion.Known():
			b.awaitExclusion(u, now.WhyUnread())
		}
	}
}

// excludedOf reads who of some users is excluded now.
func (b *userBatch) excludedOf(ctx context.Context, users []*user) (store.Excluded, error) {
	ids := make([]directory.UserID, len(users))
	for i, u := range users {
		ids[i] = u.attempt.User
	}
	return b.Store.ReadExcluded(ctx, b.dir.ID, b.excluded.Group, ids)
}

// mayStill is mayWrite for actions that had to wait before they are sent: it reports whether
// our records say that none of the users was excluded meanwhile. If not, all are tried again.
func (b *userBatch) mayStill(ctx context.Context, users []*user, actions []plan.Action) bool {
	now, err := b.excludedOf(ctx, users)
	if err != nil || !now.Exclusion.Known() {
		return false
	}
	for i, u := range users {
		if now.Why(u.attempt.User, u.plan.SignInNames(actions[i])...) != nil {
			return false
		}
	}
	return true
}

// joinExcluded notes that a user is in the group whose members are excluded, as a read of the
// user's groups shows.
func (b *userBatch) joinExcluded(ctx context.Context, u *user) error {
	group := b.excluded.Group
	if group == "" || !slices.Contains(u.read.groups, group) {
		return nil
	}
	if err := b.dispel(ctx, u, b.about(u, store.UserExclude, group)); err != nil || u.excluded {
		return err
	}
	u.excluded = true
	return b.Store.PutExcluded(ctx, b.dir.ID, group, u.attempt.User)
}

// leaveExcluded ends the exclusion of a user who is not in the group any more: an event says
// so and the read agrees, or two reads do. Who was deleted in JumpCloud left no group. Who
// waits for a name that the user kept is sent a task; also if the exclusion ended before,
// because the process may have died then.
func (b *userBatch) leaveExcluded(ctx context.Context, u *user) error {
	group := b.excluded.Group
	if group == "" || !u.attempt.Memberships || slices.Contains(u.read.groups, group) {
		return nil
	}
	if u.excluded {
		if err := b.readmit(ctx, u, group); err != nil || u.excluded {
			return err
		}
	}
	return b.notifyWaiting(ctx, store.ExcludedName(b.dir.ID, u.attempt.User), plan.Cause{Type: "exclusion_ended", ID: string(u.attempt.User), At: time.Now().UTC()})
}

// readmit ends the exclusion of a user whom a read does not show in the group, unless that is
// not believed yet, or the group itself is gone: nobody has left it then.
func (b *userBatch) readmit(ctx context.Context, u *user, group directory.GroupID) error {
	if there, err := b.hasExcludedGroup(ctx, u, group); err != nil || !there {
		return err
	}
	since := b.statedToLeave(u)[group]
	if since.IsZero() {
		var err error
		if since, err = b.judge(ctx, u, b.about(u, store.UserExclude, group), isUnlisted(u.attempt.User, func(ctx context.Context) ([]directory.UserID, error) {
			users, _, err := b.jumpcloud.GroupMembers(ctx, group)
			if fault.Is(err, fault.NotFound) { // the group is gone meanwhile
				return []directory.UserID{u.attempt.User}, nil
			}
			return users, err
		})); err != nil || since.IsZero() {
			return err
		}
	}
	u.excluded, u.read.readmitted = false, true
	kept, err := b.Store.RemoveExcluded(ctx, b.dir.ID, group, u.attempt.User)
	if err != nil {
		return err
	}
	tasks := make([]GroupTask, len(kept)) // if they are lost, the sweep finds the marks
	for i, id := range kept {
		tasks[i] = GroupTask{Directory: b.dir.ID, Group: id, Cause: u.cause.For(len(kept))}
	}
	return Enqueue(ctx, b.Lanes.GroupsBulk, tasks...)
}

// hasExcludedGroup reports whether JumpCloud has the group whose members are excluded. If that
// is news, the task of the group is sent, which notes that it is gone.
func (b *userBatch) hasExcludedGroup(ctx context.Context, u *user, group directory.GroupID) (bool, error) {
	if !b.excluded.Exclusion.GoneAt.IsZero() {
		return false, nil
	}
	_, err := b.jumpcloud.Group(ctx, group)
	switch {
	case fault.Is(err, fault.NotFound):
		return false, Enqueue(ctx, b.Lanes.GroupsBulk, GroupTask{Directory: b.dir.ID, Group: group, Cause: u.cause})
	case err != nil:
		return false, jumpCloudTrouble(err)
	}
	return true, nil
}
