package reconcile

import (
	"context"
	"slices"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// A permission that the application lacks is a fault of the tenant's setup, and ends when
// somebody grants it. The engine does what does not need the permission, and the user or the
// group waits for the rest.

// permissionMissing reports whether a fault says that the application lacks a
// permission.
func permissionMissing(f *fault.Error) bool {
	return f.Kind == fault.Unauthorized && f.Reason == directory.PermissionMissing
}

// standsAlone reports whether later actions can be done without this one: it does not
// create, take over or restore the account or the group that they write to.
func standsAlone(action plan.Action) bool {
	switch action.Type {
	case plan.Provision, plan.TakeOver, plan.Restore, plan.CreateGroup, plan.TakeOverGroup:
		return false
	default:
		return true
	}
}

// lessProperty is an update without a property that it may not write; no action if no
// change is left, or if the property is not named.
func lessProperty(action plan.Action, property string) []plan.Action {
	if action.Type != plan.Update || property == "" {
		return nil
	}
	left := slices.DeleteFunc(slices.Clone(action.Changes), func(c directory.Change) bool {
		root, _, _ := strings.Cut(string(c.Attribute), ".")
		return root == property
	})
	if len(left) == 0 || len(left) == len(action.Changes) {
		return nil
	}
	return []plan.Action{{Type: action.Type, EntraID: action.EntraID, Changes: left, Reason: action.Reason}}
}

// authorize ends the attempts in a directory whose tenant could not be read yet: claims
// on accounts need the object id of the tenant.
func (b *userBatch) authorize(ctx context.Context, users []*user) {
	if b.dir.TenantObject != "" {
		return
	}
	b.failEach(ctx, users, notAuthorized(b.dir))
}

// notAuthorized says that the tenant of a directory has not given consent yet, and why as
// far as the directory knows.
func notAuthorized(dir directory.Directory) error {
	f := &fault.Error{Op: "reconcile.authorize", Kind: fault.Unauthorized, Reason: directory.PendingConsent,
		Message: "the tenant " + string(dir.Tenant) + " has not let the application in yet: give admin consent in Entra; then it works by itself within a minute or two, or at once with a PATCH of this directory (an empty object will do)"}
	if dir.Reason != "" {
		f.Reason = dir.Reason
		f.Message = "the tenant " + string(dir.Tenant) + " does not let the application in: " + dir.Message + ". When that is done it works by itself within a minute or two, or at once with a PATCH of this directory (an empty object will do)"
	}
	return f
}
