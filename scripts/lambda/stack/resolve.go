package stack

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// resolver computes values as CloudFormation does (AWS CloudFormation
// documentation, intrinsic function reference).
type resolver struct {
	template template
	place    Place
	physical map[string]identity // of the resources that exist
}

// identity is what other resources of the template can refer to.
type identity struct {
	ref        string
	attributes map[string]string
}

// nothing is the value of AWS::NoValue: the property is left out.
type nothing struct{}

// value computes a value that may have intrinsic functions; at is its place in the
// template.
func (r *resolver) value(v any, at string) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 1 {
			for name, argument := range v {
				if name == "Ref" || name == "Condition" || strings.HasPrefix(name, "Fn::") {
					return r.intrinsic(name, argument, at)
				}
			}
		}
		out := make(map[string]any, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			each, err := r.value(v[key], at+"."+key)
			if err != nil {
				return nil, err
			}
			if _, left := each.(nothing); !left {
				out[key] = each
			}
		}
		return out, nil
	case []any:
		out := make([]any, 0, len(v))
		for n, element := range v {
			each, err := r.value(element, fmt.Sprintf("%s[%d]", at, n))
			if err != nil {
				return nil, err
			}
			if _, left := each.(nothing); !left {
				out = append(out, each)
			}
		}
		return out, nil
	default:
		return v, nil
	}
}

// intrinsic computes one intrinsic function.
func (r *resolver) intrinsic(name string, argument any, at string) (any, error) {
	if name == "Fn::If" {
		return r.choose(argument, at)
	}
	if name == "Fn::Sub" {
		return r.substitute(argument, at)
	}
	computed, err := r.value(argument, at)
	if err != nil {
		return nil, err
	}
	list, _ := computed.([]any)
	word, isWord := computed.(string)
	switch {
	case name == "Ref" && isWord:
		return r.ref(word, at)
	case name == "Condition" && isWord:
		return r.condition(word, at)
	case name == "Fn::GetAtt" && isWord:
		logical, attribute, _ := strings.Cut(word, ".")
		return r.attribute(logical, attribute, at)
	case name == "Fn::GetAtt" && len(list) == 2:
		return r.attribute(fmt.Sprint(list[0]), fmt.Sprint(list[1]), at)
	case name == "Fn::Join" && len(list) == 2:
		parts, isList := list[1].([]any)
		if !isList {
			return nil, refuse(at, "Fn::Join needs a list")
		}
		words := make([]string, len(parts))
		for n, part := range parts {
			words[n] = fmt.Sprint(part)
		}
		return strings.Join(words, fmt.Sprint(list[0])), nil
	case name == "Fn::FindInMap" && len(list) == 3:
		return r.find(list, at)
	default:
		return logic(name, list, at)
	}
}

// logic computes the functions of conditions.
func logic(name string, list []any, at string) (any, error) {
	truth := func(v any) bool { is, _ := v.(bool); return is }
	switch {
	case name == "Fn::Equals" && len(list) == 2:
		return fmt.Sprint(list[0]) == fmt.Sprint(list[1]), nil
	case name == "Fn::Not" && len(list) == 1:
		return !truth(list[0]), nil
	case name == "Fn::And" && len(list) > 0:
		return !slices.ContainsFunc(list, func(v any) bool { return !truth(v) }), nil
	case name == "Fn::Or" && len(list) > 0:
		return slices.ContainsFunc(list, truth), nil
	default:
		return nil, refuse(at, "%s of this form is not known here", name)
	}
}

// choose computes Fn::If, and only the branch that is taken.
func (r *resolver) choose(argument any, at string) (any, error) {
	list, _ := argument.([]any)
	if len(list) != 3 {
		return nil, refuse(at, "Fn::If needs a condition and two values")
	}
	holds, err := r.condition(fmt.Sprint(list[0]), at)
	if err != nil {
		return nil, err
	}
	if holds {
		return r.value(list[1], at)
	}
	return r.value(list[2], at)
}

// condition computes a named condition.
func (r *resolver) condition(name, at string) (bool, error) {
	definition, known := r.template.Conditions[name]
	if !known {
		return false, refuse(at, "there is no condition %s", name)
	}
	holds, err := r.value(definition, "Conditions."+name)
	is, _ := holds.(bool)
	return is, err
}

// ref computes Ref.
func (r *resolver) ref(name, at string) (any, error) {
	pseudo := map[string]any{
		"AWS::StackName": r.place.StackName, "AWS::Region": r.place.Region, "AWS::AccountId": r.place.AccountID,
		"AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com", "AWS::NoValue": nothing{},
	}
	if value, known := pseudo[name]; known {
		return value, nil
	}
	if parameter, known := r.template.Parameters[name]; known {
		if given, isGiven := r.place.Parameters[name]; isGiven {
			return given, nil
		}
		if fallback, has := parameter["Default"]; has {
			return fmt.Sprint(fallback), nil
		}
		return nil, refuse(at, "the parameter %s has no default and was not given", name)
	}
	if found, known := r.physical[name]; known {
		return found.ref, nil
	}
	return nil, refuse(at, "%s is neither a parameter nor a resource of this stack", name)
}

// attribute computes Fn::GetAtt.
func (r *resolver) attribute(logical, name, at string) (any, error) {
	found, known := r.physical[logical]
	if !known {
		return nil, refuse(at, "%s is no resource of this stack", logical)
	}
	value, has := found.attributes[name]
	if !has {
		return nil, refuse(at, "the attribute %s of %s is not known here", name, logical)
	}
	return value, nil
}

// find computes Fn::FindInMap.
func (r *resolver) find(path []any, at string) (any, error) {
	var found any = r.template.Mappings
	for _, key := range path {
		level, _ := found.(map[string]any)
		found = level[fmt.Sprint(key)]
	}
	if found == nil {
		return nil, refuse(at, "there is no mapping %v", path)
	}
	return found, nil
}

// reference is ${Name} or ${Name.Attribute}; ${!Name} stands for itself.
var reference = regexp.MustCompile(`\$\{(!?)([^}]+)\}`)

// substitute computes Fn::Sub.
func (r *resolver) substitute(argument any, at string) (any, error) {
	text, isText := argument.(string)
	own := map[string]any{}
	if list, isList := argument.([]any); isList && len(list) == 2 {
		text, isText = list[0].(string)
		own, _ = list[1].(map[string]any)
	}
	if !isText {
		return nil, refuse(at, "Fn::Sub needs a text")
	}
	var failed error
	replaced := reference.ReplaceAllStringFunc(text, func(match string) string {
		parts := reference.FindStringSubmatch(match)
		if parts[1] == "!" {
			return "${" + parts[2] + "}"
		}
		name := strings.TrimSpace(parts[2])
		value, isOwn := own[name]
		var err error
		logical, attribute, isAttribute := strings.Cut(name, ".")
		switch {
		case isOwn:
			value, err = r.value(value, at)
		case isAttribute:
			value, err = r.attribute(logical, attribute, at)
		default:
			value, err = r.ref(name, at)
		}
		if err != nil {
			failed = err
		}
		return fmt.Sprint(value)
	})
	return replaced, failed
}
