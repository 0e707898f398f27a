package plan

import (
	"fmt"
	"slices"
	"strings"

	"entrasync/shared/directory"
)

// Member is what is known about one member of a group.
type Member struct {
	directory.Member
	Account directory.EntraID // of the user in the directory; "" if none
	// Coming says that the user has no account yet and will get one.
	Coming bool
	// Returning says that the user has no account because it was released, and that it is
	// the one in Applied, which nobody else has: it stays in the group, where it is, until
	// the user has it again.
	Returning bool
	// Lost says that the account was found to be gone in Entra.
	Lost bool
	// Excluded says that the user is excluded and perhaps has an account that we do not know.
	Excluded bool
}

// Group is what is known about one group in one directory.
type Group struct {
	Settings  directory.Settings
	Connected bool
	Exists    bool   // in JumpCloud
	Name      string // there
	Link      directory.GroupLink
	// Named are the groups in Entra that have the name, after a search for them.
	Named []directory.SecurityGroup
	// Taken are the groups in Entra that belong to other JumpCloud groups.
	Taken   []directory.EntraID
	Members []Member
	// Present are the members that Entra shows; nil if they were not read.
	Present map[directory.EntraID]bool
	// Excluded are accounts that are neither added nor removed.
	Excluded map[directory.EntraID]bool
	// Faceless says that somebody is excluded whose account is not known: any account that is
	// not to be a member may be it.
	Faceless bool
	// All says that Members are all members, and not only those that were marked dirty.
	All bool
	// Unsure are the accounts that we began to add, and nobody knows whether they are in
	// the group. If there are any, All and Present are set.
	Unsure []directory.EntraID
	// Unconfirmed says that we sent the creation of the group and do not know whether it
	// was created. A repeated creation finds the same group by its unique name, whatever
	// its display name.
	Unconfirmed bool
	// Shown is the group in Entra, if it was read to be compared.
	Shown *directory.SecurityGroup
	// OnlyReport says that what somebody else changed in Entra stays as it is.
	OnlyReport bool
	// Leavers are the accounts of members who left, to be taken out of a group that is not
	// connected any more.
	Leavers []directory.EntraID
}

// managed reports whether there is to be a group in Entra.
func (g Group) managed() bool { return g.Connected && g.Exists && g.Settings.ManageGroups }

// name is the display name that the group is to have.
func (g Group) name() string { return strings.TrimSpace(g.Name) }

// Searches reports whether the groups with the name must be searched before a decision. A
// name that no group in Entra can have is not searched.
func (g Group) Searches() bool {
	return g.managed() && g.Link.EntraID == "" && !g.Unconfirmed && directory.UsableGroupName(g.name())
}

// Target is the group in Entra that is ours or about to be, as far as is known; ""
// if there is none.
func (g Group) Target() directory.EntraID {
	if g.Link.EntraID != "" || !g.managed() {
		return g.Link.EntraID
	}
	if usable, _ := g.match(); len(usable) == 1 {
		return usable[0].ID
	}
	return ""
}

// Coming counts the members who will get an account soon.
func (g Group) Coming() int {
	n := 0
	for _, m := range g.Members {
		if m.Wanted && m.Coming {
			n++
		}
	}
	return n
}

// Pressing reports whether somebody has to be removed from the group, which must not wait
// for those who will get an account.
func (g Group) Pressing() bool {
	return slices.ContainsFunc(g.Members, func(m Member) bool { return !m.Wanted && m.Applied != "" })
}

// Ready reports whether there is a member to add.
func (g Group) Ready() bool {
	return slices.ContainsFunc(g.Members, func(m Member) bool { return m.Wanted && m.Account != "" && m.Applied != m.Account })
}

// GroupDecision is what is to be done for one group.
type GroupDecision struct {
	// Actions in the order in which they are to be sent. Type and Changes are set.
	Actions []Action
	Link    directory.GroupLink // with the group in Entra that is about to be taken over
	// Members are those that need no write: only their records change.
	Members  []directory.Member
	Obstacle *directory.Obstacle
}

