package entra

import (
	"context"
	"errors"
	"net/http"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/redact"
)

// SetPassword gives an account a new password, which also ends its sessions. The
// request writes nothing else: Graph refuses a complete change when it refuses one part
// of it, and a password needs rights that other properties do not. It is repeated only
// where Graph certainly did nothing: after a 429, and after refusals that a new token
// may change. After a fault of kind Transient it is unknown whether the account has the
// new password; after every other fault it does not have it. It costs one write unit.
func (c *Client) SetPassword(ctx context.Context, id directory.EntraID, password string) error {
	const op = "entra.set password"
	u := models.NewUser()
	u.SetPasswordProfile(profileOf(password))
	info, err := c.users.ByUserId(string(id)).ToPatchRequestInformation(ctx, u, nil)
	if err != nil {
		return fault.New(fault.Internal, op, "the request cannot be made")
	}
	c.limit.take(1, urgent, quotaWindow) // a person waits for it: it is sent at once
	item, err := c.item("", info)
	if err != nil {
		return fault.New(fault.Internal, op, "the request cannot be made")
	}
	item.urgency = urgent
	status, header, body, err := c.exchangeItem(ctx, item)
	if err != nil {
		return notSet(op, err)
	}
	switch {
	case status == http.StatusNoContent:
		return nil
	case status < http.StatusBadRequest: // Graph answers an update with nothing
		return fault.New(fault.Transient, op, "something in front of Graph answered: nobody knows whether the account has the password")
	}
	f := refusal(op, status, header, body)
	f.Message = redact.New(password).Known(f.Message) // even a part of it
	return passwordRefusal(f)
}

// notSet is why no answer came. If there was no token, nothing was sent to Graph, and
// the fault is to try later, as when Graph throttles.
func notSet(op string, err error) error {
	f := fault.Of(fault.Wrap(err, fault.Transient, op))
	if never := (unsent{}); errors.As(err, &never) && f.Kind == fault.Transient {
		f.Kind = fault.Throttled
	}
	return f
}

// profileOf is a password that the user need not change.
func profileOf(password string) models.PasswordProfileable {
	change := false
	profile := models.NewPasswordProfile()
	profile.SetPassword(&password)
	profile.SetForceChangePasswordNextSignIn(&change)
	return profile
}

// passwordRefusal explains a refusal of a request that wrote a password only.
func passwordRefusal(f *fault.Error) error {
	switch {
	case f.Kind == fault.Forbidden && f.Reason == directory.ProtectedAccount:
		// Graph answers the same for both causes (passwordProfile, permissions).
		f.Message = "Entra does not allow entrasync to set this account's password: the application needs the permission " +
			"User-PasswordProfile.ReadWrite.All and the directory role User Administrator; with both, the account holds an administrator role itself: set its password by hand"
	case f.Kind == fault.Invalid && (f.Subject == string(thePassword) || f.Subject == passwordPart):
		f.Reason = directory.PasswordRefused
		f.Message = "Entra refuses the password as too weak, too common or too much like the name: take another one (" +
			ownText(f.Message) + ")"
	case f.Kind == fault.Invalid: // because of the kind of account
		f.Reason = directory.PasswordRefused
		f.Message = "Entra does not take a password for this account (" + ownText(f.Message) + ")"
	}
	return f
}

// passwordPart is how Graph may name the password when it refuses one.
const passwordPart = "password"
