package fanout

import (
	"entrasync/shared/crowd"
	"entrasync/shared/jumpcloud"
)

// kindsOf are the kinds of a change, the narrowest first: changes of one kind may have one
// cause, and those beyond a few of one kind wait in the bulk lanes. There are none for what
// is about the access of one user, such as a suspension, a deletion or a password: each is
// as urgent as the next, however many come.
func kindsOf(change jumpcloud.Change) []crowd.Kind {
	event := change.Event
	kind := func(name string, most int) crowd.Kind {
		return crowd.Kind{Name: string(change.Organization) + "/" + name, Most: most}
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
