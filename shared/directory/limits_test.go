package directory_test

import (
	"strings"
	"testing"

	"entrasync/shared/directory"
)

// Every limit of an attribute: a value at the limit is exported. A value beyond it is a
// problem of that attribute alone, whose message does not have the value.
func TestLimitsOfAttributes(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, tc := range []struct {
		rule      directory.Rule // "": always exported
		attribute directory.Attribute
		set       func(*directory.User, string)
		good, bad []string
	}{
		{"", "givenName", func(u *directory.User, v string) { u.FirstName = v }, []string{long(64)}, []string{long(65)}},
		{"", "surname", func(u *directory.User, v string) { u.LastName = v }, []string{long(64), "Müller"}, []string{long(65)}},
		{"displayName", "displayName", func(u *directory.User, v string) { u.DisplayName = v }, []string{long(256)}, []string{long(257)}},
		{"user_job_title", "jobTitle", func(u *directory.User, v string) { u.Fields["jobTitle"] = v }, []string{long(128)}, []string{long(129)}},
		{"user_department", "department", func(u *directory.User, v string) { u.Fields["department"] = v }, []string{long(64)}, []string{long(65)}},
		{"companyName", "companyName", func(u *directory.User, v string) { u.Fields["company"] = v }, []string{long(64)}, []string{long(65)}},
		{"employeeId", "employeeId", func(u *directory.User, v string) { u.Fields["employeeIdentifier"] = v }, []string{long(16)}, []string{long(17), strings.Repeat("😀", 9)}},
		{"user_office_location", "officeLocation", func(u *directory.User, v string) { u.Fields["location"] = v }, []string{long(128)}, []string{long(129)}},
		{"user_street_address", "streetAddress", func(u *directory.User, v string) { u.Work.StreetAddress = v }, []string{long(1024), "Main 1\nFloor 2"}, []string{long(1025)}},
		{"user_city", "city", func(u *directory.User, v string) { u.Work.Locality = v }, []string{long(128)}, []string{long(129)}},
		{"user_state", "state", func(u *directory.User, v string) { u.Work.Region = v }, []string{long(128)}, []string{long(129)}},
		{"user_postal_code", "postalCode", func(u *directory.User, v string) { u.Work.PostalCode = v }, []string{long(40)}, []string{long(41)}},
		{"user_country", "country", func(u *directory.User, v string) { u.Work.Country = v }, []string{long(128)}, []string{long(129)}},
		{"user_mobile_phone", "mobilePhone", func(u *directory.User, v string) { u.Phones["mobile"] = v }, []string{long(64)}, []string{long(65)}},
		{"user_business_phones", "businessPhones", func(u *directory.User, v string) { u.Phones["work"] = v }, []string{long(64)}, []string{long(65)}},
		{"user_alternate_email", "otherMails", func(u *directory.User, v string) { u.AlternateEmail = v }, []string{"ann@home.example"}, []string{"änn@home.example", "ann home@x.example", "ann", long(242) + "@x.example"}},
		{"preferredLanguage", "preferredLanguage", func(u *directory.User, v string) { u.Attributes["preferredLanguage"] = v }, []string{"de", "en-US"}, []string{"German", "d9"}},
		{"usageLocation", "usageLocation", func(u *directory.User, v string) { u.Attributes["usageLocation"] = v }, []string{"DE"}, []string{"DEU", "Germany", "D1"}},
	} {
		settings := directory.DefaultSettings()
		if tc.rule != "" {
			settings.Attributes[tc.rule] = true
		}
		desire := func(value string) directory.Desired {
			user := directory.User{Username: "ann", Email: "ann@corp.example", FirstName: "Ann", LastName: "Lee",
				Attributes: map[string]string{}, Fields: map[string]string{}, Phones: map[string]string{}}
			tc.set(&user, value)
			return directory.Desire(&user, here, settings)
		}
		for _, value := range tc.good {
			if d := desire(value); len(d.Problems) > 0 || d.Attributes[tc.attribute].String() != value {
				t.Errorf("%s: got problems %+v of %.20q, want it taken", tc.attribute, d.Problems, value)
			}
		}
		for _, value := range tc.bad {
			d := desire(value)
			_, exported := d.Attributes[tc.attribute]
			if len(d.Problems) == 0 || exported {
				t.Errorf("%s: got %.20q taken, want a problem", tc.attribute, value)
				continue
			}
			p := d.Problems[0]
			if p.Attribute != tc.attribute || p.Reason != directory.InvalidValue || !strings.HasPrefix(p.Message, string(tc.attribute)+" ") || strings.Contains(p.Message, value) {
				t.Errorf("%s: got problem %+v, want %s and a message that begins with the attribute and is without the value", tc.attribute, p, directory.InvalidValue)
			}
			if len(d.Attributes) < 4 {
				t.Errorf("%s: got attributes %+v, want the others in them", tc.attribute, d.Attributes)
			}
		}
	}
}

func TestLimitOfExtensionAttributes(t *testing.T) {
	settings := directory.DefaultSettings()
	settings.CustomAttributes["badge"] = "extensionAttribute1"
	for n, problems := range map[int]int{1024: 0, 1025: 1} {
		user := directory.User{Username: "ann", Email: "ann@corp.example", Attributes: map[string]string{"badge": strings.Repeat("x", n)}}
		if d := directory.Desire(&user, here, settings); len(d.Problems) != problems {
			t.Errorf("%d characters: got problems %+v, want %d", n, d.Problems, problems)
		}
	}
}

func TestSignInNamesThatEntraRefuses(t *testing.T) {
	for name, good := range map[string]bool{
		"ann.o'neil-1_!#^~@corp.example": true, "ann+x@corp.example": false, "jürgen@corp.example": false, "ann.@corp.example": false,
		"a nn@corp.example": false, "ann@home@corp.example": false, `a"n@corp.example`: false,
		strings.Repeat("a", 64) + "@corp.example": true, strings.Repeat("a", 65) + "@corp.example": false,
		"ann@" + strings.Repeat("d", 40) + ".example": true, "ann@" + strings.Repeat("d", 41) + ".example": false,
	} {
		user := directory.User{Username: "ann", Email: name}
		upn, obstacle := directory.DefaultSettings().UserPrincipalName(user)
		if good != (obstacle == nil) || good != (string(upn) == name) {
			t.Errorf("%s: got %q, %+v; want it taken: %t", name, upn, obstacle, good)
		}
		if obstacle != nil && obstacle.Reason != directory.UPNInvalid {
			t.Errorf("%s: got reason %s, want %s", name, obstacle.Reason, directory.UPNInvalid)
		}
	}
}
