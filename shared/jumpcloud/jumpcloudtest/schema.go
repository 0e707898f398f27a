package jumpcloudtest

import (
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

// The vendor's descriptions of both versions; their origin is in
// openapi/SOURCES.md.
var (
	//go:embed openapi/v1.json
	descriptionV1 []byte
	//go:embed openapi/v2.json
	descriptionV2 []byte
)

// schemas checks requests against the vendor's descriptions.
type schemas struct{ v1, v2 *openapi3.T }

// loadSchemas reads the descriptions once for all simulators; nothing changes
// them afterwards.
var loadSchemas = sync.OnceValues(func() (*schemas, error) {
	first, err1 := openapi3.NewLoader().LoadFromData(descriptionV1)
	second, err2 := openapi3.NewLoader().LoadFromData(descriptionV2)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("jumpcloudtest: the API descriptions: %w", err)
	}
	seen := map[*openapi3.Schema]bool{}
	for _, description := range []*openapi3.T{first, second} {
		for _, each := range description.Components.Schemas {
			constAsEnum(each, seen)
		}
	}
	return &schemas{first, second}, nil
})

// constAsEnum writes const as an enum of one value: the fast validator of kin-openapi
// knows only enum, and the one that knows const compiles every schema again for every
// value.
func constAsEnum(ref *openapi3.SchemaRef, seen map[*openapi3.Schema]bool) {
	if ref == nil || ref.Value == nil || seen[ref.Value] {
		return
	}
	schema := ref.Value
	seen[schema] = true
	if schema.Const != nil && schema.Enum == nil {
		schema.Enum = []any{schema.Const}
	}
	for _, property := range schema.Properties {
		constAsEnum(property, seen)
	}
	for _, part := range schema.AllOf {
		constAsEnum(part, seen)
	}
	constAsEnum(schema.Items, seen)
}

// operation is the description of an endpoint, nil if there is none.
func (s *schemas) operation(e endpoint) *openapi3.Operation {
	item := s.pathsOf(e.api)[e.path]
	if item == nil {
		return nil
	}
	return item.GetOperation(e.method)
}

// pathsOf is the description of an API by paths; the feed has none.
func (s *schemas) pathsOf(api version) map[string]*openapi3.PathItem {
	switch api {
	case v1:
		return s.v1.Paths.Map()
	case v2:
		return s.v2.Paths.Map()
	default:
		return nil
	}
}

// takesOrgID reports whether the description of the endpoint has x-org-id. The feed and
// undescribed endpoints accept it.
func (s *schemas) takesOrgID(e endpoint) bool {
	operation := s.operation(e)
	return operation == nil || operation.Parameters.GetByInAndName("header", "x-org-id") != nil
}

// checkBody refuses a body that its description forbids.
func (s *schemas) checkBody(e endpoint, body any, given bool) error {
	operation := s.operation(e)
	if operation == nil || operation.RequestBody == nil {
		return nil
	}
	media := operation.RequestBody.Value.Content.Get("application/json")
	if media == nil || media.Schema == nil {
		return nil
	}
	if !given {
		if operation.RequestBody.Value.Required {
			return refuse(http.StatusBadRequest, "a body is required")
		}
		return nil
	}
	return conforms(media.Schema.Value, body)
}

// conforms refuses a value that does not fit a schema. It names the place and the rule
// but not the value, which may be a password.
func conforms(schema *openapi3.Schema, value any) error {
	err := schema.VisitJSON(value)
	if err == nil {
		return nil
	}
	var at *openapi3.SchemaError
	if !errors.As(err, &at) {
		return refuse(http.StatusBadRequest, "the body does not fit its description")
	}
	return refuse(http.StatusBadRequest, "/%s: %s", strings.Join(at.JSONPointer(), "/"), ruleOf(at))
}

// ruleOf names the broken rule; the reason of a schema error may quote the value.
func ruleOf(err *openapi3.SchemaError) string {
	if err.SchemaField == "required" || err.SchemaField == "enum" || err.SchemaField == "type" {
		return err.Reason
	}
	return "does not fit " + err.SchemaField
}

// userSchema is the schema of a user in a request body of version 1.
func (s *schemas) userSchema(name string) *openapi3.Schema {
	return s.v1.Components.Schemas[name].Value
}

// checkUser refuses a user that does not fit a schema or has fields that the schema
// does not have.
func (s *schemas) checkUser(schema string, fields Fields) error {
	known := s.userSchema(schema)
	for _, name := range fieldNames(fields) {
		if _, is := known.Properties[name]; !is {
			return refuse(http.StatusBadRequest, "a user has no field %s that can be written", name)
		}
	}
	return conforms(known, map[string]any(fields))
}

// allowedTarget reports whether the targets parameter of a list of associations accepts
// the value.
func (s *schemas) allowedTarget(path, target string) bool {
	parameter := s.v2.Paths.Value(path).Get.Parameters.GetByInAndName("query", "targets")
	for _, allowed := range parameter.Schema.Value.Items.Value.Enum {
		if allowed == target {
			return true
		}
	}
	return false
}
