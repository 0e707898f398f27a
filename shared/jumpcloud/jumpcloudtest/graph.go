package jumpcloudtest

import (
	"net/http"
	"slices"
	"strings"
)

// graphRoute is a family of routes below one kind of object.
type graphRoute struct {
	base, part string // "/users/{user_id}", "user_id"
	kind       kind
	reach      map[string]kind // last part of the path, to the kind that is listed with its paths
}

var graphRoutes = []graphRoute{
	{"/usergroups/{group_id}", "group_id", kindGroup, map[string]kind{"membership": kindUser, "office365s": kindDirectory,
		"directories": kindDirectory, "applications": kindApplication}},
	{"/users/{user_id}", "user_id", kindUser, map[string]kind{"memberof": kindGroup, "office365s": kindDirectory,
		"directories": kindDirectory, "applications": kindApplication}},
	{"/office365s/{office365_id}", "office365_id", kindDirectory, map[string]kind{"users": kindUser, "usergroups": kindGroup}},
	{"/applications/{application_id}", "application_id", kindApplication, map[string]kind{"users": kindUser, "usergroups": kindGroup}},
}

func (s *Simulator) graphEndpoints() []endpoint {
	var all []endpoint
	for _, route := range graphRoutes {
		for last, target := range route.reach {
			all = append(all, endpoint{api: v2, method: http.MethodGet, path: route.base + "/" + last, serve: s.getReach(route, target)})
		}
		all = append(all,
			endpoint{api: v2, method: http.MethodGet, path: route.base + "/associations", serve: s.getAssociations(route)},
			endpoint{api: v2, method: http.MethodPost, path: route.base + "/associations", serve: s.postEdge(route)})
	}
	members := graphRoutes[0]
	return append(all,
		// No longer described, but in JumpCloud's own clients.
		endpoint{api: v2, method: http.MethodGet, path: members.base + "/memberof", serve: s.getParents, takes: []string{"limit", "skip", "sort", "filter"}, shows: "GraphObjectWithPaths"},
		endpoint{api: v2, method: http.MethodGet, path: members.base + "/members", serve: s.getMembers},
		endpoint{api: v2, method: http.MethodPost, path: members.base + "/members", serve: s.postEdge(members)})
}

// start is the object that the path names.
func (s *Simulator) start(r *request, route graphRoute) (node, error) {
	n := node{string(route.kind), r.PathValue(route.part)}
	if s.shownObject(route.kind, n.ID) == nil {
		return node{}, notFound(n.Type, n.ID)
	}
	return n, nil
}

// getReach lists all objects of a kind that the start reaches, directly or through user
// groups, each with its paths.
func (s *Simulator) getReach(route graphRoute, target kind) func(*request) (reply, error) {
	return func(r *request) (reply, error) {
		from, err := s.start(r, route)
		if err != nil {
			return reply{}, err
		}
		var reached []Fields
		s.shown(func(store *store) {
			if route.kind == kindGroup && target == kindUser {
				reached = store.membership(from, s.behaviour.NestedGroups)
			} else {
				reached = store.reach(from, target, true)
			}
			reached = append(reached, s.gone(from, target, func(n node) Fields {
				return Fields{"id": n.ID, "type": n.Type, "compiledAttributes": nil, "paths": []any{}}
			})...)
		})
		slices.SortFunc(reached, byID)
		return list(r, reached)
	}
}

// getAssociations lists the direct edges to objects of the kinds in targets.
func (s *Simulator) getAssociations(route graphRoute) func(*request) (reply, error) {
	return func(r *request) (reply, error) {
		from, err := s.start(r, route)
		if err != nil {
			return reply{}, err
		}
		targets := names(r.URL.Query(), "targets", v2)
		if len(targets) == 0 {
			return reply{}, refuse(http.StatusBadRequest, "targets is required")
		}
		for _, target := range targets {
			if !s.schemas.allowedTarget(route.base+"/associations", target) {
				return reply{}, refuse(http.StatusBadRequest, "targets does not take %q", target)
			}
		}
		return s.edges(r, from, targets)
	}
}

