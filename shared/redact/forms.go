package redact

import (
	"encoding/base64"
	"html"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDecoded is the longest text, in bytes, that is searched for all forms.
const maxDecoded = 1 << 20

// secret is a secret and the forms that a text is searched for.
type secret struct {
	plain   string
	forms   []string // as it is, and in base64
	decoded string   // what every other form of it decodes to
	enough  int      // how many bytes of that are enough to hide what follows too
	asWord  bool     // too short to be searched for within words
}

func secretOf(plain string) secret {
	if utf8.RuneCountInString(plain) < fewestShown {
		return secret{plain: plain, decoded: plain, enough: len(plain), asWord: true}
	}
	decoded, _ := decode(plain)
	// A text may contain only the beginning of a secret. Fewer than twelve characters
	// would be found where they are not meant: a password may begin with a common word.
	const dozen = 12
	return secret{plain: plain, forms: append(inBase64(plain), plain), decoded: decoded, enough: min(len(decoded), max(dozen, len(decoded)/2))}
}

// inBase64 returns what a secret looks like in base64, alone or within a longer text.
// There are three ways, one for each position in a group of three bytes. The first and
// the last characters depend on the bytes beside the secret, so they are left out.
func inBase64(plain string) []string {
	const fewest = 6 // characters; fewer would be found anywhere
	var all []string
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			encoded := encoding.EncodeToString([]byte(strings.Repeat("x", before) + plain))
			begin, end := []int{0, 2, 3}[before], len(encoded)
			if (before+len(plain))%3 != 0 {
				end-- // the last character also has bits of what follows
			}
			if end-begin >= fewest {
				all = append(all, encoded[begin:end])
			}
		}
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(all)
}

// without removes the secrets from a text, also where they are escaped for URLs, JSON,
// Go or HTML, each within any other. For this it decodes the text and the secrets until
// nothing is left to decode, and then compares them.
func without(text string, secrets []secret) string {
	decoded, at := decode(text)
	var spans []span
	for _, each := range secrets {
		begins := each.decoded[:each.enough]
		for from := 0; each.enough > 0; {
			i := strings.Index(decoded[from:], begins)
			if i < 0 {
				break
			}
			begin, end := from+i, from+i+each.enough
			for end-begin < len(each.decoded) && end < len(decoded) && decoded[end] == each.decoded[end-begin] {
				end++
			}
			if from = begin + 1; !each.asWord || isWord(decoded, begin, end) {
				spans, from = append(spans, span{at[begin].begin, at[end-1].end}), end
			}
		}
	}
	if len(spans) == 0 {
		return text
	}
	slices.SortFunc(spans, func(a, b span) int { return a.begin - b.begin })
	var out strings.Builder
	done := 0
	for _, s := range spans {
		if s.begin >= done {
			out.WriteString(text[done:s.begin] + Hidden)
		}
		done = max(done, s.end)
	}
	return out.String() + text[done:]
}

// isWord reports whether a part of a text is not within a longer word.
func isWord(text string, begin, end int) bool {
	letter := func(i int) bool {
		return i >= 0 && i < len(text) && (text[i] >= utf8.RuneSelf || text[i] == '_' || text[i] >= '0' && text[i] <= '9' ||
			text[i]|0x20 >= 'a' && text[i]|0x20 <= 'z')
	}
	goesOn := func(i int) bool { return letter(i-1) && letter(i) }
	return !goesOn(begin) && !goesOn(end)
}

// span is a position in a text: bytes begin to end, without end.
type span struct{ begin, end int }

// maxPasses is how many levels of escapes are decoded.
const maxPasses = 8

// decode replaces all escapes of a text. It loses the difference between characters
// that some form writes alike: white space, a plus and a control character become a
// space, and backslashes are removed. at has, for every byte, its place in the text.
func decode(text string) (decoded string, at []span) {
	at = make([]span, len(text))
	for i := range at {
		at[i] = span{i, i + 1}
	}
	for range maxPasses {
		next, where := decodeOnce(text, at)
		same := next == text
		if text, at = next, where; same {
			break
		}
	}
	plain := []byte(text)
	for i, b := range plain {
		if b == '+' || b < ' ' {
			plain[i] = ' '
		}
	}
	return string(plain), at
}

// decodeOnce replaces one level of escapes of a text. A backslash belongs to the span
// of the byte after it, so that no backslash is left before [Hidden].
func decodeOnce(text string, at []span) (string, []span) {
	out, where := make([]byte, 0, len(text)), make([]span, 0, len(text))
	begin := -1
	for i := 0; i < len(text); {
		means, length := escape(text[i:])
		if begin < 0 {
			begin = at[i].begin
		}
		for k := range len(means) {
			out = append(out, means[k])
			where = append(where, span{begin, at[i+length-1].end})
		}
		if i += length; means != "" {
			begin = -1
		}
	}
	return string(out), where
}

// escape reads the beginning of a text: one byte, or one escape and what it means.
func escape(text string) (means string, length int) {
	switch text[0] {
	case '%':
		if len(text) >= 3 {
			if b, err := strconv.ParseUint(text[1:3], 16, 8); err == nil {
				return string([]byte{byte(b)}), 3
			}
		}
	case '&':
		if end := strings.IndexByte(text[:min(len(text), 12)], ';'); end > 0 {
			if meant := html.UnescapeString(text[:end+1]); meant != text[:end+1] {
				return meant, end + 1
			}
		}
	case '\\':
		return afterBackslash(text)
	}
	return text[:1], 1
}

// afterBackslash reads an escape of JSON or Go. A backslash before any other byte, or
// before another backslash, is removed.
func afterBackslash(text string) (means string, length int) {
	if len(text) == 1 {
		return "", 1
	}
	switch text[1] {
	case 'n', 'r', 't':
		return " ", 2
	case 'x':
		if len(text) >= 4 {
			if b, err := strconv.ParseUint(text[2:4], 16, 8); err == nil {
				return string([]byte{byte(b)}), 4
			}
		}
	case 'u':
		if first, ok := unit(text); ok {
			second, ok := unit(text[6:])
			if pair := utf16.DecodeRune(first, second); ok && pair != utf8.RuneError {
				return string(pair), 12
			}
			return string(first), 6
		}
	case '\\':
		return "", 1
	}
	return text[1:2], 2
}

// unit reads the four digits of \u.
func unit(text string) (rune, bool) {
	if len(text) < 6 || text[:2] != `\u` {
		return 0, false
	}
	n, err := strconv.ParseUint(text[2:6], 16, 16)
	return rune(n), err == nil
}
