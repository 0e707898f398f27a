package admin

import (
	"encoding/json"
	"maps"
	"slices"

	"entrasync/shared/fault"
)

// mustRemoveNothing refuses a JSON Merge Patch (RFC 7396) with a null: it would
// remove the field, and no field that can be patched can be missing. Decoded, a
// null could not be told from a field that is not there.
func mustRemoveNothing(patch []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(patch, &fields); err != nil {
		return nil // it was decoded already: nothing to remove in it
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if string(fields[name]) == "null" {
			return refuse(fault.New(fault.Invalid, "admin.patch", name+" cannot be removed: leave it out, or give it a value"), "body."+name, nil)
		}
	}
	return nil
}
