// Package mail is the port of sending mail, and the composition of a mail as both twins
// send it.
//
// Mail is for people: it reports that long work has ended. Everything that it says can be
// read from the API too, so a mail that cannot be sent never makes the work fail.
package mail

import (
	"context"
	"errors"
	"fmt"
	netmail "net/mail"
	"slices"
	"strings"
	"unicode"

	"entrasync/shared/fault"
	"entrasync/shared/metric"
)

// Message is a mail to people, in two forms of which the mail program shows one.
type Message struct {
	To      []string // addresses, without the names of people
	Subject string
	Text    string
	HTML    string // "" for a mail that is text only
}

// Sender sends mail. Every address gets a mail of its own, so that one that is refused
// takes nothing from the others and nobody sees who else got it.
type Sender interface {
	// Send sends the message to all its addresses, also after one of them failed. The
	// fault that it returns names the addresses that got no mail. Its kind is Invalid if
	// all of them were refused for good; otherwise it is that of another failure, and
	// sending once more may help, which also repeats the mails that were sent. A mail
	// that comes back later is not noticed.
	Send(ctx context.Context, m Message) error
}

// Counted is a Sender that counts the messages of another one in mails, by whether all
// their addresses got them and, if not, by the kind of the fault.
type Counted struct {
	Sender  Sender
	Metrics metric.Counter
}

// The values of the label outcome of mails.
const (
	outcomeSent    = "sent"
	outcomeNotSent = "not_sent"
)

// Send implements Sender.
func (c Counted) Send(ctx context.Context, m Message) error {
	err := c.Sender.Send(ctx, m)
	if err != nil {
		c.Metrics.Count("mails", 1, "outcome", outcomeNotSent, "kind", string(fault.Of(err).Kind))
		return err
	}
	c.Metrics.Count("mails", 1, "outcome", outcomeSent)
	return nil
}

// maxAddress is the length of the longest address that can be used (RFC 5321, section
// 4.5.3.1.3, without its brackets).
const maxAddress = 254

// ParseAddress reads an address, with or without a name: ann@example.com or Ann
// <ann@example.com>. One that mail servers do not accept is a fault of kind Invalid.
func ParseAddress(text string) (netmail.Address, error) {
	const op = "mail.address"
	address, err := netmail.ParseAddress(text)
	if err != nil {
		return netmail.Address{}, &fault.Error{Op: op, Kind: fault.Invalid, Subject: shown(text), Message: "this is not an e-mail address"}
	}
	if strings.ContainsFunc(address.Address, func(r rune) bool { return r > unicode.MaxASCII }) {
		return netmail.Address{}, &fault.Error{Op: op, Kind: fault.Invalid, Subject: shown(text),
			Message: "the address has characters that mail servers do not accept: write its domain in the form that begins with xn--"}
	}
	if len(address.Address) > maxAddress {
		return netmail.Address{}, &fault.Error{Op: op, Kind: fault.Invalid, Subject: shown(text), Message: fmt.Sprintf("the address has more than %d characters", maxAddress)}
	}
	return *address, nil
}

// shown is a text that is no address, as an error may have it.
func shown(text string) string {
	const enough = 100
	return fmt.Sprintf("%.*q", enough, text)
}

// Each calls send for each address of a message once, and returns one fault as
// [Sender.Send] says. A Sender is written with it.
func Each(ctx context.Context, m Message, send func(ctx context.Context, to netmail.Address) error) error {
	const op = "mail.send"
	if len(m.To) == 0 {
		return fault.New(fault.Invalid, op, "the mail has no address")
	}
	var failed []string
	var first *fault.Error
	var causes []error
	done := map[string]bool{}
	for _, text := range m.To {
		to, err := ParseAddress(text)
		if err == nil && done[to.Address] {
			continue
		}
		if err == nil {
			done[to.Address] = true
			err = send(ctx, to)
		}
		if err == nil {
			continue
		}
		failed, causes = append(failed, named(to, text)), append(causes, err)
		if each := fault.Of(err); first == nil || first.Kind == fault.Invalid {
			first = each
		}
	}
	if first == nil {
		return nil
	}
	slices.Sort(failed)
	return &fault.Error{Op: op, Kind: first.Kind, Subject: strings.Join(slices.Compact(failed), ", "), Message: first.Message,
		RetryAfter: first.RetryAfter, Err: errors.Join(causes...)}
}

// named is how an error names an address: as it was given if it is not one.
func named(to netmail.Address, text string) string {
	if to.Address == "" {
		return shown(text)
	}
	return to.Address
}
