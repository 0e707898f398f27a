package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// What follows when somebody left (plan.Leavers): an attempt does the steps that are due. It
// claims the account again for them, reads it in Entra and, before it deletes it, whether
// JumpCloud has the user in a connected group after all. The table has when the next step is due
// (store.Recording), and the sweep sends a task then.

// leavers are the settings for the steps. A plan shows what is due, without the pause that
// follows a change of the settings.
func (b *userBatch) leavers() plan.Leavers {
	all := plan.LeaversOf(b.dir)
	if b.Plans {
		all.DeletesFrom = time.Time{}
	}
	return all
}

// dueSteps are the steps that are due for a user, once a read is not older than the last write.
// A deletion is for the sweep, which announces it to the guard together with the others.
func (b *userBatch) dueSteps(u *user) []directory.LeaverStep {
	now := time.Now().UTC()
	if u.plan.Desired.Managed || !u.plan.HasLeft(u.link) || u.comparableAt(u.link.Standing).After(now) {
		return nil
	}
	link := u.link
	if u.cause.Requested {
		link.Leaving = plan.AskedAgain(link.Leaving)
	}
	due := b.leavers().DueFor(link, now)
	if b.Plans || u.cause.Type == LeaverCause || u.attempt.Held || u.link.Hold != "" {
		return due
	}
	return slices.DeleteFunc(due, func(s directory.LeaverStep) bool { return s == directory.DeleteAccount })
}

// leave reads the accounts of users for whom steps are due, and of those who are back and get
// back what steps took.
func (b *userBatch) leave(ctx context.Context, users []*user) {
	var reading []*user
	due := map[*user][]directory.LeaverStep{}
	for _, u := range users {
		if u.cause.Requested {
			u.link.Leaving = plan.AskedAgain(u.link.Leaving)
			u.plan.Link = u.link
		}
		if u.plan.IsBack(u.link) && !u.match.gone && !u.match.restores {
			if at := u.comparableAt(u.link.Standing); at.After(time.Now()) {
				u.compareAt = at
			} else {
				reading = append(reading, u)
			}
			continue
		}
		if u.link.Freed || u.keptElsewhere() || b.excluded.Why(u.attempt.User, u.plan.SignInNames()...) != nil || !b.excluded.Exclusion.Known() {
			continue
		}
		if due[u] = b.dueSteps(u); len(due[u]) > 0 && b.remains(ctx, u, due[u]) {
			reading = append(reading, u)
		}
	}
	if len(reading) == 0 {
		return
	}
	accounts := make([]directory.EntraID, len(reading))
	for i, u := range reading {
		accounts[i] = u.link.EntraID
	}
	var missing []*user
	for i, found := range b.entra.Read(ctx, accounts, leaverAttributes(reading, due)) {
		switch u := reading[i]; {
		case found.Err != nil:
			b.fail(ctx, u, found.Err)
		case found.Account == nil:
			missing = append(missing, u)
		default:
			b.judgeLeaver(ctx, u, due[u], *found.Account)
		}
	}
	if len(missing) > 0 {
		b.judgeMissing(ctx, missing, time.Now().UTC())
	}
}

// leaverAttributes are the attributes that are read for steps, or to give back what they took.
func leaverAttributes(users []*user, due map[*user][]directory.LeaverStep) []directory.Attribute {
	var attributes []directory.Attribute
	for _, u := range users {
		leaving := directory.Leaving{}
		if u.link.Leaving != nil {
			leaving = *u.link.Leaving
		}
		for name, asked := range map[directory.Attribute]bool{
			directory.AssignedLicenses:  len(leaving.Licenses) > 0 || slices.Contains(due[u], directory.RemoveLicenses),
			directory.ShowInAddressList: leaving.Hidden || slices.Contains(due[u], directory.HideFromAddressLists),
			directory.Manager:           leaving.Manager != "" || slices.Contains(due[u], directory.ClearManager),
		} {
			if asked {
				attributes = append(attributes, name)
			}
		}
	}
	slices.Sort(attributes)
	return slices.Compact(attributes)
}

