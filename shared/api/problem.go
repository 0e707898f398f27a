package api

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// statuses are the HTTP statuses of faults.
var statuses = map[fault.Kind]int{
	fault.Invalid:      http.StatusUnprocessableEntity,
	fault.NotFound:     http.StatusNotFound,
	fault.Conflict:     http.StatusConflict,
	fault.Changed:      http.StatusConflict,
	fault.Forbidden:    http.StatusBadGateway,
	fault.Unauthorized: http.StatusBadGateway,
	fault.Throttled:    http.StatusServiceUnavailable,
	fault.Transient:    http.StatusServiceUnavailable,
	fault.Internal:     http.StatusInternalServerError,
}

// Refuse makes the problem document for an error about one field of the request, such
// as "path.userId" or "body.tenantId".
func Refuse(err error, location string, value any) error {
	f := fault.Of(err)
	message := f.Message
	if message == "" {
		message = "the request failed (" + string(f.Kind) + ")"
	}
	status := statuses[f.Kind]
	if location == "" {
		return huma.NewError(status, message)
	}
	return huma.NewError(status, message, &huma.ErrorDetail{Message: message, Location: location, Value: value})
}

// validationFailed is the detail of a problem document about several fields.
const validationFailed = "validation failed"

// inOurWords replaces the library's sentence about each field with one that a person
// understands. It also removes values from the body of the request, because they may be
// a key or a token.
func inOurWords(_ huma.Context, _ string, answer any) (any, error) {
	problem, is := answer.(*huma.ErrorModel)
	if !is {
		return answer, nil
	}
	for _, detail := range bounded(problem).Errors {
		says, missing := said(detail), missingField(detail)
		detail.Message = short(says, longestText)
		detail.Value = shownAlone(detail)
		if missing != "" {
			detail.Location += "." + missing
		}
	}
	return problem, nil
}

// missingField is the field that a detail says is missing; "" if it says something else. The
// library names only the object that has not got it.
func missingField(detail *huma.ErrorDetail) string {
	name, is := strings.CutPrefix(detail.Message, "expected required property ")
	if !is {
		return ""
	}
	return strings.TrimSuffix(name, " to be present")
}

// shownAlone returns the value of a detail if it comes from the path or the query,
// otherwise nil.
func shownAlone(detail *huma.ErrorDetail) any {
	if !strings.HasPrefix(detail.Location, "path.") && !strings.HasPrefix(detail.Location, "query.") {
		return nil
	}
	if text, is := detail.Value.(string); is {
		return repeat(text)
	}
	return detail.Value
}

// The prefixes of locations that get a sentence of their own.
const (
	settingsLocation   = "body.settings."
	attributesLocation = settingsLocation + "attributes."
)

// said turns the library's sentence about a detail into one for people.
func said(detail *huma.ErrorDetail) string {
	field := strings.TrimPrefix(strings.TrimPrefix(detail.Location, "body."), "query.")
	if why, is := strings.CutPrefix(detail.Message, "invalid value: "); is {
		return fmt.Sprintf("%s is %s: %s", field, shownValue(detail), why)
	}
	switch want, is := strings.CutPrefix(detail.Message, "expected "); {
	case detail.Message == "unexpected property":
		return unknownField(detail.Location)
	case !is:
		return detail.Message
	case missingField(detail) != "":
		return "the field " + missingField(detail) + " is missing"
	case strings.HasPrefix(want, "value to be one of "):
		wanted := strings.ReplaceAll(strings.Trim(strings.TrimPrefix(want, "value to be one of "), `"`), ", <nil>", "")
		return fmt.Sprintf("%s is %s: it must be one of %s", field, shownValue(detail), wanted)
	case strings.HasPrefix(want, "string to be "):
		return field + " must be " + strings.TrimPrefix(want, "string to be ")
	case strings.HasPrefix(want, "string to match pattern "):
		return field + " has characters that are not taken, or too few: it must match " + strings.TrimPrefix(want, "string to match pattern ")
	case strings.Contains(want, " "):
		return limit(field, want)
	default: // a type
		return fmt.Sprintf("%s is of the wrong type: it is %s and must be %s", field, typeOf(detail.Value), withArticle(strings.Replace(want, "array", "list", 1)))
	}
}

// limits are the library's words for a limit, and our words.
var limits = []struct{ library, ours string }{
	{"length >= ", " is too short: it has at least this many characters: "},
	{"length <= ", " is too long: it has at most this many characters: "},
	{"number >= ", " must be at least "},
	{"number <= ", " must be at most "},
	{"array length >= ", " is too short: it holds at least "},
	{"array length <= ", " is too long: it holds at most "},
}

// limit says that a field is beyond the limit that the library names.
func limit(field, want string) string {
	for _, l := range limits {
		if bound, is := strings.CutPrefix(want, l.library); is {
			return field + l.ours + bound
		}
	}
	return field + ": expected " + want
}

// unknownField says that there is no field with that name.
func unknownField(location string) string {
	if rule, is := strings.CutPrefix(location, attributesLocation); is {
		return fmt.Sprintf("there is no attribute rule %q: the rules are %s", rule, ruleNames())
	}
	if name, is := strings.CutPrefix(location, settingsLocation); is && !strings.ContainsAny(name, ".[") {
		return "there is no setting " + name
	}
	return "there is no field " + location[strings.LastIndexByte(location, '.')+1:] + " here"
}

// ruleNames are the names of the attribute rules, for a sentence.
func ruleNames() string {
	var names []string
	for _, rule := range directory.Rules() {
		names = append(names, string(rule))
	}
	return strings.Join(names, ", ")
}

// shownValue returns a value for a sentence, unless it may be secret.
func shownValue(detail *huma.ErrorDetail) string {
	text, is := detail.Value.(string)
	if is && !strings.HasPrefix(detail.Location, "body.") || strings.HasPrefix(detail.Location, settingsLocation) {
		return fmt.Sprintf("%q", repeat(text))
	}
	return "something else"
}

// typeOf names the type of a value as JSON does.
func typeOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case float64:
		return "a number"
	case []any:
		return "an array"
	default:
		return "an object"
	}
}

// withArticle adds the article: "a string" or "an object".
func withArticle(kind string) string {
	if strings.ContainsRune("aeiou", rune(kind[0])) {
		return "an " + kind
	}
	return "a " + kind
}
