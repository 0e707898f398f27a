package jumpcloudtest

import (
	"net/http"
	"strings"
)

func (s *Simulator) groupEndpoints() []endpoint {
	const one = "/usergroups/{id}"
	return append([]endpoint{
		{api: v2, method: http.MethodGet, path: "/usergroups", serve: s.listOf(kindGroup)},
		{api: v2, method: http.MethodGet, path: "/groups", serve: s.listOf(kindGroup)},
		{api: v2, method: http.MethodPost, path: "/usergroups", serve: s.postGroup},
		{api: v2, method: http.MethodGet, path: one, serve: s.oneOf(kindGroup, "id")},
		{api: v2, method: http.MethodPut, path: one, serve: s.putGroup},
		// No longer described, but in JumpCloud's own Go client and the programs that use it.
		{api: v2, method: http.MethodPatch, path: one, serve: s.putGroup, fields: groupText},
		{api: v2, method: http.MethodDelete, path: one, serve: s.removeGroup},
	}, s.graphEndpoints()...)
}

// listOf lists all objects of a kind.
func (s *Simulator) listOf(k kind) func(*request) (reply, error) {
	return func(r *request) (reply, error) { return list(r, s.shownObjects(k)) }
}

// oneOf answers with one object; the named part of the path is its id.
func (s *Simulator) oneOf(k kind, part string) func(*request) (reply, error) {
	return func(r *request) (reply, error) {
		object := s.shownObject(k, r.PathValue(part))
		if object == nil {
			return reply{}, notFound(string(k), r.PathValue(part))
		}
		fields, err := r.chosen()
		if err != nil {
			return reply{}, err
		}
		return ok(only(object, fields))
	}
}

// groupText are the fields of a group that a client can write.
var groupText = []string{"name", "description", "email", "attributes", "memberQuery", "memberQueryExemptions", "memberSuggestionsNotify", "membershipMethod"}

// saveGroup creates a group (id "") or changes one. Names must be unique (assumed).
func (tx *tx) saveGroup(id string, input Fields) (Fields, error) {
	group := Fields{"id": tx.newID(), "type": string(kindGroup), "description": "", "email": "", "attributes": nil,
		"membershipMethod": "STATIC", "memberQuery": nil, "memberQueryExemptions": []any{},
		"memberSuggestionsNotify": false, "organizationObjectId": tx.s.organization}
	var before Fields
	if id != "" {
		if before = tx.get(kindGroup, id); before == nil {
			return nil, notFound("user group", id)
		}
		group = copyOf(before)
	}
	for _, name := range groupText {
		if value, given := input[name]; given {
			group[name] = value
		}
	}
	name := strings.TrimSpace(group.Text("name"))
	if name == "" {
		return nil, refuse(http.StatusBadRequest, "name is required")
	}
	for _, other := range tx.s.store.all(kindGroup) {
		if other.Text("id") != group.Text("id") && other.Text("name") == group.Text("name") {
			return nil, refuse(http.StatusConflict, textAlreadyExists)
		}
	}
	if before == nil {
		tx.put(kindGroup, group.Text("id"), group)
		tx.emitNamed("group_create", group.Text("id"), string(kindGroup), name, []any{Fields{"field": "name", "to": name}})
		return group, nil
	}
	if changes := changesOf(before, copyOf(group), func(string) bool { return true }); len(changes) > 0 {
		tx.put(kindGroup, id, group)
		tx.emitNamed("group_update", id, string(kindGroup), name, changes)
	}
	return group, nil
}

// deleteGroup removes a group with its edges; the edges emit no events (assumed).
func (tx *tx) deleteGroup(id string) error {
	group := tx.get(kindGroup, id)
	if group == nil {
		return notFound("user group", id)
	}
	tx.dropEdges(node{string(kindGroup), id})
	tx.put(kindGroup, id, nil)
	tx.emitNamed("group_delete", id, string(kindGroup), group.Text("name"), nil)
	return nil
}

func (s *Simulator) postGroup(r *request) (reply, error) {
	var group Fields
	err := s.change(byAPI, func(tx *tx) (err error) {
		group, err = tx.saveGroup("", r.fields())
		return err
	})
	return reply{status: http.StatusCreated, body: group}, err
}

func (s *Simulator) putGroup(r *request) (reply, error) {
	var group Fields
	err := s.change(byAPI, func(tx *tx) (err error) {
		group, err = tx.saveGroup(r.PathValue("id"), r.fields())
		return err
	})
	return reply{status: http.StatusOK, body: group}, err
}

func (s *Simulator) removeGroup(r *request) (reply, error) {
	if err := s.change(byAPI, func(tx *tx) error { return tx.deleteGroup(r.PathValue("id")) }); err != nil {
		return reply{}, err
	}
	return noContent()
}
