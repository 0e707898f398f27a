package entratest_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"entrasync/shared/entra/entratest"
)

// A text of more than 120 characters is refused in every filter, with a message that
// does not say why; up to that length quotes count once.
func TestLongTextsInFilters(t *testing.T) {
	g := start(t)
	name := strings.Repeat("x", 119)
	for _, more := range []string{"y", "y and more", "'", "é", "é "} {
		g.seedGroup(entratest.Group{DisplayName: name + more})
	}
	for _, row := range []struct {
		filter  string
		value   string
		want    int
		refused bool
	}{
		{"displayName eq ", name + "y", 1, false},
		{"displayName eq ", name + "'", 1, false},
		{"displayName eq ", name + "é", 1, false}, // the one with a space is another name
		{"displayName eq ", name + "y and more", 0, true},
		{"displayName in ", name + "y and more", 0, true},
		{"startswith(displayName,", name + "y", 2, false},
		{"startswith(displayName,", name + "é", 2, false},
		{"startswith(displayName,", name + "yy", 0, true},
		{"startswith(displayName,", name + "𝒳", 0, true}, // two units of UTF-16
		{"groupTypes/any(x:x eq ", name + "yy", 0, true},
	} {
		literal := "'" + strings.ReplaceAll(row.value, "'", "''") + "'"
		switch {
		case strings.HasSuffix(row.filter, "in "):
			literal = "('a'," + literal + ")"
		case strings.Contains(row.filter, "("):
			literal += ")"
		}
		r := g.do(http.MethodGet, "/groups?$select=displayName&$filter="+url.QueryEscape(row.filter+literal), nil)
		property, _, _ := strings.Cut(strings.TrimPrefix(row.filter, "startswith("), " ")
		property = strings.FieldsFunc(property, func(r rune) bool { return r == ',' || r == '/' })[0]
		if row.refused {
			wantError(t, r, http.StatusBadRequest, "Request_UnsupportedQuery", "Unsupported or invalid query filter clause specified for property '"+property+"' of resource 'Group'.")
		} else if found := texts(r.body["value"], "displayName"); r.status != http.StatusOK || len(found) != row.want {
			t.Errorf("%s%s: %d %v, want 200 and %d groups", row.filter, row.value[118:], r.status, found, row.want)
		}
	}
}

// A name that ends with a space or a line break is a different name for eq, but
// startsWith finds it (as observed: msgraph-sdk-powershell 3316). No filter finds a
// name that begins with a space.
func TestNamesThatEndInSpace(t *testing.T) {
	g := start(t)
	for _, name := range []string{"Sales", "Sales ", "Sales\r\n", " Sales"} {
		g.seedGroup(entratest.Group{DisplayName: name})
	}
	for filter, want := range map[string][]string{
		"displayName eq 'Sales'":          {"Sales"},
		"displayName eq 'Sales '":         {"Sales "},
		"startswith(displayName,'sales')": {"Sales", "Sales ", "Sales\r\n"},
	} {
		r := g.must(http.StatusOK, http.MethodGet, "/groups?$select=displayName&$filter="+url.QueryEscape(filter), nil)
		if got := texts(r.body["value"], "displayName"); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", filter, got, want)
		}
	}
}
