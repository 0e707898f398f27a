package simulate

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
)

// findings are what is wrong after a day.
type findings struct{ list []string }

func (f *findings) add(format string, args ...any) {
	f.list = append(f.list, fmt.Sprintf(format, args...))
}

// check compares everything when nothing is left to do.
func (c *company) check() []string {
	found := &findings{}
	c.read()
	accounts := map[string]*person{} // those of our people, by id
	for _, n := range slices.Sorted(maps.Keys(c.people)) {
		c.checkPerson(c.people[n], accounts, found)
	}
	for _, n := range slices.Sorted(maps.Keys(c.groups)) {
		c.checkGroup(c.groups[n], accounts, found)
	}
	c.checkTenant(accounts, found)
	c.checkForeign(found)
	c.checkRecords(found)
	c.checkSecrets(found)
	return found.list
}

// accountsOf are the accounts in Entra that belong to a person: those that have the id of
// the person, and the one that was there before.
func (c *company) accountsOf(p *person) []entratest.User {
	var own []entratest.User
	for _, key := range append([]string{p.found.ID}, p.ids...) {
		own = append(own, c.now.accounts[key]...)
	}
	return own
}

// checkPerson compares the account of a person with the rules.
func (c *company) checkPerson(p *person, accounts map[string]*person, found *findings) {
	own := c.accountsOf(p)
	for _, a := range own {
		accounts[a.ID] = p
	}
	for _, id := range p.ids {
		if n := len(c.now.accounts[id]); n > 1 {
			found.add("%s has %d accounts, want one", nameOf(p.number), n)
		}
	}
	managed := c.managed(p)
	user, _ := c.user(p)
	own, others := present(own, string(p.id), signInName(user))
	for _, a := range others { // of a user who was deleted, and has another name
		if a.AccountEnabled && !c.isUntouched(p, a) {
			found.add("the account %s is enabled, want it disabled: %s", a.UserPrincipalName, c.linkText(p))
		}
	}
	if len(own) == 0 {
		if managed {
			found.add("%s is connected and has no account: %s", nameOf(p.number), c.linkText(p))
		}
		return
	}
	a, may := own[0], c.mayEnter(p)
	free := managed && c.keepsFound(p) && p.found.ID == a.ID || !managed && c.isUntouched(p, a)
	if a.AccountEnabled != may && !free {
		found.add("the account of %s is enabled: %v, want %v: %s", nameOf(p.number), a.AccountEnabled, may, c.linkText(p))
	}
	switch {
	case !managed:
	case slices.ContainsFunc(others, func(other entratest.User) bool { return other.UserPrincipalName == signInName(user) }):
		// A former user's account has the name, and this user has another account by now:
		// only an administrator can decide.
		c.checkLinks(p, directory.Parked, found)
	default:
		c.checkAttributes(p, user, a, found)
		c.checkLinks(p, directory.Synced, found)
	}
}

// present are the account that a person has now, if there is one, and the others: it has the
// id of the present user, or else the name. Who is hired again takes over the former
// account, but not one that was given another name.
func present(own []entratest.User, id, name string) (now, others []entratest.User) {
	if len(own) == 1 {
		return own, nil
	}
	is := func(a entratest.User) bool { return a.Text("onPremisesImmutableId") == id }
	if !slices.ContainsFunc(own, is) {
		is = func(a entratest.User) bool { return a.UserPrincipalName == name }
	}
	for _, a := range own {
		if is(a) {
			now = append(now, a)
		} else {
			others = append(others, a)
		}
	}
	return now, others
}

// isUntouched reports whether an account that was there before is as it was: entrasync may
// not have begun with a person who was connected for a moment.
func (c *company) isUntouched(p *person, a entratest.User) bool {
	return a.ID == p.found.ID && reflect.DeepEqual(a.Properties, p.found.Properties)
}