// remains reports whether the user is certainly not back, as far as a step needs that.
func (b *userBatch) remains(ctx context.Context, u *user, due []directory.LeaverStep) bool {
	if !slices.Contains(due, directory.DeleteAccount) {
		return true
	}
	back, err := b.isBackIn(ctx, u)
	if err != nil {
		b.fail(ctx, u, err)
		return false
	}
	if !back {
		return true
	}
	u.line(zerolog.Ctx(ctx).Warn()).Msg("JumpCloud connects the user again, who was to be deleted: all is read")
	if err := Enqueue(ctx, b.Lanes.UsersBulk, Task{Directory: u.directory, User: u.attempt.User, Cause: u.cause, Memberships: true, Source: true}); err != nil {
		b.fail(ctx, u, err)
	}
	return false
}

// isBackIn reads once more, before the account is deleted, whether JumpCloud has the user in a
// group that is connected to a directory on the tenant or whose members are excluded, or
// associated with a connection source.
func (b *userBatch) isBackIn(ctx context.Context, u *user) (bool, error) {
	groups, err := b.jumpcloud.GroupsOf(ctx, u.attempt.User)
	if err != nil {
		return false, jumpCloudTrouble(err)
	}
	if group := b.excluded.Group; group != "" && slices.Contains(groups, group) {
		return true, nil
	}
	for _, dir := range append([]directory.Directory{b.dir}, b.siblings...) {
		if source := dir.Settings.ConnectionSource; source.Type != directory.NoSource {
			held, err := b.jumpcloud.IsUserAssociated(ctx, source, u.attempt.User)
			if err != nil || held {
				return held, jumpCloudTrouble(err)
			}
		}
		if len(groups) == 0 {
			continue
		}
		records, err := b.Store.ReadGroups(ctx, dir.ID, groups)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(groups, func(id directory.GroupID) bool { return records.Groups[id].Connected(dir.ID) }) {
			return true, nil
		}
	}
	return false, nil
}

// leaveFormerGroups sends tasks for the groups that are not connected any more and in which the
// account of somebody who left still is. The step is done when there are none, or when they
// were sent a second task.
func (b *userBatch) leaveFormerGroups(ctx context.Context, u *user) error {
	var tasks []GroupTask
	for cursor, first := "", b.dir.Settings.ManageGroups; first || cursor != ""; first = false {
		page, err := b.Store.FormerGroups(ctx, b.dir.ID, u.attempt.User, u.link.EntraID, cursor)
		if err != nil {
			return err
		}
		for _, id := range page.Items {
			tasks = append(tasks, GroupTask{Directory: b.dir.ID, Group: id, Cause: u.cause})
		}
		cursor = page.Cursor
	}
	if err := Enqueue(ctx, b.Lanes.GroupsBulk, tasks...); err != nil {
		return err
	}
	u.link.Leaving = plan.SentToGroups(u.link.Leaving, len(tasks), time.Now().UTC())
	u.plan.Link = u.link
	return nil
}

// judgeLeaver decides about the account as Entra shows it now.
func (b *userBatch) judgeLeaver(ctx context.Context, u *user, due []directory.LeaverStep, account directory.Account) {
	now := time.Now().UTC()
	other := directory.IsJumpCloudID(account.ImmutableID) && account.ImmutableID != string(u.attempt.User)
	line := u.line(zerolog.Ctx(ctx).Warn()).Str("account", string(account.ID))
	switch why := account.Untouchable(); {
	case u.plan.Desired.Managed:
		u.plan.Leaver = &plan.Leaver{Account: account, Now: now}
	case why != nil:
		for _, step := range due {
			u.link.Leaving = plan.StepRefused(u.link.Leaving, step, *why)
		}
	case other:
		line.Msg("the account of the user who left has the immutable id of another one: nothing more is done with it")
		u.link.Leaving = plan.Ended(u.link.Leaving)
	case account.Enabled:
		line.Msg("somebody enabled the account of the user who left: the steps that were due are not done")
		u.link.Leaving = plan.Reopened(u.link.Leaving, now)
		u.compareAt = now // the directory may want it disabled again
	default:
		if slices.Contains(due, directory.RemoveFromGroups) {
			if err := b.leaveFormerGroups(ctx, u); err != nil {
				b.fail(ctx, u, err)
				return
			}
		}
		u.plan.Leaver = &plan.Leaver{Due: slices.DeleteFunc(due, func(s directory.LeaverStep) bool { return s == directory.RemoveFromGroups }), Account: account, Now: now}
	}
	u.plan.Link = u.link
}

