package redact

import (
	"regexp"
	"slices"
	"strings"
)

// patterns describe what unknown secrets look like, each with the text that replaces
// such a secret.
var patterns = []struct {
	form    *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)+`), Hidden}, // a JSON web token, RFC 7519
	{regexp.MustCompile(`\bjc[as]_[A-Za-z0-9_-]{4,}`), Hidden},                  // an API key of JumpCloud
	{regexp.MustCompile(`\b[0-9a-f]{40}\b`), Hidden},                            // an older one; Entra writes thumbprints in upper case
	{beside(named, `(?:\\*["'])?\s*(?:[:=]|%3[adAD])\s*`), "${1}" + Hidden},
	{beside(inProse, `(?:\\*["']\s*:|=|%3[dD])\s*`), "${1}" + Hidden}, // but not "password: choose another one"
}

// named are the names before a secret in headers, forms and JSON. inProse are names that
// also occur in sentences.
var (
	named = []string{"x-api-key", "x-entrasync-token", "api[-_]?key", "client[-_]?secret", "client[-_]?assertion", "auth[-_]?token",
		"(?:access|refresh|id|security|session)[-_]?token", "set-cookie"}
	inProse = []string{"password", "passwd", "secret", "cookie", "signature"}
)

// beside matches a value, quoted or not, after one of some names.
func beside(names []string, between string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)((?:` + strings.Join(names, "|") + `)` + between + `)(?:\\*"[^"\\]*\\*"?|\\*'[^'\\]*\\*'?|[^\s"'\\&,;{}\[\]<>()]+)`)
}

// schemes matches the credentials of a header by which somebody signs in (RFC 6750 and
// RFC 7617).
var schemes = regexp.MustCompile(`(?i)\b(bearer|basic)((?:\s|%20|\+)+)([A-Za-z0-9._~+/=%-]+)`)

// prose are words that follow Bearer and Basic in a sentence.
var prose = []string{"auth", "authentication", "authorization", "challenge", "credential", "credentials", "error", "header", "is", "or", "realm",
	"scheme", "token", "tokens", "was"}

// hidePatterns removes from a text whatever looks like a secret.
func hidePatterns(text string) string {
	text = schemes.ReplaceAllStringFunc(text, func(found string) string {
		parts := schemes.FindStringSubmatch(found)
		if slices.Contains(prose, strings.ToLower(strings.Trim(parts[3], "."))) {
			return found
		}
		return parts[1] + parts[2] + Hidden
	})
	for _, pattern := range patterns {
		text = pattern.form.ReplaceAllString(text, pattern.instead)
	}
	return text
}
