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

// maxDecoded is how many bytes a text may have to be looked through in all forms.
const maxDecoded = 1 << 20

// secret is a secret and what it is looked for as.
type secret struct {
	plain   string
	forms   []string // as it is, and in base64
	decoded string   // what every other form of it decodes to
	enough  int      // how many bytes of that are enough to hide what follows too
	asWord  bool     // too short to be looked for within words
}

func secretOf(plain string) secret {
	if utf8.RuneCountInString(plain) < telling {
		return secret{plain: plain, decoded: plain, enough: len(plain), asWord: true}
	}
	decoded, _ := decode(plain)
	// Somebody may show the beginning only. Less than a dozen signs, such as those of
	// a password that begins with a word, would be found where they are not meant.
	const dozen = 12
	return secret{plain: plain, forms: append(inBase64(plain), plain), decoded: decoded, enough: min(len(decoded), max(dozen, len(decoded)/2))}
}

// inBase64 is what a secret looks like in base64, alone or within something longer:
// there are three ways, of which the ends depend on what stands beside it.
func inBase64(plain string) []string {
	const fewest = 6 // signs; fewer would be found anywhere
	var all []string
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			whole := encoding.EncodeToString([]byte(strings.Repeat("x", before) + plain))
			begin, end := []int{0, 2, 3}[before], len(whole)
			if (before+len(plain))%3 != 0 {
				end-- // the last sign holds bits of what follows
			}
			if end-begin >= fewest {
				all = append(all, whole[begin:end])
			}
		}
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(all)
}

// without takes the secrets out of a text in whatever escapes they stand: those of
// URLs, JSON, Go and HTML, each within any other. To that end text and secret are
// both decoded until nothing is left to be decoded, and compared then.
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

// isWord reports whether a part of a text is no part of a longer word.
func isWord(text string, begin, end int) bool {
	letter := func(i int) bool {
		return i >= 0 && i < len(text) && (text[i] >= utf8.RuneSelf || text[i] == '_' || text[i] >= '0' && text[i] <= '9' ||
			text[i]|0x20 >= 'a' && text[i]|0x20 <= 'z')
	}
	goesOn := func(i int) bool { return letter(i-1) && letter(i) }
	return !goesOn(begin) && !goesOn(end)
}

// span is where in a text something stands.
type span struct{ begin, end int }

// maxPasses bounds how many escapes stand within each other.
const maxPasses = 8

// decode takes all escapes out of a text. It loses the difference between signs
// that some form writes alike: all space, a plus and a control character become a
// space, and backslashes vanish. at says for every byte where it stood.
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

// decodeOnce takes one level of escapes out of a text. Backslashes stand with what
// follows them, so that none is left alone before what is put in its place.
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

// escape reads what a text begins with: a byte, or an escape and what it means.
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

// afterBackslash reads an escape of JSON or Go. A backslash before anything else,
// and before another one, only says that this is meant as it is.
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
