package admin

import (
	"maps"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/directory"
)

// settingsPatch are settings in a request: a JSON Merge Patch of them.
type settingsPatch map[string]any

// Schema implements huma.SchemaProvider.
func (settingsPatch) Schema(r huma.Registry) *huma.Schema { return component(r, "SettingsPatch", true) }

// settingsView are the settings of a directory in an answer.
type settingsView directory.Settings

// Schema implements huma.SchemaProvider.
func (settingsView) Schema(r huma.Registry) *huma.Schema { return component(r, "Settings", false) }

// component returns a reference to the schema of settings. The schema is in the
// document only once, because it is large.
func component(r huma.Registry, name string, patch bool) *huma.Schema {
	if r.Map()[name] == nil {
		r.Map()[name] = settingsSchema(patch)
		if patch { // answers are not checked
			r.Map()[name].PrecomputeMessages()
		}
	}
	return &huma.Schema{Ref: "#/components/schemas/" + name}
}

// switches are the boolean settings, and what they do when on.
var switches = map[string]string{
	"suspendOnPasswordExpiration":    "Disable the account while the user's password is expired in JumpCloud",
	"suspendOnLockout":               "Disable the account while the user is locked out in JumpCloud",
	"revokeSessionsOnPasswordChange": "End the user's sessions in Microsoft 365 when JumpCloud has a new password",
	"restoreDeleted":                 "Restore a deleted account of the wanted name, or of a linked user, instead of reporting it",
	"repairDrift":                    "Write again what somebody else changed in Entra; off: it is only reported, until JumpCloud has another value",
	"federated":                      "Sign-in is federated: write onPremisesImmutableId on accounts that are taken over and have none",
	"manageGroups":                   "Make connected groups security groups; off: they only connect their members",
	"exactMembership":                "Take members out of a security group that JumpCloud does not know",
	"deleteGroups":                   "Delete a security group that we created once its group is disconnected or deleted",
	"allowSharedDomains":             "Allow another directory on the same tenant; a user then stays enabled as long as one of them holds the user",
}

// settingsSchema describes all settings, or a patch of them, in which each may be
// missing and a null restores the default.
func settingsSchema(patch bool) *huma.Schema {
	defaults, err := asObject(directory.DefaultSettings())
	if err != nil {
		panic(err) // they are constants
	}
	describe := schemas{patch}
	settings := describe.object("", map[string]*huma.Schema{
		"mappedEmail":      describe.oneOf("Which e-mail address of the user in JumpCloud becomes the sign-in name", "company", "alternate"),
		"domains":          describe.domains(),
		"attributes":       describe.attributes(),
		"import":           describe.imports(),
		"customAttributes": describe.customAttributes(),
		"connectionSource": describe.connectionSource(),
		"exclude":          describe.exclude(),
		"guard":            describe.guard(),
		"leavers":          describe.leavers(),
	})
	for name, does := range switches {
		settings.Properties[name] = describe.boolean(does)
	}
	for name, property := range settings.Properties {
		property.Default = defaults[name]
	}
	settings.Nullable = false
	if !patch {
		settings.Required = slices.Sorted(maps.Keys(settings.Properties))
	}
	return settings
}

// schemas makes schemas; in those of a patch every value may be null.
type schemas struct{ patch bool }

// object is an object that has no other properties than these.
func (s schemas) object(description string, properties map[string]*huma.Schema) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, Nullable: s.patch, Description: description, Properties: properties, AdditionalProperties: false}
}

// boolean is true or false.
func (s schemas) boolean(description string) *huma.Schema {
	return &huma.Schema{Type: huma.TypeBoolean, Nullable: s.patch, Description: description}
}

// text is a string that matches a pattern.
func (s schemas) text(pattern, says, description string) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Nullable: s.patch, Pattern: pattern, PatternDescription: says, Description: description}
}

// oneOf is one of some words.
func (s schemas) oneOf(description string, words ...string) *huma.Schema {
	values := anyOf(words)
	if s.patch {
		values = append(values, nil)
	}
	return &huma.Schema{Type: huma.TypeString, Nullable: s.patch, Enum: values, Description: description}
}

// domains is the setting domains. A patch replaces the complete list, so its elements
// cannot be null.
func (s schemas) domains() *huma.Schema {
	longest, item := directory.LongestDomain, schemas{}
	name := item.text(directory.DomainPattern, "the name of a domain", "A verified domain of the tenant; names compare without regard to case and may be listed once")
	name.MaxLength = &longest
	standard := item.boolean("Whoever has an address in another domain gets the local part of it at this domain; at most one is the default")
	standard.Nullable = true // as if it were missing
	domain := item.object("", map[string]*huma.Schema{"name": name, "default": standard})
	domain.Required = []string{"name"}
	return &huma.Schema{Type: huma.TypeArray, Nullable: s.patch, Items: domain,
		Description: "The domains whose users are synced; empty: all, with their address as it is"}
}

// attributes is the setting attributes.
func (s schemas) attributes() *huma.Schema {
	rules := map[string]*huma.Schema{}
	for _, rule := range directory.Rules() {
		rules[string(rule)] = s.boolean(rule.Writes())
	}
	return s.object("The optional attributes that are written, by their rule; off leaves the value that is there", rules)
}

// imports is the setting import.
func (s schemas) imports() *huma.Schema {
	rules := map[string]*huma.Schema{}
	for _, rule := range directory.ImportableRules() {
		rules[string(rule)] = s.boolean(rule.Reads())
	}
	return s.object("What a user who is imported from Microsoft 365 gets in JumpCloud besides username, names and e-mail address, by rule", rules)
}

