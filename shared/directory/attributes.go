package directory

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// ExtensionAttribute names one of the 15 extension attributes of an account,
// extensionAttribute1 to extensionAttribute15.
type ExtensionAttribute string

// extensionName matches the name of an extension attribute.
var extensionName = regexp.MustCompile(ExtensionPattern)

// exists reports whether Entra has an extension attribute of that name.
func (e ExtensionAttribute) exists() bool { return extensionName.MatchString(string(e)) }

// Attribute is the extension attribute as an attribute of an account.
func (e ExtensionAttribute) Attribute() Attribute {
	return extensionProperty + "." + Attribute(e)
}

// Facts are what Graph says of the attribute.
func (a Attribute) Facts() Facts {
	if property, _, _ := a.Parts(); property == extensionProperty {
		return Facts{Limit: extensionLimit}
	}
	return facts[a]
}

// Parts splits the name of an attribute into the property of the account and the part
// inside it. inside is false if the attribute is the property itself.
func (a Attribute) Parts() (property, part string, inside bool) {
	return strings.Cut(string(a), ".")
}

// Siblings are the attributes that must be sent together with the changed ones, because
// Graph replaces their property completely. They are sorted by name.
func Siblings(changes []Change) []Attribute {
	wholes, changed := map[string]bool{}, map[Attribute]bool{}
	for _, c := range changes {
		changed[c.Attribute] = true
		if c.Attribute.Facts().Replaced {
			property, _, _ := c.Attribute.Parts()
			wholes[property] = true
		}
	}
	var missing []Attribute
	for name, fact := range facts {
		if property, _, _ := name.Parts(); fact.Replaced && wholes[property] && !changed[name] {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing
}

// Value is the value of an attribute: no text (the attribute is cleared), one text, or
// several for a list attribute. In JSON it is null, a string or an array of strings.
type Value []string

// Text makes a value of one text, without the spaces around it. An empty text becomes an
// empty value, because Graph refuses an empty string and clears with null.
func Text(text string) Value {
	if text = strings.TrimSpace(text); text == "" {
		return nil
	}
	return Value{text}
}

// Bool makes the value of a yes-or-no attribute.
func Bool(yes bool) Value {
	if yes {
		return Value{"true"}
	}
	return Value{"false"}
}

// String is the first text; "" if there is none.
func (v Value) String() string {
	if len(v) == 0 {
		return ""
	}
	return v[0]
}

// Equal reports whether two values are the same to the letter.
func (v Value) Equal(other Value) bool { return slices.Equal(v, other) }

// MarshalJSON writes null, a string, or an array.
func (v Value) MarshalJSON() ([]byte, error) {
	switch len(v) {
	case 0:
		return []byte("null"), nil
	case 1:
		return json.Marshal(v[0])
	default:
		return json.Marshal([]string(v))
	}
}

// UnmarshalJSON reads what MarshalJSON writes, and also a boolean, because Graph and the
// API show the state as one.
func (v *Value) UnmarshalJSON(data []byte) error {
	var text string
	if is := string(data); is == "true" || is == "false" {
		*v = Value{is}
		return nil
	}
	if len(data) > 0 && data[0] == '"' {
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
		*v = Value{text}
		return nil
	}
	var list []string
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	*v = list
	return nil
}

// Attributes are attributes with their values. An attribute that is not in the map is not
// written; one that is in the map with an empty value is cleared.
type Attributes map[Attribute]Value

// Change is one attribute that differs.
type Change struct {
	Attribute Attribute `json:"attribute"`
	From      Value     `json:"from"`
	To        Value     `json:"to"`
}

// ChangesTo lists the changes that turn a into wanted, sorted by the name of the attribute.
// Attributes that only a has stay as they are. A nil a is an account that does not exist
// yet: it has nothing to clear.
func (a Attributes) ChangesTo(wanted Attributes) []Change {
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		current, known := a[name]
		switch {
		case known && name.Same(current, wanted[name]):
		case a == nil && len(wanted[name]) == 0:
		default:
			changes = append(changes, Change{Attribute: name, From: current, To: wanted[name]})
		}
	}
	return changes
}

// Set is a after the changes.
func (a Attributes) Set(changes []Change) Attributes {
	after := maps.Clone(a)
	if after == nil {
		after = Attributes{}
	}
	for _, c := range changes {
		after[c.Attribute] = c.To
	}
	return after
}

// Without is a without the attributes that are being changed.
func (a Attributes) Without(changes []Change) Attributes {
	rest := maps.Clone(a)
	for _, c := range changes {
		delete(rest, c.Attribute)
	}
	return rest
}

// Only is a with only the attributes that keep has.
func (a Attributes) Only(keep Attributes) Attributes {
	kept := Attributes{}
	for name, value := range a {
		if _, wanted := keep[name]; wanted {
			kept[name] = value
		}
	}
	return kept
}

// Same reports whether two values of the attribute are the same to Entra.
func (a Attribute) Same(x, y Value) bool {
	if a.Facts().FoldsCase {
		return strings.EqualFold(x.String(), y.String())
	}
	return x.Equal(y)
}
