package jumpcloudtest

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// A client that asks for what the simulator does not do must not be told that it
// was done. What JumpCloud describes and the simulator leaves out is answered 501
// in words that name it, and what JumpCloud does not describe 400. Whether
// JumpCloud itself ignores what it does not know is published nowhere.

// notSimulated are the parameters, and the fields of bodies, that are described and
// left out, by route.
var notSimulated = map[string][]string{
	"GET /api/systemusers/{id}":                          {"filter"},
	"GET /api/organizations":                             {"search", "sortIgnoreCase"},
	"GET /api/organizations/{id}":                        {"filter"},
	"GET /api/v2/office365s/{office365_id}/users":        {"syncStatus"},
	"GET /api/v2/office365s/{office365_id}/import/users": {"filter", "search", "orderby", "count"},
	"GET /api/v2/healthmonitoring/rules":                 {"labels"},
	"POST /api/v2/usergroups":                            queriesOfGroups,
	"PUT /api/v2/usergroups/{id}":                        queriesOfGroups,
	"PATCH /api/v2/usergroups/{id}":                      queriesOfGroups,
	"POST /insights/directory/v1/events":                 restOfFeed,
	"POST /insights/directory/v1/events/count":           restOfFeed,
	"POST /insights/directory/v1/events/distinct":        restOfFeed,
}

var (
	queriesOfGroups = []string{"memberQuery", "memberQueryExemptions"} // SetDynamicMembers says whom a query finds
	restOfFeed      = []string{"exact_match", "exclude_provider_activity"}
)

// kinds are the first parts of the paths of JumpCloud's API (JumpCloud API
// documentation). Of most of them nothing is simulated, of the others not all.
var kinds = []string{"activedirectories", "administrators", "appcatalog", "applemdms", "applications", "assets", "auth", "authn", "bulk",
	"cloudinsights", "commandresults", "commands", "customemails", "devices", "directories", "duo", "fdekey", "groups", "gsuites",
	"healthmonitoring", "identity-provider", "iplists", "jobs", "knowledge", "ldapservers", "linux", "logos", "notifications", "office365",
	"office365s", "openid", "organizations", "passwordpolicies", "policies", "policygroups", "policyresults", "policytemplates", "providers",
	"radiusservers", "recovery", "roles", "runCommand", "saas-management", "search", "service-accounts", "softwareapps", "subscriptions",
	"systemgroups", "systeminsights", "systems", "systemusers", "tags", "usergroups", "users", "workdays", "workflows"}

// key names an endpoint, as Counters do.
func (e endpoint) key() string { return e.method + " " + string(e.api) + e.path }

// parametersOf are the query parameters that an endpoint takes.
func (s *schemas) parametersOf(e endpoint) []string {
	if e.takes != nil {
		return e.takes
	}
	var all []string
	if operation := s.operation(e); operation != nil {
		for _, parameter := range operation.Parameters {
			if parameter.Value.In == openapi3.ParameterInQuery {
				all = append(all, parameter.Value.Name)
			}
		}
	}
	return all
}

// filterForm is how several conditions are given: filter[0], filter[and][0] and
// filter[or][0].
var filterForm = regexp.MustCompile(`^filter(\[(and|or)\])?\[\d+\]$`)

// checkParameters refuses parameters that nobody knows, or that the simulator
// leaves out. One without a value asks for nothing: JumpCloud's client libraries
// send them all.
func (s *schemas) checkParameters(r *http.Request, e endpoint) error {
	query := r.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		value := strings.Join(query[name], "")
		plain := name
		if filterForm.MatchString(name) {
			plain = "filter"
		}
		switch {
		case value == "":
		case !slices.Contains(s.parametersOf(e), plain):
			return refuse(http.StatusBadRequest, "%s takes no parameter %s", e.key(), name)
		case value != "false" && slices.Contains(notSimulated[e.key()], plain):
			return refuse(http.StatusNotImplemented, "the simulator does not do the parameter %s of %s", name, e.key())
		}
	}
	return nil
}

// checkFields refuses fields of a body that nobody knows, or that the simulator
// leaves out; of those that hold other objects only the first level.
func (s *schemas) checkFields(e endpoint, body any) error {
	fields, _ := body.(map[string]any)
	described := e.fields
	if described == nil {
		described = s.fieldsOf(e)
	}
	for _, name := range fieldNames(fields) {
		switch {
		case described != nil && !slices.Contains(described, name):
			return refuse(http.StatusBadRequest, "%s takes no field %s", e.key(), name)
		case slices.Contains(notSimulated[e.key()], name) && !isNothing(fields[name]):
			return refuse(http.StatusNotImplemented, "the simulator does not do the field %s of %s", name, e.key())
		}
	}
	return nil
}

// isNothing reports whether a value asks for nothing.
func isNothing(value any) bool {
	list, isList := value.([]any)
	return value == nil || value == false || value == "" || isList && len(list) == 0
}

// fieldsOf are the fields that the body of an endpoint is described with, nil if
// it is not.
func (s *schemas) fieldsOf(e endpoint) []string {
	operation := s.operation(e)
	if operation == nil || operation.RequestBody == nil {
		return nil
	}
	media := operation.RequestBody.Value.Content.Get("application/json")
	if media == nil || media.Schema == nil {
		return nil
	}
	return propertiesOf(media.Schema.Value)
}

func propertiesOf(schema *openapi3.Schema) []string {
	all := slices.Collect(maps.Keys(schema.Properties))
	for _, parts := range []openapi3.SchemaRefs{schema.AllOf, schema.AnyOf, schema.OneOf} {
		for _, part := range parts {
			all = append(all, propertiesOf(part.Value)...)
		}
	}
	return all
}

// elsewhere answers a request that has no endpoint.
func (s *Simulator) elsewhere(r *http.Request, api version, all []endpoint) (answer reply) {
	if r.Header.Get("x-api-key") != s.key {
		return refusalReply(refuse(http.StatusUnauthorized, "Unauthorized"), api)
	}
	path := strings.TrimPrefix(r.URL.Path, string(api))
	if described := s.schemas.describedAs(api, r.Method, path); described != "" {
		return refusalReply(refuse(http.StatusNotImplemented, "the simulator does not do %s %s%s", r.Method, api, described), api)
	}
	var allowed []string
	for _, e := range all {
		if e.api == api && fits(e.path, path) {
			allowed = append(allowed, e.method)
		}
	}
	if len(allowed) > 0 {
		answer = refusalReply(refuse(http.StatusMethodNotAllowed, "no %s here", r.Method), api)
		answer.header = http.Header{"Allow": {strings.Join(allowed, ", ")}}
		return answer
	}
	if first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/"); slices.Contains(kinds, first) {
		return refusalReply(refuse(http.StatusNotImplemented, "the simulator does not do %s %s", r.Method, r.URL.Path), api)
	}
	return refusalReply(refuse(http.StatusNotFound, "no such route"), api)
}

// describedAs is the path by which a request is described, "" if it is not.
func (s *schemas) describedAs(api version, method, path string) string {
	if api == insights && method == http.MethodPost && path == "/events/interval" {
		return path
	}
	for template, item := range s.pathsOf(api) {
		if fits(template, path) && item.GetOperation(method) != nil {
			return template
		}
	}
	return ""
}

// fits reports whether a path is one of a template, whose {parts} stand for any.
func fits(template, path string) bool {
	wanted, given := strings.Split(template, "/"), strings.Split(path, "/")
	return slices.EqualFunc(wanted, given, func(a, b string) bool { return a == b || strings.HasPrefix(a, "{") && b != "" })
}
