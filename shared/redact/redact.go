// Package redact takes secrets out of texts that come from outside, before they
// are shown: in the message of a link, in a problem document, in a log.
//
// Outside systems repeat what they were sent, in whatever form they have it at
// hand: as it was, in a URL, in JSON within JSON, in base64. So a [Redactor]
// knows the secrets in play and looks for all those forms; what is no secret of
// ours, or is one that nobody told it of, it finds by what it stands beside
// (Bearer, Basic, x-api-key, password and their like) or by its looks (JSON web
// tokens, keys of JumpCloud). What is left is bounded, valid UTF-8 and one line.
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

// MaxText is how many bytes of a text are shown at most, and MaxError how many of
// an error, which says of more than one thing what went wrong.
const (
	MaxText  = 300
	MaxError = 1000
)

// maxSearched is how many bytes of a text are looked at: enough to fill MaxError
// however much of it is secret, and little enough to be looked through at once.
const maxSearched = 16 << 10

// Redactor knows secrets. The zero value knows none and still finds what looks
// like one. It prints as nothing, and is safe for concurrent use.
type Redactor struct{ known *[]secret } // behind a pointer, so that no format verb reaches it

// New makes a redactor of some secrets. Empty ones are left out.
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

// And is a redactor that knows more secrets.
func (r Redactor) And(more ...string) Redactor {
	if r.known != nil {
		for _, each := range *r.known {
			more = append(more, each.plain)
		}
	}
	return New(more...)
}

// String says nothing of the secrets, however a redactor is printed.
func (r Redactor) String() string { return "redactor" }

// GoString is String.
func (r Redactor) GoString() string { return r.String() }

// Text is a text of outside that may be shown: without secrets, on one line, at
// most MaxText bytes, and an ellipsis where it was cut.
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

// Known takes out of a text what the redactor knows, and nothing else; the text
// may be long, such as a whole answer that is still to be read.
func (r Redactor) Known(text string) string {
	if r.known == nil {
		return text
	}
	if len(text) <= maxDecoded { // first, as it takes escapes whole
		text = without(text, *r.known)
	}
	for _, each := range *r.known {
		for _, form := range each.forms {
			text = strings.ReplaceAll(text, form, Hidden)
		}
	}
	for _, each := range *r.known { // cut off by whoever wrote it
		text = withoutCut(text, each.plain)
	}
	return text
}

// telling is how many characters of a secret say something.
const telling = 4

// withoutCut takes the beginning of a secret off the end of a text.
func withoutCut(text, secret string) string {
	for n := len(secret) - 1; n >= telling; n-- {
		if rest, cut := strings.CutSuffix(text, secret[:n]); cut {
			return rest + Hidden
		}
	}
	return text
}

// oneLine is a text as valid UTF-8 with spaces for what would break a line.
func oneLine(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, ""))
}

// Error gives err with its text made fit to be shown. Of a fault the subject, the
// message and the cause are, and all else stays; a message is bounded like an error,
// as it may hold a sentence of ours besides. What errors.Is finds stays too,
// but the old text is not reachable.
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

// Is lets errors.Is look at the cause without giving its text away.
func (e *hiding) Is(target error) bool { return errors.Is(e.cause, target) }
