package directory

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// LongestUsername is how many characters the username of an imported user has at most.
// JumpCloud's documentation of naming conventions has that number; the API takes more.
const LongestUsername = 30

// letters are the letters that have no accent to leave out, as they are written without
// them.
var letters = strings.NewReplacer("ß", "ss", "ẞ", "SS", "Æ", "AE", "æ", "ae", "Œ", "OE", "œ", "oe", "Ø", "O", "ø", "o", "Ł", "L", "ł", "l",
	"Đ", "D", "đ", "d", "Ð", "D", "ð", "d", "Þ", "Th", "þ", "th", "ı", "i", "Ħ", "H", "ħ", "h")

// UsernameFrom is the username that a user of JumpCloud gets when an account is imported:
// its alias, or without one the part of the address before the @, made valid. "" if nothing
// valid is left of either.
//
// The rule has five steps: (1) letters lose their accents; (2) of what is left, letters from
// a to z, digits, periods, hyphens and underscores stay, and everything else is left out;
// (3) what stands before the first letter is left out; (4) it is cut to LongestUsername
// characters; (5) periods, hyphens and underscores at the end are left out. Upper and lower
// case stay as they are. What JumpCloud takes is from its documentation of naming
// conventions: it begins with a letter and has no space and no @.
func UsernameFrom(alias, address string) string {
	if name := validUsername(alias); name != "" {
		return name
	}
	local, _, _ := strings.Cut(address, "@")
	return validUsername(local)
}

// validUsername makes a text a valid username; "" if nothing of it can stay.
func validUsername(text string) string {
	const marks = ".-_"
	plain := strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(marks, r)) {
			return r
		}
		return -1
	}, norm.NFKD.String(letters.Replace(text)))
	name := strings.TrimLeft(plain, marks+"0123456789")
	return strings.TrimRight(name[:min(len(name), LongestUsername)], marks)
}
