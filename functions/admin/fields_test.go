package admin_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"entrasync/functions/admin"
)

// givenWith are fields that are given only with others.
var givenWith = map[string][]string{"clientId": {"clientSecret"}, "clientSecret": {"clientId"}}

// described is what the document says of a request, with whose words requests are made.
type described struct {
	t        *testing.T
	document map[string]any
	ids      map[string]string // good ones, for the parameters of paths
}

// wrong is a value that the document does not allow, and the field that the refusal is to name.
type wrong struct {
	value any
	at    string
}

// resolve follows a reference.
func (d described) resolve(schema map[string]any) map[string]any {
	reference, is := schema["$ref"].(string)
	if !is {
		return schema
	}
	found, _ := dig(d.document, strings.Split(strings.TrimPrefix(reference, "#/"), "/")...).(map[string]any)
	return found
}

// typesOf are the types that a schema allows, without null.
func typesOf(schema map[string]any) []string {
	switch t := schema["type"].(type) {
	case string:
		return []string{t}
	case []any:
		var all []string
		for _, each := range t {
			if each != "null" {
				all = append(all, fmt.Sprint(each))
			}
		}
		return all
	}
	return nil
}

// good is a value that a schema allows: of an object only what it must have.
func (d described) good(schema map[string]any) any {
	schema = d.resolve(schema)
	if list, is := schema["enum"].([]any); is {
		return list[0]
	}
	switch types := typesOf(schema); {
	case slices.Contains(types, "object"):
		object := map[string]any{}
		required, _ := schema["required"].([]any)
		for _, name := range required {
			property, _ := dig(schema, "properties", fmt.Sprint(name)).(map[string]any)
			object[fmt.Sprint(name)] = d.good(property)
			if name == "id" { // of an organization that is not served yet
				object["id"] = otherOrganization
			}
		}
		return object
	case slices.Contains(types, "array"):
		return []any{}
	case slices.Contains(types, "boolean"):
		return true
	case slices.Contains(types, "integer"), slices.Contains(types, "number"):
		return schema["minimum"]
	}
	switch pattern := fmt.Sprint(schema["pattern"]); {
	case schema["format"] == "date-time":
		return "2030-01-01T00:00:00Z"
	case strings.Contains(pattern, "24}"):
		return organization
	case strings.Contains(pattern, "8}"):
		return tenant
	}
	return "abcdefgh"
}

// wrongs are values that a schema does not allow, for a place in a request.
func (d described) wrongs(schema map[string]any, at string) []wrong {
	schema = d.resolve(schema)
	var all []wrong
	types := typesOf(schema)
	ofType := func(name string) bool { return slices.Contains(types, name) }
	if len(types) > 0 && !ofType("object") {
		all = append(all, wrong{map[string]any{"nonsense": "x"}, at})
	}
	if ofType("object") {
		all = append(all, wrong{"nonsense", at})
	}
	if list, is := schema["enum"].([]any); is && len(list) > 0 {
		all = append(all, wrong{"nonsense of nobody", at})
	}
	number := func(name string) (float64, bool) { n, is := schema[name].(float64); return n, is }
	if n, is := number("maxLength"); is && n < 5000 {
		all = append(all, wrong{strings.Repeat("a", int(n)+1), at})
	}
	if n, is := number("minLength"); is && n > 0 {
		all = append(all, wrong{"", at})
	}
	if n, is := number("minimum"); is {
		all = append(all, wrong{n - 1, at})
	}
	if n, is := number("maximum"); is {
		all = append(all, wrong{n + 1, at})
	}
	if schema["pattern"] != nil && ofType("string") {
		all = append(all, wrong{"none: of é", at})
	}
	if schema["format"] == "date-time" {
		all = append(all, wrong{"yesterday", at})
	}
	if n, is := number("maxItems"); is {
		items, _ := schema["items"].(map[string]any)
		many := make([]any, int(n)+1)
		for i := range many {
			many[i] = d.good(items)
		}
		all = append(all, wrong{many, at})
	}
	if n, is := number("minItems"); is && n > 0 {
		all = append(all, wrong{[]any{}, at})
	}
	if ofType("array") {
		items, _ := schema["items"].(map[string]any)
		for _, each := range d.wrongs(items, at+"[0]") {
			all = append(all, wrong{[]any{each.value}, each.at})
		}
	}
	if ofType("object") {
		all = append(all, d.wrongFields(schema, at)...)
	}
	return all
}

