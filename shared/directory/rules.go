package directory

import (
	"maps"
	"slices"
	"strings"
)

// Rule names an optional attribute rule: the built-in names of JumpCloud's
// translation rules (JumpCloud API v2, office365s translationrules), then ours.
type Rule string

// mapping is what a rule writes: the attribute, the JumpCloud field by the name
// that people find there, and how to read it.
type mapping struct {
	attribute Attribute
	field     string
	from      func(User) Value
}

// rules is the table of the optional rules, but for the two that need more than
// the user: the display name and the manager.
//
// JumpCloud has no field for division, usage location and preferred language:
// they are custom attributes of the same name, and a usage location that is not
// there is the country of the work address. Both are our choice.
var rules = map[Rule]mapping{
	"user_alternate_email": {OtherMails, "alternateEmail", func(u User) Value { return Text(u.AlternateEmail) }},
	"user_business_phones": {BusinessPhones, "phone of type work", func(u User) Value { return Text(u.WorkPhone) }},
	"user_city":            {City, "work address, locality", func(u User) Value { return Text(u.Work.Locality) }},
	"user_country":         {Country, "work address, country", func(u User) Value { return Text(u.Work.Country) }},
	"user_department":      {Department, "department", func(u User) Value { return Text(u.Department) }},
	"user_job_title":       {JobTitle, "jobTitle", func(u User) Value { return Text(u.JobTitle) }},
	"user_mobile_phone":    {MobilePhone, "phone of type mobile", func(u User) Value { return Text(u.MobilePhone) }},
	"user_office_location": {OfficeLocation, "location", func(u User) Value { return Text(u.Location) }},
	"user_postal_code":     {PostalCode, "work address, postalCode", func(u User) Value { return Text(u.Work.PostalCode) }},
	"user_state":           {State, "work address, region", func(u User) Value { return Text(u.Work.Region) }},
	"user_street_address":  {StreetAddress, "work address, streetAddress", func(u User) Value { return Text(u.Work.StreetAddress) }},
	"employeeId":           {EmployeeID, "employeeIdentifier", func(u User) Value { return Text(u.EmployeeIdentifier) }},
	"employeeType":         {EmployeeType, "employeeType", func(u User) Value { return Text(u.EmployeeType) }},
	"companyName":          {CompanyName, "company", func(u User) Value { return Text(u.Company) }},
	"costCenter":           {CostCenter, "costCenter", func(u User) Value { return Text(u.CostCenter) }},
	"division":             {Division, "custom attribute division", func(u User) Value { return Text(u.Attributes["division"]) }},
	"preferredLanguage":    {PreferredLanguage, "custom attribute preferredLanguage", func(u User) Value { return Text(u.Attributes["preferredLanguage"]) }},
	"usageLocation":        {UsageLocation, "custom attribute usageLocation or work address, country", usageLocation},
}

// The rules that are not in the table.
const (
	// displayNameRule makes displayName follow JumpCloud's own display name
	// instead of first name and last name.
	displayNameRule Rule = "displayName"
	// managerRule exports the manager, who is known by an account of the same
	// directory.
	managerRule Rule = "user_manager"
)

// Rules lists the optional rules by name.
func Rules() []Rule {
	names := slices.Collect(maps.Keys(rules))
	names = append(names, displayNameRule, managerRule)
	slices.Sort(names)
	return names
}

// usageLocation is the country whose law decides which services the user may
// have.
func usageLocation(u User) Value {
	if own := Text(strings.ToUpper(u.Attributes["usageLocation"])); own != nil {
		return own
	}
	return Text(strings.ToUpper(u.Work.Country))
}

// keptWhenEmptied are the attributes that Entra cannot clear (Graph user
// resource: usageLocation is not nullable): their last value stays.
var keptWhenEmptied = map[Attribute]bool{UsageLocation: true}

// attributes are what the settings export of a user, apart from the sign-in
// name, the manager and the state: the names always, the rest by rule. A value
// that Entra would refuse is a problem and not among them.
func (s Settings) attributes(u User) (Attributes, []Problem) {
	all := []mapping{
		{GivenName, "firstname", func(u User) Value { return Text(u.FirstName) }},
		{Surname, "lastname", func(u User) Value { return Text(u.LastName) }},
		{DisplayName, "firstname, lastname or displayname", func(u User) Value { return Text(s.displayName(u)) }},
	}
	for _, rule := range slices.Sorted(maps.Keys(rules)) {
		if s.Attributes[rule] {
			all = append(all, rules[rule])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.CustomAttributes)) {
		all = append(all, mapping{s.CustomAttributes[name].Attribute(), "custom attribute " + name, func(u User) Value { return Text(u.Attributes[name]) }})
	}
	wanted := Attributes{}
	var problems []Problem
	for _, m := range all {
		value := m.from(u)
		if len(value) == 0 && keptWhenEmptied[m.attribute] {
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

// displayName is first name and last name, as JumpCloud exports it. Entra does
// not take an account without one, so what is empty falls back to the display
// name, then the user name; that order is our choice.
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