// Decide compares the desired state with what is known. If Searches says so the caller
// searches first.
func (g Group) Decide() GroupDecision {
	switch {
	case !g.Connected || !g.Exists:
		return g.leave()
	case !g.Settings.ManageGroups:
		return GroupDecision{Link: g.Link}
	case !directory.UsableGroupName(g.name()):
		return g.misnamed()
	case g.Link.EntraID != "":
		return g.maintain(g.Link, g.name())
	case g.Unconfirmed:
		return g.create(g.Link.Note)
	}
	usable, note := g.match()
	if len(usable) == 1 {
		link := g.Link
		link.EntraID, link.Origin, link.Applied = usable[0].ID, directory.TakenOver, usable[0].Name
		if g.made(usable[0]) {
			link.Origin = directory.CreatedByUs
		}
		link.Note = note
		return g.maintain(link, g.name())
	}
	return g.create(note)
}

// misnamed is the decision for a group whose name Entra would refuse: it keeps the name
// that it has in Entra, and its members are still removed.
func (g Group) misnamed() GroupDecision {
	d := GroupDecision{Link: g.Link}
	if g.Link.EntraID != "" {
		d = g.maintain(g.Link, g.Link.Applied)
	}
	d.Obstacle = &directory.Obstacle{Reason: directory.InvalidValue,
		Message: fmt.Sprintf("the name of the group must have 1 to %d characters in Entra: change it in JumpCloud", directory.MaxGroupName)}
	return d
}

// made reports whether we created a group in Entra for this one.
func (g Group) made(found directory.SecurityGroup) bool {
	return strings.EqualFold(found.UniqueName, g.Link.UniqueName())
}

// match returns the groups with the name that can be taken over, and a note on the others.
// If we created one of them for this group it returns only that one.
func (g Group) match() (usable []directory.SecurityGroup, note string) {
	var others []string
	for _, each := range g.Named {
		switch why := each.Unusable(); {
		case why != "":
			others = append(others, fmt.Sprintf("%s is %s", each.ID, why))
		case slices.Contains(g.Taken, each.ID):
			others = append(others, fmt.Sprintf("%s belongs to another JumpCloud group", each.ID))
		case g.made(each):
			return []directory.SecurityGroup{each}, ""
		default:
			usable = append(usable, each)
		}
	}
	if len(usable) > 1 {
		others = append(others, fmt.Sprintf("%d security groups have the name", len(usable)))
	}
	if len(others) > 0 && len(usable) != 1 {
		note = fmt.Sprintf("another group of the name %q was created, because %s", g.name(), strings.Join(others, "; "))
	}
	return usable, note
}

// leave is the decision for a group that is not connected any more: it stays in Entra,
// unless we created it and the directory's settings say to delete it. Members who left are
// taken out of it when the settings say so.
func (g Group) leave() GroupDecision {
	d := GroupDecision{Link: g.Link}
	if g.Settings.DeleteGroups && g.Link.Origin == directory.CreatedByUs && g.Link.EntraID != "" && !g.Link.Freed {
		d.Actions = []Action{{Type: DeleteGroup, EntraID: g.Link.EntraID}}
	} else if g.Link.EntraID != "" && !g.Link.Freed {
		d.Actions = removing(slices.DeleteFunc(slices.Clone(g.Leavers), func(id directory.EntraID) bool { return g.Excluded[id] }))
		for i := range d.Actions {
			d.Actions[i].Reason = directory.LeaverReason
		}
	}
	return d
}

// create creates a group with its first members. Users who were to be members in an
// unconfirmed creation, and left meanwhile, are removed.
func (g Group) create(note string) GroupDecision {
	g.Present = map[directory.EntraID]bool{} // what was applied before belongs to another group
	kept := g.kept()
	for _, id := range g.Unsure {
		g.Present[id] = !kept[id]
	}
	add, remove := g.additions(), g.removals()
	first := add[:min(len(add), directory.MaxBind)]
	d := GroupDecision{Link: g.Link, Members: g.unwritten()}
	d.Link.Note = note
	changes := []directory.Change{
		{Attribute: directory.DisplayName, To: directory.Text(g.name())},
		{Attribute: directory.UniqueName, To: directory.Text(g.Link.UniqueName())},
	}
	if len(first) > 0 {
		changes = append(changes, directory.Change{Attribute: directory.Members, To: values(first)})
	}
	d.Actions = append([]Action{{Type: CreateGroup, Changes: changes}}, adding(add[len(first):])...)
	d.Actions = append(d.Actions, removing(remove)...)
	return d
}

