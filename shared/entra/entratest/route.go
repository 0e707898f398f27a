package entratest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A path is compared segment by segment, after different OData spellings of the same
// path were made equal: users('x') is users/x, delta() is delta, microsoft.graph.user
// is graph.user, and the alternate key users(userPrincipalName='x') becomes a literal
// followed by the key.

// pathSegments splits an escaped path below the version into such segments. It
// reports false if the escaping or the quoting is broken.
func pathSegments(escaped string) ([]string, bool) {
	var out []string
	for _, raw := range strings.Split(strings.Trim(escaped, "/"), "/") {
		segment, err := url.PathUnescape(raw)
		if err != nil || segment == "" {
			return nil, false
		}
		parts, ok := normalizeSegment(segment)
		if !ok {
			return nil, false
		}
		out = append(out, parts...)
	}
	return out, true
}

func normalizeSegment(segment string) ([]string, bool) {
	open := strings.IndexByte(segment, '(')
	if open <= 0 || !strings.HasSuffix(segment, ")") {
		return []string{withoutNamespace(segment)}, true
	}
	name, inside := withoutNamespace(segment[:open]), segment[open+1:len(segment)-1]
	if inside == "" {
		return []string{name}, true // a function call without arguments
	}
	keyName := ""
	if eq := strings.IndexByte(inside, '='); eq > 0 && !strings.HasPrefix(inside, "'") {
		keyName, inside = inside[:eq], inside[eq+1:]
	}
	key, ok := unquote(inside)
	if !ok {
		return nil, false
	}
	if keyName != "" && keyName != "id" {
		name += "(" + keyName + ")"
	}
	return []string{name, key}, true
}

// withoutNamespace turns microsoft.graph.x into graph.x for casts and into x for
// actions and functions.
func withoutNamespace(name string) string {
	for _, prefix := range []string{"microsoft.graph.", "graph."} {
		if rest, found := strings.CutPrefix(name, prefix); found {
			if rest == kindUser || rest == kindGroup {
				return "graph." + rest
			}
			return rest
		}
	}
	return name
}

// unquote reads an OData string literal, in which an apostrophe is doubled.
func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != '\'' || s[len(s)-1] != '\'' {
		return "", false
	}
	inside := s[1 : len(s)-1]
	if strings.Contains(strings.ReplaceAll(inside, "''", ""), "'") {
		return "", false
	}
	return strings.ReplaceAll(inside, "''", "'"), true
}

// route is a path of the description with what the simulator does there.
type route struct {
	template string // as the description writes it
	pattern  []string
	methods  map[string]*operation
}

// newRoute turns a template into a pattern; "" matches anything.
func newRoute(template string) *route {
	r := &route{template: template, methods: map[string]*operation{}}
	for _, segment := range strings.Split(strings.Trim(template, "/"), "/") {
		if strings.HasPrefix(segment, "{") {
			r.pattern = append(r.pattern, "")
			continue
		}
		name, key, found := strings.Cut(strings.TrimSuffix(segment, "()"), "(")
		if !found {
			r.pattern = append(r.pattern, name)
			continue
		}
		r.pattern = append(r.pattern, name+"("+key[:strings.IndexByte(key, '=')]+")", "")
	}
	return r
}

// match returns the values of the parameters of a path, or reports that the path is
// another one.
func (r *route) match(segments []string) ([]string, bool) {
	if len(segments) != len(r.pattern) {
		return nil, false
	}
	var params []string
	for i, want := range r.pattern {
		if want == "" {
			params = append(params, segments[i])
		} else if !strings.EqualFold(want, segments[i]) {
			return nil, false
		}
	}
	return params, true
}

// findRoute finds the route of a path. The routes are sorted so that literals come
// before parameters.
func findRoute(segments []string) (*route, []string) {
	for _, r := range routes() {
		if params, ok := r.match(segments); ok {
			return r, params
		}
	}
	return nil, nil
}

// resolve finds the operation for a method and a path below the version.
func resolve(method, escapedPath string) (*operation, []string, *graphError) {
	segments, ok := pathSegments(escapedPath)
	if !ok {
		return nil, nil, malformed("Bad Request - Error in query syntax.")
	}
	r, params := findRoute(segments)
	if r == nil {
		if what := missing(segments); what != "" {
			return nil, nil, notSimulated(what)
		}
		if strings.EqualFold(segments[0], "me") {
			return nil, nil, malformed("/me request is only valid with delegated authentication flow.")
		}
		return nil, nil, malformed("Resource not found for the segment '%s'.", segments[len(segments)-1])
	}
	op := r.methods[method]
	if op == nil && slices.Contains(otherMethods[r.template], method) {
		return nil, nil, notSimulated(method + " " + r.template)
	}
	if op == nil {
		return nil, nil, refuse(http.StatusMethodNotAllowed, "Request_BadRequest",
			"Specified HTTP method is not allowed for the request target.")
	}
	return op, params, nil
}
