package jumpcloudtest

import (
	"net/http"
	"reflect"
	"time"
)

func (s *Simulator) organizationEndpoints() []endpoint {
	return []endpoint{
		{api: v1, method: http.MethodGet, path: "/organizations", serve: s.listOrganizations},
		{api: v1, method: http.MethodGet, path: "/organizations/{id}", serve: s.oneOf(kindOrganization, "id")},
		{api: v1, method: http.MethodPut, path: "/organizations/{id}", serve: s.putOrganization},
	}
}

// newOrganization is an organization with the settings of a recorded new one.
func newOrganization(organization Organization, now time.Time) Fields {
	return Fields{"_id": organization.ID, "displayName": organization.Name, "logoUrl": nil, "created": timestamp(now),
		"provider": nil, "settings": Fields{
			"name": organization.Name,
			"newSystemUserStateDefaults": Fields{"manualEntry": "STAGED", "csvImport": "STAGED",
				"applicationImport": "STAGED"},
			"passwordCompliance": "custom",
			"passwordPolicy": Fields{"enableMinLength": true, "minLength": 8, "needsLowercase": true,
				"needsUppercase": true, "needsNumeric": true, "needsSymbolic": true, "allowUsernameSubstring": false,
				"enableMaxHistory": false, "maxHistory": 5, "enableMaxLoginAttempts": true, "maxLoginAttempts": 6,
				"enableLockoutTimeInSeconds": true, "lockoutTimeInSeconds": 600,
				"enablePasswordExpirationInDays": false, "passwordExpirationInDays": 90},
		}}
}

// defaultState is the state of a new user without a given state: it depends on the
// source of the user (JumpCloud API documentation).
func (tx *tx) defaultState(source string) string {
	name := "applicationImport"
	switch source {
	case sourceManual:
		name = "manualEntry"
	case sourceBulk:
		name = "csvImport"
	}
	organization := tx.get(kindOrganization, tx.s.organization)
	return textOf(lookup(organization, "settings.newSystemUserStateDefaults."+name))
}

func (s *Simulator) listOrganizations(r *request) (reply, error) {
	var all []Fields
	for _, organization := range s.objects(kindOrganization) {
		all = append(all, only(organization, []string{"displayName", "logoUrl"}))
	}
	return list(r, all)
}

// putOrganization changes the named settings; nested ones are merged.
func (s *Simulator) putOrganization(r *request) (reply, error) {
	var changed Fields
	err := s.change(byAPI, func(tx *tx) error {
		id := r.PathValue("id")
		before := tx.get(kindOrganization, id)
		if before == nil {
			return notFound("organization", id)
		}
		settings, _ := r.fields()["settings"].(map[string]any)
		changed = copyOf(before)
		old, _ := changed["settings"].(map[string]any)
		changes := merge(old, settings, "settings")
		if name := Fields(settings).Text("name"); name != "" {
			changed["displayName"] = name
		}
		if len(changes) == 0 {
			return nil
		}
		tx.put(kindOrganization, id, changed)
		tx.emit("organization_update", Fields{"changes": changes,
			"resource": Fields{"id": id, "type": "organization", "displayName": changed["displayName"]}})
		return nil
	})
	return reply{status: http.StatusOK, body: changed}, err
}

// merge puts the values of update into object and lists the changes with dotted names,
// one for each setting at the second level (recorded events).
func merge(object, update map[string]any, path string) []any {
	var changes []any
	for _, name := range fieldNames(update) {
		before := copyOf(Fields{"value": object[name]})["value"]
		inner, nested := update[name].(map[string]any)
		target, exists := object[name].(map[string]any)
		if nested && exists {
			merge(target, inner, path+"."+name)
		} else {
			object[name] = update[name]
		}
		if !reflect.DeepEqual(before, object[name]) {
			changes = append(changes, Fields{"field": path + "." + name, "from": before, "to": object[name]})
		}
	}
	return changes
}
