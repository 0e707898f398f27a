package jumpcloudtest

import "net/http"

func (s *Simulator) applicationEndpoints() []endpoint {
	return []endpoint{
		{api: v1, method: http.MethodGet, path: "/applications", serve: s.listOf(kindApplication)},
		{api: v1, method: http.MethodGet, path: "/applications/{id}", serve: s.oneOf(kindApplication, "id")},
		{api: v2, method: http.MethodGet, path: "/applications/{application_id}", serve: s.oneOf(kindApplication, "application_id")},
	}
}

// createApplication adds an application that users and groups can be associated
// with.
func (tx *tx) createApplication(name string) (string, error) {
	if name == "" {
		return "", refuse(http.StatusBadRequest, "name is required")
	}
	id := tx.newID()
	tx.put(kindApplication, id, Fields{"_id": id, "id": id, "name": name, "displayName": name, "displayLabel": name,
		"active": true, "organization": tx.s.organization})
	tx.emitNamed("application_create", id, string(kindApplication), name, nil)
	return id, nil
}
