package entratest

import (
	"maps"
	"slices"
	"strings"
	"time"

	"entrasync/shared/fault"
)

// Directory is direct access to a tenant for a test: without quota, lag or validation.
type Directory struct {
	sim *Simulator
	t   *tenant
}

// User is a stored user. Properties has every property that was ever set, by its Graph
// name; the other fields repeat some of them.
type User struct {
	ID                string         `json:"id"`
	UserPrincipalName string         `json:"userPrincipalName"`
	DisplayName       string         `json:"displayName"`
	AccountEnabled    bool           `json:"accountEnabled"`
	Properties        map[string]any `json:"properties"`
	Manager           string         `json:"manager,omitempty"` // id
	Groups            []string       `json:"groups,omitempty"`  // ids, sorted
	DirectoryRoles    []string       `json:"directoryRoles,omitempty"`
	EverSynced        bool           `json:"everSynced,omitempty"`     // was mastered on premises once
	MadeByExchange    bool           `json:"madeByExchange,omitempty"` // made as a mail user in Exchange Online
	Agent             bool           `json:"agent,omitempty"`          // of the type agentUser, a subtype of user
	Deleted           time.Time      `json:"deleted,omitzero"`         // zero: not deleted
	Licenses          []License      `json:"licenses,omitempty"`       // its own and those of its groups; AddUser gives those without a group
	PasswordChanges   int            `json:"passwordChanges"`
	passwordHash      string
	sim               *Simulator
}

// Text is a property that is a text; "" if it is unset.
func (u User) Text(name string) string {
	s, _ := u.Properties[name].(string)
	return s
}

// Hidden reports whether the user is not in the address lists; without a value it is in them.
func (u User) Hidden() bool { return u.Properties["showInAddressList"] == false }

// HasPassword reports whether password is the user's last password.
func (u User) HasPassword(password string) bool {
	return u.sim != nil && u.passwordHash != "" && u.passwordHash == u.sim.passwordHash(u.ID, password)
}

// Group is a stored group.
type Group struct {
	ID          string         `json:"id"`
	DisplayName string         `json:"displayName"`
	Kind        GroupKind      `json:"kind"`
	Properties  map[string]any `json:"properties"`
	Members     []string       `json:"members"` // ids in the order in which they were added
	Owners      []string       `json:"owners,omitempty"`
	Deleted     time.Time      `json:"deleted,omitzero"` // zero: not deleted
}

// GroupKind is the kind of a group.
type GroupKind string

// The kinds of groups (Microsoft Graph documentation, groups overview).
const (
	Security            GroupKind = "security"
	Microsoft365        GroupKind = "microsoft365"
	MailEnabledSecurity GroupKind = "mailEnabledSecurity"
	Distribution        GroupKind = "distribution"
	DynamicSecurity     GroupKind = "dynamicSecurity"
	RoleAssignable      GroupKind = "roleAssignable"
	SyncedSecurity      GroupKind = "syncedSecurity" // mastered on premises
)

// flags are the properties of a group of a kind.
func (k GroupKind) flags() map[string]any {
	flags := map[string]any{"mailEnabled": false, "securityEnabled": true, "groupTypes": []any{}}
	switch k {
	case Microsoft365:
		flags["mailEnabled"], flags["securityEnabled"], flags["groupTypes"] = true, false, []any{"Unified"}
	case MailEnabledSecurity:
		flags["mailEnabled"] = true
	case Distribution:
		flags["mailEnabled"], flags["securityEnabled"] = true, false
	case DynamicSecurity:
		flags["groupTypes"], flags["membershipRule"] = []any{"DynamicMembership"}, `user.department -eq "Ops"`
		flags["membershipRuleProcessingState"] = "On"
	case RoleAssignable:
		flags["isAssignableToRole"] = true
	case SyncedSecurity:
		flags["onPremisesSyncEnabled"] = true
	}
	return flags
}

// Tenant returns the directory of a tenant by its id. For an unknown tenant it is the
// zero Directory, which finds nothing and refuses to add.
func (s *Simulator) Tenant(id string) Directory {
	return Directory{s, s.tenants[strings.ToLower(id)]}
}

// Tenants are the ids of the tenants, in the order of the configuration.
func (s *Simulator) Tenants() []string {
	var ids []string
	for _, t := range s.config.Tenants {
		ids = append(ids, t.ID)
	}
	return ids
}

func (d Directory) unknown(op string) error {
	return fault.New(fault.NotFound, "entratest."+op, "no such tenant")
}

