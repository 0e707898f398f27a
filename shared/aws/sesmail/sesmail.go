// Package sesmail sends mail through Amazon SES, version 2 of its API.
//
// The role needs ses:SendEmail and ses:SendRawEmail on the identity that the sender's
// address belongs to, and in the SES sandbox also on the identities of the recipients.
//
// An address on the suppression list of the account is no error: SES accepts the mail and
// does not deliver it (Amazon SES Developer Guide, "Using the account-level suppression
// list"). It counts as a bounce there.
package sesmail

import (
	"context"
	"fmt"
	netmail "net/mail"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"entrasync/shared/aws/awsfault"
	"entrasync/shared/fault"
	"entrasync/shared/mail"
	"entrasync/shared/redact"
)

// Sender implements mail.Sender. It is safe for concurrent use.
type Sender struct {
	client *sesv2.Client
	from   netmail.Address
}

// Open makes a sender in the region of a configuration; see [New].
func Open(c aws.Config, from string) (*Sender, error) { return New(sesv2.NewFromConfig(c), from) }

// New makes a sender. from is the address in From, with or without a name. It or its
// domain must be a verified identity of the client's region.
func New(client *sesv2.Client, from string) (*Sender, error) {
	address, err := mail.ParseAddress(from)
	return &Sender{client: client, from: address}, err
}

// Off is the sender of a stack that sends no mail, because it has no sender's address.
type Off struct{}

// Send implements mail.Sender.
func (Off) Send(context.Context, mail.Message) error {
	return fault.New(fault.Invalid, "sesmail.send", "this stack sends no mail: set its parameter MailFrom to the sender's address")
}

// Send implements mail.Sender.
func (s *Sender) Send(ctx context.Context, m mail.Message) error {
	return mail.Each(ctx, m, func(ctx context.Context, to netmail.Address) error {
		raw, err := mail.Compose(s.from, to, m, time.Now())
		if err != nil {
			return err
		}
		_, err = s.client.SendEmail(ctx, &sesv2.SendEmailInput{
			FromEmailAddress: &s.from.Address,
			Destination:      &types.Destination{ToAddresses: []string{to.Address}},
			Content:          &types.EmailContent{Raw: &types.RawMessage{Data: raw}},
		})
		return s.refusal(ctx, err, to)
	})
}

// The codes of errors that stay until a person acts (SendEmail, "Errors"), each with what
// to do. The first verb is the sender's address, the second the recipient's.
var advice = map[string]string{
	"MessageRejected": "Amazon SES refused the mail. Usually an address is not verified: verify %[1]s or its domain in the SES console, " +
		"in the region of this stack; while the account is in the SES sandbox, verify %[2]s too or request production access",
	"AccessDeniedException": "the function's role may not send from %[1]s to %[2]s: request production access if the account is in the SES sandbox, " +
		"which allows verified recipients only; otherwise compare MailIdentity with the identity in SES that has the sender's address",
	"MailFromDomainNotVerifiedException": "the MAIL FROM domain of %[1]s is not verified: add the MX record that the SES console shows for this identity, " +
		"or let SES use its own domain when the record is missing",
	"AccountSuspendedException": "AWS has suspended sending for this account, so %[2]s got no mail: see the account dashboard in the SES console and answer AWS's message there",
	"SendingPausedException":    "sending is paused for this account or for the configuration set of %[1]s: resume it in the SES console",
	"NotFoundException":         "Amazon SES does not find what belongs to %[1]s, such as its configuration set: check the identity in the SES console",
	"BadRequestException":       "Amazon SES does not accept the mail from %[1]s to %[2]s: check both addresses",
}

// limits are the codes of the limits of sending: in a second and in 24 hours. SES names
// no time to wait.
var limits = []string{"TooManyRequestsException", "LimitExceededException"}

// refusal is the fault of an error of SES; nil stays nil.
func (s *Sender) refusal(ctx context.Context, err error, to netmail.Address) error {
	const op = "sesmail.send"
	for code, what := range advice {
		if awsfault.Is(err, code) {
			return &fault.Error{Op: op, Kind: fault.Invalid, Subject: to.Address, Message: fmt.Sprintf(what, s.from.Address, to.Address), Err: redact.Redactor{}.Error(err)}
		}
	}
	if awsfault.Is(err, limits...) {
		return &fault.Error{Op: op, Kind: fault.Throttled, Subject: to.Address, Message: "Amazon SES sends no more at the moment: the account's limit is reached", Err: redact.Redactor{}.Error(err)}
	}
	return awsfault.Of(ctx, err, op)
}
