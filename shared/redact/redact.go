// Package redact removes secrets from texts of outside systems before they are shown:
// in the message of a link, in a problem document, in a log.
//
// Outside systems repeat what they were sent, in many forms: unchanged, in a URL, in
// JSON within JSON, in base64. So a [Redactor] knows the secrets that are in use and
// searches for all these forms. It finds other secrets by the word before them
// (Bearer, Basic, x-api-key, password and similar) or by their form (JSON web tokens,
// API keys of JumpCloud). The result is bounded, valid UTF-8 and one line.
package redact

import (
	"errors"
	"slices"
	"strings"
	"unicode"

	"entrasync/shared/fault"
)

// Hidden stands where a secret was.
const Hidden = "[redacted]"

// MaxText is how many bytes of a text are shown at most, and MaxError how many bytes of
// an error, which may have more than one message.
const (
	MaxText  = 300
	MaxError = 1000
)

// maxSearched is how many bytes of a text are searched: enough to fill MaxError also
// where much of it is secret, and few enough to be fast.
const maxSearched = 16 << 10

// Redactor removes the secrets that it knows. The zero value knows none and still
// finds what looks like a secret. Printing a Redactor shows no secret. It is safe for
// concurrent use.
type Redactor struct{ known *[]secret } // behind a pointer, so that no format verb reaches it

// New makes a redactor that knows some secrets. Empty ones are left out.
func New(all ...string) Redactor {
	all = slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == "" })
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) }) // one may be a part of another
	if len(all) == 0 {
		return Redactor{}
	}
	known := make([]secret, len(all))
	for i, plain := range all {
		known[i] = secretOf(plain)
	}
	return Redactor{&known}
}

// And returns a redactor that knows more secrets.
func (r Redactor) And(more ...string) Redactor {
	if r.known != nil {
		for _, each := range *r.known {
			more = append(more, each.plain)
		}
	}
	return New(more...)
}

// String contains nothing of the secrets, whatever format prints a redactor.
func (r Redactor) String() string { return "redactor" }

// GoString is String.
func (r Redactor) GoString() string { return r.String() }

// Text makes a text of an outside system fit to be shown: without secrets, on one line,
// at most MaxText bytes, and with an ellipsis where it was cut.
func (r Redactor) Text(text string) string { return r.bounded(text, MaxText) }

func (r Redactor) bounded(text string, most int) string {
	cut := len(text) > maxSearched
	text = hidePatterns(r.Known(oneLine(text[:min(len(text), maxSearched)])))
	const ellipsis = "…"
	if !cut && len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:min(len(text), most-len(ellipsis))], "") + ellipsis
}

// Text is [Redactor.Text] where no secrets are known.
func Text(text string) string { return Redactor{}.Text(text) }

// Known removes from a text the secrets that the redactor knows, and nothing else. The
// text may be long, such as a complete response that is not parsed yet.
func (r Redactor) Known(text string) string {
	if r.known == nil {
		return text
	}
	if len(text) <= maxDecoded { // first, because it leaves no half of an escape behind
		text = without(text, *r.known)
	}
	for _, each := range *r.known {
		for _, form := range each.forms {
			text = strings.ReplaceAll(text, form, Hidden)
		}
	}
	for _, each := range *r.known { // the outside system may have cut its text
		text = withoutCut(text, each.plain)
	}
	return text
}

// fewestShown is the shortest part of a secret, in characters, that must not be shown.
const fewestShown = 4

// withoutCut removes the beginning of a secret from the end of a text.
func withoutCut(text, secret string) string {
	for n := len(secret) - 1; n >= fewestShown; n-- {
		if rest, cut := strings.CutSuffix(text, secret[:n]); cut {
			return rest + Hidden
		}
	}
	return text
}

// oneLine makes a text valid UTF-8 and replaces control characters by spaces.
func oneLine(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, ""))
}

// Error returns err with a text that is fit to be shown. Of a fault it changes the
// subject, the message and the cause; all else stays. A message may have MaxError
// bytes, because it may have a sentence of our own too. errors.Is finds the same as
// before, but nothing gives access to the old text.
func (r Redactor) Error(err error) error {
	if err == nil {
		return nil
	}
	var f *fault.Error
	if errors.As(err, &f) {
		clean := *f
		clean.Subject, clean.Message, clean.Err = r.Text(f.Subject), r.bounded(f.Message, MaxError), r.Error(f.Err)
		return &clean
	}
	if text := r.bounded(err.Error(), MaxError); text != err.Error() {
		return &hiding{text, err}
	}
	return err
}

// hiding is an error with another text.
type hiding struct {
	text  string
	cause error
}

func (e *hiding) Error() string { return e.text }

// Is lets errors.Is compare the cause without making its text reachable.
func (e *hiding) Is(target error) bool { return errors.Is(e.cause, target) }
