package fanout

import (
	"slices"

	"entrasync/shared/crowd"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud"
)

// kindsOf are the kinds of a change, the narrowest first: changes of one kind may have one
// cause, and those beyond a few of one kind wait in the bulk lanes. There are none for what
// is about the access of one user, such as a suspension, a deletion or a password: each is
// as urgent as the next, however many come.
//
// What a catch-up found may be thousands of events, because no webhook came for hours. They
// are late already, so the first few of them are live, whatever they are about, and all that
// end somebody's access.
func kindsOf(change jumpcloud.Change) []crowd.Kind {
	event := change.Event
	kind := func(name string, most int) crowd.Kind {
		return crowd.Kind{Name: string(change.Organization) + "/" + name, Most: most}
	}
	if change.Via == jumpcloud.ByCatchUp && !endsAccess(event) {
		return []crowd.Kind{kind("caught up", crowd.Few)}
	}
	source, isSource := event.Source()
	groups, edges := event.Groups(), kind("edges", crowd.FewOfAll)
	switch concern := event.Concern(); {
	case event.Type == groupDeleted, concern == jumpcloud.AssociationChanged && len(event.Users()) == 0:
		return []crowd.Kind{kind("all members", crowd.FewGroups)}
	case concern == jumpcloud.GroupChanged:
		return []crowd.Kind{kind("groups", crowd.Few)}
	case isSource:
		return []crowd.Kind{kind(string(source.Type)+"/"+source.ID, crowd.Few), edges}
	case event.Membership() && len(groups) > 0:
		return []crowd.Kind{kind("group/"+string(groups[0]), crowd.Few), edges}
	case event.OnlyAttributes:
		return []crowd.Kind{kind("attributes", crowd.Few)}
	default:
		return nil
	}
}

// endsAccess reports whether an event says that one user may not sign in any more, or not
// with the same password.
func endsAccess(event jumpcloud.Event) bool {
	return slices.ContainsFunc(event.Claims(), func(c directory.Claim) bool {
		if c.User == "" {
			return false
		}
		switch c.Kind {
		case directory.Removed, directory.LockedOut, directory.Expired, directory.NewPassword:
			return true
		case directory.InState:
			return c.State != directory.Activated
		default:
			return false
		}
	})
}
