package host

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"entrasync/shared/fault"
)

// Otherwise is the route key of requests that no other route takes. Without it they are
// answered with 404.
const Otherwise = "$default"

// NewRoutes makes a handler that passes each request on to one of several functions, as the
// routes of an HTTP API do. The keys are route keys of API Gateway: a method, or ANY, and a
// path. A segment of the path in braces is any text, and one such as {proxy+} at the end is
// all the rest. Of the routes that fit, the most specific one counts: one that fits
// completely before one with a rest, then by the first segment in which they differ, then
// one of a method before ANY (API Gateway developer guide, "Create routes for HTTP APIs").
//
// The path of a request is the one that API Gateway would pass on, unchanged: the ServeMux
// of net/http would answer some with a redirect.
func NewRoutes(handlers map[string]http.Handler) (http.Handler, error) {
	otherwise := handlers[Otherwise]
	if otherwise == nil {
		otherwise = http.HandlerFunc(noRoute)
	}
	var all []route
	for key, handler := range handlers {
		if key == Otherwise {
			continue
		}
		r, err := newRoute(key, handler)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	slices.SortFunc(all, compare)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.Split(Path(r), "/")
		for _, route := range all {
			if route.takes(r.Method, path) {
				route.handler.ServeHTTP(w, r)
				return
			}
		}
		otherwise.ServeHTTP(w, r)
	}), nil
}

// noRoute answers a request that no route takes.
func noRoute(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte(`{"message":"Not Found"}`)) // the caller may have gone away
}

// anyMethod is the method of a route that takes every method.
const anyMethod = "ANY"

// route is one route to a function.
type route struct {
	key      string
	method   string
	segments []segment
	handler  http.Handler
}

// segment is a part of a path, between two slashes.
type segment struct {
	text string
	kind kind
}

// kind is what a segment takes. The more specific kinds are before the others.
type kind rune

const (
	fixed kind = 'a' + iota
	variable
	rest
)

// newRoute reads a route key.
func newRoute(key string, handler http.Handler) (route, error) {
	method, path, found := strings.Cut(key, " ")
	if !found || method == "" || !strings.HasPrefix(path, "/") {
		return route{}, fault.New(fault.Invalid, "host.routes", fmt.Sprintf("the route key %q must be a method and a path, such as GET /healthz", key))
	}
	r := route{key: key, method: method, handler: handler}
	texts := strings.Split(path, "/")
	for i, text := range texts {
		s := segmentOf(text)
		if s.kind == rest && i < len(texts)-1 {
			return route{}, fault.New(fault.Invalid, "host.routes", fmt.Sprintf("the route key %q has something after the rest %s", key, text))
		}
		r.segments = append(r.segments, s)
	}
	return r, nil
}

// segmentOf reads a segment of a route key.
func segmentOf(text string) segment {
	switch {
	case !strings.HasPrefix(text, "{"):
		return segment{text, fixed}
	case strings.HasSuffix(text, "+}"):
		return segment{text, rest}
	default:
		return segment{text, variable}
	}
}

// compare is less than 0 if a is more specific than b. Of two routes that take the same
// requests it is the one whose key is smaller.
func compare(a, b route) int {
	return cmp.Or(strings.Compare(a.rank(), b.rank()), strings.Compare(a.key, b.key))
}

// rank is a text that is smaller for the more specific one of two routes.
func (r route) rank() string {
	complete, ofMethod := "0", "0"
	if r.segments[len(r.segments)-1].kind == rest {
		complete = "1"
	}
	if r.method == anyMethod {
		ofMethod = "1"
	}
	kinds := ""
	for _, s := range r.segments {
		kinds += string(s.kind)
	}
	return complete + kinds + ofMethod
}

// takes reports whether a route takes a request. A rest may be empty, so that the function
// answers it that has all other paths with the same beginning.
func (r route) takes(method string, path []string) bool {
	if r.method != anyMethod && r.method != method {
		return false
	}
	for i, s := range r.segments {
		switch {
		case s.kind == rest:
			return i < len(path)
		case i >= len(path), s.kind == fixed && s.text != path[i], s.kind == variable && path[i] == "":
			return false
		}
	}
	return len(path) == len(r.segments)
}
