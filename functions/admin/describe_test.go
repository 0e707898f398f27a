package admin_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"entrasync/functions/admin"
	"entrasync/shared/directory"
	"entrasync/shared/portable"
)

// document is the OpenAPI document.
func (f *fixture) document() map[string]any {
	f.t.Helper()
	_, document := f.callWith(nil, "GET", "/openapi.json", "")
	return document
}

// dig returns the value at a path of names in a document.
func dig(from any, path ...string) any {
	for _, name := range path {
		object, _ := from.(map[string]any)
		from = object[name]
	}
	return from
}

// keysOf returns the names in an object of a document.
func keysOf(object any) []string {
	fields, _ := object.(map[string]any)
	return slices.Sorted(maps.Keys(fields))
}

// The schemas of requests and answers describe every setting and its values.
func TestSettingsAreDescribed(t *testing.T) {
	f := newFixture(t)
	raw, err := json.Marshal(directory.DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	var defaults map[string]any
	if err := json.Unmarshal(raw, &defaults); err != nil {
		t.Fatal(err)
	}
	schemas := dig(f.document(), "components", "schemas")
	for _, holder := range []string{"NewDirectory", "DirectoryPatch", "DirectoryView"} {
		reference := strings.TrimPrefix(fmt.Sprint(dig(schemas, holder, "properties", "settings", "$ref")), "#/components/schemas/")
		settings := dig(schemas, reference)
		if diff := cmp.Diff(keysOf(defaults), keysOf(dig(settings, "properties"))); diff != "" || dig(settings, "additionalProperties") != false {
			t.Errorf("%s: %s", holder, diff)
		}
		var rules []string
		for _, rule := range directory.Rules() {
			rules = append(rules, string(rule))
		}
		if got := keysOf(dig(settings, "properties", "attributes", "properties")); !slices.Equal(got, rules) {
			t.Errorf("%s: attributes are %v, want %v", holder, got, rules)
		}
		for path, want := range map[string]any{
			"domains.items.properties.name.maxLength":          48.0,
			"customAttributes.additionalProperties.pattern":    `^extensionAttribute([1-9]|1[0-5])$`,
			"connectionSource.properties.id.pattern":           `^[0-9a-f]{24}$`,
			"connectionSource.additionalProperties":            false,
			"domains.items.additionalProperties":               false,
			"manageGroups.default":                             true,
			"repairDrift.default":                              true,
			"customAttributes.propertyNames.minLength":         1.0,
			"attributes.additionalProperties":                  false,
			"connectionSource.default.type":                    "none",
			"domains.items.properties.name.patternDescription": "the name of a domain",
		} {
			if got := dig(dig(settings, "properties"), strings.Split(path, ".")...); got != want {
				t.Errorf("%s: %s is %v, want %v", holder, path, got, want)
			}
		}
		for path, want := range map[string][]any{"mappedEmail": {"company", "alternate"}, "connectionSource.properties.type": {"none", "application", "office_365"}} {
			if holder != "DirectoryView" { // a null restores the default
				want = append(want, nil)
			}
			if got := dig(dig(settings, "properties"), append(strings.Split(path, "."), "enum")...); !cmp.Equal(got, any(want)) {
				t.Errorf("%s: %s is one of %v, want %v", holder, path, got, want)
			}
		}
	}
}

// Every operation describes its refusals, the form of its ids and the media types of
// its body.
func TestOperationsAreDescribed(t *testing.T) {
	f := newFixture(t)
	paths, _ := dig(f.document(), "paths").(map[string]any)
	for path, item := range paths {
		for method, op := range item.(map[string]any) {
			what := method + " " + path
			if path == admin.CallbackPath {
				continue // it answers a browser, with pages
			}
			responses := keysOf(dig(op, "responses"))
			want := []string{"422", "500"}
			if path != "/healthz" {
				want = append(want, "401", "503")
			}
			if strings.Contains(path, "{") {
				want = append(want, "404")
			}
			body := dig(op, "requestBody")
			if body != nil {
				want = append(want, "400", "413", "415")
			}
			for _, status := range want {
				if !slices.Contains(responses, status) {
					t.Errorf("%s: %s is not described: %v", what, status, responses)
				}
			}
			if slices.Contains(responses, "default") {
				t.Errorf("%s answers anything", what)
			}
			types := []string{"application/json"}
			if method == "patch" {
				types = append(types, "application/merge-patch+json")
			}
			if path == "/v1/directories/import" {
				types = []string{portable.ContentType}
			}
			if got := keysOf(dig(body, "content")); body != nil && !slices.Equal(got, types) {
				t.Errorf("%s takes %v", what, got)
			}
			parameters, _ := dig(op, "parameters").([]any)
			for _, p := range parameters {
				if pattern := fmt.Sprint(dig(p, "schema", "pattern")); dig(p, "in") == "path" && !strings.HasPrefix(pattern, "^[0-9a-f]{24}") && !slices.Contains([]string{`^[0-9a-f]{32}$`, `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`}, pattern) {
					t.Errorf("%s: %v is %s", what, dig(p, "name"), pattern)
				}
			}
		}
	}
	if got := keysOf(dig(paths, "/v1/organizations/{id}/users/{userId}/password", "put", "responses")); !slices.Contains(got, "202") {
		t.Errorf("the gateway answers %v", got)
	}
}
