package jumpcloudtest

import (
	"net/http"
	"slices"
	"strings"
)

// condition is one part of a filter.
type condition struct {
	field, op string // op as in version 1, without the $
	values    []string
}

// filter is the parsed filter of a list.
type filter struct {
	all []condition
	any []condition
}

// The operators of both versions (JumpCloud API documentation). Those marked as
// eventual need the header x-eventually-consistent.
var (
	operatorsV1 = map[string]bool{"eq": true, "ne": true, "in": true, "nin": true, "gt": true, "gte": true,
		"lt": true, "lte": true, "sw": true, "ew": true, "co": true, "nco": true}
	eventual    = map[string]bool{"ew": true, "co": true, "nco": true}
	operatorsV2 = map[string]string{"eq": "eq", "ne": "ne", "gt": "gt", "ge": "gte", "lt": "lt", "le": "lte",
		"between": "between", "search": "co", "in": "in"}
)

// parseFilter reads every filter parameter: filter, filter[0], filter[and][0] (all must
// match) and filter[or][0] (one must match).
func parseFilter(r *request) (filter, error) {
	var f filter
	query := r.URL.Query()
	var parameters []string
	for name := range query {
		if name == "filter" || filterForm.MatchString(name) {
			parameters = append(parameters, name)
		}
	}
	slices.Sort(parameters)
	for _, name := range parameters {
		for _, text := range query[name] {
			for _, part := range filterParts(text, r.api) {
				c, err := parseCondition(part, r)
				if err != nil {
					return filter{}, err
				}
				if strings.HasPrefix(name, "filter[or]") {
					f.any = append(f.any, c)
				} else {
					f.all = append(f.all, c)
				}
			}
		}
	}
	return f, nil
}

// filterParts splits the comma-separated conditions of version 2; a piece that is no
// condition belongs to the value before it.
func filterParts(text string, api version) []string {
	if text == "" {
		return nil
	}
	if api == v1 {
		return []string{text}
	}
	var parts []string
	for _, piece := range strings.Split(text, ",") {
		if strings.Count(piece, ":") < 2 && len(parts) > 0 {
			parts[len(parts)-1] += "," + piece
			continue
		}
		parts = append(parts, piece)
	}
	return parts
}

func parseCondition(text string, r *request) (condition, error) {
	field, rest, _ := strings.Cut(text, ":")
	op, value, complete := strings.Cut(rest, ":")
	if !complete || field == "" {
		return condition{}, refuse(http.StatusBadRequest, "invalid filter")
	}
	if r.api == v1 {
		name, dollar := strings.CutPrefix(op, "$")
		if !dollar || !operatorsV1[name] {
			return condition{}, refuse(http.StatusBadRequest, "invalid filter operator %q", op)
		}
		if eventual[name] && r.Header.Get("x-eventually-consistent") != "true" {
			return condition{}, refuse(http.StatusBadRequest, "filter operator %q needs x-eventually-consistent", op)
		}
		op = name
	} else {
		name, known := operatorsV2[op]
		if !known {
			return condition{}, refuse(http.StatusBadRequest, "invalid filter operator %q", op)
		}
		op = name
	}
	if err := r.mustKnow(field); err != nil {
		return condition{}, err
	}
	c := condition{field: field, op: op, values: []string{value}}
	switch op {
	case "in", "nin":
		c.values = splitValues(value)
	case "between":
		c.values = strings.SplitN(value, ",", 2)
		if len(c.values) != 2 {
			return condition{}, refuse(http.StatusBadRequest, "between needs two values")
		}
	}
	return c, nil
}

// splitValues splits at each | without a backslash before it.
func splitValues(text string) []string {
	var values []string
	var value strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			i++
			value.WriteByte(text[i])
		case text[i] == '|':
			values = append(values, value.String())
			value.Reset()
		default:
			value.WriteByte(text[i])
		}
	}
	return append(values, value.String())
}

// candidates are the ids of the users that can match, nil if any user can: a lookup
// instead of a walk through all users.
func (f filter) candidates(store *store) []string {
	for _, c := range f.all {
		if ids := c.candidates(store); ids != nil {
			return ids
		}
	}
	if len(f.any) == 0 {
		return nil
	}
	some := []string{}
	for _, c := range f.any {
		ids := c.candidates(store)
		if ids == nil {
			return nil
		}
		some = append(some, ids...)
	}
	return some
}

// candidates are the ids of the users that can have one of the values, nil if the field
// has no index or the operator wants another comparison.
func (c condition) candidates(store *store) []string {
	switch {
	case c.op != "in" && c.op != "eq":
		return nil
	case c.field == "_id":
		return c.values
	case !slices.Contains(uniqueFields, c.field):
		return nil
	}
	ids := []string{}
	for _, value := range c.values {
		if value == "" { // many users can have none, and the index has none of them
			return nil
		}
		if id := store.holder(c.field, value); id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// apply keeps the objects that match.
func (f filter) apply(objects []Fields) []Fields {
	if len(f.all)+len(f.any) == 0 {
		return objects
	}
	var kept []Fields
	for _, object := range objects {
		if f.matches(object) {
			kept = append(kept, object)
		}
	}
	return kept
}

func (f filter) matches(object Fields) bool {
	for _, c := range f.all {
		if !c.matches(object) {
			return false
		}
	}
	return len(f.any) == 0 || slices.ContainsFunc(f.any, func(c condition) bool { return c.matches(object) })
}

// matches compares one field; a list matches if one of its elements does, and
// the negations if none does. Values are case-sensitive.
func (c condition) matches(object Fields) bool {
	value := ofObject(object, c.field)
	elements, isList := value.([]any)
	if !isList {
		elements = []any{value}
	}
	positive, negated := map[string]string{"ne": "eq", "nin": "in", "nco": "co"}[c.op], true
	if positive == "" {
		positive, negated = c.op, false
	}
	hit := slices.ContainsFunc(elements, func(element any) bool { return c.holds(positive, textOf(element)) })
	return hit != negated
}

func (c condition) holds(op, text string) bool {
	first := c.values[0]
	switch op {
	case "eq":
		return text == first
	case "in":
		return slices.Contains(c.values, text)
	case "sw":
		return strings.HasPrefix(text, first)
	case "ew":
		return strings.HasSuffix(text, first)
	case "co":
		return strings.Contains(strings.ToLower(text), strings.ToLower(first))
	case "gt":
		return compareText(text, first) > 0
	case "gte":
		return compareText(text, first) >= 0
	case "lt":
		return compareText(text, first) < 0
	case "lte":
		return compareText(text, first) <= 0
	case "between":
		return compareText(text, first) >= 0 && compareText(text, c.values[1]) <= 0
	}
	return false
}
