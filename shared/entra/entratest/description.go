package entratest

import (
	_ "embed" // the description
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:embed description.yaml
var descriptionYAML []byte

// description is Microsoft's description of the calls, prepared so that checking a
// request takes only a few map lookups.
type description struct {
	paths      map[string]*openapi3.PathItem
	options    map[string]map[string]bool // "METHOD path" to query options in lower case
	properties map[string]map[string]property
	bodies     map[string]*openapi3.Schema // "METHOD path" to the schema of its body
}

// property is the description of one property of an object.
type property struct {
	schema    *openapi3.Schema
	readOnly  bool
	byDefault bool // returned without $select
	maxLength int  // 0: none known
	filter    string
	orderBy   bool
	link      bool // a relationship, not a property
}

// described is the description, loaded once: loading takes some 30 ms.
var described = sync.OnceValues(loadDescription)

func loadDescription() (*description, error) {
	doc, err := openapi3.NewLoader().LoadFromData(descriptionYAML)
	if err != nil {
		return nil, err
	}
	d := &description{
		paths: doc.Paths.Map(), options: map[string]map[string]bool{}, bodies: map[string]*openapi3.Schema{},
		properties: map[string]map[string]property{},
	}
	for kind, name := range map[string]string{
		kindUser: "microsoft.graph.user", kindGroup: "microsoft.graph.group",
		kindDomain: "microsoft.graph.domain", kindOrganization: "microsoft.graph.organization",
		kindObject: "microsoft.graph.directoryObject",
	} {
		d.properties[kind] = map[string]property{}
		collectProperties(doc.Components.Schemas[name].Value, d.properties[kind])
	}
	for path, item := range d.paths {
		for method, operation := range item.Operations() {
			key := method + " " + path
			d.options[key] = map[string]bool{}
			for _, p := range append(operation.Parameters, item.Parameters...) {
				if p.Value.In == openapi3.ParameterInQuery {
					d.options[key][strings.ToLower(p.Value.Name)] = true
				}
			}
			if operation.RequestBody != nil {
				d.bodies[key] = operation.RequestBody.Value.Content.Get("application/json").Schema.Value
			}
		}
	}
	return d, nil
}

// The kinds of answers that are not stored objects.
const (
	kindDomain       = "domain"
	kindOrganization = "organization"
	kindObject       = "directoryObject"
)

// collectProperties collects the properties of a schema and of the types it derives
// from.
func collectProperties(schema *openapi3.Schema, into map[string]property) {
	for _, part := range schema.AllOf {
		collectProperties(part.Value, into)
	}
	for name, ref := range schema.Properties {
		if strings.HasPrefix(name, "@") {
			continue
		}
		p := property{schema: ref.Value, readOnly: ref.Value.ReadOnly || name == "id" || name == "deletedDateTime"}
		extensions := ref.Value.Extensions
		p.byDefault = extensions["x-returned"] == "default" || name == "id"
		p.filter, _ = extensions["x-filter"].(string)
		p.orderBy, _ = extensions["x-orderby"].(bool)
		// a relationship to one object is a $ref, which has no mark of its own
		p.link = extensions["x-ms-navigationProperty"] == true || name == "manager"
		switch n := extensions["x-max-length"].(type) {
		case float64:
			p.maxLength = int(n)
		case int:
			p.maxLength = n
		}
		into[name] = p
	}
}

// isCollection reports whether a property holds a list.
func (p property) isCollection() bool { return p.schema.Type.Is(openapi3.TypeArray) }

// hasPart reports whether a property is an object that has a part of that name.
func (p property) hasPart(name string) bool {
	schema := p.complexType()
	return schema != nil && schema.Properties[name] != nil
}

// complexType is the schema of a property that is itself an object; nil if it is
// not one.
func (p property) complexType() *openapi3.Schema {
	for _, part := range p.schema.AnyOf {
		if part.Value.Type.Is(openapi3.TypeObject) {
			return part.Value
		}
	}
	return nil
}
