package jumpcloudtest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// shownBy is the schema of the objects that an endpoint returns, alone or in a list;
// nil if they are not described.
func (s *schemas) shownBy(e endpoint) *openapi3.Schema {
	if e.shows != "" {
		return s.v2.Components.Schemas[e.shows].Value
	}
	operation := s.operation(e)
	if operation == nil || operation.Responses.Status(http.StatusOK) == nil {
		return nil
	}
	media := operation.Responses.Status(http.StatusOK).Value.Content.Get("application/json")
	if media == nil || media.Schema == nil {
		return nil
	}
	schema := media.Schema.Value
	if schema.Items != nil {
		return schema.Items.Value
	}
	for _, wrapped := range []string{"results", "channels", "rules"} {
		if list := propertyOf(schema, wrapped); list != nil && list.Items != nil {
			return list.Items.Value
		}
	}
	return schema
}

// propertyOf is a property of a schema, or of the elements of a list; nil if there is
// none.
func propertyOf(schema *openapi3.Schema, name string) *openapi3.Schema {
	if schema.Items != nil {
		return propertyOf(schema.Items.Value, name)
	}
	if property := schema.Properties[name]; property != nil {
		return property.Value
	}
	for _, parts := range []openapi3.SchemaRefs{schema.AllOf, schema.AnyOf, schema.OneOf} {
		for _, part := range parts {
			if found := propertyOf(part.Value, name); found != nil {
				return found
			}
		}
	}
	return nil
}

// knows reports whether the objects that a request returns have a field, by its dotted
// name.
func (r *request) knows(field string) bool {
	if r.shown == nil {
		return false
	}
	if slices.Contains(assumedMoreFields[r.api], field) && (field != graphID || propertyOf(r.shown, "paths") != nil) {
		return true
	}
	schema := r.shown
	for part := range strings.SplitSeq(field, ".") {
		if schema = propertyOf(schema, part); schema == nil {
			return false
		}
	}
	return true
}

// mustKnow refuses an unknown field.
func (r *request) mustKnow(field string) error {
	if !r.knows(field) {
		return refuse(http.StatusBadRequest, "unknown field %q", field)
	}
	return nil
}

// sorting are the fields that a request sorts by.
func (r *request) sorting() ([]string, error) {
	by := names(r.URL.Query(), "sort", r.api)
	for _, field := range by {
		if field = strings.TrimPrefix(field, "-"); field == assumedSortID {
			continue
		}
		if err := r.mustKnow(field); err != nil {
			return nil, err
		}
	}
	return by, nil
}

// chosen are the fields that a request selects, all of them if it names none. Parts of
// a field cannot be selected.
func (r *request) chosen() ([]string, error) {
	fields := names(r.URL.Query(), "fields", r.api)
	for _, field := range fields {
		if strings.Contains(field, ".") {
			return nil, refuse(http.StatusBadRequest, "unknown field %q", field)
		}
		if err := r.mustKnow(field); err != nil {
			return nil, err
		}
	}
	return fields, nil
}

// ofObject is the value of a field of an object; the id has other names in filters and
// sorts.
func ofObject(object Fields, field string) any {
	value := lookup(object, field)
	if value == nil && (field == graphID || field == assumedSortID) {
		for _, name := range []string{"id", "objectId"} {
			if id, has := object[name]; has {
				return id
			}
		}
	}
	return value
}
