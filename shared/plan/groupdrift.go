package plan

import (
	"maps"
	"slices"
	"time"

	"entrasync/shared/directory"
)

// GroupMayDiffer reports whether a group must be read because of what a list shows of it, apart
// from its members. whole says that the list is one of all groups: a list of changes may leave
// out of which kinds a group is.
func GroupMayDiffer(link directory.GroupLink, shown directory.GroupChange, whole bool) bool {
	if link.EntraID == "" || link.Freed || link.EntraID != shown.ID {
		return false
	}
	if shown.Gone || link.Drift.Gone() {
		return !shown.Gone || !link.Drift.Gone()
	}
	known := link.Applied
	if renamed, is := link.Drift.Of(directory.DisplayName); is {
		known = renamed.Found.String()
	}
	if shown.Name != nil && known != "" && *shown.Name != known {
		return true
	}
	kinds := shown.Group.ID != "" && (whole || shown.Group.Security)
	unusable := link.Reason == directory.GroupUnusable
	return kinds && unusable != (shown.Group.Unusable() != "")
}

// GroupReturned reports whether a list shows the group that was made for a JumpCloud group
// which has none because it was deleted. The unique name says for which it was made.
func GroupReturned(link directory.GroupLink, shown directory.GroupChange) bool {
	return link.EntraID == "" && link.Reason == directory.GroupDeletedInEntra && !shown.Gone && directory.MadeFor(shown.Group.UniqueName) == link.Group
}

// Membership is what is known of an account that a list of changes names as one that joined a
// group in Entra or left it.
type Membership struct {
	Account directory.EntraID
	In      bool              // it joined
	Member  *directory.Member // of the user to whom it belongs, in the group; nil: there is none
}

// MembersMayDiffer reports whether the members of a group must be read because of one who
// joined or left it in Entra. Somebody who joined matters only where the directory wants exact
// membership, or when missed before; so does not somebody whom entrasync removed, and whom
// another put back.
func MembersMayDiffer(link directory.GroupLink, exact bool, m Membership) bool {
	ours := m.Member != nil && m.Member.Wanted && m.Member.Applied == m.Account
	found, _ := link.Drift.Of(directory.Members)
	missed := slices.Contains(found.Expected, string(m.Account))
	stranger := slices.Contains(found.Found, string(m.Account))
	switch {
	case m.In && ours:
		return missed
	case m.In:
		return exact && !stranger
	default:
		return ours && !missed || stranger
	}
}

// Strangers are those of some accounts in a group in Entra that are nobody's who is to be a
// member: owners says whose they are.
func Strangers(members []directory.Member, accounts []directory.EntraID, owners map[directory.EntraID]directory.UserID) []directory.EntraID {
	ours, wanted := map[directory.EntraID]bool{}, map[directory.UserID]bool{}
	for _, m := range members {
		ours[m.Applied] = true
		wanted[m.User] = m.Wanted
	}
	return slices.DeleteFunc(slices.Clone(accounts), func(id directory.EntraID) bool { return ours[id] || wanted[owners[id]] })
}

// ListDiffers reports whether a complete list of the members of a group in Entra differs from
// what was written.
func ListDiffers(members []directory.Member, accounts []directory.EntraID, exact bool) bool {
	present := map[directory.EntraID]bool{}
	for _, id := range accounts {
		present[id] = true
	}
	for _, m := range members {
		if m.Wanted && m.Applied != "" && !present[m.Applied] {
			return true
		}
		delete(present, m.Applied)
	}
	return exact && len(present) > 0
}

// shownMembers is how many members a finding names at most on each side.
const shownMembers = 100

// Compare compares what was read of the group in Entra with what was written: its name, its
// members if they were read, and, where the directory wants exact membership, who else is in
// it.
func (g Group) Compare(now time.Time) directory.Findings {
	var findings directory.Findings
	applied := g.Link.Applied
	if before, reported := g.Link.Drift.Of(directory.DisplayName); reported && applied != "" {
		applied = before.Expected.String()
	}
	if g.Shown != nil && applied != "" && g.Shown.Name != applied {
		findings = append(findings, directory.Finding{Attribute: directory.DisplayName, Expected: directory.Text(applied), Found: directory.Value{g.Shown.Name}, At: now})
	}
	missing := g.missing()
	var strangers []directory.EntraID
	if g.Shown != nil && g.Settings.ExactMembership && g.All && g.complete() && !g.Link.StrangersKept {
		strangers = g.strangers()
		slices.Sort(strangers)
	}
	if len(missing)+len(strangers) > 0 {
		findings = append(findings, membersFinding(missing, strangers, now))
	}
	return findings
}

// membersFinding is the finding about members who are missing and others who are too many.
func membersFinding(missing, strangers []directory.EntraID, now time.Time) directory.Finding {
	named := func(ids []directory.EntraID) directory.Value { return values(ids[:min(len(ids), shownMembers)]) }
	f := directory.Finding{Attribute: directory.Members, At: now}
	if len(missing) > 0 {
		f.Expected = named(missing)
	}
	if len(strangers) > 0 {
		f.Found = named(strangers)
	}
	f.More = len(missing) + len(strangers) - len(f.Expected) - len(f.Found)
	return f
}

// missing are the accounts of members who were in the group in Entra and are not any more, if
// its members were read. An account that is gone itself comes back with its memberships.
func (g Group) missing() []directory.EntraID {
	ids := map[directory.EntraID]bool{}
	for _, m := range g.Members {
		if g.left(m) && !m.Lost {
			ids[m.Account] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// left reports whether a member was in the group in Entra and is not any more.
func (g Group) left(m Member) bool {
	return g.Present != nil && m.Wanted && m.Account != "" && m.Applied == m.Account && !g.Present[m.Account]
}

// stays reports whether a member who is not in the group in Entra any more is not added: that
// is only reported, or the account is gone.
func (g Group) stays(m Member) bool { return g.left(m) && (g.OnlyReport || m.Lost) }

// sparesStrangers reports whether those who were added by hand are only reported.
func (g Group) sparesStrangers() bool {
	return g.OnlyReport && g.Shown != nil && !g.Link.StrangersKept
}
