package directory

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Attribute is a property of an account, by its name in Microsoft Graph. A
// property inside another one is joined with a period.
type Attribute string

// The attributes that entrasync writes.
const (
	GivenName         Attribute = "givenName"
	Surname           Attribute = "surname"
	DisplayName       Attribute = "displayName"
	UserPrincipalName Attribute = "userPrincipalName"
	MailNickname      Attribute = "mailNickname"
	AccountEnabled    Attribute = "accountEnabled"
	ImmutableID       Attribute = "onPremisesImmutableId"

	OtherMails     Attribute = "otherMails"
	BusinessPhones Attribute = "businessPhones"
	City           Attribute = "city"
	Country        Attribute = "country"
	Department     Attribute = "department"
	JobTitle       Attribute = "jobTitle"
	MobilePhone    Attribute = "mobilePhone"
	OfficeLocation Attribute = "officeLocation"
	PostalCode     Attribute = "postalCode"
	State          Attribute = "state"
	StreetAddress  Attribute = "streetAddress"
	EmployeeID     Attribute = "employeeId"
	EmployeeType   Attribute = "employeeType"
	CompanyName    Attribute = "companyName"

	CostCenter        Attribute = "employeeOrgData.costCenter"
	Division          Attribute = "employeeOrgData.division"
	UsageLocation     Attribute = "usageLocation"
	PreferredLanguage Attribute = "preferredLanguage"
	// Manager holds the object id of the manager's account.
	Manager Attribute = "manager"
)

// ExtensionAttribute names one of the 15 extension attributes of an account,
// extensionAttribute1 to extensionAttribute15.
type ExtensionAttribute string

// extensionAttributes is how many there are (Graph, onPremisesExtensionAttributes).
const extensionAttributes = 15

// exists reports whether Entra has it.
func (e ExtensionAttribute) exists() bool {
	for n := 1; n <= extensionAttributes; n++ {
		if e == ExtensionAttribute("extensionAttribute"+strconv.Itoa(n)) {
			return true
		}
	}
	return false
}

// Attribute is the attribute of an account that it is.
func (e ExtensionAttribute) Attribute() Attribute {
	return "onPremisesExtensionAttributes." + Attribute(e)
}

// Value is what an attribute holds: nothing (the attribute is cleared), one
// text, or for a list attribute several. In JSON it is null, a string or an
// array of strings.
type Value []string

// Text makes a value of one text; spaces around it do not count and an empty
// text is no value, because Graph refuses an empty string and clears with null.
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

// String is the first text, "" if there is none.
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

// UnmarshalJSON reads what MarshalJSON writes, and a boolean, which is how Graph
// and the API show the state.
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

// Attributes are attributes with their values. An attribute that is not in the
// map is not ours to write; one that is there with no value is to be cleared.
type Attributes map[Attribute]Value

// Change is one attribute that differs.
type Change struct {
	Attribute Attribute `json:"attribute"`
	From      Value     `json:"from"`
	To        Value     `json:"to"`
}

// ChangesTo lists what must be written to turn a into wanted, by name of the
// attribute. Attributes that only a has are left alone. A nil a is an account
// that does not exist yet: it has nothing to clear.
func (a Attributes) ChangesTo(wanted Attributes) []Change {
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		current, known := a[name]
		switch {
		case known && same(name, current, wanted[name]):
		case a == nil && len(wanted[name]) == 0:
		default:
			changes = append(changes, Change{Attribute: name, From: current, To: wanted[name]})
		}
	}
	return changes
}

// Set is a with the changes made.
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

// Only is a without the attributes that keep does not name.
func (a Attributes) Only(keep Attributes) Attributes {
	kept := Attributes{}
	for name, value := range a {
		if _, wanted := keep[name]; wanted {
			kept[name] = value
		}
	}
	return kept
}

// same reports whether two values of an attribute are the same to Entra, which
// compares sign-in names and their aliases without regard to case: writing
// another case would be a rename that nobody asked for.
func same(name Attribute, a, b Value) bool {
	if name == UserPrincipalName || name == MailNickname {
		return strings.EqualFold(a.String(), b.String())
	}
	return a.Equal(b)
}
