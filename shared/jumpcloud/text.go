package jumpcloud

import (
	"encoding/json"
	"strconv"
	"strings"
)

// object is a JSON object whose values are not parsed yet. JumpCloud leaves fields out
// or sends null, {}, "" or another type than described, so each field is parsed on its
// own, and a bad one does not affect the others.
type object map[string]json.RawMessage

// objectOf reads raw as an object; nil if it is anything else.
func objectOf(raw json.RawMessage) object {
	var o object
	if json.Unmarshal(raw, &o) != nil {
		return nil
	}
	return o
}

// text reads a field as text: a string unchanged, a number as it is written, anything
// else as "".
func (o object) text(field string) string {
	raw := o[field]
	if len(raw) == 0 {
		return ""
	}
	if raw[0] == '"' {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
		return s
	}
	if raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9' {
		return string(raw)
	}
	return ""
}

// flag reads a field as a boolean: from a boolean, the words true and false, or a
// number; known is false if the field is none of these.
func (o object) flag(field string) (value, known bool) {
	raw := o[field]
	if len(raw) == 0 {
		return false, false
	}
	switch raw[0] {
	case 't', 'f':
		return raw[0] == 't', true
	case '"':
		value, err := strconv.ParseBool(strings.ToLower(o.text(field)))
		return value, err == nil
	}
	number, err := strconv.ParseFloat(string(raw), 64)
	return number != 0, err == nil
}

// objects reads a field as a list of objects and skips elements that are not objects.
func (o object) objects(field string) []object {
	var elements []json.RawMessage
	if json.Unmarshal(o[field], &elements) != nil {
		return nil
	}
	var found []object
	for _, raw := range elements {
		if element := objectOf(raw); element != nil {
			found = append(found, element)
		}
	}
	return found
}
