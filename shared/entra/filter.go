package entra

import (
	"slices"
	"strings"
	"unicode/utf16"
)

// maxFilterValue is the longest text, in characters, that Graph accepts in a $filter;
// with a longer one it calls the filter invalid (observed by users, not documented).
// Names of groups may be longer.
const maxFilterValue = 120

// beginning is a text as a literal of OData, cut at its end if it is too long for a
// filter: the results must then be compared with the complete text.
func beginning(text string) string { return literal(fitting([]rune(text))) }

// ending is [beginning] for the end of a text: it is cut at its beginning.
func ending(text string) string {
	reversed := []rune(text)
	slices.Reverse(reversed)
	kept := fitting(reversed)
	slices.Reverse(kept)
	return literal(kept)
}

// fitting is the longest beginning of a text that a filter accepts.
func fitting(text []rune) []rune { return within(text, maxFilterValue) }

// within is the longest beginning of a text that has at most so many characters. It is not
// known how Graph counts. Here a character counts as in UTF-16, and a quote counts twice,
// as it is sent: Graph cannot count more than that.
func within(text []rune, most int) []rune {
	width := 0
	for i, r := range text {
		if width += utf16.RuneLen(r); r == '\'' {
			width++
		}
		if width > most {
			return text[:i]
		}
	}
	return text
}

// literal is a text in the quotes of OData.
func literal(text []rune) string { return "'" + doubled(string(text)) + "'" }

// doubled is a text as it is inside the quotes of a literal of OData.
func doubled(text string) string { return strings.ReplaceAll(text, "'", "''") }