// wrongFields are objects of which one field is wrong: missing, unknown, or with a value that is
// not allowed.
func (d described) wrongFields(schema map[string]any, at string) []wrong {
	object := func() map[string]any { return maps.Clone(d.good(schema).(map[string]any)) }
	var all []wrong
	if schema["additionalProperties"] == false {
		unknown := object()
		unknown["nonsense"] = true
		all = append(all, wrong{unknown, at + ".nonsense"})
	}
	if open, is := schema["additionalProperties"].(map[string]any); is {
		for _, each := range d.wrongs(open, at+".any") {
			some := object()
			some["any"] = each.value
			all = append(all, wrong{some, each.at})
		}
	}
	required, _ := schema["required"].([]any)
	for _, name := range required {
		less := object()
		delete(less, fmt.Sprint(name))
		all = append(all, wrong{less, at + "." + fmt.Sprint(name)})
	}
	for _, name := range keysOf(schema["properties"]) {
		if name == "$schema" {
			continue
		}
		property, _ := dig(schema, "properties", name).(map[string]any)
		for _, each := range d.wrongs(property, at+"."+name) {
			some := object()
			some[name] = each.value
			for _, other := range givenWith[name] { // or it would be missing
				some[other] = "abcdefgh"
			}
			all = append(all, wrong{some, each.at})
		}
	}
	return all
}

// wrongQueries are values of a query parameter that are not allowed.
func (d described) wrongQueries(parameter map[string]any) (values []string) {
	schema, _ := parameter["schema"].(map[string]any)
	for _, each := range d.wrongs(schema, "") {
		switch value := each.value.(type) {
		case string:
			values = append(values, value)
		case float64:
			values = append(values, fmt.Sprint(value))
		default:
			if !slices.Contains(typesOf(d.resolve(schema)), "string") {
				values = append(values, "nonsense")
			}
		}
	}
	if parameter["name"] == "cursor" {
		values = append(values, "a cursor that nobody gave out")
	}
	return values
}

// address is a path with good ids, except for one.
func (d described) address(path, but string) string {
	for name, id := range d.ids {
		if name == but {
			id = "nonsense!"
		}
		path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(id))
	}
	return path
}

// Every refusal of a value names the field where it is: of each parameter and each field of the
// body that the document describes, with each sort of value that it does not allow.
func TestEveryRefusalNamesTheField(t *testing.T) {
	f := newFixture(t)
	d := described{t: t, document: f.document()}
	id := f.directory("{}")
	_, job := f.call(http.MethodPost, "/v1/directories/"+id+"/resync", `{"dryRun": true}`)
	tried := 0
	paths, _ := d.document["paths"].(map[string]any)
	for _, path := range keysOf(paths) {
		if strings.Contains(path, "import") || path == admin.CallbackPath { // another function serves it; it answers a browser
			continue
		}
		d.ids = map[string]string{"id": id, "userId": ann, "groupId": engineering, "jobId": fmt.Sprint(job["jobId"]), "holdId": "00000000-0000-7000-8000-000000000000"}
		if strings.HasPrefix(path, "/v1/organizations") {
			d.ids["id"] = organization
		}
		operations, _ := paths[path].(map[string]any)
		for _, method := range keysOf(operations) {
			op, _ := operations[method].(map[string]any)
			body, _ := dig(op, "requestBody", "content", "application/json", "schema").(map[string]any)
			text := ""
			if body != nil {
				text = asJSON(t, d.good(body))
			}
			refused := func(address, with string, status int, field string) {
				t.Helper()
				tried++
				got, answer := f.call(strings.ToUpper(method), address, with)
				var fields []string
				details, _ := answer["errors"].([]any)
				for _, detail := range details {
					fields = append(fields, fmt.Sprint(dig(detail, "location")))
				}
				if got != status || !slices.Contains(fields, field) {
					t.Errorf("%s %s %.200s: got %d at %v, want %d at %s: %v", method, address, with, got, fields, status, field, answer["detail"])
				}
			}
			parameters, _ := op["parameters"].([]any)
			for _, each := range parameters {
				parameter, _ := each.(map[string]any)
				name := fmt.Sprint(parameter["name"])
				if parameter["in"] == "path" {
					refused(d.address(path, name), text, http.StatusNotFound, "path."+name)
					continue
				}
				if name == "cursor" && (strings.Contains(path, "{holdId}") || path == "/v1/directories/{id}/plan") {
					continue // there is no such hold and no plan, and that is the first thing to say
				}
				for _, value := range d.wrongQueries(parameter) {
					refused(d.address(path, "")+"?"+url.Values{name: {value}}.Encode(), text, http.StatusUnprocessableEntity, "query."+name)
				}
			}
			refused(d.address(path, "")+"?nonsense=1", text, http.StatusUnprocessableEntity, "query.nonsense")
			if body == nil {
				continue
			}
			for _, each := range d.wrongs(body, "body") {
				refused(d.address(path, ""), asJSON(t, each.value), http.StatusUnprocessableEntity, each.at)
			}
		}
	}
	if tried < 400 {
		t.Errorf("tried %d wrong values, want at least 400", tried)
	}
}

// asJSON encodes a value.
func asJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