// AddUser puts a user into the directory. Empty fields get values: an id, and a
// displayName and a mailNickname from the UPN; an unset AccountEnabled means enabled
// unless Properties says otherwise. Conflict if the UPN or the id is taken, Invalid
// without a UPN.
func (d Directory) AddUser(u User) (User, error) {
	if d.t == nil {
		return User{}, d.unknown("AddUser")
	}
	set := maps.Clone(u.Properties)
	if set == nil {
		set = map[string]any{}
	}
	upn, _ := set["userPrincipalName"].(string)
	if u.UserPrincipalName != "" {
		upn = u.UserPrincipalName
	}
	if upn == "" {
		return User{}, fault.New(fault.Invalid, "entratest.AddUser", "a user needs a userPrincipalName")
	}
	local, _, _ := strings.Cut(upn, "@")
	set["userPrincipalName"] = upn
	for name, value := range map[string]any{"displayName": local, "mailNickname": local, "accountEnabled": true, "userType": "Member"} {
		if set[name] == nil {
			set[name] = value
		}
	}
	if u.DisplayName != "" {
		set["displayName"] = u.DisplayName
	}
	d.t.mu.Lock()
	defer d.t.mu.Unlock()
	if u.ID == "" {
		u.ID = d.sim.random.objectID(d.t, kindUser, upn)
	}
	if d.t.objects[strings.ToLower(u.ID)] != nil || d.t.conflicts("", set) != nil {
		return User{}, fault.New(fault.Conflict, "entratest.AddUser", upn+" or its id is taken")
	}
	c := change{Kind: kindUser, ID: u.ID, Create: true, Set: userValues(nil, plain(set)), Facts: &facts{
		DirectoryRoles: u.DirectoryRoles, EverSynced: u.EverSynced, MadeByExchange: u.MadeByExchange, Agent: u.Agent,
	}}
	if own := slices.DeleteFunc(slices.Clone(u.Licenses), func(l License) bool { return l.Group != "" }); len(own) > 0 {
		c.Set[assignedLicenses] = licenseValues(own)
	}
	if u.Manager != "" {
		c.Manager = &u.Manager
	}
	return d.commitUser(c)
}

// plain turns Go values into the types of decoded JSON.
func plain(set map[string]any) map[string]any {
	out := map[string]any{}
	for name, value := range set {
		switch v := value.(type) {
		case []string:
			items := []any{}
			for _, item := range v {
				items = append(items, item)
			}
			out[name] = items
		case map[string]string:
			parts := map[string]any{}
			for part, text := range v {
				parts[part] = text
			}
			out[name] = parts
		default:
			out[name] = value
		}
	}
	return out
}

func (d Directory) commitUser(c change) (User, error) {
	o, failure := d.sim.commit(d.t, c, time.Now())
	if failure != nil {
		return User{}, fault.New(fault.Internal, "entratest.commit", failure.message)
	}
	return d.user(o), nil
}

// user copies a stored user.
func (d Directory) user(o *object) User {
	u := User{
		ID: o.ID, UserPrincipalName: o.text("userPrincipalName"), DisplayName: o.text("displayName"), AccountEnabled: o.is("accountEnabled"),
		Properties: values(o), Manager: o.Manager, DirectoryRoles: o.Facts.DirectoryRoles, EverSynced: o.Facts.EverSynced, MadeByExchange: o.Facts.MadeByExchange, Agent: o.Facts.Agent,
		Deleted: o.Deleted, PasswordChanges: o.Facts.PasswordChanges, passwordHash: o.Facts.PasswordHash, sim: d.sim,
	}
	u.Groups = slices.Sorted(maps.Keys(d.t.memberOf[o.ID]))
	u.Licenses = d.t.shown(d.t.licensesOf(o))
	return u
}

func values(o *object) map[string]any {
	out := make(map[string]any, len(o.Props))
	for name, p := range o.Props {
		out[name] = p.Value
	}
	return out
}

// User finds a user by id or UPN, deleted ones by id only.
func (d Directory) User(idOrUPN string) (User, bool) {
	if d.t == nil {
		return User{}, false
	}
	d.t.mu.RLock()
	defer d.t.mu.RUnlock()
	o := d.find(kindUser, idOrUPN)
	if o == nil {
		return User{}, false
	}
	return d.user(o), true
}

