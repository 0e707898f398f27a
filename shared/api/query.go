package api

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// checkQuery refuses a parameter that the operation does not have, that occurs twice or
// that has no value. Otherwise the caller would misread the answer, for example take
// all users for the parked ones.
func checkQuery(on huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if ctx.Operation().Metadata[led] != nil { // what the other site puts into it is its business
			next(ctx)
			return
		}
		address := ctx.URL()
		given, err := url.ParseQuery(address.RawQuery)
		if err != nil {
			_ = huma.WriteErr(on, ctx, http.StatusUnprocessableEntity, "the query cannot be read: write % as %25, & as %26, + as %2B and ; as %3B in a value")
			return
		}
		var details []error
		for _, name := range slices.Sorted(maps.Keys(given)) {
			if wrong := wrongParameter(ctx.Operation(), name, given[name]); wrong != "" {
				details = append(details, &huma.ErrorDetail{Message: wrong, Location: "query." + name, Value: strings.Join(given[name], ",")})
			}
		}
		if len(details) > 0 {
			_ = huma.WriteErr(on, ctx, http.StatusUnprocessableEntity, validationFailed, details...)
			return
		}
		next(ctx)
	}
}

// wrongParameter says what is wrong with a parameter of a query, "" if nothing is.
func wrongParameter(op *huma.Operation, name string, values []string) string {
	var known []string
	var schema *huma.Schema
	for _, p := range op.Parameters {
		if p.In != "query" {
			continue
		}
		known = append(known, p.Name)
		if p.Name == name {
			schema = p.Schema
		}
	}
	slices.Sort(known)
	switch shown := repeat(name); {
	case len(known) == 0:
		return fmt.Sprintf("there is no parameter %s: this operation has none", shown)
	case !slices.Contains(known, name):
		return fmt.Sprintf("there is no parameter %s: this operation has %s", shown, strings.Join(known, ", "))
	case len(values) > 1:
		return fmt.Sprintf("%s is given %d times: give it once", name, len(values))
	case values[0] == "":
		return name + " has no value: give it one, or leave it out"
	}
	if form, is := queriedIDs[name]; is {
		return form.refused(values[0])
	}
	switch {
	case schema.Type == huma.TypeInteger:
		return wrongNumber(schema, name, values[0])
	case schema.Type == huma.TypeBoolean && values[0] != "true" && values[0] != "false":
		return fmt.Sprintf("%s is %q: it must be true or false", name, repeat(values[0]))
	}
	return ""
}

// wrongNumber says that a value is not an integer within the bounds of the schema, ""
// if it is. It gives the default of the schema as the example.
func wrongNumber(schema *huma.Schema, name, value string) string {
	number, err := strconv.ParseInt(value, 10, 64)
	if err == nil && float64(number) >= *schema.Minimum && float64(number) <= *schema.Maximum {
		return ""
	}
	return fmt.Sprintf("%s is %q: it must be a whole number from %v to %v, such as %v", name, repeat(value), *schema.Minimum, *schema.Maximum, schema.Default)
}