// edges lists the direct edges from a node.
func (s *Simulator) edges(r *request, from node, targets []string) (reply, error) {
	var found []Fields
	s.shown(func(store *store) {
		for _, target := range targets {
			var some []Fields
			for _, to := range slices.Concat(store.at(side{kindEdge, false, from}, kind(target)), store.at(side{kindEdge, true, from}, kind(target))) {
				some = append(some, edgeTo(to))
			}
			some = append(some, s.gone(from, kind(target), edgeTo)...)
			slices.SortFunc(some, byOtherEnd)
			found = append(found, some...)
		}
	})
	return list(r, found)
}

// edgeTo is an edge as lists show it: its other end.
func edgeTo(n node) Fields {
	return Fields{"attributes": nil, "to": Fields{"id": n.ID, "type": n.Type, "attributes": nil}}
}

func byOtherEnd(a, b Fields) int {
	return strings.Compare(textOf(lookup(a, "to.id")), textOf(lookup(b, "to.id")))
}

// postEdge adds or removes an edge. The schema of the body says which kinds are
// allowed; otherwise members and associations are the same.
func (s *Simulator) postEdge(route graphRoute) func(*request) (reply, error) {
	return func(r *request) (reply, error) {
		body := r.fields()
		if body == nil {
			return reply{}, refuse(http.StatusBadRequest, "a body is required")
		}
		from := node{string(route.kind), r.PathValue(route.part)}
		to := node{body.Text("type"), body.Text("id")}
		if err := s.change(byAPI, func(tx *tx) error { return tx.operate(body.Text("op"), from, to) }); err != nil {
			return reply{}, err
		}
		return noContent()
	}
}

// rank orders the ends of an edge: an edge goes from the lower to the higher rank.
var rank = map[kind]int{kindGroup: 0, kindUser: 1, kindDirectory: 2, kindApplication: 2}

// operate adds, removes or updates the edge between two nodes, in either order. Of two
// groups, the second becomes a member of the first.
func (tx *tx) operate(op string, from, to node) error {
	for _, end := range []node{from, to} {
		if tx.get(kind(end.Type), end.ID) == nil {
			return notFound(end.Type, end.ID)
		}
	}
	nested := from.Type == string(kindGroup) && from.Type == to.Type && from != to && tx.s.behaviour.NestedGroups != NoNestedGroups
	if rank[kind(from.Type)] == rank[kind(to.Type)] && !nested {
		return refuse(http.StatusBadRequest, "%s and %s cannot be associated", from.Type, to.Type)
	}
	if rank[kind(from.Type)] > rank[kind(to.Type)] {
		from, to = to, from
	}
	id := edgeID(from, to)
	exists := tx.get(kindEdge, id) != nil
	switch {
	case op == "add" && exists:
		return refuse(http.StatusConflict, textAlreadyExists)
	case op == "add":
		tx.put(kindEdge, id, edgeFields(from, to))
	case !exists:
		return refuse(http.StatusNotFound, "Not Found")
	case op == "remove":
		tx.put(kindEdge, id, nil)
	}
	tx.emitAssociation(op, actionManual, from, to)
	return nil
}

// dropEdges removes every edge and match of a node without events.
// Behaviour.GoneMembers says what the edges leave behind.
func (tx *tx) dropEdges(n node) {
	drop := func(k kind, from, to node) {
		tx.put(k, edgeID(from, to), nil)
		if k == kindEdge && tx.s.behaviour.GoneMembers != ForgetGone {
			tx.put(kindGone, edgeID(from, to), edgeFields(from, to))
		}
	}
	for _, k := range []kind{kindGone, kindEdge, kindMatch} {
		for _, other := range slices.Clone(tx.s.store.adjacent[side{k, false, n}]) {
			drop(k, n, other)
		}
		for _, other := range slices.Clone(tx.s.store.adjacent[side{k, true, n}]) {
			drop(k, other, n)
		}
	}
}