// Enabled reports whether a user found by id or UPN has an enabled account. It copies
// nothing, so that a test can ask often.
func (d Directory) Enabled(idOrUPN string) bool {
	if d.t == nil {
		return false
	}
	d.t.mu.RLock()
	defer d.t.mu.RUnlock()
	o := d.find(kindUser, idOrUPN)
	return o != nil && o.is("accountEnabled")
}

// LastChange is the number of the last change of any object. As long as it stays the same,
// so does what the other methods return.
func (d Directory) LastChange() int64 {
	if d.t == nil {
		return 0
	}
	d.t.mu.RLock()
	defer d.t.mu.RUnlock()
	return d.t.seq
}

// find is an object that is not a tombstone. The caller holds the lock.
func (d Directory) find(kind, key string) *object {
	o := d.t.objects[strings.ToLower(key)]
	if o == nil && kind == kindUser {
		o = d.t.objects[strings.ToLower(d.t.byUPN[strings.ToLower(key)])]
	}
	if o == nil || o.Purged || o.Kind != kind {
		return nil
	}
	return o
}

// Users are all users in the order of their creation, deleted ones too.
func (d Directory) Users() []User {
	var out []User
	d.each(kindUser, func(o *object) { out = append(out, d.user(o)) })
	return out
}

func (d Directory) each(kind string, f func(*object)) {
	if d.t == nil {
		return
	}
	d.t.mu.RLock()
	defer d.t.mu.RUnlock()
	for _, o := range d.t.order {
		if o.Kind == kind {
			f(o)
		}
	}
}

// UpdateUser sets properties of a user, as an administrator does outside of entrasync;
// nil clears a property. NotFound if there is no such user.
func (d Directory) UpdateUser(idOrUPN string, properties map[string]any) (User, error) {
	return d.editUser(idOrUPN, "UpdateUser", func(o *object) change {
		return change{Set: userValues(o, plain(properties))}
	})
}

// SetUserRoles gives a user directory roles, which make it an administrator.
func (d Directory) SetUserRoles(idOrUPN string, roles ...string) (User, error) {
	return d.editUser(idOrUPN, "SetUserRoles", func(o *object) change {
		known := o.Facts
		known.DirectoryRoles = roles
		return change{Facts: &known}
	})
}

// SetAgent makes a user one of the type agentUser. That Entra does so with an account that
// exists is not known; a test of what must never happen to an agent needs it.
func (d Directory) SetAgent(idOrUPN string) (User, error) {
	return d.editUser(idOrUPN, "SetAgent", func(o *object) change {
		known := o.Facts
		known.Agent = true
		return change{Facts: &known}
	})
}

// SetManager sets the manager of a user by id; "" clears it.
func (d Directory) SetManager(idOrUPN, managerID string) (User, error) {
	return d.editUser(idOrUPN, "SetManager", func(*object) change { return change{Manager: &managerID} })
}

// DeleteUser moves a user to deletedItems.
func (d Directory) DeleteUser(idOrUPN string) (User, error) {
	return d.editUser(idOrUPN, "DeleteUser", func(o *object) change { return softDeletion(o, d.sim.behaviour()) })
}

// RestoreUser restores a user from deletedItems with the name that it had. Conflict if
// another user has that name.
func (d Directory) RestoreUser(id string) (User, error) {
	var taken *graphError
	u, err := d.editUser(id, "RestoreUser", func(o *object) change {
		upn := strings.TrimPrefix(o.text("userPrincipalName"), deletedPrefix(o))
		if taken = d.t.conflicts(o.ID, map[string]any{"userPrincipalName": upn}); taken != nil {
			return change{}
		}
		return change{Restore: true, Set: map[string]any{"userPrincipalName": upn}}
	})
	if taken != nil {
		return User{}, fault.New(fault.Conflict, "entratest.RestoreUser", taken.message)
	}
	return u, err
}

// PurgeUser deletes a user permanently.
func (d Directory) PurgeUser(idOrUPN string) error {
	_, err := d.editUser(idOrUPN, "PurgeUser", func(*object) change { return change{Purge: true} })
	return err
}

func (d Directory) editUser(key, op string, edit func(*object) change) (User, error) {
	if d.t == nil {
		return User{}, d.unknown(op)
	}
	d.t.mu.Lock()
	defer d.t.mu.Unlock()
	o := d.find(kindUser, key)
	if o == nil {
		return User{}, fault.New(fault.NotFound, "entratest."+op, "no user "+key)
	}
	c := edit(o)
	c.Kind, c.ID = kindUser, o.ID
	return d.commitUser(c)
}
