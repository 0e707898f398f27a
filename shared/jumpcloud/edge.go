package jumpcloud

import "entrasync/shared/directory"

// Membership reports whether the event says that a user, or a group, joined or
// left a user group. [Event.Groups] and [Event.Users] are the two.
func (e Event) Membership() bool {
	return e.Concern() == AssociationChanged && e.Association.isMembership()
}

// Source is the connection source with which, according to the event, a user or user
// group was associated or is no longer associated; ok is false if the event is about
// none. The other end is in [Event.Users] or [Event.Groups].
func (e Event) Source() (source directory.ConnectionSource, ok bool) {
	if e.Concern() != AssociationChanged {
		return directory.ConnectionSource{}, false
	}
	for _, end := range []End{e.Association.From, e.Association.To} {
		if isTarget(end.Type) && end.ID != "" {
			return directory.ConnectionSource{Type: directory.SourceType(end.Type), ID: end.ID}, true
		}
	}
	return directory.ConnectionSource{}, false
}

// ours reports whether the association is one we act on.
func (a *Association) ours() bool {
	return a != nil && (a.isMembership() || a.joins(isHolder, isTarget))
}

// isMembership reports whether the association joins a user group and a possible
// member. JumpCloud documents only users as members; a group in a group would change
// who is in the outer one.
func (a *Association) isMembership() bool {
	return a.joins(func(kind string) bool { return kind == typeUserGroup }, isHolder)
}

// joins reports whether one end has the first type and the other end the second, in
// either direction.
func (a *Association) joins(one, other func(kind string) bool) bool {
	return one(a.From.Type) && other(a.To.Type) || one(a.To.Type) && other(a.From.Type)
}

// isPerson, isHolder and isTarget are classes of types: a user; a possible member of a
// group, which can have associations; the possible other end of an association.
func isPerson(kind string) bool { return kind == typeUser || kind == typeSystemUser }
func isHolder(kind string) bool { return isPerson(kind) || kind == typeUserGroup }
func isTarget(kind string) bool { return kind == typeOffice365 || kind == typeApplication }
