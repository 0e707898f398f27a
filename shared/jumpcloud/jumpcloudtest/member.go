package jumpcloudtest

import (
	"net/http"
	"slices"
)

// NestedGroups says whether a group can be a member of a group, and how memberships
// show it. JumpCloud documents users as the only members.
type NestedGroups string

// What happens to groups in groups.
const (
	NoNestedGroups      NestedGroups = ""         // refused
	ResolveNestedGroups NestedGroups = "resolved" // their users are members, with paths through them
	ListNestedGroups    NestedGroups = "listed"   // they are members like users
)

// getMembers lists the members of a group that have an edge of their own.
func (s *Simulator) getMembers(r *request) (reply, error) {
	from, err := s.start(r, graphRoutes[0])
	if err != nil {
		return reply{}, err
	}
	var found []Fields
	s.shown(func(store *store) {
		for _, target := range []kind{kindUser, kindGroup} {
			var some []Fields
			for _, to := range store.at(side{kindEdge, false, from}, target) {
				some = append(some, edgeTo(to))
			}
			some = append(some, s.gone(from, target, edgeTo)...)
			slices.SortFunc(some, byOtherEnd)
			found = append(found, some...)
		}
	})
	return list(r, found)
}

// getParents lists the groups that have a group as a member, directly or through
// others.
func (s *Simulator) getParents(r *request) (reply, error) {
	from, err := s.start(r, graphRoutes[0])
	if err != nil {
		return reply{}, err
	}
	var found []Fields
	s.shown(func(store *store) { found = store.parents(from) })
	return list(r, found)
}

// AddMember makes a user, or a group if Behaviour.NestedGroups allows it, a member of a
// group.
func (s *Simulator) AddMember(group, member string) error { return s.member("add", group, member) }

// RemoveMember ends a membership that AddMember made.
func (s *Simulator) RemoveMember(group, member string) error {
	return s.member("remove", group, member)
}

func (s *Simulator) member(op, group, member string) error {
	return s.do(func(tx *tx) error {
		to, err := tx.find(member, kindUser, kindGroup)
		if err != nil {
			return err
		}
		return tx.operate(op, node{string(kindGroup), group}, to)
	})
}

// SetDynamicMembers sets the users that the query of a group finds, and makes the group
// a dynamic one. It reports every user that comes or goes by an association_change. The
// users are in the membership of the group, but not among its members, which are edges.
func (s *Simulator) SetDynamicMembers(group string, users []string) error {
	return s.do(func(tx *tx) error {
		if _, err := tx.saveGroup(group, Fields{"membershipMethod": "DYNAMIC_AUTOMATED"}); err != nil {
			return err
		}
		from := node{string(kindGroup), group}
		tx.actor = automatic
		for _, gone := range tx.s.store.at(side{kindMatch, false, from}, kindUser) {
			if !slices.Contains(users, gone.ID) {
				tx.put(kindMatch, edgeID(from, gone), nil)
				tx.emitAssociation("remove", assumedActionAutomatic, from, gone)
			}
		}
		for _, id := range users {
			to := node{string(kindUser), id}
			if tx.get(kindUser, id) == nil {
				return refuse(http.StatusNotFound, "user %s not found", id)
			}
			if tx.get(kindMatch, edgeID(from, to)) == nil {
				tx.put(kindMatch, edgeID(from, to), edgeFields(from, to))
				tx.emitAssociation("add", assumedActionAutomatic, from, to)
			}
		}
		return nil
	})
}

// Members are the ids of the users in a group, sorted: its own members, those that its
// query finds, and those of groups within it.
func (s *Simulator) Members(group string) (ids []string) {
	s.read(func(store *store) {
		for _, user := range store.reach(node{string(kindGroup), group}, kindUser, true) {
			ids = append(ids, user.Text("id"))
		}
	})
	return ids
}
