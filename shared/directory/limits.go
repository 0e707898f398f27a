package directory

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf16"
)

// longest is how many characters Entra takes in an attribute (Graph user
// resource). What is not here has no published limit.
var longest = map[Attribute]int{
	GivenName: 64, Surname: 64, DisplayName: 256, JobTitle: 128, Department: 64, CompanyName: 64, EmployeeID: 16,
	StreetAddress: 1024, City: 128, State: 128, PostalCode: 40, Country: 128, MobilePhone: 64, OtherMails: 250,
	OfficeLocation: 128, BusinessPhones: 64, // these two are assumed
}

// longestExtension is the limit of each extension attribute (Graph,
// onPremisesExtensionAttributes).
const longestExtension = 1024

// form is what the text of an attribute must look like.
type form struct {
	pattern *regexp.Regexp
	says    string // what it must be, for people
}

// forms are the attributes of which Entra takes only some texts (Graph user
// resource: ISO 3166-1 alpha-2, ISO 639-1 with an optional country; that other
// mails have no accents is documented, the rest of the pattern is assumed).
var forms = map[Attribute]form{
	UsageLocation:     {regexp.MustCompile(`^[A-Z]{2}$`), "must be a country code of two letters such as DE (ISO 3166-1)"},
	PreferredLanguage: {regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`), "must be a language code such as de or en-US"},
	OtherMails:        {regexp.MustCompile(`^[!-?A-~]+@[!-?A-~]+$`), "must be an e-mail address without spaces and accents"},
}

// refuses says what Entra holds against a value of the attribute, as the end of a
// sentence that begins with its name; "" if it takes it. The value itself is not
// repeated. Characters count as UTF-16 does, which is how Entra is assumed to.
func (a Attribute) refuses(value Value) string {
	for _, text := range value {
		if f, has := forms[a]; has && !f.pattern.MatchString(text) {
			return f.says
		}
		limit := longest[a]
		if strings.HasPrefix(string(a), "onPremisesExtensionAttributes.") {
			limit = longestExtension
		}
		if n := characters(text); limit > 0 && n > limit {
			return fmt.Sprintf("has %d characters and Entra takes %d", n, limit)
		}
	}
	return ""
}

// characters counts as UTF-16 does.
func characters(text string) int { return len(utf16.Encode([]rune(text))) }

// The limits of a sign-in name (Microsoft Entra documentation, username
// policies).
const (
	longestUPN    = 113
	longestLocal  = 64
	longestDomain = 48
)

// upnCharacters are those of the part before the @.
var upnCharacters = regexp.MustCompile(`^[A-Za-z0-9'.\-_!#^~]+$`)

// refused says what Entra holds against a sign-in name, as the end of a sentence
// that begins with it; "" if it takes it.
func (u UPN) refused() string {
	local, domain := u.LocalPart(), u.Domain()
	switch {
	case strings.Count(string(u), "@") != 1:
		return "must have exactly one @"
	case !upnCharacters.MatchString(local):
		return "has a character that Entra refuses: before the @ it takes letters without accents, digits and ' . - _ ! # ^ ~"
	case strings.HasSuffix(local, "."):
		return "must not have a period before the @"
	case len(local) > longestLocal || len(domain) > longestDomain || len(u) > longestUPN:
		return fmt.Sprintf("is too long: Entra takes %d characters before the @, %d after it and %d in all", longestLocal, longestDomain, longestUPN)
	default:
		return ""
	}
}
