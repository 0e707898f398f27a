package directory

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Rule names an optional attribute rule: the built-in names of JumpCloud's
// translation rules (JumpCloud API v2, office365s translationrules), then ours.
type Rule string

// The rules that need more than the user's own fields.
const (
	// displayNameRule makes displayName follow JumpCloud's own display name
	// instead of first name and last name.
	displayNameRule Rule = "displayName"
	// managerRule exports the manager, as a reference to an account of the same
	// directory.
	managerRule Rule = "user_manager"
)

// mapping is what a rule writes: the attribute, the JumpCloud field by its name for people,
// and the function that reads it. The function is nil for displayNameRule and managerRule,
// which other code applies.
//
// An import goes the other way: to sets the field of a user that is to be created. It is nil
// for managerRule: who the manager is in JumpCloud is not known before all are imported.
type mapping struct {
	attribute Attribute
	field     string
	from      func(User) Value
	to        func(*User, string)
	// plain is the name of a field of JumpCloud's API that has one text, and phone the
	// type of a phone; "" for the other rules.
	plain, phone string
}

// plain is a rule that exports a field as it is.
func plain(to Attribute, field string) mapping {
	return mapping{attribute: to, field: field, plain: field, from: func(u User) Value { return Text(u.Fields[field]) },
		to: func(u *User, text string) { set(&u.Fields, field, text) }}
}

// phone is a rule that exports the first phone of a type.
func phone(to Attribute, kind string) mapping {
	return mapping{attribute: to, field: "phone of type " + kind, phone: kind, from: func(u User) Value { return Text(u.Phones[kind]) },
		to: func(u *User, text string) { set(&u.Phones, kind, text) }}
}

// custom is a rule that exports a custom attribute.
func custom(to Attribute, name string) mapping {
	return mapping{attribute: to, field: "custom attribute " + name, from: func(u User) Value { return Text(u.Attributes[name]) },
		to: func(u *User, text string) { set(&u.Attributes, name, text) }}
}

// work is a rule that exports a part of the work address.
func work(to Attribute, part string, of func(*Address) *string) mapping {
	return mapping{attribute: to, field: "work address, " + part, from: func(u User) Value { return Text(*of(&u.Work)) },
		to: func(u *User, text string) { *of(&u.Work) = text }}
}

// set sets a value in a map, which it makes if there is none.
func set(in *map[string]string, name, text string) {
	if *in == nil {
		*in = map[string]string{}
	}
	(*in)[name] = text
}

// rules is the table of the optional rules. The facts of Graph about each attribute are in
// the table of [Facts]; the API's description of a rule follows from both.
//
// JumpCloud has no field for division, usage location and preferred language: they are
// custom attributes of the same name. Without one, the usage location is the country of the
// work address. Both are our choice.
var rules = map[Rule]mapping{
	displayNameRule: {attribute: DisplayName, field: "displayname", to: func(u *User, text string) { u.DisplayName = text }},
	managerRule:     {attribute: Manager, field: "manager"},
	"user_alternate_email": {attribute: OtherMails, field: "alternateEmail", from: func(u User) Value { return Text(u.AlternateEmail) },
		to: func(u *User, text string) { u.AlternateEmail = text }},
	"user_business_phones": phone(BusinessPhones, "work"),
	"user_mobile_phone":    phone(MobilePhone, "mobile"),
	"user_city":            work(City, "locality", func(a *Address) *string { return &a.Locality }),
	"user_country":         work(Country, "country", func(a *Address) *string { return &a.Country }),
	"user_postal_code":     work(PostalCode, "postalCode", func(a *Address) *string { return &a.PostalCode }),
	"user_state":           work(State, "region", func(a *Address) *string { return &a.Region }),
	"user_street_address":  work(StreetAddress, "streetAddress", func(a *Address) *string { return &a.StreetAddress }),
	"user_department":      plain(Department, "department"),
	"user_job_title":       plain(JobTitle, "jobTitle"),
	"user_office_location": plain(OfficeLocation, "location"),
	"employeeId":           plain(EmployeeID, "employeeIdentifier"),
	"employeeType":         plain(EmployeeType, "employeeType"),
	"companyName":          plain(CompanyName, "company"),
	"costCenter":           plain(CostCenter, "costCenter"),
	"division":             custom(Division, "division"),
	"preferredLanguage":    custom(PreferredLanguage, "preferredLanguage"),
	"usageLocation": {attribute: UsageLocation, field: "custom attribute usageLocation or work address, country", from: usageLocation,
		to: func(u *User, text string) { set(&u.Attributes, "usageLocation", text) }},
}

