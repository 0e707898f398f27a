package jumpcloudtest

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// The simulator must not pretend to do what it does not do. A parameter, field or path
// that JumpCloud describes and the simulator does not support gets a 501 with its name,
// and one that JumpCloud does not describe a 400. It is not published whether JumpCloud
// itself ignores unknown ones.

// notSimulated are the parameters, and the fields of bodies, that are described and not
// supported, by route.
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
	queriesOfGroups = []string{"memberQuery", "memberQueryExemptions"} // SetDynamicMembers sets the results of a query
	restOfFeed      = []string{"exact_match", "exclude_provider_activity"}
)

// kinds are the first parts of the paths of JumpCloud's API (JumpCloud API
// documentation). Most of them are not simulated, the others not completely.
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

// filterForm matches the names of several conditions: filter[0], filter[and][0] and
// filter[or][0].
var filterForm = regexp.MustCompile(`^filter(\[(and|or)\])?\[\d+\]$`)

// checkParameters refuses unknown parameters and those that the simulator does not
// support. It accepts one without a value, which has no effect: JumpCloud's client
// libraries send them all.
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

// checkFields refuses unknown fields of a body and those that the simulator does not
// support; in nested objects it checks only the first level.
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

// isNothing reports whether a value has no effect.
func isNothing(value any) bool {
	list, isList := value.([]any)
	return value == nil || value == false || value == "" || isList && len(list) == 0
}

// fieldsOf are the fields in the description of an endpoint's body, nil if it is not
// described.
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

// describedAs is the path of a request in the description, "" if it is not described.
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

// fits reports whether a path matches a template, in which {parts} match anything.
func fits(template, path string) bool {
	wanted, given := strings.Split(template, "/"), strings.Split(path, "/")
	return slices.EqualFunc(wanted, given, func(a, b string) bool { return a == b || strings.HasPrefix(a, "{") && b != "" })
}
