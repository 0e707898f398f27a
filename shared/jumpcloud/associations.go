package jumpcloud

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// ListAssociated reads on where a list of the users and user groups that are associated
// directly with a connection source ended, as [Client.ListMembers] does for a group. The
// groups are in Nested: they are few, and read at once when the users are complete. A source
// that does not exist is a fault of kind NotFound that names it.
func (c *Client) ListAssociated(ctx context.Context, source directory.ConnectionSource, from directory.MemberList) (directory.MemberList, error) {
	const op = "jumpcloud.list associations of source"
	what, err := c.associationsOf(op, source)
	if err != nil {
		return from, err
	}
	w := newMemberWalk(from)
	w.query.Set("targets", typeUser)
	w.list.Unsorted = true // the description of these lists has no sort
	if err := c.readOn(ctx, what, w); err != nil {
		return w.list, c.unlessThere(ctx, err, string(source.Type), source.ID)
	}
	if !w.list.Complete {
		return w.list, nil
	}
	w.list.Complete = false
	if !deadline.Allows(ctx, pageTime) {
		return w.list, nil
	}
	found, err := c.nodes(ctx, what, url.Values{"targets": {typeUserGroup}})
	if err != nil {
		return w.list, c.unlessThere(ctx, err, string(source.Type), source.ID)
	}
	w.list.Nested, w.list.Complete = groupsAmong(found), true
	return w.list, nil
}

// AssociatedUsers lists the users that are associated directly with a connection source, in
// order of their ids. A source that does not exist is a fault of kind NotFound that names
// it. With any other fault it returns the ones found: they are associated, and there may be
// more.
func (c *Client) AssociatedUsers(ctx context.Context, source directory.ConnectionSource) ([]directory.UserID, error) {
	found, err := c.associated(ctx, source, typeUser)
	var users []directory.UserID
	for _, each := range found {
		if isPerson(each.Type) {
			users = append(users, directory.UserID(each.ID))
		}
	}
	return users, err
}

// AssociatedGroups lists the user groups, as AssociatedUsers the users.
func (c *Client) AssociatedGroups(ctx context.Context, source directory.ConnectionSource) ([]directory.GroupID, error) {
	found, err := c.associated(ctx, source, typeUserGroup)
	return groupsAmong(found), err
}

// groupsAmong are the user groups among some objects.
func groupsAmong(found []node) (groups []directory.GroupID) {
	for _, each := range found {
		if each.Type == typeUserGroup {
			groups = append(groups, directory.GroupID(each.ID))
		}
	}
	return groups
}

// associated lists what of a type is associated directly with a connection source.
func (c *Client) associated(ctx context.Context, source directory.ConnectionSource, target string) ([]node, error) {
	what, err := c.associationsOf("jumpcloud.list associations of source", source)
	if err != nil {
		return nil, err
	}
	found, err := c.nodes(ctx, what, url.Values{"targets": {target}})
	return found, c.unlessThere(ctx, err, string(source.Type), source.ID)
}

// associationsOf is the list of what is associated directly with a connection source.
func (c *Client) associationsOf(op string, source directory.ConnectionSource) (call, error) {
	if err := checkSource(op, source); err != nil {
		return call{}, err
	}
	if !isObjectID(source.ID) {
		return call{}, impossibleID(op, string(source.Type), source.ID)
	}
	path := map[directory.SourceType]string{directory.Office365Source: "/office365s/", directory.ApplicationSource: "/applications/"}[source.Type]
	return call{op: op, subject: source.ID, url: c.api + "/v2" + path + source.ID + "/associations", method: http.MethodGet}, nil
}

// IsUserAssociated reports whether a user is associated with a connection source
// directly, not through a group. A user that does not exist is not.
func (c *Client) IsUserAssociated(ctx context.Context, source directory.ConnectionSource, id directory.UserID) (bool, error) {
	return c.isAssociated(ctx, source, "/users/", typeUser, string(id))
}

// IsGroupAssociated reports whether a user group is associated with a connection
// source. A group that does not exist is not.
func (c *Client) IsGroupAssociated(ctx context.Context, source directory.ConnectionSource, id directory.GroupID) (bool, error) {
	return c.isAssociated(ctx, source, "/usergroups/", typeUserGroup, string(id))
}

// isAssociated reads the associations of the user or group, which are few: the source
// may have thousands.
func (c *Client) isAssociated(ctx context.Context, source directory.ConnectionSource, path, kind, id string) (bool, error) {
	const op = "jumpcloud.list associations"
	if err := checkSource(op, source); err != nil {
		return false, err
	}
	if !isObjectID(id) {
		return false, nil
	}
	found, err := c.associations(ctx, op, path, id, string(source.Type))
	if slices.ContainsFunc(found, func(each node) bool { return each.End == End{ID: source.ID, Type: string(source.Type)} }) {
		return true, nil // one association is enough, even of an incomplete list
	}
	if err = c.unlessThere(ctx, err, kind, id); fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return false, err
}

// associations lists the direct associations of an object with objects of a
// type. The description of these lists has no sort.
func (c *Client) associations(ctx context.Context, op, path, id, target string) ([]node, error) {
	return c.nodes(ctx, call{op: op, subject: id, url: c.api + "/v2" + path + id + "/associations"}, url.Values{"targets": {target}})
}

// checkSource refuses a source of an unknown type.
func checkSource(op string, source directory.ConnectionSource) error {
	if source.Type != directory.Office365Source && source.Type != directory.ApplicationSource {
		return &fault.Error{Op: op, Kind: fault.Invalid, Subject: string(source.Type), Message: "this is no type of connection source in JumpCloud"}
	}
	return nil
}
