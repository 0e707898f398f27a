package entratest

import (
	"maps"
	"slices"
	"strings"
	"time"

	"entrasync/shared/fault"
)

// AddGroup puts a group into the directory. Kind decides its flags unless Properties
// has them; the mailNickname is made from the name. Conflict if the id, the uniqueName
// or the mail name is taken, Invalid without a DisplayName, NotFound for a member that
// does not exist.
func (d Directory) AddGroup(g Group) (Group, error) {
	if d.t == nil {
		return Group{}, d.unknown("AddGroup")
	}
	if g.DisplayName == "" {
		return Group{}, fault.New(fault.Invalid, "entratest.AddGroup", "a group needs a DisplayName")
	}
	set := g.Kind.flags()
	maps.Copy(set, plain(g.Properties))
	set["displayName"] = g.DisplayName
	d.t.mu.Lock()
	defer d.t.mu.Unlock()
	if set["mailNickname"] == nil {
		set["mailNickname"] = nicknameOf(g.DisplayName)
	}
	if set["mailEnabled"] == true && set["mail"] == nil {
		nickname, _ := set["mailNickname"].(string)
		address := nickname + "@" + d.t.defaultDomain()
		set["mail"], set["proxyAddresses"] = address, []any{"SMTP:" + address}
	}
	if g.ID == "" {
		g.ID = d.sim.random.objectID(d.t, kindGroup, g.DisplayName)
	}
	if d.t.objects[strings.ToLower(g.ID)] != nil || d.t.groupConflicts("", set, d.sim.behaviour(), time.Now()) != nil {
		return Group{}, fault.New(fault.Conflict, "entratest.AddGroup", g.DisplayName+" or its id is taken")
	}
	c := change{Kind: kindGroup, ID: g.ID, Create: true, Set: set, Owners: g.Owners}
	for _, id := range g.Members {
		o := d.t.objects[strings.ToLower(id)]
		if o == nil || o.Purged {
			return Group{}, fault.New(fault.NotFound, "entratest.AddGroup", "no object "+id)
		}
		c.Add = append(c.Add, o.ID)
	}
	return d.commitGroup(c)
}

// nicknameOf keeps the characters that a mailNickname may have.
func nicknameOf(name string) string {
	return strings.Map(func(r rune) rune {
		if goodGroupMailNickname(string(r)) {
			return r
		}
		return -1
	}, name)
}

func (d Directory) commitGroup(c change) (Group, error) {
	o, failure := d.sim.commit(d.t, c, time.Now())
	if failure != nil {
		return Group{}, fault.New(fault.Internal, "entratest.commit", failure.message)
	}
	return groupOf(o), nil
}

func groupOf(o *object) Group {
	g := Group{ID: o.ID, DisplayName: o.text("displayName"), Kind: kindOf(o), Properties: values(o), Owners: slices.Clone(o.Owners), Deleted: o.Deleted}
	for _, m := range o.Members {
		g.Members = append(g.Members, m.ID)
	}
	return g
}

// kindOf is the kind of group that the flags mean.
func kindOf(o *object) GroupKind {
	types := o.texts("groupTypes")
	switch {
	case o.is("onPremisesSyncEnabled"):
		return SyncedSecurity
	case o.isM365():
		return Microsoft365
	case slices.Contains(types, "DynamicMembership"):
		return DynamicSecurity
	case o.is("mailEnabled") && o.is("securityEnabled"):
		return MailEnabledSecurity
	case o.is("mailEnabled"):
		return Distribution
	case o.is("isAssignableToRole"):
		return RoleAssignable
	default:
		return Security
	}
}

// Group finds a group by id.
func (d Directory) Group(id string) (Group, bool) {
	if d.t == nil {
		return Group{}, false
	}
	d.t.mu.RLock()
	defer d.t.mu.RUnlock()
	o := d.find(kindGroup, id)
	if o == nil {
		return Group{}, false
	}
	return groupOf(o), true
}

// Groups are all groups in the order of their creation, deleted ones too.
func (d Directory) Groups() []Group {
	var out []Group
	d.each(kindGroup, func(o *object) { out = append(out, groupOf(o)) })
	return out
}

// GroupsNamed are the groups with that name that are not deleted.
func (d Directory) GroupsNamed(name string) []Group {
	return slices.DeleteFunc(d.Groups(), func(g Group) bool { return !g.Deleted.IsZero() || !strings.EqualFold(g.DisplayName, name) })
}

// UpdateGroup sets properties of a group; nil clears one.
func (d Directory) UpdateGroup(id string, properties map[string]any) (Group, error) {
	return d.editGroup(id, "UpdateGroup", func(*object) change { return change{Set: plain(properties)} })
}

// AddMember adds a member to a group of any kind. It does nothing if the object is a
// member already or does not exist.
func (d Directory) AddMember(groupID, memberID string) (Group, error) {
	return d.editGroup(groupID, "AddMember", func(o *object) change {
		m := d.t.objects[strings.ToLower(memberID)]
		if m == nil || m.Purged || o.members[m.ID] {
			return change{}
		}
		return change{Add: []string{m.ID}}
	})
}

// RemoveMember removes a member from a group. It does nothing if the object is not a
// member.
func (d Directory) RemoveMember(groupID, memberID string) (Group, error) {
	return d.editGroup(groupID, "RemoveMember", func(o *object) change {
		m := d.t.objects[strings.ToLower(memberID)]
		if m == nil || !o.members[m.ID] {
			return change{}
		}
		return change{Remove: []string{m.ID}}
	})
}

// DeleteGroup moves a group to deletedItems, or deletes it for good where the behaviour says
// so and if it is mastered on premises. What it was is returned.
func (d Directory) DeleteGroup(id string) (Group, error) {
	var before Group
	after, err := d.editGroup(id, "DeleteGroup", func(o *object) change {
		before = groupOf(o)
		soft := keptWhenDeleted(o, d.sim.behaviour())
		return change{Delete: soft, Purge: !soft}
	})
	if err == nil && after.DisplayName == "" {
		return before, nil
	}
	return after, err
}

// RestoreGroup restores a group from deletedItems.
func (d Directory) RestoreGroup(id string) (Group, error) {
	return d.editGroup(id, "RestoreGroup", func(*object) change { return change{Restore: true} })
}

// PurgeGroup deletes a group permanently.
func (d Directory) PurgeGroup(id string) error {
	_, err := d.editGroup(id, "PurgeGroup", func(*object) change { return change{Purge: true} })
	return err
}

func (d Directory) editGroup(id, op string, edit func(*object) change) (Group, error) {
	if d.t == nil {
		return Group{}, d.unknown(op)
	}
	d.t.mu.Lock()
	defer d.t.mu.Unlock()
	o := d.find(kindGroup, id)
	if o == nil {
		return Group{}, fault.New(fault.NotFound, "entratest."+op, "no group "+id)
	}
	c := edit(o)
	c.Kind, c.ID = kindGroup, o.ID
	return d.commitGroup(c)
}
