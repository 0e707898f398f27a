package plan

import (
	"maps"
	"slices"
	"time"

	"entrasync/shared/directory"
)

// Somebody who left has an account that is blocked. Some days later follow the steps that the
// directory wants (directory.Leavers): each is an action of its own, and the link keeps what it
// took away. So whoever comes back gets back what nobody has changed since. No step is done
// in the attempt that blocks the account, nor on an account that is open.

// Leavers are the settings for the steps, and from when on they let accounts be deleted.
type Leavers struct {
	directory.Leavers
	DeletesFrom time.Time
}

// LeaversOf are those of a directory.
func LeaversOf(dir directory.Directory) Leavers {
	return Leavers{Leavers: dir.Settings.Leavers, DeletesFrom: dir.DeletesFrom}
}

// At is when a step is due for somebody who left; ok is false if it is not, because it was
// done, or refused, or is not wanted.
func (l Leavers) At(leaving directory.Leaving, step directory.LeaverStep) (at time.Time, ok bool) {
	_, refused := leaving.Refused[step]
	if at, ok = l.After(step, leaving.Since); !ok || refused || leaving.IsDone(step) || leaving.Over || leaving.Since.IsZero() {
		return time.Time{}, false
	}
	if step == directory.DeleteAccount && l.DeletesFrom.After(at) {
		at = l.DeletesFrom
	}
	if sent := leaving.Begun[step]; step == directory.RemoveFromGroups && !sent.IsZero() {
		at = sent.Add(groupsWait)
	}
	if leaving.NotBefore.After(at) {
		at = leaving.NotBefore
	}
	return at, true
}

// groupsWait is how long the groups of somebody who left have to take the account out, until
// it is read once more whether they did.
const groupsWait = time.Hour

// Due are the steps that are due at a time, in their order.
func (l Leavers) Due(leaving directory.Leaving, now time.Time) []directory.LeaverStep {
	var due []directory.LeaverStep
	for _, step := range directory.LeaverSteps() {
		if at, ok := l.At(leaving, step); ok && !at.After(now) {
			due = append(due, step)
		}
	}
	return due
}

