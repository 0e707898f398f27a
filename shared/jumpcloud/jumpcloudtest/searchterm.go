package jumpcloudtest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// term is one joint of a search_term: conditions of which all, one or none must match.
type term struct {
	joint      string // and, or, not
	conditions []feedCondition
}

// feedCondition compares one field of an event, in lower case.
type feedCondition struct {
	field, op string
	values    []string
}

// feedOperators are the operators of the newer form (Directory Insights API
// documentation).
var feedOperators = []string{"eq", "ne", "contains", "startsWith", "endsWith", "in", "not_in", "lt", "gt", "lte", "gte", "before", "after"}

// unsearchable are the fields that cannot be searched (Directory Insights API
// documentation).
var unsearchable = []string{"changes", "useragent"}

// parseTerms reads search_term in both its forms: {"and":[{"field":value}]} and
// {"and":[{"field":…,"operator":…,"value":…}]}.
func parseTerms(given any) ([]term, error) {
	object, isObject := given.(map[string]any)
	if given != nil && !isObject {
		return nil, refuse(http.StatusBadRequest, "search_term is not an object")
	}
	var terms []term
	for _, joint := range fieldNames(object) {
		elements, isList := object[joint].([]any)
		if !slices.Contains([]string{"and", "or", "not"}, joint) || !isList {
			return nil, refuse(http.StatusBadRequest, "search_term takes lists under and, or and not")
		}
		t := term{joint: joint}
		seen := map[string]bool{}
		for _, element := range elements {
			c, err := parseFeedCondition(element)
			if err != nil {
				return nil, err
			}
			if c.op == "" { // the older form, where a field may come once in a list
				if seen[c.field] {
					return nil, refuse(http.StatusBadRequest, "search_term names %s twice", c.field)
				}
				seen[c.field] = true
				c.op = "in"
			}
			t.conditions = append(t.conditions, c)
		}
		terms = append(terms, t)
	}
	return terms, nil
}

// parseFeedCondition reads one condition; the operator stays empty in the older form.
func parseFeedCondition(element any) (feedCondition, error) {
	object, _ := element.(map[string]any)
	var c feedCondition
	value := object["value"]
	if op, newer := object["operator"].(string); newer {
		c.field, c.op = textOf(object["field"]), op
		if c.field == "" || !slices.Contains(feedOperators, op) {
			return c, refuse(http.StatusBadRequest, "search_term has an unknown operator or no field")
		}
	} else {
		if len(object) != 1 {
			return c, refuse(http.StatusBadRequest, "search_term takes objects with one key")
		}
		for name := range object {
			c.field, value = name, object[name]
		}
	}
	if slices.Contains(unsearchable, c.field) {
		return c, refuse(http.StatusBadRequest, "%s cannot be searched", c.field)
	}
	if err := mustBeOfEvents(c.field); err != nil {
		return c, err
	}
	elements, isList := value.([]any)
	if !isList {
		elements = []any{value}
	}
	for _, each := range elements {
		c.values = append(c.values, strings.ToLower(textOf(each)))
	}
	if len(c.values) == 0 {
		return c, refuse(http.StatusBadRequest, "search_term has an empty list")
	}
	return c, nil
}

func (t term) matches(event Fields) bool {
	holds := func(c feedCondition) bool { return c.matches(event) }
	switch t.joint {
	case "or":
		return slices.ContainsFunc(t.conditions, holds)
	case "not":
		return !slices.ContainsFunc(t.conditions, holds)
	}
	return !slices.ContainsFunc(t.conditions, func(c feedCondition) bool { return !c.matches(event) })
}

func (c feedCondition) matches(event Fields) bool {
	text, first := strings.ToLower(textOf(lookup(event, c.field))), c.values[0]
	switch c.op {
	case "eq":
		return text == first
	case "ne":
		return text != first
	case "in":
		return slices.Contains(c.values, text)
	case "not_in":
		return !slices.Contains(c.values, text)
	case "contains":
		return strings.Contains(text, first)
	case "startsWith":
		return strings.HasPrefix(text, first)
	case "endsWith":
		return strings.HasSuffix(text, first)
	case "before", "after":
		at, err1 := time.Parse(time.RFC3339, strings.ToUpper(text))
		limit, err2 := time.Parse(time.RFC3339, strings.ToUpper(first))
		return err1 == nil && err2 == nil && (c.op == "before" && at.Before(limit) || c.op == "after" && at.After(limit))
	}
	order := compareText(text, first)
	switch c.op {
	case "lt":
		return order < 0
	case "gt":
		return order > 0
	case "lte":
		return order <= 0
	}
	return order >= 0
}
