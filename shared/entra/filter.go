package entra

import (
	"slices"
	"strings"
	"unicode/utf16"
)

// maxFilterValue is the longest text, in characters, that Graph takes in a $filter;
// with a longer one it calls the filter invalid (observed by users, not documented).
// Names of groups may have more.
const maxFilterValue = 120

// beginning is a text as a literal of OData, cut off at its end if it is too long for
// a filter: what is found by it must be compared with the whole.
func beginning(text string) string { return literal(fitting([]rune(text))) }

// ending is beginning for the end of a text.
func ending(text string) string {
	reversed := []rune(text)
	slices.Reverse(reversed)
	kept := fitting(reversed)
	slices.Reverse(kept)
	return literal(kept)
}

// fitting is as much of the beginning of a text as a filter takes. How Graph counts is
// not known: a character counts here as UTF-16 does and a quote twice, as it is sent,
// which is the most that it can count for.
func fitting(text []rune) []rune {
	width := 0
	for i, r := range text {
		if width += utf16.RuneLen(r); r == '\'' {
			width++
		}
		if width > maxFilterValue {
			return text[:i]
		}
	}
	return text
}

// literal is a text in the quotes of OData.
func literal(text []rune) string { return "'" + doubled(string(text)) + "'" }

// doubled is a text as it stands inside the quotes of a literal of OData.
func doubled(text string) string { return strings.ReplaceAll(text, "'", "''") }
