package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"entrasync/shared/fault"
)

// The media types of bodies: all are JSON, and a patch may use the type of a JSON Merge
// Patch (RFC 7396).
const (
	jsonType  = "application/json"
	patchType = "application/merge-patch+json"
	// LinesType is that of JSON Lines, which an operation reads by itself.
	LinesType = "application/jsonl"
)

// checkContentType refuses a body of a media type that the operation does not
// take. Media types compare without regard to case, and may have parameters (RFC
// 9110, 8.3.1).
func checkContentType(on huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		request, _ := humago.Unwrap(ctx)
		op := ctx.Operation()
		if op.RequestBody == nil || request.ContentLength == 0 {
			next(ctx)
			return
		}
		taken := slices.Sorted(maps.Keys(op.RequestBody.Content))
		given := ctx.Header("Content-Type")
		media, _, err := mime.ParseMediaType(given)
		if err == nil && slices.Contains(taken, media) {
			request.Header.Set("Content-Type", jsonType) // it is read like all others
			next(ctx)
			return
		}
		message := fmt.Sprintf("a body of the content type %q is not taken: send Content-Type: %s", repeat(given), strings.Join(taken, " or "))
		if given == "" {
			message = "the body has no content type: send Content-Type: " + strings.Join(taken, " or ")
		}
		_ = huma.WriteErr(on, ctx, http.StatusUnsupportedMediaType, message, &huma.ErrorDetail{Message: message, Location: "header.Content-Type"})
	}
}

// readJSON decodes a body. An error names the place in the body but repeats no text of
// it, because the body may have a key or a token.
func readJSON(data []byte, v any) error {
	if !utf8.Valid(data) {
		return errors.New("the body is not JSON: it is not UTF-8")
	}
	err := json.Unmarshal(data, v)
	var syntax *json.SyntaxError
	var wrongType *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		before := data[:max(0, min(int(syntax.Offset)-1, len(data)))]
		line := bytes.Count(before, []byte("\n")) + 1
		column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
		return fmt.Errorf("the body is not JSON: look at line %d, character %d", line, column)
	case errors.As(err, &wrongType):
		return fmt.Errorf("the body is JSON with a %s that cannot be read", wrongType.Value[:min(len(wrongType.Value), len("number"))])
	default:
		return errors.New("the body is not JSON")
	}
}

// Removes reports whether a body has a null for a field.
func Removes(body []byte, name string) bool {
	var fields map[string]json.RawMessage
	return json.Unmarshal(body, &fields) == nil && string(fields[name]) == "null"
}

// MustRemoveNothing refuses a body with a null. In a JSON Merge Patch (RFC 7396) a null
// removes the field, but every field that can be patched is required, except for some. After
// decoding, a null cannot be distinguished from a missing field.
func MustRemoveNothing(body []byte, except ...string) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil // it was decoded already: nothing to remove in it
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if string(fields[name]) == "null" && !slices.Contains(except, name) {
			return Refuse(fault.New(fault.Invalid, "api.patch", name+" cannot be removed: leave it out, or give it a value"), "body."+name, nil)
		}
	}
	return nil
}