// maintain brings a group that is ours up to date.
func (g Group) maintain(link directory.GroupLink, name string) GroupDecision {
	d := GroupDecision{Link: link}
	rename := []directory.Change{}
	if link.Applied != name {
		rename = []directory.Change{{Attribute: directory.DisplayName, From: directory.Text(link.Applied), To: directory.Text(name)}}
	}
	switch {
	case g.Link.EntraID == "":
		d.Actions = []Action{{Type: TakeOverGroup, Changes: rename}}
	case len(rename) > 0:
		d.Actions = []Action{{Type: RenameGroup, Changes: rename}}
	}
	d.Members = g.unwritten()
	d.Actions = append(d.Actions, adding(g.additions())...)
	d.Actions = append(d.Actions, removing(g.removals())...)
	return d
}

// complete reports whether every member has an account: until then an unknown account in
// the group may be that of a member. An excluded one never gets an account; the caller finds
// in Excluded which account the person may have.
func (g Group) complete() bool {
	return !slices.ContainsFunc(g.Members, func(m Member) bool { return m.Wanted && m.Account == "" && !m.Excluded })
}

// Kept are the users who left the group and stay in it in Entra because they are excluded.
func (g Group) Kept() []directory.UserID {
	var users []directory.UserID
	for _, m := range g.Members {
		if !m.Wanted && m.Applied != "" && g.Excluded[m.Applied] {
			users = append(users, m.User)
		}
	}
	return users
}

// HasStrangers reports whether there may be accounts to remove that are not to be members.
func (g Group) HasStrangers() bool {
	return g.Settings.ExactMembership && g.All && len(g.strangers()) > 0
}

// strangers are the accounts in the group that are not to be members.
func (g Group) strangers() []directory.EntraID {
	var strangers []directory.EntraID
	kept := g.kept()
	for id := range g.Present {
		if !kept[id] {
			strangers = append(strangers, id)
		}
	}
	return strangers
}

// kept are the accounts that are to be members, or to stay.
func (g Group) kept() map[directory.EntraID]bool {
	kept := map[directory.EntraID]bool{}
	for _, m := range g.Members {
		switch {
		case m.Wanted && m.Account != "":
			kept[m.Account] = true
		case m.Wanted && m.Returning:
			kept[m.Applied] = true
		}
	}
	return kept
}

// additions are the accounts to add, without those that are known to be in the group.
func (g Group) additions() []directory.EntraID {
	var add []directory.EntraID
	for _, m := range g.Members {
		there := m.Applied == m.Account
		if g.Present != nil {
			there = g.Present[m.Account]
		}
		if m.Wanted && m.Account != "" && !there && !g.stays(m) && !g.Excluded[m.Account] {
			add = append(add, m.Account)
		}
	}
	slices.Sort(add)
	return slices.Compact(add)
}

// removals are the accounts to remove: those that we added and that are not members any
// more, and unknown accounts if the directory wants exact membership. Accounts that are
// known not to be in the group are left out.
func (g Group) removals() []directory.EntraID {
	var remove []directory.EntraID
	kept := g.kept()
	for _, m := range g.Members {
		if m.Applied != "" && !kept[m.Applied] && (g.Present == nil || g.Present[m.Applied]) {
			remove = append(remove, m.Applied)
		}
	}
	for _, id := range g.Unsure {
		if !kept[id] && (g.Present == nil || g.Present[id]) {
			remove = append(remove, id)
		}
	}
	if g.Settings.ExactMembership && g.All && g.complete() && !g.sparesStrangers() && !g.Faceless {
		remove = append(remove, g.strangers()...)
	}
	remove = slices.DeleteFunc(remove, func(id directory.EntraID) bool { return g.Excluded[id] })
	slices.Sort(remove)
	return slices.Compact(remove)
}

