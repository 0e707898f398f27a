package admin

import (
	"encoding/json"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// mergeSettings applies a JSON Merge Patch (RFC 7396) to settings, key by key; a null
// restores the default, except that of guard.maxCount, which turns the guard off. The patch was
// checked with its schema before.
func mergeSettings(current directory.Settings, patch map[string]any) (directory.Settings, error) {
	before, err := asObject(current)
	if err != nil {
		return current, err
	}
	defaults, err := asObject(directory.DefaultSettings())
	if err != nil {
		return current, err
	}
	mergeObject(before, patch)
	fillIn(before, defaults)
	if guard, _ := patch["guard"].(map[string]any); guard != nil {
		if count, named := guard["maxCount"]; named && count == nil {
			before["guard"].(map[string]any)["maxCount"] = nil // no guard: it brings no default back
		}
	}
	merged, err := json.Marshal(before)
	if err != nil {
		return current, fault.Wrap(err, fault.Internal, "admin.settings")
	}
	var settings directory.Settings
	if err := json.Unmarshal(merged, &settings); err != nil {
		return current, fault.Wrap(err, fault.Internal, "admin.settings")
	}
	if source, _ := patch[connectionSource].(map[string]any); source["id"] == nil && settings.ConnectionSource.Type == directory.NoSource {
		settings.ConnectionSource.ID = "" // the id of the former source
	}
	return settings, settings.Check()
}

// fillIn restores defaults that the patch removed, also inside a setting.
func fillIn(settings, defaults map[string]any) {
	for name, value := range defaults {
		kept, found := settings[name]
		inner, isObject := kept.(map[string]any)
		if innerDefaults, wasObject := value.(map[string]any); isObject && wasObject {
			fillIn(inner, innerDefaults)
		} else if !found {
			settings[name] = value
		}
	}
}

// mergeObject merges two objects as RFC 7396 says.
func mergeObject(target, patch map[string]any) {
	for name, value := range patch {
		inner, isObject := value.(map[string]any)
		existing, wasObject := target[name].(map[string]any)
		switch {
		case value == nil:
			delete(target, name)
		case isObject && wasObject:
			mergeObject(existing, inner)
		case isObject:
			fresh := map[string]any{}
			mergeObject(fresh, inner)
			target[name] = fresh
		default:
			target[name] = value
		}
	}
}

// asObject converts settings to a JSON object.
func asObject(settings directory.Settings) (map[string]any, error) {
	raw, err := json.Marshal(settings)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "admin.settings")
	}
	var object map[string]any
	return object, fault.Wrap(json.Unmarshal(raw, &object), fault.Internal, "admin.settings")
}
