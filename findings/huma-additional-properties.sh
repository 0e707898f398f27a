#!/usr/bin/env bash
# A value that breaks a schema below additionalProperties is refused with an error
# whose message is empty.
#
# Package: github.com/danielgtaylor/huma/v2 v2.37.2
#
# Behaviour: an operation brings the schema of its request body along. A text that is
#   too short below items or properties is answered with 422 and "expected length >= 3".
#   Below additionalProperties the answer is 422 as well, and its error has no message.
#
# Expected: the same message in every place. Messages are prepared by
#   Schema.PrecomputeMessages; it goes on to items, properties, oneOf, anyOf, allOf and
#   not, but not to additionalProperties. That nobody has to call it for a schema of
#   their own is what huma's test TestCustomSchemaErrors is there for. The last line is
#   the proof: the same schema after such a call.
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
items: 422 "expected length >= 3"
properties: 422 "expected length >= 3"
additionalProperties: 422 ""
additionalProperties, prepared by hand: 422 "expected length >= 3"
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

// text has at least three characters.
func text() *huma.Schema {
	least := 3
	return &huma.Schema{Type: huma.TypeString, MinLength: &least}
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
		{"items", `["a"]`, items},
		{"properties", `{"x":"a"}`, properties},
		{"additionalProperties", `{"x":"a"}`, additional},
		{"additionalProperties, prepared by hand", `{"x":"a"}`, prepared},
	} {
		fmt.Printf("%s: %s\n", place.name, answer(place.with(text()), place.body))
	}
}
EOF

go run -mod=mod . | tee seen
if ! diff expected seen; then
  echo "This is not what was seen on 2026-11-29." >&2
  exit 1
fi
