package jumpcloud

import (
	"context"
	"net/url"
	"slices"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// Associated lists the users and user groups that are associated directly with a
// connection source, each in order of the ids. A source that does not exist is a fault
// of kind NotFound that names it. With any other fault it returns the ones found: they
// are associated, and there may be more.
func (c *Client) Associated(ctx context.Context, source directory.ConnectionSource) (users []directory.UserID, groups []directory.GroupID, err error) {
	const op = "jumpcloud.list associations of source"
	if err := checkSource(op, source); err != nil {
		return nil, nil, err
	}
	if !isObjectID(source.ID) {
		return nil, nil, impossibleID(op, string(source.Type), source.ID)
	}
	path := map[directory.SourceType]string{directory.Office365Source: "/office365s/", directory.ApplicationSource: "/applications/"}[source.Type]
	for _, target := range []string{typeUser, typeUserGroup} {
		found, err := c.associations(ctx, op, path, source.ID, target)
		for _, each := range found {
			switch {
			case isPerson(each.Type):
				users = append(users, directory.UserID(each.ID))
			case each.Type == typeUserGroup:
				groups = append(groups, directory.GroupID(each.ID))
			}
		}
		if err != nil {
			return users, groups, c.unlessThere(ctx, err, string(source.Type), source.ID)
		}
	}
	return users, groups, nil
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