// refuseStep notes that Entra refuses a step: the others are done. It reports whether it did.
func (u *user) refuseStep(action plan.Action, f *fault.Error) bool {
	if manager, written := action.Value(directory.Manager); written && len(manager) > 0 && !u.plan.Desired.HasManager {
		return true // a manager who was given back, and may be gone too
	}
	step, is := action.Step()
	if !is {
		return false
	}
	u.link.Leaving = plan.StepRefused(u.link.Leaving, step, directory.Obstacle{Reason: reasonOf(f), Message: sentenceOf(f)})
	return true
}

// date fills in the link of a user who left when the next step is due, and why one is not
// done. Somebody who is back and has not got everything back is read again.
func (b *userBatch) date(u *user) {
	held := u.guard.held != nil
	u.link = u.plan.Dated(u.link, plan.LeaversOf(b.dir), held, time.Now().UTC())
	leaving := u.link.Leaving
	if leaving == nil {
		return
	}
	if at := u.comparableAt(u.link.Standing); !leaving.NextAt.IsZero() && at.After(leaving.NextAt) {
		leaving.NextAt = at // it is a copy
	}
	if why := plan.RefusedSteps(leaving); why != nil && u.obstacle == nil && !held && u.plan.HasLeft(u.link) {
		u.link.Status, u.link.Reason, u.link.Message = directory.Parked, why.Reason, why.Message
	}
	if until := leaving.RestorableUntil(); !until.IsZero() && u.link.Status == directory.Released {
		u.link.Message = fmt.Sprintf("%s; the account was deleted on %s, as the setting leavers.deleteAccount says, and can be restored until %s: it is if the user is connected again",
			u.link.Message, leaving.Done[directory.DeleteAccount].Format(time.DateOnly), until.Format(time.DateOnly))
	}
	if u.plan.IsBack(u.link) && u.obstacle == nil && u.compareAt.IsZero() {
		u.compareAt = later(time.Now().UTC(), u.comparableAt(u.link.Standing))
	}
}

// deletedByUs reports whether we deleted the account of the link, or began to and nobody knows
// whether it was deleted.
func (u *user) deletedByUs(now time.Time) bool {
	leaving := u.link.Leaving
	return leaving != nil && (!leaving.Begun[directory.DeleteAccount].IsZero() || leaving.Account == u.link.EntraID && leaving.MayRestore(now))
}

// ownDeleted is the account that we deleted after the user left, by this directory or by another
// one on the tenant, if it can still be restored; "" if there is none.
func (b *userBatch) ownDeleted(u *user, now time.Time) directory.EntraID {
	all := []*directory.Leaving{u.link.Leaving}
	for _, sibling := range b.siblings {
		link, _ := u.known.Link(sibling.ID)
		all = append(all, link.Leaving)
	}
	for _, leaving := range all {
		if leaving.MayRestore(now) {
			return leaving.Account
		}
	}
	return ""
}

// leaves reports whether a task for somebody who left, or who is back, would do anything for that.
func (r Review) leaves(b *userBatch, u *user, found *directory.User, now time.Time) bool {
	u.plan = plan.User{ID: u.link.User, Link: u.link, Desired: directory.Desire(found, u.connected, b.settings(u.known))}
	settings := plan.LeaversOf(b.dir)
	switch {
	case b.excluded.Why(u.link.User, u.plan.SignInNames()...) != nil:
		return false
	case u.plan.IsBack(u.link):
		return true
	case !u.plan.HasLeft(u.link):
		return false
	case u.link.Leaving == nil:
		return settings.Any()
	default:
		return len(settings.DueFor(u.link, now)) > 0
	}
}

// Deletion is somebody whose account is about to be deleted.
type Deletion struct {
	User    directory.UserID
	Account directory.EntraID
	Name    directory.UPN
}

// AnnounceDeletions announces whose accounts are about to be deleted in a directory, before the
// first of them is, as [Parts.Announce] does with those who lose access.
func (p Parts) AnnounceDeletions(ctx context.Context, dir directory.Directory, cause plan.Cause, deletions []Deletion) error {
	if dir.Settings.Guard.Off() || len(deletions) == 0 {
		return nil
	}
	items := make([]store.HeldItem, len(deletions))
	for i, d := range deletions {
		items[i] = store.HeldItem{User: d.User, Account: d.Account, Name: string(d.Name), Action: plan.DeleteAccount, Reason: directory.LeaverReason, Cause: cause}
	}
	_, err := p.guard(ctx, question{dir: dir, kind: plan.Removals, items: items, together: true, announces: true})
	return err
}
