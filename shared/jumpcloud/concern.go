package jumpcloud

import (
	"slices"
)

// Concern is what an event means to entrasync.
type Concern string

// The closed list of concerns.
const (
	// UserChanged: a user was created or changed, in attributes or in state.
	UserChanged Concern = "user_changed"
	// UserDeleted: a user was deleted, unless reading it shows otherwise.
	UserDeleted Concern = "user_deleted"
	// PasswordChanged: a user has a new password. No event has the password. The user
	// must be processed as well, because a new password ends an expiry.
	PasswordChanged Concern = "password_changed"
	// GroupChanged: a user group was created, changed or deleted.
	GroupChanged Concern = "group_changed"
	// AssociationChanged: a user or group joined or left a group, or a user or group
	// was connected to or disconnected from a directory or an application.
	AssociationChanged Concern = "association_changed"
	// SettingsChanged: settings, domains or attribute mappings of a directory,
	// or settings of the organization.
	SettingsChanged Concern = "settings_changed"
	// OwnWrite: JumpCloud reports a write of its own to another system.
	OwnWrite Concern = "own_write"
	// Irrelevant: nothing that entrasync uses.
	Irrelevant Concern = "irrelevant"
)

// concerns are the event types that concern us. Names and meanings are those of the
// Directory Insights API documentation, except where a comment says otherwise.
var concerns = map[string]Concern{
	"user_create":           UserChanged,
	"user_update":           UserChanged,
	"user_activated":        UserChanged,
	"user_suspended":        UserChanged,
	"user_unsuspended":      UserChanged,
	"user_lockout":          UserChanged,
	"user_unlocked":         UserChanged,
	"user_password_expired": UserChanged,
	"user_delete":           UserDeleted,
	"user_password_change":  PasswordChanged,
	"user_password_set":     PasswordChanged,

	"group_create": GroupChanged,
	"group_update": GroupChanged,
	"group_delete": GroupChanged,

	"association_change": AssociationChanged,

	"organization_update":               SettingsChanged,
	"o365_directory_create":             SettingsChanged,
	"o365_directory_update":             SettingsChanged,
	"o365_directory_delete":             SettingsChanged,
	"integration_activate":              SettingsChanged,
	"integration_deactivate":            SettingsChanged,
	"integration_domain_add":            SettingsChanged,
	"integration_domain_delete":         SettingsChanged,
	"integration_default_domain_add":    SettingsChanged,
	"integration_default_domain_update": SettingsChanged,
	"integration_default_domain_delete": SettingsChanged,
	"integrationattribute_include":      SettingsChanged,
	"integrationattribute_exclude":      SettingsChanged,
	"attributemappings_add":             SettingsChanged, // seen live, in no specification
	"attributemappings_update":          SettingsChanged, // likewise
	"attributemappings_delete":          SettingsChanged, // likewise

	"user_create_provision":          OwnWrite,
	"user_update_provision":          OwnWrite,
	"user_delete_provision":          OwnWrite,
	"user_deprovision":               OwnWrite, // named only on JumpCloud's page about Microsoft 365
	"user_password_update_provision": OwnWrite, // likewise
}

// EventTypes are the event types that entrasync acts on, sorted: a JumpCloud rule must
// select them, and the feed is searched for them.
func EventTypes() []string {
	var types []string
	for name, concern := range concerns {
		if concern != OwnWrite {
			types = append(types, name)
		}
	}
	slices.Sort(types)
	return types
}

// Concern says what the event means to entrasync. An event that reports a failure
// changed nothing and is Irrelevant. So are groups of devices and policies, whose
// events have the same names as those of user groups, and all associations except those
// of users and user groups with each other, with a Microsoft 365 directory or with an
// application.
func (e Event) Concern() Concern {
	concern, known := concerns[e.Type]
	switch {
	case !known || e.Failed:
		return Irrelevant
	case concern == GroupChanged && e.Resource.Type != "" && e.Resource.Type != typeUserGroup:
		return Irrelevant
	case concern == AssociationChanged && !e.Association.ours():
		return Irrelevant
	}
	return concern
}
