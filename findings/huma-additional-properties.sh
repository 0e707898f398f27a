#!/usr/bin/env bash
# The pattern of a schema's additionalProperties stands in the OpenAPI document, but
# values are not held against it; a length is, with an error that says nothing.
#
# Package: github.com/danielgtaylor/huma/v2 v2.37.2
#
# Behaviour: an operation brings the schema of its request body along. Below items
#   and properties, a text that breaks its pattern is answered with 422 and a message.
#   Below additionalProperties the same schema lets it pass. A text that is too short
#   is refused there, but the error has no message. Of an object there, the properties
#   are not looked at.
#
# Expected: that every part of a schema holds. The documentation (request validation,
#   schema customization) names no exception, and the comment in the code says that
#   additional properties must match their schema (handleMapString). Patterns, messages
#   and the names of properties are prepared by Schema.PrecomputeMessages; it goes on
#   to items, properties, oneOf, anyOf, allOf and not, but not to additionalProperties.
#   That nobody has to call it for a schema of their own is what huma's test
#   TestCustomSchemaErrors is there for. The last lines are the proof: the same schema
#   after such a call.
#
# Requests go to the handler in memory. Nothing is sent.
#
# Seen on 2026-11-29 with Go 1.26: the lines at "expected".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export GOWORK=off CGO_ENABLED=0

cat >expected <<'EOF'
items
  ["1234"]: 422 "expected string to match pattern ^[a-z]+$"
  ["a"]: 422 "expected length >= 3"
  [{"word":1}]: 422 "expected string"
properties
  {"x":"1234"}: 422 "expected string to match pattern ^[a-z]+$"
  {"x":"a"}: 422 "expected length >= 3"
  {"x":{"word":1}}: 422 "expected string"
additionalProperties
  {"x":"1234"}: 204
  {"x":"a"}: 422 ""
  {"x":{"word":1}}: 204
additionalProperties, prepared by hand
  {"x":"1234"}: 422 "expected string to match pattern ^[a-z]+$"
  {"x":"a"}: 422 "expected length >= 3"
  {"x":{"word":1}}: 422 "expected string"
EOF

cat >go.mod <<'EOF'
module finding

go 1.26.0

require github.com/danielgtaylor/huma/v2 v2.37.2
EOF

cat >main.go <<'EOF'
// Command finding sends values that break a schema, and says how they are answered.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// text is at least three small letters.
func text() *huma.Schema {
	least := 3
	return &huma.Schema{Type: huma.TypeString, Pattern: "^[a-z]+$", MinLength: &least}
}

// entry is an object with a text in it.
func entry() *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{"word": {Type: huma.TypeString}}}
}

// The places in which a schema can stand.

func items(s *huma.Schema) *huma.Schema {
	return &huma.Schema{Type: huma.TypeArray, Items: s}
}

func properties(s *huma.Schema) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{"x": s}}
}

func additional(s *huma.Schema) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: s}
}

func prepared(s *huma.Schema) *huma.Schema {
	s.PrecomputeMessages()
	return additional(s)
}

// answer is how a body is answered by an operation with that schema.
func answer(schema *huma.Schema, body string) string {
	mux := http.NewServeMux()
	huma.Register(humago.New(mux, huma.DefaultConfig("finding", "1.0.0")), huma.Operation{
		OperationID: "put", Method: http.MethodPut, Path: "/",
		RequestBody: &huma.RequestBody{Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}},
	}, func(context.Context, *struct{ RawBody []byte }) (*struct{}, error) { return nil, nil })

	r := httptest.NewRequest(http.MethodPut, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	if w.Code == http.StatusNoContent {
		return fmt.Sprint(w.Code)
	}
	var problem struct{ Errors []struct{ Message string } }
	if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil || len(problem.Errors) != 1 {
		log.Fatalf("not expected: %d %s", w.Code, w.Body)
	}
	return fmt.Sprintf("%d %q", w.Code, problem.Errors[0].Message)
}

func main() {
	for _, place := range []struct {
		name, body string
		with       func(*huma.Schema) *huma.Schema
	}{
		{"items", "[%s]", items},
		{"properties", `{"x":%s}`, properties},
		{"additionalProperties", `{"x":%s}`, additional},
		{"additionalProperties, prepared by hand", `{"x":%s}`, prepared},
	} {
		fmt.Println(place.name)
		for _, value := range []struct {
			schema func() *huma.Schema
			text   string
		}{{text, `"1234"`}, {text, `"a"`}, {entry, `{"word":1}`}} {
			body := fmt.Sprintf(place.body, value.text)
			fmt.Printf("  %s: %s\n", body, answer(place.with(value.schema()), body))
		}
	}
}
EOF

go run -mod=mod . | tee seen
if ! diff expected seen; then
  echo "This is not what was seen on 2026-11-29." >&2
  exit 1
fi
