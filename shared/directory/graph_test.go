package directory

import "testing"

// Every attribute that a rule writes, and every one with which it is written, has facts, and
// the API can say what the rule does.
func TestEveryRuleHasFacts(t *testing.T) {
	for rule, m := range rules {
		if _, listed := facts[m.attribute]; !listed {
			t.Errorf("got no facts of %s, which the rule %s writes, want a row", m.attribute, rule)
		}
		if m.field == "" || rule.Writes() == "" {
			t.Errorf("got no field of JumpCloud for the rule %s, want one", rule)
		}
	}
	for name, fact := range facts {
		if _, listed := facts[fact.With]; fact.With != "" && !listed {
			t.Errorf("got no facts of %s, with which %s is written, want a row", fact.With, name)
		}
		if (fact.Pattern == nil) != (fact.Says == "") {
			t.Errorf("%s: got a pattern without its sentence or the sentence alone, want both", name)
		}
		if _, _, inside := name.Parts(); fact.Replaced && !inside {
			t.Errorf("got %s as a part of a property, want a name with two parts", name)
		}
	}
}

// A property that Graph replaces completely is sent with all of its parts.
func TestSiblings(t *testing.T) {
	for _, tc := range []struct {
		changed []Attribute
		want    []Attribute
	}{
		{nil, nil},
		{[]Attribute{JobTitle, ExtensionAttribute("extensionAttribute1").Attribute()}, nil},
		{[]Attribute{CostCenter, JobTitle}, []Attribute{Division}},
		{[]Attribute{Division}, []Attribute{CostCenter}},
		{[]Attribute{Division, CostCenter}, nil},
	} {
		var changes []Change
		for _, name := range tc.changed {
			changes = append(changes, Change{Attribute: name})
		}
		got := Siblings(changes)
		if len(got) != len(tc.want) || len(got) > 0 && got[0] != tc.want[0] {
			t.Errorf("got siblings %v of %v, want %v", got, tc.changed, tc.want)
		}
	}
}
