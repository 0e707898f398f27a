package directory

import "testing"

// Whatever a rule writes, and whatever an attribute is written with, stands in the table
// of facts, and the API can say what the rule does.
func TestEveryRuleHasFacts(t *testing.T) {
	for rule, m := range rules {
		if _, listed := facts[m.attribute]; !listed {
			t.Errorf("the rule %s writes %s, of which nothing is known: want a row of facts", rule, m.attribute)
		}
		if m.field == "" || rule.Writes() == "" {
			t.Errorf("the rule %s does not say from which field of JumpCloud it writes", rule)
		}
	}
	for name, fact := range facts {
		if _, listed := facts[fact.With]; fact.With != "" && !listed {
			t.Errorf("%s is written with %s, of which nothing is known", name, fact.With)
		}
		if (fact.Pattern == nil) != (fact.Says == "") {
			t.Errorf("%s: got a pattern without its sentence or the sentence alone, want both", name)
		}
		if _, _, inside := name.Parts(); fact.Replaced && !inside {
			t.Errorf("%s is said to be a part of a property, and is none", name)
		}
	}
}

// What Graph replaces as a whole is sent with all of its parts.
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
			t.Errorf("Siblings of %v = %v, want %v", tc.changed, got, tc.want)
		}
	}
}