// Next is when the next step is due, without those left out; zero if none is.
func (l Leavers) Next(leaving directory.Leaving, without ...directory.LeaverStep) time.Time {
	var next time.Time
	for _, step := range directory.LeaverSteps() {
		at, ok := l.At(leaving, step)
		if ok && !slices.Contains(without, step) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// DueFor are the steps that are due for a user at a time, as the link says; none for somebody
// who did not leave, or whose account is not disabled.
func (l Leavers) DueFor(link directory.Link, now time.Time) []directory.LeaverStep {
	if link.Leaving == nil || link.EntraID == "" || link.State != directory.Disabled {
		return nil
	}
	return l.Due(*link.Leaving, now)
}

// Deletes reports whether an account is to be deleted at a time, as its link says.
func (l Leavers) Deletes(link directory.Link, now time.Time) bool {
	return slices.Contains(l.DueFor(link, now), directory.DeleteAccount)
}

// Leaver is what was read for the steps of somebody who left, or to give back to somebody who
// is back what the steps took.
type Leaver struct {
	// Due are the steps to do now. Those of groups are not the user's.
	Due     []directory.LeaverStep
	Account directory.Account
	Now     time.Time
}

// leaverActions are the types of the actions that do the steps.
var leaverActions = map[directory.LeaverStep]Type{
	directory.RemoveLicenses:       RemoveLicenses,
	directory.HideFromAddressLists: HideFromAddressLists,
	directory.ClearManager:         ClearManager,
	directory.DeleteAccount:        DeleteAccount,
}

// Step is the step that an action does; ok is false if it does none.
func (a Action) Step() (step directory.LeaverStep, ok bool) {
	for step, each := range leaverActions {
		if each == a.Type {
			return step, true
		}
	}
	return "", false
}

// GivesBack reports whether an action gives back what a step took, except a manager.
func (a Action) GivesBack() bool {
	return a.Type == AssignLicenses || a.Type == ShowInAddressLists
}

// HasLeft reports whether the account of a link is that of a user who left, and blocked.
func (u User) HasLeft(link directory.Link) bool {
	return link.EntraID != "" && link.State == directory.Disabled && !u.Desired.Managed && directory.HasLeft(u.Desired.Reason)
}

// IsBack reports whether something that steps took is to be given back to a user.
func (u User) IsBack(link directory.Link) bool {
	leaving := link.Leaving
	return leaving != nil && leaving.Took() && u.Desired.Managed && link.EntraID != "" && (leaving.Account == "" || leaving.Account == link.EntraID) &&
		u.state(link) == directory.Enabled
}

// leave are the actions of the steps that are due, and what is known then: a step with nothing
// to do is done.
func (u User) leave(link directory.Link) ([]Action, *directory.Leaving) {
	after := edit(link.Leaving)
	if u.Leaver == nil || after == nil || !u.HasLeft(link) {
		return nil, link.Leaving
	}
	var actions []Action
	for _, step := range u.Leaver.Due {
		action, needed := u.stepAction(step)
		if needed {
			actions = append(actions, action)
			continue
		}
		after.Done[step] = u.Leaver.Now
		delete(after.Begun, step)
	}
	return of(link, actions), after
}

// stepAction is the action of a step; needed is false if the account is so already.
func (u User) stepAction(step directory.LeaverStep) (action Action, needed bool) {
	account := u.Leaver.Account
	action = Action{Type: leaverActions[step], Reason: directory.LeaverReason, Changes: []directory.Change{}}
	switch step {
	case directory.RemoveLicenses:
		action.Changes = []directory.Change{{Attribute: directory.AssignedLicenses, From: directory.LicenseValue(account.Licenses)}}
		return action, len(account.Licenses) > 0
	case directory.HideFromAddressLists:
		shown := account.Attributes[directory.ShowInAddressList]
		action.Changes = []directory.Change{{Attribute: directory.ShowInAddressList, From: shown, To: directory.Bool(false)}}
		return action, !shown.Equal(directory.Bool(false))
	case directory.ClearManager:
		manager := account.Attributes[directory.Manager]
		action.Changes = []directory.Change{{Attribute: directory.Manager, From: manager}}
		return action, len(manager) > 0
	default:
		return action, step == directory.DeleteAccount
	}
}

// giveBack are the actions that give back what steps took, and what is known then: what
// somebody has changed since stays so.
func (u User) giveBack(link directory.Link) ([]Action, *directory.Leaving) {
	if u.Leaver == nil || !u.IsBack(link) {
		return nil, link.Leaving
	}
	after, account := edit(link.Leaving), u.Leaver.Account
	var actions []Action
	if len(after.Licenses) > 0 && len(account.Licenses) == 0 {
		actions = append(actions, Action{Type: AssignLicenses, Changes: []directory.Change{{Attribute: directory.AssignedLicenses, To: after.Licenses}}})
	} else {
		after.Licenses = nil
	}
	if after.Hidden && account.Attributes[directory.ShowInAddressList].Equal(directory.Bool(false)) {
		actions = append(actions, Action{Type: ShowInAddressLists, Changes: []directory.Change{
			{Attribute: directory.ShowInAddressList, From: directory.Bool(false), To: directory.Bool(true)}}})
	} else {
		after.Hidden = false
	}
	if after.Manager != "" && !u.Desired.HasManager && len(account.Attributes[directory.Manager]) == 0 {
		actions = append(actions, Action{Type: Update, Changes: []directory.Change{{Attribute: directory.Manager, To: directory.Text(string(after.Manager))}}})
	}
	after.Manager = "" // JumpCloud says who it is, or it is tried once: the manager may be gone too
	return of(link, actions), after
}

// edit is a copy of what is known of somebody who left, to be changed; nil if nothing is.
func edit(leaving *directory.Leaving) *directory.Leaving {
	if leaving == nil {
		return nil
	}
	after := *leaving
	if after.Done = maps.Clone(leaving.Done); after.Done == nil {
		after.Done = map[directory.LeaverStep]time.Time{}
	}
	if after.Begun = maps.Clone(leaving.Begun); after.Begun == nil {
		after.Begun = map[directory.LeaverStep]time.Time{}
	}
	if after.Refused = maps.Clone(leaving.Refused); after.Refused == nil {
		after.Refused = map[directory.LeaverStep]directory.Obstacle{}
	}
	return &after
}

// stepBegun is the link while the action of a step is being sent: what it takes is known before
// it is taken.
func (u User) stepBegun(link directory.Link, action Action, step directory.LeaverStep) directory.Link {
	after := edit(link.Leaving)
	if after == nil {
		return link
	}
	after.Begun[step] = action.At
	for _, change := range action.Changes {
		switch step {
		case directory.RemoveLicenses:
			after.Licenses = slices.Compact(slices.Sorted(slices.Values(slices.Concat(after.Licenses, change.From))))
			after.GroupLicenses = u.groupLicenses()
		case directory.HideFromAddressLists:
			after.Hidden = true
		case directory.ClearManager:
			after.Manager = directory.EntraID(change.From.String())
		}
	}
	link.Leaving = after
	return link
}

// groupLicenses are the products of which the account has a license as a member of groups.
func (u User) groupLicenses() []string {
	if u.Leaver == nil {
		return nil
	}
	var products []string
	for _, license := range u.Leaver.Account.GroupLicenses {
		products = append(products, license.SKU)
	}
	slices.Sort(products)
	return slices.Compact(products)
}

// stepDone is the link after the action of a step succeeded.
func stepDone(link directory.Link, action Action, step directory.LeaverStep) directory.Link {
	after := edit(link.Leaving)
	if after == nil {
		return link
	}
	after.Done[step] = action.CompletedAt
	delete(after.Begun, step)
	delete(after.Refused, step)
	switch step {
	case directory.ClearManager:
		link.Applied, link.WroteManager = link.Applied.Without(action.Changes), false
	case directory.DeleteAccount:
		after.Account = link.EntraID
		link = link.Lost()
	}
	link.Leaving = after
	return link
}

// WasDeleted is what is known of somebody who left after the account turned out to be deleted; at is when, zero if
// Entra does not say. If we had begun to delete it, we did.
func WasDeleted(link directory.Link, at time.Time) *directory.Leaving {
	begun := time.Time{}
	if link.Leaving != nil {
		begun = link.Leaving.Begun[directory.DeleteAccount]
	}
	if begun.IsZero() {
		return link.Leaving
	}
	after := edit(link.Leaving)
	delete(after.Begun, directory.DeleteAccount)
	if at.IsZero() {
		at = begun
	}
	after.Account, after.Done[directory.DeleteAccount] = link.EntraID, at
	return after
}

// gaveBack is the link after an action gave back what a step took.
func gaveBack(link directory.Link, action Action) directory.Link {
	after := edit(link.Leaving)
	switch {
	case after == nil:
		return link
	case action.Type == AssignLicenses:
		after.Licenses = nil
	default:
		after.Hidden = false
	}
	link.Leaving = after
	return link
}

// anew is what is known of somebody who left after the account was blocked once more, or
// restored: the days begin again. What was taken is still known.
func anew(leaving *directory.Leaving, since time.Time) *directory.Leaving {
	if leaving == nil {
		return nil
	}
	return &directory.Leaving{Since: since, Licenses: leaving.Licenses, Manager: leaving.Manager, Hidden: leaving.Hidden}
}

// LeftAgain is what is known at a time of somebody who left, if the user was connected again since
// and left once more: the days begin again. connected is when the last connection to the tenant began.
func LeftAgain(leaving *directory.Leaving, connected, now time.Time) *directory.Leaving {
	if leaving == nil || leaving.Since.IsZero() || leaving.Account != "" || !connected.After(leaving.Since) {
		return leaving
	}
	return anew(leaving, now)
}

// Dated is the link after an attempt: with the date of the next step if its user left, and
// without what is known of that once the user is back and has everything. held says that the
// deletion waits in a hold, whose decision sends the task.
func (u User) Dated(link directory.Link, settings Leavers, held bool, now time.Time) directory.Link {
	leaving := link.Leaving
	switch {
	case u.HasLeft(link):
		if leaving == nil || leaving.Since.IsZero() {
			if leaving = anew(leaving, now); leaving == nil {
				leaving = &directory.Leaving{Since: now}
			}
		}
		after := *leaving
		var without []directory.LeaverStep
		if held {
			without = []directory.LeaverStep{directory.DeleteAccount}
		}
		after.NextAt = settings.Next(after, without...)
		link.Leaving = &after
	case leaving == nil:
	case u.Desired.Managed && link.EntraID != "" && leaving.Account != "" && leaving.Account != link.EntraID,
		(u.Desired.Managed || u.Desired.State == directory.Enabled) && link.EntraID != "" && !leaving.Took():
		link.Leaving = nil
	case u.Desired.Managed && link.EntraID != "" && link.State != directory.Absent,
		!u.Desired.Managed && !directory.HasLeft(u.Desired.Reason) && leaving.Account == "": // another directory on the tenant connects the user
		link.Leaving = anew(leaving, time.Time{})
	default:
		after := *leaving
		after.NextAt = time.Time{}
		link.Leaving = &after
	}
	return link
}

// StepRefused is what is known of somebody who left after Entra refused a step: the others go on.
func StepRefused(leaving *directory.Leaving, step directory.LeaverStep, why directory.Obstacle) *directory.Leaving {
	after := edit(leaving)
	if after != nil {
		after.Refused[step] = why
		delete(after.Begun, step)
	}
	return after
}

// Reopened is what is known of somebody who left whose account turns out to be open: somebody
// enabled it by hand. It is read again a day later at the earliest, and the days begin again.
func Reopened(leaving *directory.Leaving, now time.Time) *directory.Leaving {
	after := anew(leaving, now)
	if after != nil {
		after.NotBefore = now.Add(reopenedWait)
	}
	return after
}

// reopenedWait is how long no step is done after an account was found to be open.
const reopenedWait = 24 * time.Hour

// Ended is what is known of somebody who left whose account is somebody else's by now.
func Ended(leaving *directory.Leaving) *directory.Leaving {
	after := edit(leaving)
	if after != nil {
		after.Over, after.NextAt = true, time.Time{}
	}
	return after
}

// WithoutDate is the link of somebody whose steps nobody does.
func WithoutDate(link directory.Link) directory.Link {
	if link.Leaving != nil {
		after := *link.Leaving
		after.NextAt = time.Time{}
		link.Leaving = &after
	}
	return link
}

// RefusedSteps is the obstacle of somebody who left because Entra refused steps; nil if it
// refused none.
func RefusedSteps(leaving *directory.Leaving) *directory.Obstacle {
	if leaving == nil {
		return nil
	}
	for _, step := range directory.LeaverSteps() {
		if why, refused := leaving.Refused[step]; refused {
			return &why
		}
	}
	return nil
}

// AskedAgain is what is known of somebody who left after somebody asked to try again what
// Entra refused.
func AskedAgain(leaving *directory.Leaving) *directory.Leaving {
	if leaving == nil || len(leaving.Refused) == 0 {
		return leaving
	}
	after := edit(leaving)
	after.Refused = nil
	return after
}

// SentToGroups is what is known of somebody who left after so many groups were sent a task that
// takes the account out.
func SentToGroups(leaving *directory.Leaving, groups int, now time.Time) *directory.Leaving {
	after := edit(leaving)
	if after == nil {
		return nil
	}
	_, again := after.Begun[directory.RemoveFromGroups]
	if groups > 0 && !again {
		after.Begun[directory.RemoveFromGroups] = now
		return after
	}
	delete(after.Begun, directory.RemoveFromGroups)
	after.Done[directory.RemoveFromGroups] = now
	return after
}

// LeavesGroups reports whether somebody left so long ago that the account is to be in no group
// of ours any more, as the link says.
func (l Leavers) LeavesGroups(link directory.Link, now time.Time) bool {
	if link.Leaving == nil || link.EntraID == "" || link.State != directory.Disabled || link.Leaving.Over {
		return false
	}
	at, wanted := l.After(directory.RemoveFromGroups, link.Leaving.Since)
	return wanted && !link.Leaving.Since.IsZero() && !at.After(now)
}
