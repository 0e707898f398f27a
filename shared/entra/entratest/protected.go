package entratest

import (
	"slices"
	"strings"
)

// The directory roles in the rules about the protection of administrators, by display
// name (Microsoft Graph documentation, user resource, "Who can perform sensitive
// actions").
const (
	roleGlobal       = "Global Administrator"
	rolePrivAuth     = "Privileged Authentication Administrator"
	rolePrivRole     = "Privileged Role Administrator"
	roleAuth         = "Authentication Administrator"
	roleHelpdesk     = "Helpdesk Administrator"
	roleGroups       = "Groups Administrator"
	rolePassword     = "Password Administrator"
	roleReaders      = "Directory Readers"
	roleGuestInviter = "Guest Inviter"
)

// roleTemplates are the ids of the templates of directory roles, by display name
// (Microsoft Entra built-in roles).
var roleTemplates = map[string]string{
	roleGlobal: "62e90394-69f5-4237-9190-012177145e10", rolePrivAuth: "7be44c8a-adaf-4e2a-84d6-ab2649e08a13",
	rolePrivRole: "e8611ab8-c189-46e8-94e1-60213ab1f814", roleAuth: "c4e39bd9-1100-46d3-8c65-fb160da0071f",
	roleHelpdesk: "729827e3-9c14-49f7-bb1b-9608f156bbb8", roleGroups: "fdd7a751-b60b-444a-984c-02652fe8fa1c",
	rolePassword: "966707d0-3269-4727-9be2-8c3a10f19b9d", roleReaders: "88d8e3e3-8f55-4a1e-953a-9b9898b8876b",
	roleGuestInviter: "95e79109-95c0-4d8e-aee3-d01accf2d47b", UserAdministrator: "fe930be7-5e62-47db-91af-98c3a49a38b1",
}

// everybodysTemplate is in the tokens of all apps (observed; it stands for no role).
const everybodysTemplate = "0997a1d0-0d1d-4acb-b408-d5ca73121e90"

// templatesOf are the ids of the templates of roles, as tokens have them.
func templatesOf(roles []string) []string {
	ids := []string{everybodysTemplate}
	for _, role := range roles {
		ids = append(ids, roleTemplates[role])
	}
	return ids
}

// rolesOf are the display names of roles.
func rolesOf(templates []string) (roles []string) {
	for name, id := range roleTemplates {
		if slices.Contains(templates, id) {
			roles = append(roles, name)
		}
	}
	return roles
}

// sensitive are the properties that only some may change if the user is an
// administrator, or a member or owner of a role-assignable group. Delete and restore
// are sensitive too.
var sensitive = map[string]bool{
	"accountEnabled": true, "businessPhones": true, "mobilePhone": true, "otherMails": true,
	"onPremisesImmutableId": true, "passwordProfile": true, "userPrincipalName": true,
}

// whoMayAct are the roles that may do sensitive actions to a user with a role;
// resetting a password has its own list.
var whoMayAct = map[string]struct{ password, other []string }{
	roleReaders:      {nil, nil}, // as if no role at all
	roleGuestInviter: {nil, nil},
	roleGroups:       {[]string{UserAdministrator, rolePrivAuth, roleGlobal}, []string{UserAdministrator, rolePrivAuth, roleGlobal}},
	UserAdministrator: {
		[]string{UserAdministrator, rolePrivAuth, roleGlobal}, []string{UserAdministrator, rolePrivAuth, roleGlobal}},
	roleHelpdesk: {
		[]string{roleHelpdesk, UserAdministrator, rolePrivAuth, roleGlobal}, []string{UserAdministrator, rolePrivAuth, roleGlobal}},
	roleAuth:     {[]string{roleAuth, rolePrivAuth, roleGlobal}, []string{roleAuth, rolePrivAuth, roleGlobal}},
	rolePassword: {[]string{rolePassword, UserAdministrator, rolePrivAuth, roleGlobal}, []string{UserAdministrator, rolePrivAuth, roleGlobal}},
}

// onlyTopRoles may act on users with every other role, and on members and owners of
// role-assignable groups.
var onlyTopRoles = []string{rolePrivAuth, roleGlobal}

// passwordRoles are the roles with which an app may write the password of any user: "at
// least User Administrator" (remarks of the passwordProfile property).
var passwordRoles = []string{UserAdministrator, rolePrivAuth, roleGlobal}

// mayActOn reports whether the app may do a sensitive action to a user.
func (c *call) mayActOn(user *object, password bool) bool {
	if password && !c.hasDirectoryRole(passwordRoles) {
		return false
	}
	for _, role := range user.Facts.DirectoryRoles {
		who, known := whoMayAct[role]
		allowed := who.other
		if password {
			allowed = who.password
		}
		if !known {
			allowed = onlyTopRoles
		} else if allowed == nil {
			continue
		}
		if !c.hasDirectoryRole(allowed) {
			return false
		}
	}
	return !c.tenant.inRoleAssignableGroup(user) || c.hasDirectoryRole(onlyTopRoles)
}

func (c *call) hasDirectoryRole(roles []string) bool {
	return slices.ContainsFunc(c.directoryRoles, func(role string) bool { return slices.Contains(roles, role) })
}

// inRoleAssignableGroup reports whether a user is a member or an owner of a
// role-assignable group.
func (t *tenant) inRoleAssignableGroup(user *object) bool {
	for id := range t.memberOf[user.ID] {
		if t.assignable[id] {
			return true
		}
	}
	for id := range t.assignable {
		if slices.Contains(t.objects[id].Owners, user.ID) {
			return true
		}
	}
	return false
}

// checkUserWrite checks a PATCH of a user against permissions, protection and the state
// of the user. The caller holds the lock.
func (c *call) checkUserWrite(user *object, body map[string]any) *graphError {
	if user.is("isManagementRestricted") {
		return forbidden()
	}
	synced, properties := false, 0
	for name := range body {
		if strings.HasPrefix(name, "@") {
			continue
		}
		properties++
		if !c.mayAny(permissionFor(name)...) || sensitive[name] && !c.mayActOn(user, name == "passwordProfile") {
			return forbidden()
		}
		synced = synced || !writableWhenSynced[name]
	}
	if properties == 0 && !c.mayAny(updateUsers...) {
		return forbidden()
	}
	if synced && user.is("onPremisesSyncEnabled") {
		return masteredOnPremises()
	}
	_, extensions := body["onPremisesExtensionAttributes"]
	_, employeeID := body["employeeId"]
	if extensions && user.Facts.EverSynced || employeeID && user.Facts.MadeByExchange {
		return originatedElsewhere()
	}
	return nil
}
