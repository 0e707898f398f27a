package directory

import (
	"fmt"
	"strings"
	"unicode/utf16"
)

// refuses says why Entra does not take a value of the attribute, as the end of a sentence
// that begins with its name, and without the value; "" if Entra takes it.
func (a Attribute) refuses(value Value) string {
	f := a.Facts()
	for _, text := range value {
		if f.Pattern != nil && !f.Pattern.MatchString(text) {
			return f.Says
		}
		if n := characters(text); f.Limit > 0 && n > f.Limit {
			return fmt.Sprintf("has %d characters and Entra takes %d", n, f.Limit)
		}
	}
	return ""
}

// characters counts UTF-16 units; Entra is assumed to count the same.
func characters(text string) int { return len(utf16.Encode([]rune(text))) }

// refused says why Entra does not take a sign-in name, as the end of a sentence that begins
// with it; "" if Entra takes it.
func (u UPN) refused() string {
	local, domain := u.LocalPart(), u.Domain()
	switch {
	case strings.Count(string(u), "@") != 1:
		return "must have exactly one @"
	case !upnCharacters.MatchString(local):
		return "has a character that Entra refuses: before the @ it takes letters without accents, digits and ' . - _ ! # ^ ~"
	case strings.HasSuffix(local, "."):
		return "must not have a period before the @"
	case len(local) > longestLocal || len(domain) > LongestDomain || len(u) > longestUPN:
		return fmt.Sprintf("is too long: Entra takes %d characters before the @, %d after it and %d in all", longestLocal, LongestDomain, longestUPN)
	default:
		return ""
	}
}
