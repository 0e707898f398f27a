package entra

import (
	"fmt"
	"net/http"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// The texts, which have no code of their own, by which Graph says that a member was
// added or removed already (observed by integrators: both with status 400).
const (
	alreadyMember = "added object references already exist"
	notMember     = "removed object references do not exist"
)

// says reports whether the message of a refusal contains a text.
func (r response) says(text string) bool {
	return r.err == nil && r.Status == http.StatusBadRequest && strings.Contains(errorOf(r.Body).Message, text)
}

// succeeded reports whether Graph did what an item requested.
func (r response) succeeded() bool {
	return r.err == nil && r.Status >= http.StatusOK && r.Status < http.StatusMultipleChoices
}

// absent reports whether Graph does not have something that a request named.
func (r response) absent() bool {
	return r.err == nil && r.Status == http.StatusNotFound && errorOf(r.Body).Code != ""
}

// clashed reports whether Graph refused a write because of another write to the same
// object.
func (r response) clashed() bool {
	return r.err == nil && r.Status == http.StatusConflict && errorOf(r.Body).Code == concurrencyCode
}

// fault is why Graph did not do what an item requested.
func (r response) fault(op string) *fault.Error {
	if r.err != nil {
		return fault.Of(fault.Wrap(r.err, fault.Transient, op))
	}
	return refusal(op, r.Status, r.header(), r.Body)
}

// readFault is the fault for a list that Graph does not return.
func readFault(op string, answer response) *fault.Error {
	f := groupsReadable(answer.fault(op))
	if f.Kind == fault.NotFound {
		return groupMissing(op)
	}
	return f
}

// groupsReadable is the fault for groups that Graph did not return. Every group may be
// read, so a refusal is about the permissions of the application.
func groupsReadable(f *fault.Error) *fault.Error {
	if f.Reason == directory.ProtectedAccount {
		f.Kind, f.Reason = fault.Unauthorized, directory.PermissionMissing
		f.Message = "Entra does not allow the application to read groups: give it the permissions that the README lists, with admin consent"
	}
	return f
}

// groupMissing is the fault for a group that Entra does not have.
func groupMissing(op string) *fault.Error {
	f := because(fault.NotFound, directory.GroupMissing, "", "the group is not in Entra: it was deleted there, or is so new that it is not known everywhere yet")
	f.Op = op
	return f
}

// aboutGroup is the fault for a write to a group that Graph refused: [refusal], whose
// messages are about accounts, with messages about groups.
func aboutGroup(op string, answer response) *fault.Error {
	f := answer.fault(op)
	switch f.Reason {
	case directory.ProtectedAccount:
		f.Reason = directory.GroupUnusable
		f.Message = "Entra does not allow entrasync to change this group: it is mail-enabled, dynamic, role-assignable or under restricted management (then manage it by hand), or the application lacks a permission that the README lists"
	case directory.SyncedFromOnPremises:
		f.Message = "the group is synchronised from an on-premises Active Directory, which owns it: manage it there, or end that synchronisation first"
	case directory.MasteredElsewhere:
		f.Message = "another service owns the group, because it has its origin in an on-premises Active Directory or in Exchange: change it there"
	case directory.UPNConflict:
		f.Kind, f.Reason = fault.Conflict, directory.RefusedReason
		f.Message = "another object in Entra has " + sameProperty(f.Subject) + " of the group" + others(f.Message) + ": change or delete that object"
	case directory.InvalidValue, directory.DomainNotVerified:
		f.Kind, f.Reason = fault.Invalid, directory.InvalidValue
		f.Message = fmt.Sprintf("Entra refuses the %s of the group, as too long or for its characters: rename the group in JumpCloud", f.Subject)
	}
	if f.Kind == fault.NotFound {
		return groupMissing(op)
	}
	return f
}

// sameProperty names a property in a sentence, even when it is not known.
func sameProperty(property string) string {
	if property == "" {
		return "one of the values"
	}
	return "the " + property
}

// others are the ids of objects in a sentence, in brackets, for another sentence.
func others(sentence string) string {
	ids := idForm.FindAllString(sentence, -1)
	if len(ids) == 0 {
		return ""
	}
	return " (in Entra: " + strings.Join(ids, ", ") + ")"
}

// aboutMember is the fault for a member that Entra does not add or remove.
func aboutMember(op string, answer response) *fault.Error {
	f := answer.fault(op)
	switch {
	case f.Kind == fault.NotFound:
		f.Reason = directory.MemberRefused
		f.Message = "Entra does not have the account that is to be a member, because it was deleted, or is so new that it is not known everywhere yet: restore it if it was deleted, and try the group again"
	case f.Reason == directory.QuotaExceeded:
	case f.Kind == fault.Forbidden:
		f.Reason = directory.MemberRefused
		f.Message = "Entra does not allow entrasync to change whether this account is a member of the group: check the account and the group in Entra, and try the group again"
	case f.Kind == fault.Invalid, f.Kind == fault.Conflict:
		f.Kind, f.Reason = fault.Invalid, directory.MemberRefused
		f.Message = "Entra does not take the account as a member of the group" + inBrackets(errorOf(answer.Body).Message) + ": check the account in Entra, and try the group again"
	}
	return f
}

// concernsAll reports whether a fault is not about the single object that was written:
// writes to other objects would get it as well.
func concernsAll(f *fault.Error) bool {
	return f.Kind == fault.Throttled || f.Kind == fault.Transient || f.Kind == fault.Unauthorized
}