// checkAttributes compares the attributes of an account.
func (c *company) checkAttributes(p *person, user jumpcloudtest.Fields, a entratest.User, found *findings) {
	want := map[string]string{"userPrincipalName": signInName(user), "givenName": user.Text("firstname"), "surname": user.Text("lastname"),
		"displayName": user.Text("firstname") + " " + user.Text("lastname")}
	for dir, d := range c.dirs {
		if c.isConnected(p, dir) && d.Settings.Attributes[titleRule] {
			want["jobTitle"] = user.Text("jobTitle")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got := a.Text(name); got != want[name] {
			found.add("%s of %s is %q, want %q: %s", name, nameOf(p.number), got, want[name], c.linkText(p))
		}
	}
}

// checkLinks finds records of a connected person that do not say what they should.
func (c *company) checkLinks(p *person, want directory.LinkStatus, found *findings) {
	for dir, d := range c.dirs {
		known, err := c.Store.User(c.t.Context(), c.Organization(), p.id)
		c.Must(err)
		if l, linked := known.Link(d.ID); c.isConnected(p, dir) && (!linked || l.Status != want) {
			found.add("%s is connected and not %s: %s", nameOf(p.number), want, c.linkText(p))
		}
	}
}

// linkText is how the records say that a person stands.
func (c *company) linkText(p *person) string {
	text := ""
	for _, d := range c.dirs {
		known, err := c.Store.User(c.t.Context(), c.Organization(), p.id)
		c.Must(err)
		l, _ := known.Link(d.ID)
		text += fmt.Sprintf("[%s: %s %s %s by %v next %s open %v]", d.Name, l.Status, l.Reason, l.State, known.Paths(d.ID), l.NextTryAt, l.OpenActions)
	}
	return text
}

// checkGroup compares a group that the main directory manages with Entra.
func (c *company) checkGroup(g *group, accounts map[string]*person, found *findings) {
	if !g.connected[0] || g.gone {
		return
	}
	name := ""
	for _, each := range c.JumpCloud.Groups() {
		if each.Text("id") == string(g.id) {
			name = each.Text("name")
		}
	}
	own := c.groupsOf(g)
	if len(own) != 1 || own[0].DisplayName != name {
		found.add("%d groups of %s in Entra %v, want one named %q: %+v", len(own), groupName(g.number, 0), names(own), name, c.GroupLink(g.id))
		return
	}
	if l := c.GroupLink(g.id); l.Status != directory.Synced {
		found.add("%s is connected and not synced: %+v", name, l)
	}
	want := map[string]bool{}
	in := c.now.members[g.number]
	for id, p := range accounts {
		if in[p.number] {
			want[nameOf(p.number)] = true
			_ = id
		}
	}
	got := map[string]bool{}
	for _, id := range own[0].Members {
		switch p := accounts[id]; {
		case p != nil:
			got[nameOf(p.number)] = true
		case id != c.foreign.stranger || own[0].ID != c.foreign.sales:
			found.add("%s has the stranger %s as member", name, id)
		default:
			got["the stranger"] = true
		}
	}
	if own[0].ID == c.foreign.sales && (!c.exact || !c.dirs[0].Settings.ExactMembership && got["the stranger"]) {
		want["the stranger"] = true
	}
	if !maps.Equal(want, got) {
		found.add("%s has the members %v, want %v: %+v", name, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)), c.GroupLink(g.id))
	}
}

// groupsOf are the groups in Entra that belong to a group: those that were made for it,
// and the one that it took over.
func (c *company) groupsOf(g *group) []entratest.Group {
	var own []entratest.Group
	for _, each := range c.Tenant.Groups() {
		unique, _ := each.Properties["uniqueName"].(string)
		taken := each.ID == c.foreign.sales && string(c.GroupLink(g.id).EntraID) == each.ID
		if each.Deleted.IsZero() && (taken || strings.HasPrefix(strings.ToLower(unique), "jumpcloud."+string(g.id))) {
			own = append(own, each)
		}
	}
	return own
}

// names are the names of groups.
func names(groups []entratest.Group) []string {
	var all []string
	for _, g := range groups {
		all = append(all, g.DisplayName)
	}
	return all
}

