package jumpcloudtest

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// page reads limit and skip. A limit above the maximum is reduced to it.
func page(query url.Values, fallback int) (skip, limit int, err error) {
	number := func(name string, fallback int) (int, error) {
		if query.Get(name) == "" {
			return fallback, nil
		}
		n, err := strconv.Atoi(query.Get(name))
		if err != nil || n < 0 {
			return 0, refuse(http.StatusBadRequest, "%s is not a number from 0", name)
		}
		return n, nil
	}
	if skip, err = number("skip", 0); err != nil {
		return 0, 0, err
	}
	if limit, err = number("limit", fallback); err != nil {
		return 0, 0, err
	}
	if limit == 0 {
		limit = fallback
	}
	return skip, min(limit, maximumLimit), nil
}

// cut is the page of a list, never nil: an empty list is [] in JSON.
func cut[T any](list []T, skip, limit int) []T {
	skip = min(skip, len(list))
	return append([]T{}, list[skip:min(skip+limit, len(list))]...)
}

// names splits a list of field names: version 1 by spaces, version 2 by commas.
func names(query url.Values, parameter string, api version) []string {
	separator := func(c rune) bool { return c == ',' }
	if api == v1 {
		separator = func(c rune) bool { return c == ' ' }
	}
	var all []string
	for _, value := range query[parameter] {
		all = append(all, strings.FieldsFunc(value, separator)...)
	}
	return all
}

// sorted sorts by the named fields; a leading hyphen means descending. The list must be
// in order of ids.
func sorted(list []Fields, by []string) []Fields {
	if len(by) == 0 || len(by) == 1 && (by[0] == "_id" || by[0] == "id") {
		return list
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Fields) int {
		for _, field := range by {
			name, descending := strings.CutPrefix(field, "-")
			c := compareText(textOf(ofObject(a, name)), textOf(ofObject(b, name)))
			if descending {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	return list
}

// only keeps the named fields, and the id; all of them if none is named.
func only(object Fields, fields []string) Fields {
	if len(fields) == 0 || object == nil {
		return object
	}
	kept := Fields{}
	for _, name := range append([]string{"_id", "id", "objectId"}, fields...) {
		if value, ok := object[name]; ok {
			kept[name] = value
		}
	}
	return kept
}

// list answers a list request as its version does: filter, sort, page and fields;
// version 1 wraps the page, version 2 sends the total in a header.
func list(r *request, objects []Fields) (reply, error) {
	objects, total, err := listed(r, objects, defaultLimit)
	if err != nil {
		return reply{}, err
	}
	if r.api == v1 {
		return ok(counted(r, Fields{"results": objects}, "totalCount", total))
	}
	answer, err := ok(objects)
	if !r.behaviour.OmitTotals {
		answer.header = http.Header{totalHeader: {strconv.Itoa(total)}}
	}
	return answer, err
}

// listed is the requested page of a list, and the number of objects in the list.
func listed(r *request, objects []Fields, fallback int) (shown []Fields, total int, err error) {
	wanted, err := parseFilter(r)
	if err != nil {
		return nil, 0, err
	}
	by, err := r.sorting()
	if err != nil {
		return nil, 0, err
	}
	fields, err := r.chosen()
	if err != nil {
		return nil, 0, err
	}
	skip, limit, err := page(r.URL.Query(), fallback)
	if err != nil {
		return nil, 0, err
	}
	objects = wanted.apply(objects)
	shown = showGone(cut(sorted(objects, by), skip, limit), r.behaviour.GoneMembers)
	for i := range shown {
		shown[i] = only(shown[i], fields)
	}
	return shown, len(objects), nil
}

// counted puts the total into an answer.
func counted(r *request, answer Fields, field string, total int) Fields {
	if !r.behaviour.OmitTotals {
		answer[field] = total
	}
	return answer
}

// lookup reads a dotted name in an object. In a list it finds the values of all
// elements.
func lookup(value any, name string) any {
	head, rest, nested := strings.Cut(name, ".")
	var found any
	switch v := value.(type) {
	case Fields:
		found = v[head]
	case map[string]any:
		found = v[head]
	case []any:
		var all []any
		for _, element := range v {
			if inner := lookup(element, name); inner != nil {
				all = append(all, inner)
			}
		}
		return all
	default:
		return nil
	}
	if nested {
		return lookup(found, rest)
	}
	return found
}

// textOf is a value as text, as filters compare it.
func textOf(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case int:
		return strconv.Itoa(v)
	}
	return ""
}

// compareText compares numbers if both are numbers, else texts.
func compareText(a, b string) int {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX == nil && errY == nil {
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	return strings.Compare(a, b)
}
