package plan

import (
	"slices"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// unit is what an attribute is written with, always.
func unit(name directory.Attribute) directory.Attribute {
	if with := name.Facts().With; with != "" {
		return with
	}
	return name
}

// groups are the changes in the order in which they are written: together, but
// for each attribute that Entra refused the last time, which must not keep the
// others back, and those that are a request of their own in Graph. The
// first group is the common one and may be empty.
func groups(changes []directory.Change, problems []directory.Problem) [][]directory.Change {
	alone := func(name directory.Attribute) bool {
		return name.Facts().Apart || slices.ContainsFunc(problems, func(p directory.Problem) bool { return unit(p.Attribute) == unit(name) })
	}
	return partition(changes, alone)
}

// partition puts the changes that are to be alone into groups of their own, one
// for each unit, after those that are not.
func partition(changes []directory.Change, alone func(directory.Attribute) bool) [][]directory.Change {
	parts := [][]directory.Change{nil}
	at := map[directory.Attribute]int{}
	for _, c := range changes {
		if !alone(c.Attribute) {
			parts[0] = append(parts[0], c)
			continue
		}
		key := unit(c.Attribute)
		if at[key] == 0 {
			parts = append(parts, nil)
			at[key] = len(parts) - 1
		}
		parts[at[key]] = append(parts[at[key]], c)
	}
	return parts
}

// Split is what remains of a refused action.
type Split struct {
	// Actions to do instead, so that one refused attribute does not keep the
	// others from being written.
	Actions []Action
	// Refused are the attributes that cannot be written.
	Refused []directory.Attribute
}

// SplitChanges finds what of an action that Entra refused can still be done. ok is false
// when it is about the account and not about attributes. Where the refusal does
// not name the attribute, they are tried apart: after a missing right the
// sensitive ones, else all.
func (a Action) SplitChanges(f *fault.Error) (rest Split, ok bool) {
	if !aboutAttributes(a, f) {
		return Split{}, false
	}
	named := a.named(f.Subject)
	suspects := func(directory.Attribute) bool { return true }
	switch {
	case len(named) > 0:
		suspects = func(name directory.Attribute) bool { return named[unit(name)] }
	case f.Subject != "":
		return Split{}, false // something that was not written is in the way
	case f.Kind == fault.Forbidden:
		suspects = func(name directory.Attribute) bool { return name.Facts().Sensitive }
	}
	needed := func(name directory.Attribute) bool {
		return name == directory.AccountEnabled || a.Type == Provision && name.Facts().Required
	}
	parts := partition(a.Changes, func(name directory.Attribute) bool { return suspects(name) && !needed(name) })
	switch {
	case len(parts) == 1: // nothing that the account can be without
		return Split{}, false
	case len(named) == 1 || len(parts) == 2 && len(parts[0]) == 0:
		return a.without(parts), true
	}
	rest.Actions = updates(parts[1:])
	if len(parts[0]) > 0 || a.Type != Update {
		rest.Actions = append([]Action{a.with(parts[0])}, rest.Actions...)
	}
	return rest, true
}

// aboutAttributes reports whether a refusal can be of attributes: those of an
// account that may be written, by an action that writes some.
func aboutAttributes(a Action, f *fault.Error) bool {
	if a.Type != Update && a.Type != TakeOver && a.Type != Provision {
		return false
	}
	named := len(a.named(f.Subject)) > 0
	switch f.Reason {
	case directory.SyncedFromOnPremises:
		return named // else of the account as a whole
	case directory.QuotaExceeded, directory.PermissionMissing, directory.AccountMissing:
		return false
	}
	switch f.Kind {
	case fault.Invalid:
		return true
	case fault.Conflict: // with something that is written, unless it names something else
		return a.Type != Provision && (named || f.Subject == "")
	default:
		return f.Kind == fault.Forbidden && a.Type == Update // a protected account is not taken over in part
	}
}

// named are the units of the attributes that a refusal names: it may name the
// property that they are parts of.
func (a Action) named(property string) map[directory.Attribute]bool {
	found := map[directory.Attribute]bool{}
	for _, c := range a.Changes {
		whole, _, _ := c.Attribute.Parts()
		if property != "" && (property == whole || property == string(c.Attribute)) {
			found[unit(c.Attribute)] = true
		}
	}
	return found
}

// without gives up the refused part, which is the last one, and does the rest.
func (a Action) without(parts [][]directory.Change) (rest Split) {
	for _, c := range parts[len(parts)-1] {
		rest.Refused = append(rest.Refused, c.Attribute)
	}
	if len(parts[0]) > 0 || a.Type != Update {
		rest.Actions = []Action{a.with(parts[0])}
	}
	return rest
}

// with is the same action with other changes, as it was before it was recorded.
func (a Action) with(changes []directory.Change) Action {
	return Action{Type: a.Type, EntraID: a.EntraID, Changes: changes, Reason: a.Reason}
}

// worst is what the problems mean for the user as a whole: the first one's reason
// and what all of them say. What will mend itself parks nobody.
func worst(problems []directory.Problem) *directory.Obstacle {
	var first directory.Reason
	var messages []string
	names := map[string][]string{} // what a message does not name by itself
	for _, p := range problems {
		if p.Reason == directory.ManagerAbsent {
			continue
		}
		if first == "" {
			first = p.Reason
		}
		if !slices.Contains(messages, p.Message) {
			messages = append(messages, p.Message)
		}
		if p.FoundOut {
			names[p.Message] = append(names[p.Message], string(p.Attribute))
		}
	}
	if first == "" {
		return nil
	}
	for i, message := range messages {
		if len(names[message]) > 0 {
			messages[i] = strings.Join(names[message], ", ") + ": " + message
		}
	}
	return &directory.Obstacle{Reason: first, Message: strings.Join(messages, "; ")}
}