// Rules lists the optional rules by name.
func Rules() []Rule { return slices.Sorted(maps.Keys(rules)) }

// OptionalAttributes are the attributes that the rules of the settings write, sorted.
func (s Settings) OptionalAttributes() (all []Attribute) {
	for rule, on := range s.Attributes {
		if on {
			all = append(all, rules[rule].attribute)
		}
	}
	slices.Sort(all)
	return all
}

// PlainFields are the names of the fields of JumpCloud's API that have one text and that a
// rule exports unchanged, sorted.
func PlainFields() []string { return namesOf(func(m mapping) string { return m.plain }) }

// PhoneTypes are the types of phones that rules export, sorted.
func PhoneTypes() []string { return namesOf(func(m mapping) string { return m.phone }) }

// namesOf are the names that of returns for the rules, each once, sorted, without "".
func namesOf(of func(mapping) string) []string {
	var names []string
	for _, m := range rules {
		if name := of(m); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Writes says what a rule does, for people: the attribute in Entra, the field in
// JumpCloud, and what Entra takes.
func (r Rule) Writes() string {
	m := rules[r]
	f := m.attribute.Facts()
	says := fmt.Sprintf("Writes %s from JumpCloud (%s)", m.attribute, m.field)
	if f.Limit > 0 {
		says += fmt.Sprintf("; up to %d characters", f.Limit)
	}
	if f.Says != "" {
		says += "; " + f.Says
	}
	if f.Kept {
		says += "; Entra cannot clear it: the last value stays"
	}
	return says
}

// usageLocation is the country whose law decides which services the user may
// have.
func usageLocation(u User) Value {
	if own := Text(strings.ToUpper(u.Attributes["usageLocation"])); own != nil {
		return own
	}
	return Text(strings.ToUpper(u.Work.Country))
}

// attributes are the attributes of a user that the settings export, apart from the sign-in
// name, the manager and the state: the names always, the rest by rule. A value that Entra
// would refuse becomes a problem and is left out.
func (s Settings) attributes(u User) (Attributes, []Problem) {
	all := []mapping{
		{attribute: GivenName, field: "firstname", from: func(u User) Value { return Text(u.FirstName) }},
		{attribute: Surname, field: "lastname", from: func(u User) Value { return Text(u.LastName) }},
		{attribute: DisplayName, field: "firstname, lastname or displayname", from: func(u User) Value { return Text(s.displayName(u)) }},
	}
	for _, rule := range slices.Sorted(maps.Keys(rules)) {
		if s.Attributes[rule] && rules[rule].from != nil {
			all = append(all, rules[rule])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.CustomAttributes)) {
		all = append(all, custom(s.CustomAttributes[name].Attribute(), name))
	}
	wanted := Attributes{}
	var problems []Problem
	for _, m := range all {
		value := m.from(u)
		if len(value) == 0 && m.attribute.Facts().Kept {
			continue
		}
		if refused := m.attribute.refuses(value); refused != "" {
			problems = append(problems, Problem{Attribute: m.attribute, Reason: InvalidValue,
				Message: string(m.attribute) + " " + refused + ": change it in JumpCloud (" + m.field + ")"})
			continue
		}
		wanted[m.attribute] = value
	}
	return wanted, problems
}

// displayName is first name and last name, as JumpCloud exports it. Entra takes no account
// without one, so if both are empty it is the display name, or else the user name; that
// order is our choice.
func (s Settings) displayName(u User) string {
	fullName := strings.TrimSpace(strings.TrimSpace(u.FirstName) + " " + strings.TrimSpace(u.LastName))
	own := strings.TrimSpace(u.DisplayName)
	candidates := []string{fullName, own, u.Username}
	if s.Attributes[displayNameRule] {
		candidates = []string{own, fullName, u.Username}
	}
	for _, name := range candidates {
		if name != "" {
			return name
		}
	}
	return ""
}