// unwritten are the members whose records change without a write: those that wait for an
// account, those that are in the group, and those that are gone from it. The account of a
// user who left, or has none now, may belong to another member by now, and then stays in
// the group. The record of a member who waits does not say that the account is in the
// group when it is not: it would not be added when the user has it again.
func (g Group) unwritten() []directory.Member {
	var changed []directory.Member
	kept := map[directory.EntraID]bool{}
	for _, m := range g.Members {
		kept[m.Account] = kept[m.Account] || m.Wanted
	}
	for _, m := range g.Members {
		after := m.Member
		gone := kept[m.Applied] || g.Present != nil && !g.Present[m.Applied]
		if gone && (!m.Wanted || m.Account == "") {
			after.Applied = ""
		}
		switch {
		case g.leavesOut(m):
			after.Problem = &directory.Obstacle{Reason: directory.Excluded, Message: "the user is excluded from this directory, and is neither added to the group nor removed from it: take the user off the setting exclude, if that is not meant"}
		case m.Wanted && m.Returning && !gone: // in the group, as far as is known
		case m.Wanted && m.Account == "":
			after.Problem = &directory.Obstacle{Reason: directory.MemberAbsent, Message: "the user has no account in this directory yet, and joins as soon as there is one"}
		case m.Wanted && g.Present[m.Account]:
			after.Applied, after.Problem = m.Account, nil
		}
		if !m.Wanted && after.Applied == "" || differ(m.Member, after) {
			changed = append(changed, after)
		}
	}
	return changed
}

// leavesOut reports whether a member is not added because the user is excluded.
func (g Group) leavesOut(m Member) bool {
	return m.Wanted && m.Applied == "" && (m.Excluded && m.Account == "" || g.Excluded[m.Account] && !g.Present[m.Account])
}

// differ reports whether the record of a member changes.
func differ(before, after directory.Member) bool {
	return after.Applied != before.Applied || (after.Problem == nil) != (before.Problem == nil) ||
		after.Problem != nil && *after.Problem != *before.Problem
}

// adding are the actions that add accounts.
func adding(accounts []directory.EntraID) []Action {
	var actions []Action
	for chunk := range slices.Chunk(accounts, directory.MaxBind) {
		actions = append(actions, Action{Type: AddMembers, Changes: []directory.Change{{Attribute: directory.Members, To: values(chunk)}}})
	}
	return actions
}

// removing are the actions that remove accounts.
func removing(accounts []directory.EntraID) []Action {
	var actions []Action
	for chunk := range slices.Chunk(accounts, directory.MaxBind) {
		actions = append(actions, Action{Type: RemoveMembers, Changes: []directory.Change{{Attribute: directory.Members, From: values(chunk)}}})
	}
	return actions
}

// values are object ids as the value of an attribute.
func values(ids []directory.EntraID) directory.Value {
	v := make(directory.Value, len(ids))
	for i, id := range ids {
		v[i] = string(id)
	}
	return v
}

// Written is the link after an action succeeded; id is the group written.
func (g Group) Written(link directory.GroupLink, action Action, id directory.EntraID) directory.GroupLink {
	link.EntraID = id
	switch action.Type {
	case CreateGroup, RestoreGroup:
		link.Origin = directory.CreatedByUs
	case DeleteGroup:
		link.Former = id
		link.EntraID, link.Origin, link.Applied, link.Note = "", "", "", deletedNote
	}
	if name, written := action.Value(directory.DisplayName); written {
		link.Applied, link.Drift = name.String(), link.Drift.Without(directory.DisplayName)
	}
	return link
}

// deletedNote says that we deleted the group in Entra.
const deletedNote = "the group in Entra, which entrasync had created, was deleted"

// Concluded is the link when nothing is left to do.
func (g Group) Concluded(link directory.GroupLink, obstacle *directory.Obstacle) directory.GroupLink {
	link.Name = g.Name
	before := link.Status
	switch {
	case obstacle != nil:
		link.Status, link.Reason, link.Message = directory.Parked, obstacle.Reason, obstacle.Message
		return link
	case g.Connected && g.Exists:
		link.Status, link.Reason, link.Message = directory.Synced, "", link.Note
		link.Drift = link.Drift.Without(directory.DeletedAt, directory.ObjectID)
		if g.All && !g.OnlyReport {
			link.Drift = nil
		}
		if g.All {
			link.StrangersKept = g.Settings.ExactMembership && !g.complete() && len(g.strangers()) > 0
		}
		return link
	case before == directory.Released: // the reason is there already
	case !g.Exists:
		link.Status, link.Reason, link.Message = directory.Released, directory.GroupDeleted, "the group was deleted in JumpCloud"
	default:
		link.Status, link.Reason, link.Message = directory.Released, directory.Disconnected, "the group is not connected to this directory any more"
	}
	switch {
	case before == directory.Released && link.Note != deletedNote:
	case link.EntraID != "":
		link.Message += "; in Entra it stays as it is"
	case link.Note == deletedNote:
		link.Message, link.Note = link.Message+"; "+deletedNote, ""
	}
	return link
}
