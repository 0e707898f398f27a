package plan

import (
	"slices"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// unit is the attribute with which an attribute is always written.
func unit(name directory.Attribute) directory.Attribute {
	if with := name.Facts().With; with != "" {
		return with
	}
	return name
}

// groups are the changes in the order in which they are written. The first group has most
// of them and may be empty. An attribute that Entra refused the last time is in a group of
// its own, so that it does not keep the others from being written, and so is one that
// needs a request of its own in Graph.
func groups(changes []directory.Change, problems []directory.Problem) [][]directory.Change {
	alone := func(name directory.Attribute) bool {
		return name.Facts().Apart || slices.ContainsFunc(problems, func(p directory.Problem) bool { return unit(p.Attribute) == unit(name) })
	}
	return partition(changes, alone)
}

// partition puts the changes that are to be alone into groups of their own, one for each
// unit, after the group of the others.
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

// Split is the rest of a refused action.
type Split struct {
	// Actions to send instead, so that one refused attribute does not keep the others
	// from being written.
	Actions []Action
	// Refused are the attributes that cannot be written.
	Refused []directory.Attribute
}

// SplitChanges returns the actions that can still be done after Entra refused one. ok is
// false when the refusal is about the account and not about attributes. If the refusal
// does not name the attribute, the attributes are tried one by one: only the sensitive
// ones after a refusal for a missing right, otherwise all.
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
		return Split{}, false // a property that was not written is the cause
	case f.Kind == fault.Forbidden:
		suspects = func(name directory.Attribute) bool { return name.Facts().Sensitive }
	}
	needed := func(name directory.Attribute) bool {
		return name == directory.AccountEnabled || a.Type == Provision && name.Facts().Required
	}
	parts := partition(a.Changes, func(name directory.Attribute) bool { return suspects(name) && !needed(name) })
	switch {
	case len(parts) == 1: // the account cannot exist without it
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

// aboutAttributes reports whether a refusal can be about attributes: the action writes
// some, and the account itself may be written.
func aboutAttributes(a Action, f *fault.Error) bool {
	if a.Type != Update && a.Type != TakeOver && a.Type != Provision {
		return false
	}
	named := len(a.named(f.Subject)) > 0
	switch f.Reason {
	case directory.SyncedFromOnPremises:
		return named // otherwise about the account itself
	case directory.QuotaExceeded, directory.PermissionMissing, directory.AccountMissing:
		return false
	}
	switch f.Kind {
	case fault.Invalid:
		return true
	case fault.Conflict: // about a written attribute, unless it names another property
		return a.Type != Provision && (named || f.Subject == "")
	default:
		return f.Kind == fault.Forbidden && a.Type == Update // a protected account is not taken over partly
	}
}

// named are the units of the attributes that a refusal names; it may name the property of
// which they are parts.
func (a Action) named(property string) map[directory.Attribute]bool {
	found := map[directory.Attribute]bool{}
	for _, c := range a.Changes {
		root, _, _ := c.Attribute.Parts()
		if property != "" && (property == root || property == string(c.Attribute)) {
			found[unit(c.Attribute)] = true
		}
	}
	return found
}

// without gives up the refused part, which is the last one, and returns the rest.
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

// worst is the obstacle that the problems make for the user: with the reason of the first
// and the messages of all. A problem that ends without a person's action parks nobody.
func worst(problems []directory.Problem) *directory.Obstacle {
	var first directory.Reason
	var messages []string
	names := map[string][]string{} // that a message does not have by itself
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
