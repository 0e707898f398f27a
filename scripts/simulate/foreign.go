package simulate

import (
	"reflect"

	"entrasync/shared/entra/entratest"
)

// foreign is what belongs to nobody in JumpCloud: entrasync must not change it.
type foreign struct {
	accounts []entratest.User
	groups   []entratest.Group
	// sales is a security group with the name of the first group and a member whom
	// JumpCloud does not have: it is taken over when that group is connected.
	sales, stranger string
}

// addForeign adds accounts and groups to the tenant: an administrator, a guest, a group
// of theirs, and a Microsoft 365 group that has the name of a group in JumpCloud.
func (c *company) addForeign() {
	account := func(u entratest.User) string {
		made, err := c.Tenant.AddUser(u)
		c.Must(err)
		c.foreign.accounts = append(c.foreign.accounts, made)
		return made.ID
	}
	group := func(g entratest.Group) string {
		made, err := c.Tenant.AddGroup(g)
		c.Must(err)
		return made.ID
	}
	owner := account(entratest.User{UserPrincipalName: "owner@contoso.example", AccountEnabled: true})
	guest := account(entratest.User{UserPrincipalName: "guest@contoso.example", Properties: map[string]any{"userType": "Guest", "accountEnabled": true}})
	for _, id := range []string{
		group(entratest.Group{DisplayName: "Board", Kind: entratest.Security, Members: []string{owner}}),
		group(entratest.Group{DisplayName: groupName(1, 0), Kind: entratest.Microsoft365, Members: []string{owner, guest}}),
	} {
		made, _ := c.Tenant.Group(id)
		c.foreign.groups = append(c.foreign.groups, made)
	}
	c.foreign.stranger = owner
	c.foreign.sales = group(entratest.Group{DisplayName: groupName(0, 0), Kind: entratest.Security, Members: []string{owner}})
	for i, each := range c.foreign.accounts { // with the groups that they are in by now
		c.foreign.accounts[i], _ = c.Tenant.User(each.ID)
	}
}

// checkForeign compares the foreign accounts and groups with what they were.
func (c *company) checkForeign(found *findings) {
	for _, was := range c.foreign.accounts {
		now, _ := c.Tenant.User(was.ID)
		if !reflect.DeepEqual(now.Properties, was.Properties) || !now.Deleted.IsZero() || now.PasswordChanges != was.PasswordChanges {
			found.add("the foreign account %s was changed: %v, want %v", was.UserPrincipalName, now.Properties, was.Properties)
		}
	}
	for _, was := range c.foreign.groups {
		now, _ := c.Tenant.Group(was.ID)
		if !reflect.DeepEqual(now, was) {
			found.add("the foreign group %s was changed: %+v, want %+v", was.DisplayName, now, was)
		}
	}
}