// customAttributes is the setting customAttributes.
func (s schemas) customAttributes() *huma.Schema {
	extension := s.text(directory.ExtensionPattern, "one of "+directory.ExtensionSays, "")
	if s.patch {
		extension.PrecomputeMessages() // the library forgets those of additional properties
	}
	return &huma.Schema{Type: huma.TypeObject, Nullable: s.patch, AdditionalProperties: extension,
		Extensions:  map[string]any{"propertyNames": map[string]any{"minLength": 1}},
		Description: "The extension attribute to write for each custom attribute of JumpCloud, by its name there; each extension attribute is written from one only"}
}

// connectionSource is the setting connectionSource.
func (s schemas) connectionSource() *huma.Schema {
	return s.object("The object in JumpCloud whose associations connect users and groups", map[string]*huma.Schema{
		"type": s.oneOf("none: there is no such object", "none", "application", "office_365"),
		"id":   s.text(directory.JumpCloudID, directory.JumpCloudIDSays, "Missing with the type none"),
	})
}

// exclude is the setting exclude. A patch replaces a complete list, so its elements cannot
// be null.
func (s schemas) exclude() *huma.Schema {
	most, item := directory.MaxExcluded, schemas{}
	list := func(description string, of *huma.Schema) *huma.Schema {
		return &huma.Schema{Type: huma.TypeArray, Nullable: s.patch, Items: of, MaxItems: &most, Description: description}
	}
	group := s.text(directory.NoJumpCloudID, directory.JumpCloudIDSays+", or nothing", "The JumpCloud group whose members, nested ones too, are excluded; empty: none. While its members are read for the first time nothing is written in the directory")
	return s.object("Whose accounts are never created, taken over, changed, enabled, disabled, or put into groups or taken out of them: break-glass and service accounts. Another directory on the same tenant does not know of it: list them there too", map[string]*huma.Schema{
		"users": list("The ids of JumpCloud users", item.text(directory.JumpCloudID, directory.JumpCloudIDSays, "")),
		"upns":  list("The sign-in names of accounts in Entra, whoever has them; without regard to case", &huma.Schema{Type: huma.TypeString}),
		"group": group,
	})
}

// guard is the setting guard.
func (s schemas) guard() *huma.Schema {
	number := func(most int, description string) *huma.Schema {
		from, to := 0.0, float64(most)
		return &huma.Schema{Type: huma.TypeInteger, Nullable: s.patch, Minimum: &from, Maximum: &to, Description: description}
	}
	count := number(directory.MostGuarded, "How many people may lose access within the window, of each kind. null turns the guard off, and brings no default back: then one mistake in JumpCloud, such as a group that is emptied, may disable everybody at once, and nobody is asked")
	count.Nullable = true
	return s.object("From how many people on a person has to approve that access is taken away. Two kinds are counted apart: removals (left, disconnected, deleted, taken out of a group) and suspensions (suspended, locked out, password expired). "+
		"A hold of a kind begins with the next action that exceeds maxCount or maxPercent, and never at or below minimum; see the operations on holds. Each directory guards for itself: the limits of a tenant with two are those of both together", map[string]*huma.Schema{
		"maxCount":   count,
		"maxPercent": number(100, "How many percent of the linked users may lose access within the window, or of the members of a group whose members are taken out"),
		"minimum":    number(directory.MostGuarded, "How many people always may, whatever the other limits say, so that one leaver does not stop a small directory"),
		"window":     {Type: huma.TypeString, Nullable: s.patch, Description: "How far back people are counted: a duration from 1m to 24h, such as 1h or 90m"},
	})
}

// leaverSteps are the steps of the setting leavers, and what they do.
var leaverSteps = map[directory.LeaverStep]string{
	directory.RemoveFromGroups: "Take the account out of the security groups that we manage and in which it still is, also of those that are not connected any more",
	directory.RemoveLicenses: "Take the licenses away that the account has by itself. Those that it has as a member of a group are only reported. " +
		"Microsoft keeps a mailbox without a license for 30 days and then deletes it: who comes back later has a new one",
	directory.HideFromAddressLists: "Hide the account from the address lists of Exchange, by the property `showInAddressList` of Microsoft Graph. Microsoft advises against that property and for the Microsoft 365 admin center, " +
		"because Graph may show another value than Exchange has: look there whether the account is hidden",
	directory.ClearManager:  "Take the manager off the account",
	directory.DeleteAccount: "Delete the account; for 30 days it can be restored, and it is if its user comes back, with its mailbox and its groups. Until then it keeps its licenses, unless they were taken away before. Deletions count as removals for the guard. Nobody is deleted within an hour after this setting was changed",
}

// leavers is the setting leavers.
func (s schemas) leavers() *huma.Schema {
	steps := map[string]*huma.Schema{}
	for _, step := range directory.LeaverSteps() {
		least, most := float64(step.Least()), float64(directory.LongestLeave)
		steps[string(step)] = &huma.Schema{Type: huma.TypeInteger, Nullable: true, Minimum: &least, Maximum: &most,
			Description: leaverSteps[step] + ". So many days after the block; null: never"}
	}
	return s.object("What follows when an account was blocked because its user left: was disconnected, deleted or taken out of the last connected group. Nothing follows a suspension, a lockout or an expired password. "+
		"Whoever comes back gets back what was taken away, unless somebody changed it by hand since", steps)
}

// anyOf are names as the values of an enumeration.
func anyOf[T ~string](names []T) []any {
	values := make([]any, len(names))
	for i, name := range names {
		values[i] = string(name)
	}
	return values
}