// checkTenant finds accounts and groups that belong to nobody, and what was deleted.
func (c *company) checkTenant(accounts map[string]*person, found *findings) {
	known := map[string]bool{c.foreign.sales: true}
	for _, each := range c.foreign.accounts {
		known[each.ID] = true
	}
	for _, each := range c.foreign.groups {
		known[each.ID] = true
	}
	for _, u := range c.Tenant.Users() {
		if accounts[u.ID] == nil && !known[u.ID] || !u.Deleted.IsZero() {
			found.add("the account %s belongs to nobody, or was deleted", u.UserPrincipalName)
		}
	}
	for _, g := range c.groups {
		if own := c.groupsOf(g); len(own) > 1 {
			found.add("%s has %d groups in Entra, want one", groupName(g.number, 0), len(own))
		}
		for _, each := range c.groupsOf(g) {
			known[each.ID] = true
		}
	}
	for _, each := range c.Tenant.Groups() {
		if !known[each.ID] {
			found.add("the group %s belongs to nobody", each.DisplayName)
		}
	}
}

// checkRecords finds work that was begun and not ended.
func (c *company) checkRecords(found *findings) {
	depth, err := c.Dead.Depth(c.t.Context())
	c.Must(err)
	if depth.Visible+depth.InFlight > 0 {
		found.add("%d messages are dead letters, want none", depth.Visible+depth.InFlight)
	}
	for _, d := range c.dirs {
		links, err := c.Store.Links(c.t.Context(), d.ID, 0, "")
		c.Must(err)
		for _, l := range links.Items {
			if len(l.OpenActions) > 0 || l.Status == directory.Pending && l.EntraID != "" || !l.NextTryAt.IsZero() {
				found.add("the work on user %s has not ended: %+v", l.User, l.Standing)
			}
			notices, err := c.Store.PendingNotices(c.t.Context(), d.ID, l.User)
			c.Must(err)
			if len(notices) > 0 {
				found.add("groups %v were not notified of user %s", notices, l.User)
			}
		}
		for _, g := range c.groups {
			c.checkGroupRecords(d, g, found)
		}
		c.checkActions(d, found)
	}
}

// checkGroupRecords finds work on a group that has not ended.
func (c *company) checkGroupRecords(d directory.Directory, g *group, found *findings) {
	known, err := c.Store.Group(c.t.Context(), c.Organization(), g.id)
	c.Must(err)
	l, linked := known.Link(d.ID)
	if !linked {
		return
	}
	// A group that is let go keeps the ids of actions whose result is not known, for the day
	// when it comes back; the actions have ended.
	open := len(l.OpenActions) > 0 && l.Status != directory.Released
	if open || l.Status == directory.Pending || !l.NextTryAt.IsZero() || l.NotifyPending {
		found.add("the work on group %s has not ended: %+v", g.id, l)
	}
	marks, err := c.Store.Marks(c.t.Context(), d.ID, g.id)
	c.Must(err)
	if len(marks) > 0 {
		found.add("%d members of %s are marked, want none: %+v", len(marks), groupName(g.number, 0), l)
	}
}

// checkActions finds actions that were begun and never ended.
func (c *company) checkActions(d directory.Directory, found *findings) {
	for cursor := ""; ; {
		page, err := c.Store.Actions(c.t.Context(), d.ID, 0, cursor)
		c.Must(err)
		for _, a := range page.Items {
			if a.Status == plan.Started {
				found.add("the action %s of %s has not ended", a.Type, a.Subject.Name)
			}
		}
		if cursor = page.Cursor; cursor == "" {
			return
		}
	}
}

// passwordCanary begins the passwords that people set.
const passwordCanary = "Canary-Passw0rd-"

// checkSecrets searches all files and the log for secrets.
func (c *company) checkSecrets(found *findings) {
	texts := map[string][]byte{"the log": c.log.bytes()}
	folder := os.DirFS(c.Folder)
	c.Must(fs.WalkDir(folder, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(folder, file)
		texts["the file "+file] = text
		return err
	}))
	secrets := append(c.passwords(), passwordCanary, functiontest.APIKey, world.WebhookToken, entratest.DefaultApp().ClientSecret)
	for _, where := range slices.Sorted(maps.Keys(texts)) {
		for _, s := range secrets {
			if bytes.Contains(texts[where], []byte(s)) {
				found.add("%s has a secret that begins with %.4s", where, s)
			}
		}
	}
}
