package entra_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"pgregory.net/rapid"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
)

// filtersOf are the filters that a client sends while do runs, as Graph reads them.
func filtersOf(t *testing.T, do func(*stub)) []string {
	t.Helper()
	s := &stub{t: t}
	s.answer = func(_ int, r sent) (int, http.Header, string) {
		return 200, nil, reply(t, r, func(item) map[string]any {
			return map[string]any{"status": 200, "body": map[string]any{"value": []any{}, "id": "u1"}}
		})
	}
	do(s)
	var filters []string
	for _, r := range s.requests {
		for _, i := range r.items(t) {
			_, query, _ := strings.Cut(i.URL, "?")
			values, err := url.ParseQuery(query)
			if err != nil {
				t.Fatalf("%s: %v", i.URL, err)
			}
			if values.Has("$filter") {
				filters = append(filters, values.Get("$filter"))
			}
		}
	}
	return filters
}

// literalIn takes the only text out of a filter; length is its length between the
// quotes, in characters.
func literalIn(t *rapid.T, filter string) (text string, length int) {
	first, last := strings.IndexByte(filter, '\''), strings.LastIndexByte(filter, '\'')
	if first < 0 || first == last {
		t.Fatalf("%q has no text", filter)
	}
	inside := filter[first+1 : last]
	text = strings.ReplaceAll(inside, "''", "'")
	if strings.Contains(strings.ReplaceAll(inside, "''", ""), "'") || !utf8.ValidString(text) {
		t.Fatalf("%q is no literal", filter)
	}
	return text, len(utf16.Encode([]rune(inside)))
}

// No text in a filter is longer than Graph accepts, however it counts, and nothing is
// cut off that would fit.
func TestFiltersAreNeverTooLong(t *testing.T) {
	piece := rapid.SampledFrom([]string{"a", "é", "'", "''", "𝒳", "東", " ", "R&D #1 100%"})
	rapid.Check(t, func(r *rapid.T) {
		name := "x" + strings.Join(rapid.SliceOfN(piece, 0, 200).Draw(r, "name"), "") + "x"
		filters := filtersOf(t, func(s *stub) { s.client().FindGroups(t.Context(), []string{name}) })
		if len(filters) != 1 || !strings.HasPrefix(filters[0], "startswith(displayName,") {
			r.Fatalf("%q, want one startswith on displayName", filters)
		}
		text, length := literalIn(r, filters[0])
		if length > 120 || !strings.HasPrefix(name, text) || text != name && length < 119 {
			r.Errorf("the filter for %q has the text %q of %d characters, want as much of the name as fits into 120", name, text, length)
		}
	})
	rapid.Check(t, func(r *rapid.T) {
		local := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "'", "#", "o'neil"}), 1, 30).Draw(r, "local"), "")
		upn := directory.UPN(local + "@contoso.example")
		filters := filtersOf(t, func(s *stub) { s.client().FindByUPN(t.Context(), []directory.UPN{upn}, nil) })
		if len(filters) != 1 || !strings.HasPrefix(filters[0], "endsWith(userPrincipalName,") {
			r.Fatalf("%q, want one endsWith on userPrincipalName", filters)
		}
		text, length := literalIn(r, filters[0])
		if length > 120 || !strings.HasSuffix(string(upn), text) || text != string(upn) && length < 119 {
			r.Errorf("the filter for %q has the text %q of %d characters, want as much of the name as fits into 120", upn, text, length)
		}
	})
}

// Long names are distinguished up to their ends, and white space after a name does not
// count; Graph cannot find a name with white space before it.
func TestFindGroupsByLongAndLooseNames(t *testing.T) {
	n := simulated(t)
	long := strings.Repeat("ö'", 60) + strings.Repeat("𝒳", 10) + strings.Repeat("y", 70)
	ids := map[string]directory.EntraID{}
	for _, name := range []string{long, long + "z", strings.ToUpper(long[:len(long)-1]) + "Y ", "Sales", "Sales ", "sales\r\n", " Sales", "Sales EMEA", "Salesforce"} {
		ids[name] = n.group(t, entratest.Group{DisplayName: name})
	}
	n.sim.ResetCounters()
	found := n.client.FindGroups(t.Context(), []string{long, " Sales ", long + "z", long + "zz"})
	for i, want := range [][]string{
		{long, strings.ToUpper(long[:len(long)-1]) + "Y "}, {"Sales", "Sales ", "sales\r\n"}, {long + "z"}, nil,
	} {
		var got, ours []directory.EntraID
		for _, g := range found[i].Groups {
			got = append(got, g.ID)
		}
		for _, name := range want {
			ours = append(ours, ids[name])
		}
		if found[i].Err != nil || !slices.Equal(got, ours) {
			t.Errorf("%d: %+v, %v, want %q", i, found[i].Groups, found[i].Err, want)
		}
	}
	if c := n.sim.Counters(); c.Requests != 1 || c.Operations != 4 || c.ResourceUnits != 4 {
		t.Errorf("%d requests of %d operations, %d resource units; want 1, 4 and 4", c.Requests, c.Operations, c.ResourceUnits)
	}
}

// A group is found even on the last page of more groups than a page has.
func TestFindGroupsAmongManyThatBeginAlike(t *testing.T) {
	n := simulated(t)
	for range 1000 {
		n.group(t, entratest.Group{DisplayName: "All of them"})
	}
	id := n.group(t, entratest.Group{DisplayName: "all "})
	n.sim.ResetCounters()
	found := n.client.FindGroups(t.Context(), []string{"All"})[0]
	if found.Err != nil || len(found.Groups) != 1 || found.Groups[0].ID != id {
		t.Errorf("%+v, want one group, the last one", found)
	}
	if c := n.sim.Counters(); c.Operations != 2 {
		t.Errorf("%d operations, want 2", c.Operations)
	}
}
