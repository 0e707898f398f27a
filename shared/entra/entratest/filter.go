package entratest

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// filter decides whether an object is in the answer.
type filter struct {
	match func(*object) bool
	names []string // userPrincipalNames or ids that alone can match; nil: any object
	exact string   // the property that names are values of
}

// parseFilter reads a $filter. A filter that the simulator or the service does not
// support is refused, never ignored; ne, not, endsWith and nested properties need the
// advanced query capabilities (Microsoft Graph documentation, advanced queries on
// directory objects).
func (c *call) parseFilter(kind string) (*filter, *graphError) {
	raw := c.query.Get("$filter")
	if !c.query.Has("$filter") {
		return &filter{match: func(*object) bool { return true }}, nil
	}
	tokens, ok := tokenize(raw)
	if !ok {
		return nil, malformed("Invalid filter clause: unterminated literal in '%s'.", raw)
	}
	p := &filterParser{tokens: tokens, kind: kind, advanced: c.advanced(), raw: raw}
	f := p.or()
	if p.failure == nil && p.at < len(p.tokens) {
		p.fail("syntax error near '%s'", p.tokens[p.at])
	}
	if p.failure != nil {
		return nil, p.failure
	}
	return f, nil
}

// tokenize splits a filter into names, literals, commas and parentheses.
func tokenize(s string) ([]string, bool) {
	var out []string
	for i := 0; i < len(s); {
		switch {
		case s[i] == ' ':
			i++
		case strings.IndexByte("(),", s[i]) >= 0:
			out = append(out, s[i:i+1])
			i++
		case s[i] == '\'':
			end := i + 1
			for end < len(s) && (s[end] != '\'' || end+1 < len(s) && s[end+1] == '\'') {
				if s[end] == '\'' {
					end++
				}
				end++
			}
			if end >= len(s) {
				return nil, false
			}
			out = append(out, s[i:end+1])
			i = end + 1
		default:
			end := i
			for end < len(s) && strings.IndexByte(" (),'", s[end]) < 0 {
				end++
			}
			out = append(out, s[i:end])
			i = end
		}
	}
	return out, true
}

// filterParser is a recursive descent parser over the tokens. It keeps the first
// failure.
type filterParser struct {
	tokens   []string
	at       int
	kind     string
	advanced bool
	raw      string
	failure  *graphError
}

func (p *filterParser) fail(format string, args ...any) {
	if p.failure == nil {
		p.failure = malformed("Invalid filter clause: "+format+".", args...)
	}
}

func (p *filterParser) unsupported(format string, args ...any) {
	if p.failure == nil {
		p.failure = unsupportedQuery(format, args...)
	}
}

func (p *filterParser) peek() string {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return ""
}

func (p *filterParser) next() string {
	token := p.peek()
	p.at++
	return token
}

func (p *filterParser) want(token string) {
	if got := p.next(); !strings.EqualFold(got, token) {
		p.fail("'%s' expected, found '%s'", token, got)
	}
}

func (p *filterParser) or() *filter {
	left := p.and()
	for strings.EqualFold(p.peek(), "or") {
		p.next()
		a, b := left, p.and()
		both := &filter{match: func(o *object) bool { return a.match(o) || b.match(o) }}
		if a.exact != "" && a.exact == b.exact {
			both.exact, both.names = a.exact, append(slices.Clone(a.names), b.names...)
		}
		left = both
	}
	return left
}

func (p *filterParser) and() *filter {
	left := p.term()
	for strings.EqualFold(p.peek(), "and") {
		p.next()
		a, b := left, p.term()
		left = &filter{match: func(o *object) bool { return a.match(o) && b.match(o) }, names: a.names, exact: a.exact}
	}
	return left
}

func (p *filterParser) term() *filter {
	none := &filter{match: func(*object) bool { return false }}
	if p.failure != nil || p.at >= len(p.tokens) {
		p.fail("the clause ends early")
		return none
	}
	switch token := p.next(); {
	case token == "(":
		f := p.or()
		p.want(")")
		return f
	case strings.EqualFold(token, "not"):
		if !p.advanced {
			p.unsupported("Operator 'not' is not supported because the 'ConsistencyLevel:eventual' header is missing.")
		}
		f := p.term()
		return &filter{match: func(o *object) bool { return !f.match(o) }}
	case strings.EqualFold(token, "startsWith") || strings.EqualFold(token, "endsWith"):
		return p.function(strings.ToLower(token))
	case strings.HasSuffix(token, "/any"):
		return p.anyOf(strings.TrimSuffix(token, "/any"))
	default:
		return p.comparison(token)
	}
}

func (p *filterParser) function(name string) *filter {
	p.want("(")
	property := p.next()
	p.want(",")
	value := p.text(p.next())
	p.want(")")
	p.fits(property, value)
	operator := map[string]string{"startswith": "startsWith", "endswith": "endsWith"}[name]
	p.allowed(property, operator)
	if operator == "endsWith" && !p.advanced {
		p.unsupported("Operator 'endsWith' is not supported because the 'ConsistencyLevel:eventual' header is missing.")
	}
	test := strings.HasPrefix
	if operator == "endsWith" {
		test = strings.HasSuffix
	}
	value = strings.ToLower(value)
	return &filter{match: func(o *object) bool {
		text, isText := valueOf(o, property).(string)
		return isText && test(strings.ToLower(text), value)
	}}
}

