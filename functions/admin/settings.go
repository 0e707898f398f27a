package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// mergeSettings applies a JSON Merge Patch (RFC 7396) to settings, key by key; a
// null brings a default back. A setting that is not known is refused by name.
func mergeSettings(current directory.Settings, patch map[string]any) (directory.Settings, error) {
	before, err := asObject(current)
	if err != nil {
		return current, err
	}
	defaults, err := asObject(directory.DefaultSettings())
	if err != nil {
		return current, err
	}
	for name := range patch {
		if _, known := defaults[name]; !known {
			return current, &fault.Error{Op: "admin.settings", Kind: fault.Invalid, Subject: "settings." + name, Message: "there is no setting " + name}
		}
	}
	mergeObject(before, patch)
	fillIn(before, defaults)
	merged, err := json.Marshal(before)
	if err != nil {
		return current, fault.Wrap(err, fault.Internal, "admin.settings")
	}
	var settings directory.Settings
	strict := json.NewDecoder(bytes.NewReader(merged))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&settings); err != nil {
		return current, wrongSetting(err, before)
	}
	if source, _ := patch[connectionSource].(map[string]any); source["id"] == nil && settings.ConnectionSource.Type == directory.NoSource {
		settings.ConnectionSource.ID = "" // of the source that there was
	}
	return settings, settings.Check()
}

// fillIn brings defaults back that were taken out, also those inside of a setting.
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

// mergeObject is RFC 7396 for two objects.
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

// asObject is settings as a JSON object.
func asObject(settings directory.Settings) (map[string]any, error) {
	raw, err := json.Marshal(settings)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "admin.settings")
	}
	var object map[string]any
	return object, fault.Wrap(json.Unmarshal(raw, &object), fault.Internal, "admin.settings")
}

// wrongSetting says which of the settings could not be read.
func wrongSetting(err error, settings map[string]any) error {
	f := &fault.Error{Op: "admin.settings", Kind: fault.Invalid, Subject: "settings", Message: strings.TrimPrefix(err.Error(), "json: ")}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		f.Subject += "." + wrong.Field + wrongKey(settings[wrong.Field], wrong.Type)
		f.Message = fmt.Sprintf("%s is of the wrong type: it is %s and must be %s", f.Subject, withArticle(wrong.Value), withArticle(kindOf(wrong.Type)))
	}
	return f
}

// wrongKey is "." and the first key of a setting whose value is not of a type, ""
// if the setting has no keys: the decoder names only the setting.
func wrongKey(setting any, want reflect.Type) string {
	values, _ := setting.(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(values)) {
		raw, err := json.Marshal(values[key])
		if err != nil || json.Unmarshal(raw, reflect.New(want).Interface()) != nil {
			return "." + key
		}
	}
	return ""
}

// withArticle is "a string" or "an object".
func withArticle(kind string) string {
	if strings.ContainsRune("aeiou", rune(kind[0])) {
		return "an " + kind
	}
	return "a " + kind
}

// kindOf names a type as JSON does.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	case reflect.Slice:
		return "list"
	default:
		return "object"
	}
}
