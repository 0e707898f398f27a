package entratest

import (
	"slices"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// timeOrNil is a time as the value of a property; nil if there is none.
func timeOrNil(at time.Time) any {
	if at.IsZero() {
		return nil
	}
	return at
}

// moment is a value as a time; it may be stored as text.
func moment(value any) (time.Time, bool) {
	switch v := value.(type) {
	case time.Time:
		return v, true
	case string:
		at, err := time.Parse(time.RFC3339, v)
		return at, err == nil
	default:
		return time.Time{}, false
	}
}

// compared orders two values of which one is a time. Graph shows whole seconds, and
// this compares whole seconds, too (assumed).
func compared(a, b any) (order int, are bool) {
	_, isTime := a.(time.Time)
	_, isToo := b.(time.Time)
	left, leftIs := moment(a)
	right, rightIs := moment(b)
	if !isTime && !isToo || !leftIs || !rightIs {
		return 0, false
	}
	return left.Truncate(time.Second).Compare(right.Truncate(time.Second)), true
}

// order is the filter for ge and le. An unset property never matches.
func (p *filterParser) order(property, operator string, value any) *filter {
	want := map[string]int{"ge": 1, "le": -1}[operator]
	return &filter{match: func(o *object) bool {
		has := valueOf(o, property)
		if order, are := compared(has, value); are {
			return order == 0 || order == want
		}
		left, leftText := has.(string)
		right, rightText := value.(string)
		order := strings.Compare(strings.ToLower(left), strings.ToLower(right))
		return leftText && rightText && (order == 0 || order == want)
	}}
}

// identity reads the rest of identities/any(x:x/issuer eq 'i' and x/issuerAssignedId eq
// 'a'): both parts are required, and an identity of the type userPrincipalName is never
// found (Microsoft Graph documentation, objectIdentity; observed by users:
// microsoft-graph-docs 7282, docs-contrib 4667).
func (p *filterParser) identity(variable, first string) *filter {
	given := map[string]string{}
	for name := first; p.failure == nil; name = p.next() {
		part, own := strings.CutPrefix(name, variable+"/")
		if !own || variable == "" {
			p.fail("the lambda of 'any' must compare its own variable")
			break
		}
		p.want("eq")
		given[part] = p.text(p.next())
		p.fits("identities", given[part])
		if !strings.EqualFold(p.peek(), "and") {
			break
		}
		p.next()
	}
	p.want(")")
	issuer, hasIssuer := given["issuer"]
	assigned, hasAssigned := given["issuerAssignedId"]
	if !hasIssuer || !hasAssigned || len(given) != 2 {
		p.invalidClause("identities")
	}
	return &filter{match: func(o *object) bool {
		list, _ := o.Props["identities"].Value.([]any)
		return slices.ContainsFunc(list, func(each any) bool {
			i, _ := each.(map[string]any)
			return equal(i["issuer"], issuer) && equal(i["issuerAssignedId"], assigned) && i["signInType"] != upnSignIn
		})
	}}
}

// comparable refuses values of another type than the property's; null is allowed for
// all types.
func (p *filterParser) comparable(property string, values ...any) {
	d, err := described()
	if err != nil || p.failure != nil {
		return
	}
	name, _, nested := strings.Cut(property, "/")
	known, exists := d.properties[p.kind][name]
	if !exists || nested || name == "id" {
		return
	}
	for _, value := range values {
		if value != nil && typeOf(value) != known.compares() {
			p.failure = malformed("A binary operator with incompatible types was detected. Found operand types '%s' and '%s'.", known.compares(), typeOf(value))
		}
	}
}

// typeOf is the type of a literal.
func typeOf(value any) string {
	switch value.(type) {
	case bool:
		return "Edm.Boolean"
	case float64:
		return "Edm.Int32"
	case time.Time:
		return "Edm.DateTimeOffset"
	default:
		return "Edm.String"
	}
}

// compares is the type of the values that a property, or an item of a collection, can
// be compared with.
func (p property) compares() string {
	schema := p.schema
	if p.isCollection() && schema.Items != nil {
		schema = schema.Items.Value
	}
	switch {
	case schema.Type.Is(openapi3.TypeBoolean):
		return "Edm.Boolean"
	case schema.Type.Is(openapi3.TypeInteger), schema.Type.Is(openapi3.TypeNumber):
		return "Edm.Int32"
	case schema.Format == "date-time":
		return "Edm.DateTimeOffset"
	default:
		return "Edm.String"
	}
}