// anyOf reads p/any(x:x eq 'v').
func (p *filterParser) anyOf(property string) *filter {
	p.want("(")
	variable, again, _ := strings.Cut(p.next(), ":")
	if again == "" {
		again = p.next()
	}
	if property == "identities" {
		return p.identity(variable, again)
	}
	if variable == "" || variable != again {
		p.fail("the lambda of 'any' must compare its own variable")
	}
	p.want("eq")
	value := p.text(p.next())
	p.want(")")
	p.fits(property, value)
	p.allowed(property, "eq")
	p.comparable(property, value)
	return &filter{match: func(o *object) bool {
		return slices.ContainsFunc(o.texts(property), func(s string) bool { return strings.EqualFold(s, value) })
	}}
}

func (p *filterParser) comparison(property string) *filter {
	operator := strings.ToLower(p.next())
	p.allowed(property, operator)
	var values []any
	switch operator {
	case "eq", "ne", "ge", "le":
		values = []any{p.literal(p.next())}
	case "in":
		p.want("(")
		for p.failure == nil {
			values = append(values, p.literal(p.next()))
			if p.peek() != "," {
				break
			}
			p.next()
		}
		p.want(")")
		if len(values) > maxValuesOfIn {
			p.unsupported("Too many child clauses specified in search filter expression containing 'OR' operators: %d. Max allowed: %d.", len(values), maxValuesOfIn)
		}
	default:
		p.invalidClause(property)
	}
	p.fits(property, values...)
	p.comparable(property, values...)
	if operator == "ge" || operator == "le" {
		return p.order(property, operator, values[0])
	}
	if operator == "ne" && !p.advanced {
		p.unsupported("Unsupported property filter clause operator 'NotEqualsMatch'.")
	}
	f := &filter{match: func(o *object) bool {
		value := valueOf(o, property)
		found := slices.ContainsFunc(values, func(want any) bool { return equal(value, want) })
		return found == (operator != "ne")
	}}
	if operator != "ne" && (property == "userPrincipalName" || property == "id") {
		f.exact = property
		for _, v := range values {
			if s, isText := v.(string); isText {
				f.names = append(f.names, s)
			}
		}
	}
	return f
}

// allowed refuses operators that the property does not support.
func (p *filterParser) allowed(property, operator string) {
	d, err := described()
	if err != nil || p.failure != nil {
		return
	}
	name, _, nested := strings.Cut(property, "/")
	known, exists := d.properties[p.kind][name]
	if !exists {
		p.fail("could not find a property named '%s' on type 'microsoft.graph.%s'", name, p.kind)
		return
	}
	if nested && !p.advanced {
		p.unsupported("Filtering on '%s' is not supported because the 'ConsistencyLevel:eventual' header is missing.", property)
	}
	operators := strings.NewReplacer(",", " ", " and", " ").Replace(known.filter)
	if name == "id" {
		operators = "eq ne in"
	}
	if !slices.Contains(strings.Fields(operators), operator) {
		p.invalidClause(property)
	}
}

// fits refuses texts that are too long for a filter. Graph's message does not say that
// (observed by users, with eq and with startsWith: microsoft-graph-explorer-v4 2103,
// msgraph-sdk-dotnet 159).
func (p *filterParser) fits(property string, values ...any) {
	for _, value := range values {
		if text, isText := value.(string); isText && length(text) > maxFilterValue {
			p.invalidClause(property)
		}
	}
}

// invalidClause is the refusal of a value that a property cannot be compared with.
func (p *filterParser) invalidClause(property string) {
	p.unsupported("Unsupported or invalid query filter clause specified for property '%s' of resource '%s'.", property, resourceName(p.kind))
}

func (p *filterParser) text(token string) string {
	value, ok := unquote(token)
	if !ok {
		p.fail("a text in apostrophes expected, found '%s'", token)
	}
	return value
}

func (p *filterParser) literal(token string) any {
	switch token {
	case "true", "false":
		return token == "true"
	case "null":
		return nil
	}
	if n, err := strconv.ParseFloat(token, 64); err == nil {
		return n
	}
	if at, err := time.Parse(time.RFC3339, token); err == nil {
		return at
	}
	return p.text(token)
}

// valueOf is a property, or a part of one (a/b).
func valueOf(o *object, property string) any {
	switch property {
	case "id":
		return o.ID
	case "createdDateTime":
		return o.Created
	case "deletedDateTime":
		return timeOrNil(o.Deleted)
	case "lastPasswordChangeDateTime":
		return timeOrNil(o.Facts.PasswordAt)
	}
	name, part, nested := strings.Cut(property, "/")
	value := o.Props[name].Value
	if nested {
		inner, _ := value.(map[string]any)
		return inner[part]
	}
	return value
}

// equal compares as the directory does: texts without case.
func equal(a, b any) bool {
	left, leftText := a.(string)
	right, rightText := b.(string)
	if leftText && rightText {
		return strings.EqualFold(left, right)
	}
	if order, are := compared(a, b); are {
		return order == 0
	}
	switch a.(type) {
	case nil, bool, float64:
		return a == b
	}
	return false
}

// resourceName is the name of a kind of object in error messages.
func resourceName(kind string) string {
	switch kind {
	case kindUser:
		return "User"
	case kindGroup:
		return "Group"
	default:
		return kind
	}
}
