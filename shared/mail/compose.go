package mail

import (
	"bytes"
	"crypto/rand"
	netmail "net/mail"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"entrasync/shared/fault"
)

// Compose is a message to one address as it is sent (RFC 5322): its text and, if it has
// one, its HTML as alternatives. at is its date. Nothing in the message can become a
// header.
func Compose(from, to netmail.Address, m Message, at time.Time) ([]byte, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&from)
	msg.ToMailAddress(&netmail.Address{Address: to.Address})
	msg.Subject(oneLine(m.Subject))
	msg.SetDateWithValue(at)
	msg.SetMessageIDWithValue(rand.Text() + "@" + domain(from))
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // no out-of-office replies (RFC 3834)
	msg.SetBodyString(gomail.TypeTextPlain, strings.ToValidUTF8(m.Text, string(unicode.ReplacementChar)))
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, strings.ToValidUTF8(m.HTML, string(unicode.ReplacementChar)))
	}
	var composed bytes.Buffer
	if _, err := msg.WriteTo(&composed); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "mail.compose")
	}
	return composed.Bytes(), nil
}

// oneLine is a text without control characters and with single spaces, as a header can
// have it. It also parts the characters with which an encoded word begins (RFC 2047,
// section 2), because go-mail encodes only what is not ASCII, and a mail program would
// decode a text that only looks encoded.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, string(unicode.ReplacementChar)))
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "=?", "= ?")
}

// domain is the part of an address after the @.
func domain(a netmail.Address) string { return a.Address[strings.LastIndexByte(a.Address, '@')+1:] }
