package jumpcloudtest

import (
	"slices"
	"strings"
)

// membership lists the members of a group: its users, those that its query finds, and
// the members of the groups within it in the form that nested says.
func (s *store) membership(group node, nested NestedGroups) []Fields {
	if nested != ListNestedGroups {
		return s.reach(group, kindUser, true)
	}
	listed := append(s.reach(group, kindUser, false), s.reach(group, kindGroup, false)...)
	slices.SortFunc(listed, byID)
	return listed
}

// reach lists all objects of a kind that can be reached from a node, directly or
// through user groups, sorted by id. Users are reached from their groups, directories
// and applications from the users and groups associated with them, and the other way
// round. There is one path for each group that has the object directly; it is not known
// whether JumpCloud shows every path to a group. Without deep, groups in groups do not
// count.
func (s *store) reach(from node, target kind, deep bool) []Fields {
	// From a user, or towards directories and applications, the walk goes from a member
	// to its groups; otherwise from a group to its members.
	outward := from.Type == string(kindUser) || from.Type == string(kindGroup) && rank[target] == rank[kindDirectory]
	paths := map[node][]any{}
	way := map[node][]any{from: nil} // path to every group that was found
	for open := []node{from}; len(open) > 0; open = open[1:] {
		here := open[0]
		for _, to := range s.next(here, target, outward) {
			if to != from {
				paths[to] = append(paths[to], append(slices.Clone(way[here]), connection(here, to)))
			}
		}
		if here.Type == string(kindGroup) && !deep {
			continue
		}
		for _, group := range s.next(here, kindGroup, outward) {
			if _, found := way[group]; !found {
				way[group] = append(slices.Clone(way[here]), connection(here, group))
				open = append(open, group)
			}
		}
	}
	var reached []Fields
	for to, all := range paths {
		reached = append(reached, Fields{"id": to.ID, "type": to.Type, "compiledAttributes": nil, "paths": all})
	}
	slices.SortFunc(reached, byID)
	return reached
}

// parents are the groups that have a group as a member, directly or through others,
// sorted by id, each with one path.
func (s *store) parents(from node) []Fields {
	way := map[node][]any{from: nil}
	var found []Fields
	for open := []node{from}; len(open) > 0; open = open[1:] {
		for _, group := range s.at(side{kindEdge, true, open[0]}, kindGroup) {
			if _, known := way[group]; known {
				continue
			}
			way[group] = append(slices.Clone(way[open[0]]), connection(open[0], group))
			found = append(found, Fields{"id": group.ID, "type": group.Type, "compiledAttributes": nil, "paths": []any{way[group]}})
			open = append(open, group)
		}
	}
	slices.SortFunc(found, byID)
	return found
}

// next are the nodes of a kind one step from a node.
func (s *store) next(here node, target kind, outward bool) []node {
	incoming := rank[kind(here.Type)] > rank[target] || kind(here.Type) == kindGroup && target == kindGroup && outward
	found := s.at(side{kindEdge, incoming, here}, target)
	for _, match := range s.at(side{kindMatch, incoming, here}, target) {
		if !slices.Contains(found, match) {
			found = append(found, match)
		}
	}
	return found
}

func byID(a, b Fields) int { return strings.Compare(a.Text("id"), b.Text("id")) }

// connection is one step of a path.
func connection(from, to node) Fields {
	end := func(n node) Fields { return Fields{"id": n.ID, "type": n.Type, "attributes": nil} }
	return Fields{"attributes": nil, "from": end(from), "to": end(to)}
}
