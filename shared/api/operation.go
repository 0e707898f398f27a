package api

import (
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/fault"
)

// securityName is the name of the bearer token in the OpenAPI document.
const securityName = "token"

// Operation describes an operation that needs the token. statuses are the statuses with
// which it may refuse, in addition to those of every operation.
func Operation(id, method, path, summary string, status int, statuses ...int) huma.Operation {
	op := OpenOperation(id, method, path, summary, status, append(statuses, http.StatusUnauthorized, http.StatusServiceUnavailable)...)
	op.Security = []map[string][]string{{securityName: {}}}
	return op
}

// OpenOperation describes an operation that everybody may request.
func OpenOperation(id, method, path, summary string, status int, statuses ...int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, DefaultStatus: status,
		Responses: refusing(append(statuses, http.StatusUnprocessableEntity, http.StatusInternalServerError)...),
	}
}

// led marks an operation to which another site leads browsers.
const led = "led"

// PageOperation describes an operation to which another site leads browsers. It takes
// whatever that site puts into the query, and answers with pages; statuses says what each
// status means.
func PageOperation(id, path, summary string, statuses map[int]string) huma.Operation {
	op := huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, DefaultStatus: http.StatusOK,
		Responses: map[string]*huma.Response{}, Metadata: map[string]any{led: true},
	}
	for status, meaning := range statuses {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Description: meaning, Content: map[string]*huma.MediaType{"text/html": {Schema: &huma.Schema{Type: huma.TypeString}}}}
	}
	return op
}

// Answer is a response with a body.
type Answer[T any] struct{ Body T }

// Page is one page of a list.
type Page[T any] struct {
	Items  []T    `json:"items"`
	Cursor string `json:"cursor,omitempty" doc:"Pass it on to get the next page; missing on the last one"`
}

// Paging are the query parameters of a list. It is exported because huma ignores
// unexported embedded types.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50" doc:"The most that a page holds"`
	Cursor string `query:"cursor" minLength:"1" doc:"What the page before gave; without it the list begins"`
}

// DocumentOnly describes the operations that are registered on it in the document of an
// API, and serves none of them: another function does. A request for one is answered with
// 404, like any that is no operation. Nothing that an operation needs has to be there.
func DocumentOnly(on huma.API) huma.API { return documentOnly{on} }

type documentOnly struct{ huma.API }

// Adapter implements huma.API.
func (d documentOnly) Adapter() huma.Adapter { return unserved{d.API.Adapter()} }

// unserved is an adapter that has no routes.
type unserved struct{ huma.Adapter }

// Handle implements huma.Adapter.
func (unserved) Handle(*huma.Operation, func(huma.Context)) {}

// checkOperations returns a fault about an operation that the checks of requests and the
// document do not know how to handle.
func checkOperations(document *huma.OpenAPI) error {
	for path, item := range document.Paths {
		for _, op := range operationsOf(item) {
			if wrong := wrongOperation(path, op); wrong != "" {
				return fault.New(fault.Internal, "api.new", op.OperationID+": "+wrong)
			}
		}
	}
	return nil
}

// wrongOperation says what about an operation cannot be handled, "" if nothing.
func wrongOperation(path string, op *huma.Operation) string {
	for _, p := range op.Parameters {
		if _, is := formOf(path, p); p.In == "path" && !is {
			return "the form of the parameter " + p.Name + " of the path is not known"
		}
		if s := p.Schema; p.In == "query" && s.Type == huma.TypeInteger && (s.Minimum == nil || s.Maximum == nil || s.Default == nil) {
			return "the number " + p.Name + " of the query needs a minimum, a maximum and a default"
		}
	}
	if op.RequestBody != nil {
		body, lines := op.RequestBody.Content[jsonType], op.RequestBody.Content[LinesType]
		if lines == nil && (body == nil || body.Schema == nil || body.Schema.Ref == "") {
			return "the body is not JSON of a struct type with a name, and no JSON Lines"
		}
	}
	return ""
}

// operationsOf are the operations of a path.
func operationsOf(item *huma.PathItem) []*huma.Operation {
	var all []*huma.Operation
	for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
		if op != nil {
			all = append(all, op)
		}
	}
	return all
}
