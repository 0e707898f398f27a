package jumpcloud

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// Group reads one user group. A group that does not exist is a fault of kind NotFound;
// so is an id that no group can have.
func (c *Client) Group(ctx context.Context, id directory.GroupID) (directory.Group, error) {
	what := call{op: "jumpcloud.read group", subject: string(id), method: http.MethodGet, url: c.api + families[typeUserGroup].one + string(id)}
	if !isObjectID(string(id)) {
		return directory.Group{}, impossibleID(what.op, typeUserGroup, string(id))
	}
	got, err := c.do(ctx, what)
	if err != nil {
		return directory.Group{}, c.ifListed(ctx, err, typeUserGroup, string(id))
	}
	var o object
	if err := decode(what, got.body, &o); err != nil {
		return directory.Group{}, err
	}
	group := directory.Group{ID: directory.GroupID(o.text("id")), Name: o.text("name")}
	if group.ID != id || group.Name == "" {
		return directory.Group{}, unexpected(what, "JumpCloud answered with something that is not the group asked for")
	}
	return group, nil
}

// GroupMembers lists the users of a group, each once, in order of their ids: its own
// members, those that the query of a dynamic group finds, and those of groups within
// it. within are these groups, never the group itself, even if it is within one of
// them. A group that does not exist is a fault of kind NotFound. With any other fault
// it returns the users found: they are members, and there may be more. A user missing
// from one read of the list, even without a fault, may still be a member.
//
// JumpCloud documents users as the only members. If it ever allows a group in a group,
// the inner one would be an element of the membership or on the paths to its users;
// both are supported.
func (c *Client) GroupMembers(ctx context.Context, id directory.GroupID) (users []directory.UserID, within []directory.GroupID, err error) {
	var failure error
	members, inner, read := map[directory.UserID]bool{}, map[directory.GroupID]bool{}, map[directory.GroupID]bool{id: true}
	for open := []directory.GroupID{id}; len(open) > 0; open = open[1:] {
		found, err := c.membership(ctx, open[0])
		if open[0] != id && fault.Is(err, fault.NotFound) { // deleted meanwhile
			delete(inner, open[0])
			continue
		}
		for _, each := range found {
			for _, group := range each.through {
				inner[directory.GroupID(group)] = true
			}
			switch group := directory.GroupID(each.ID); {
			case isPerson(each.Type):
				members[directory.UserID(each.ID)] = true
			case each.Type == typeUserGroup && !read[group]:
				inner[group], read[group] = true, true
				open = append(open, group)
			}
		}
		if failure = err; err != nil {
			break
		}
	}
	delete(inner, id)
	return slices.Sorted(maps.Keys(members)), slices.Sorted(maps.Keys(inner)), failure
}

// membership lists the members of a group, as JumpCloud resolves it.
func (c *Client) membership(ctx context.Context, id directory.GroupID) ([]node, error) {
	const op = "jumpcloud.list members"
	if !isObjectID(string(id)) {
		return nil, impossibleID(op, typeUserGroup, string(id))
	}
	found, err := c.nodes(ctx, call{op: op, subject: string(id), url: c.api + "/v2/usergroups/" + string(id) + "/membership"}, url.Values{"sort": {graphSort}})
	return found, c.unlessThere(ctx, err, typeUserGroup, string(id))
}

// GroupsOf lists the user groups that have a user as a member, directly or through
// other groups, in order of their ids. A user that does not exist is in none. With a
// fault it returns the groups found: the user is in them, and there may be more.
func (c *Client) GroupsOf(ctx context.Context, id directory.UserID) ([]directory.GroupID, error) {
	if !isObjectID(string(id)) {
		return nil, nil
	}
	what := call{op: "jumpcloud.list groups of user", subject: string(id), url: c.api + "/v2/users/" + string(id) + "/memberof"}
	found, err := c.nodes(ctx, what, url.Values{"sort": {graphSort}})
	if err = c.unlessThere(ctx, err, typeUser, string(id)); fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	groups := map[directory.GroupID]bool{}
	for _, each := range found {
		if each.Type == typeUserGroup {
			groups[directory.GroupID(each.ID)] = true
		}
		for _, group := range each.through {
			groups[directory.GroupID(group)] = true
		}
	}
	return slices.Sorted(maps.Keys(groups)), err
}
