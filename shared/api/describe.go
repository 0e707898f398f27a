package api

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// description is the introduction of the OpenAPI document, for all operations.
const description = `Keeps Microsoft 365 / Entra ID true to JumpCloud.

Lists answer a page of items and, unless it is the last one, a cursor. PATCH is a JSON Merge Patch (RFC 7396). Times are RFC 3339, UTC.
Whatever is refused is answered with a problem document (RFC 9457) that names the field. A query parameter that an operation does not have is
refused, and so is one that is given twice or has no value. What is no path of this document is answered with 404, and a method that a path does
not have with 405, which names those that it has. The bearer token is that of the deployment, or a JWT that the API gateway checks before; what
the gateway itself refuses (401, 403, 413) is JSON with a message.`

// refusals are the statuses of refused requests, and what they mean.
var refusals = refusalsThat(map[int]string{
	http.StatusBadRequest:            "The body is not JSON, or there is none",
	http.StatusUnauthorized:          "The bearer token is missing or wrong",
	http.StatusNotFound:              "What the path names does not exist",
	http.StatusConflict:              "Something else has the name, or somebody else is changing the same thing: the message says which",
	http.StatusRequestEntityTooLarge: "The body is 1 MiB or larger",
	http.StatusUnsupportedMediaType:  "The body is not of a content type that is taken, or has none",
	http.StatusUnprocessableEntity:   "Something in the request is wrong; errors names each field and says why",
	http.StatusInternalServerError:   "A defect of entrasync",
	http.StatusBadGateway:            "JumpCloud or Entra refuses entrasync: the message says why",
	http.StatusServiceUnavailable:    "JumpCloud, Entra or our own store did not answer: try again",
})

// refusalsThat makes responses with these meanings, each with a problem document.
func refusalsThat(mean map[int]string) map[int]*huma.Response {
	problem := map[string]*huma.MediaType{problemType: {Schema: &huma.Schema{Ref: "#/components/schemas/ErrorModel"}}}
	answers := map[int]*huma.Response{}
	for status, meaning := range mean {
		answers[status] = &huma.Response{Description: meaning, Content: problem}
	}
	return answers
}

// refusing returns the responses for the statuses with which an operation may refuse.
func refusing(statuses ...int) map[string]*huma.Response {
	answers := map[string]*huma.Response{}
	for _, status := range statuses {
		answers[strconv.Itoa(status)] = refusals[status]
	}
	return answers
}

// describe adds to the OpenAPI document what our own code checks, not the library.
func describe(document *huma.OpenAPI) {
	for path, item := range document.Paths {
		for _, op := range operationsOf(item) {
			for _, p := range op.Parameters {
				if form, is := formOf(path, p); is {
					p.Schema.Pattern = form.pattern.String()
				}
			}
			describeBody(document, op)
		}
	}
}

// describeBody adds the media types that a body may have, and the statuses with which
// it may be refused.
func describeBody(document *huma.OpenAPI, op *huma.Operation) {
	if op.RequestBody == nil {
		return
	}
	body, lines := op.RequestBody.Content[jsonType], op.RequestBody.Content[LinesType]
	switch {
	case lines != nil:
		lines.Schema = &huma.Schema{Type: huma.TypeString}
	case op.Method == http.MethodPatch:
		op.RequestBody.Content = map[string]*huma.MediaType{jsonType: body, patchType: body}
	default:
		op.RequestBody.Content = map[string]*huma.MediaType{jsonType: body}
		describeNulls(document.Components.Schemas.SchemaFromRef(body.Schema.Ref))
	}
	maps.Copy(op.Responses, refusing(http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType))
}

// dryRun is the field that asks only for a plan: a null for it is refused, because it would do what
// was perhaps only to be planned.
const dryRun = "dryRun"

// describeNulls marks each optional value as nullable: a null means the same as a
// missing value.
func describeNulls(body *huma.Schema) {
	for name, field := range body.Properties {
		if slices.Contains(body.Required, name) || field.Ref != "" || name == dryRun {
			continue
		}
		field.Nullable = true
		if len(field.Enum) > 0 {
			field.Enum = append(field.Enum, nil)
		}
	}
}

// Also returns the response for one more status of success.
func Also[T any](on huma.API, status int) *huma.Response {
	schema := on.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
	return &huma.Response{Description: http.StatusText(status), Content: map[string]*huma.MediaType{jsonType: {Schema: schema}}}
}
