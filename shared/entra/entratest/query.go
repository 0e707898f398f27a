package entratest

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// checkQuery refuses query options that the description of this call does not have, and
// invalid values. Graph refuses unknown names without the dollar sign (observed by
// users: microsoft-graph-explorer-v4 2567); where it ignores some, a client would not
// notice that they have no effect.
func (c *call) checkQuery() *graphError {
	d, err := described()
	if err != nil {
		return internalError(err)
	}
	allowed := d.options[c.op.key()]
	for _, name := range slices.Sorted(maps.Keys(c.query)) {
		known := allowed[strings.ToLower(name)] || slices.Contains(c.op.query, strings.ToLower(name))
		switch {
		case !known && !strings.HasPrefix(name, "$"):
			return badRequest("Unrecognized query argument specified: '%s'.", name)
		case !known:
			return malformed("The query parameter '%s' is not supported.", name)
		case len(c.query[name]) > 1:
			return malformed("Query option '%s' was specified more than once, but it must be specified at most once.", name)
		}
	}
	return c.checkOptions()
}

// checkOptions checks the form of the values of options.
func (c *call) checkOptions() *graphError {
	if top := c.query.Get("$top"); c.query.Has("$top") {
		n, err := strconv.Atoi(top)
		if err != nil || n < 1 {
			return malformed("Invalid value '%s' for $top query option found. The $top query option requires a non-negative integer value.", top)
		}
	}
	if count := c.query.Get("$count"); c.query.Has("$count") && !strings.EqualFold(count, "true") && !strings.EqualFold(count, "false") {
		return malformed("Invalid value '%s' for $count query option found. Valid values are 'true' and 'false'.", count)
	}
	for _, name := range []string{"$select", "$expand", "$filter", "$orderby", "$search"} {
		if c.query.Has(name) && strings.TrimSpace(c.query.Get(name)) == "" {
			return malformed("The query option '%s' has no value.", name)
		}
	}
	if c.query.Has("$search") {
		return notSimulated("$search")
	}
	return nil
}

// pageSize is the number of objects on a page.
func (c *call) pageSize() (int, *graphError) {
	top := c.query.Get("$top")
	if top == "" {
		return defaultPageSize, nil
	}
	n, err := strconv.Atoi(top)
	if err != nil {
		return 0, malformed("Invalid value '%s' for $top query option found.", top)
	}
	if n > maxPageSize {
		if !c.behaviour.ClampLargeTop {
			return 0, badRequest("Invalid page size specified: '%d'. Must be between 1 and %d inclusive.", n, maxPageSize)
		}
		n = maxPageSize
	}
	return n, nil
}

// selection are the properties requested by $select and $expand. A nil list means the
// default properties.
type selection struct {
	names    []string
	manager  bool     // $expand=manager
	ofExpand []string // the $select inside $expand
}

// selected reads $select and $expand for a kind of object.
func (c *call) selected(kind string) (selection, *graphError) {
	var s selection
	if raw := c.query.Get("$select"); raw != "" {
		names, failure := selectNames(kind, raw)
		if failure != nil {
			return s, failure
		}
		s.names = names
		if failure := c.selectedLinks(kind, names); failure != nil {
			return s, failure
		}
	}
	expand := c.query.Get("$expand")
	if expand == "" {
		return s, nil
	}
	name, options, hasOptions := strings.Cut(expand, "(")
	switch {
	case kind == kindUser && name == "manager":
	case isNavigation(kind, name):
		return s, notSimulated("$expand=" + name)
	default:
		return s, malformed("Could not find a property named '%s' on type 'microsoft.graph.%s'.", name, kind)
	}
	s.manager = true
	if inner, found := strings.CutPrefix(strings.TrimSuffix(options, ")"), "$select="); hasOptions && found {
		names, failure := selectNames(kindUser, inner)
		s.ofExpand = names
		return s, failure
	} else if hasOptions && !strings.HasPrefix(options, "$levels") {
		return s, malformed("The expand option '%s' is not supported.", options)
	}
	return s, nil
}

// selectedLinks refuses relationships in $select: only delta queries allow them.
func (c *call) selectedLinks(kind string, names []string) *graphError {
	if strings.Contains(c.op.template, "/delta()") {
		return nil
	}
	for _, name := range names {
		if isNavigation(kind, name) {
			return notSimulated("$select=" + name)
		}
	}
	return nil
}

func selectNames(kind, raw string) ([]string, *graphError) {
	d, err := described()
	if err != nil {
		return nil, internalError(err)
	}
	var names []string
	for _, name := range strings.Split(raw, ",") {
		name = strings.TrimSpace(name)
		first, part, nested := strings.Cut(name, "/")
		p, known := d.properties[kind][first]
		if !known && !selectableEverywhere(kind, first) || nested && !p.hasPart(part) {
			return nil, malformed("Could not find a property named '%s' on type 'microsoft.graph.%s'.", name, kind)
		}
		if !slices.Contains(names, first) {
			names = append(names, first)
		}
	}
	return names, nil
}

// selectableEverywhere: a request for directory objects may select properties of users
// and groups.
func selectableEverywhere(kind, name string) bool {
	if kind != kindObject {
		return false
	}
	d, err := described()
	if err != nil {
		return false
	}
	_, user := d.properties[kindUser][name]
	_, group := d.properties[kindGroup][name]
	return user || group
}

// pageToken is the content of the $skiptoken in a nextLink. Clients must treat it as
// opaque.
type pageToken struct {
	After int64 `json:"a"`
}

func encodeToken(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

func decodeToken(token string, v any) *graphError {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || json.Unmarshal(raw, v) != nil {
		return badRequest("The specified page token value has expired and can no longer be included in your request.").
			withDetail("Directory_ExpiredPageToken", "")
	}
	return nil
}

// after is the ordinal after which the page begins.
func (c *call) after() (int64, *graphError) {
	raw := c.query.Get("$skiptoken")
	if raw == "" {
		return 0, nil
	}
	var token pageToken
	failure := decodeToken(raw, &token)
	return token.After, failure
}

// nextLink repeats the request with another $skiptoken.
func (c *call) nextLink(after int64) string {
	query := url.Values{}
	for name, values := range c.query {
		query[name] = values
	}
	query.Set("$skiptoken", encodeToken(pageToken{after}))
	return c.linkBase() + c.path + "?" + queryString(query)
}

// queryString encodes options but keeps the dollar sign, as Graph does.
func queryString(query url.Values) string { return strings.ReplaceAll(query.Encode(), "%24", "$") }

// advanced reports whether the request uses the advanced query capabilities:
// ConsistencyLevel: eventual together with $count=true.
//
// A path that ends in /$count needs the header only.
func (c *call) advanced() bool {
	return c.eventual() && (strings.EqualFold(c.query.Get("$count"), "true") || strings.HasSuffix(c.op.template, countSegment))
}

// context is the @odata.context of an answer.
func (c *call) context(set string, s selection, entity bool) string {
	out := c.base + "/$metadata#" + set
	if names := s.contextNames(); names != "" {
		out += "(" + names + ")"
	}
	if entity {
		out += "/$entity"
	}
	return out
}

func (s selection) contextNames() string {
	names := strings.Join(s.names, ",")
	if s.manager {
		names = strings.TrimPrefix(names+",manager("+strings.Join(s.ofExpand, ",")+")", ",")
	}
	return names
}

// stamp writes a time as Graph does.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
