package simulate

import (
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// These are the rules of the product, for the settings that the simulation uses, made from
// nothing but JumpCloud's state and what the administrators asked for.

// user is a person as JumpCloud has it.
func (c *company) user(p *person) (user jumpcloudtest.Fields, found bool) {
	if p.id == "" || p.gone {
		return nil, false
	}
	return c.JumpCloud.User(string(p.id))
}

// members are the people in a group, by number.
func (c *company) members(g *group) map[int]bool {
	in := map[int]bool{}
	if g.gone {
		return in
	}
	ids := map[string]bool{}
	for _, id := range c.JumpCloud.Members(string(g.id)) {
		ids[id] = true
	}
	for n, p := range c.people {
		if p.id != "" && !p.gone && ids[string(p.id)] {
			in[n] = true
		}
	}
	return in
}

// view is what is so at one moment, read once.
type view struct {
	members  map[int]map[int]bool        // of each group
	accounts map[string][]entratest.User // by immutable id; those without one by their own id
}

// read reads what is so now.
func (c *company) read() {
	c.now = view{members: map[int]map[int]bool{}, accounts: map[string][]entratest.User{}}
	for n, g := range c.groups {
		c.now.members[n] = c.members(g)
	}
	for _, u := range c.Tenant.Users() {
		key := u.Text("onPremisesImmutableId")
		if key == "" {
			key = u.ID
		}
		c.now.accounts[key] = append(c.now.accounts[key], u)
	}
}

// isConnected reports whether a person is connected to a directory: directly, or by a
// connected group.
func (c *company) isConnected(p *person, dir int) bool {
	if p.id == "" || p.gone {
		return false
	}
	if p.direct[dir] {
		return true
	}
	for n, g := range c.groups {
		if g.connected[dir] && c.now.members[n][p.number] {
			return true
		}
	}
	return false
}

// managed reports whether any directory has the person.
func (c *company) managed(p *person) bool {
	for dir := range c.dirs {
		if c.isConnected(p, dir) {
			return true
		}
	}
	return false
}

// mayEnter reports whether the account of a person should be enabled.
func (c *company) mayEnter(p *person) bool {
	user, found := c.user(p)
	if !found || !c.managed(p) || user.Text("state") != string(directory.Activated) {
		return false
	}
	for dir, d := range c.dirs {
		if !c.isConnected(p, dir) {
			continue
		}
		if d.Settings.SuspendOnLockout && user.Flag("account_locked") || d.Settings.SuspendOnPasswordExpiration && user.Flag("password_expired") {
			return false
		}
	}
	return true
}

// keepsFound reports whether the account of a staged person keeps the state that it had.
func (c *company) keepsFound(p *person) bool {
	user, found := c.user(p)
	return found && user.Text("state") == string(directory.Staged)
}

// signInName is the sign-in name that a person should have: an address of another domain
// moves to the default one.
func signInName(user jumpcloudtest.Fields) string {
	local, _, _ := cutLast(user.Text("email"))
	return local + "@contoso.example"
}

// cutLast cuts an address at its last @.
func cutLast(address string) (local, domain string, found bool) {
	for i := len(address) - 1; i >= 0; i-- {
		if address[i] == '@' {
			return address[:i], address[i+1:], true
		}
	}
	return address, "", false
}
