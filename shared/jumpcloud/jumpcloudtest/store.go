package jumpcloudtest

import (
	"slices"
	"strings"
)

// kind is a kind of stored object.
type kind string

const (
	kindOrganization kind = "organization"
	kindUser         kind = "user"
	kindGroup        kind = "user_group"
	kindDirectory    kind = "office_365"
	kindApplication  kind = "application"
	kindEdge         kind = "edge"
	kindMatch        kind = "match" // a user that the query of a dynamic group finds
	kindGone         kind = "gone"  // an edge to or from something that was deleted
	kindDomain       kind = "domain"
	kindTranslation  kind = "translation_rule"
	kindChannel      kind = "channel"
	kindSecret       kind = "secret" // of a channel or a service account; sealed in the journal
	kindRule         kind = "rule"
	kindJob          kind = "job"
	// Its credentials are in authConfigList, their secrets apart.
	kindServiceAccount kind = "service_account"
	kindSchedule       kind = "schedule"
	kindEvent          kind = "event"
)

// node is an object at the end of a graph edge.
type node struct {
	Type string
	ID   string
}

// side is one side of a node: its incoming or outgoing edges, matches, or edges to
// deleted objects.
type side struct {
	of       kind // kindEdge, kindMatch or kindGone
	incoming bool
	at       node
}

// store has every object. Objects are never changed, only replaced, so that a change is
// undone by putting the old ones back.
type store struct {
	objects  map[kind]map[string]Fields
	order    map[kind][]string // ids, sorted
	unique   map[string]string // values that must be unique among users, to the user's id
	adjacent map[side][]node   // sorted
}

func newStore() *store {
	return &store{
		objects:  map[kind]map[string]Fields{},
		order:    map[kind][]string{},
		unique:   map[string]string{},
		adjacent: map[side][]node{},
	}
}

// get is an object, nil if there is none.
func (s *store) get(k kind, id string) Fields { return s.objects[k][id] }

// all are all objects of a kind in order of the ids.
func (s *store) all(k kind) []Fields {
	list := make([]Fields, 0, len(s.order[k]))
	for _, id := range s.order[k] {
		list = append(list, s.objects[k][id])
	}
	return list
}

// some are the objects of a kind with one of the ids, in order of the ids; all of them
// if ids is nil.
func (s *store) some(k kind, ids []string) (found []Fields) {
	if ids == nil {
		return s.all(k)
	}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		if object := s.get(k, id); object != nil {
			found = append(found, object)
		}
	}
	return found
}

// put replaces an object, or removes it if object is nil, and returns the object that
// was there before.
func (s *store) put(k kind, id string, object Fields) (before Fields) {
	if s.objects[k] == nil {
		s.objects[k] = map[string]Fields{}
	}
	before = s.objects[k][id]
	s.index(k, before, false)
	s.index(k, object, true)
	at, found := slices.BinarySearch(s.order[k], id)
	switch {
	case object == nil && found:
		delete(s.objects[k], id)
		s.order[k] = slices.Delete(s.order[k], at, at+1)
	case object != nil && !found:
		s.order[k] = slices.Insert(s.order[k], at, id)
	}
	if object != nil {
		s.objects[k][id] = object
	}
	return before
}

// uniqueFields are the fields of a user that must be unique, compared without case.
var uniqueFields = []string{"username", "email", "employeeIdentifier"}

// holder is the id of the user with the value in a unique field, or "".
func (s *store) holder(field, value string) string {
	return s.unique[field+":"+strings.ToLower(value)]
}

// index adds an object to the indexes, or removes it.
func (s *store) index(k kind, object Fields, add bool) {
	if object == nil {
		return
	}
	switch k {
	case kindUser:
		for _, field := range uniqueFields {
			key := field + ":" + strings.ToLower(object.Text(field))
			switch {
			case object.Text(field) == "":
			case add:
				s.unique[key] = object.Text("_id")
			default:
				delete(s.unique, key)
			}
		}
	case kindEdge, kindMatch, kindGone:
		from, to := edgeEnds(object)
		s.link(side{k, false, from}, to, add)
		s.link(side{k, true, to}, from, add)
	}
}

func (s *store) link(from side, to node, add bool) {
	at, found := slices.BinarySearchFunc(s.adjacent[from], to, compareNodes)
	switch {
	case add && !found:
		s.adjacent[from] = slices.Insert(s.adjacent[from], at, to)
	case !add && found:
		s.adjacent[from] = slices.Delete(s.adjacent[from], at, at+1)
	}
}

func compareNodes(a, b node) int {
	if c := strings.Compare(a.Type, b.Type); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}

// at are the nodes of a type on a side, sorted.
func (s *store) at(of side, k kind) []node {
	var found []node
	for _, other := range s.adjacent[of] {
		if other.Type == string(k) {
			found = append(found, other)
		}
	}
	return found
}

// edgeID names the edge between two nodes; memberships go from the group to its member,
// associations from the user or group to the directory or application.
func edgeID(from, to node) string { return from.Type + ":" + from.ID + ">" + to.Type + ":" + to.ID }

func edgeFields(from, to node) Fields {
	return Fields{"fromType": from.Type, "fromId": from.ID, "toType": to.Type, "toId": to.ID}
}

func edgeEnds(edge Fields) (from, to node) {
	return node{edge.Text("fromType"), edge.Text("fromId")}, node{edge.Text("toType"), edge.Text("toId")}
}
