package store

import (
	"context"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// User is all that is known of one JumpCloud user.
type User struct {
	Connections []directory.Connection
	Links       []directory.Link
}

// Link is the user's link in a directory; found is false if there is none.
func (u User) Link(id directory.ID) (link directory.Link, found bool) {
	for _, l := range u.Links {
		if l.Directory == id {
			return l, true
		}
	}
	return directory.Link{}, false
}

// Paths are the ways by which the user is connected to a directory.
func (u User) Paths(id directory.ID) []directory.Path {
	var paths []directory.Path
	for _, c := range u.Connections {
		if c.Directory == id {
			paths = append(paths, c.Path)
		}
	}
	return paths
}

// Directories are the directories that the user touches: those with a link or a
// connection, each once.
func (u User) Directories() []directory.ID {
	seen := map[directory.ID]bool{}
	var ids []directory.ID
	add := func(id directory.ID) {
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	for _, l := range u.Links {
		add(l.Directory)
	}
	for _, c := range u.Connections {
		add(c.Directory)
	}
	return ids
}

// linkKey is where a link lies.
func linkKey(id directory.ID, user directory.UserID) Key {
	return Key{PK: userPK(id.Organization(), user), SK: join(linkPart, string(id))}
}

// connectionKey is where a connection lies.
func connectionKey(c directory.Connection) Key {
	return Key{PK: userPK(c.Directory.Organization(), c.User), SK: join(connectionPart, string(c.Directory), string(c.Path))}
}

// linkItem is the item of a link, listed under its directory.
func linkItem(l directory.Link) (Item, error) {
	item, err := encode(linkKey(l.Directory, l.User), l)
	item.IndexPK, item.IndexSK = join(linkPart, string(l.Directory)), string(l.User)
	return item, err
}

// User reads all that is known of a user; a user nobody knows is empty.
func (s *Store) User(ctx context.Context, organization directory.OrganizationID, id directory.UserID) (User, error) {
	var user User
	q := Query{PK: userPK(organization, id)}
	for {
		page, err := s.table.Query(ctx, q)
		if err != nil {
			return User{}, err
		}
		for _, item := range page.Items {
			if err := user.add(item); err != nil {
				return User{}, err
			}
		}
		if q.Cursor = page.Cursor; q.Cursor == "" {
			return user, nil
		}
	}
}

// add sorts one item of the user's partition in.
func (u *User) add(item Item) error {
	kind, _, _ := strings.Cut(item.SK, "#")
	switch kind {
	case connectionPart:
		c, err := decode[directory.Connection](item)
		u.Connections = append(u.Connections, c)
		return err
	case linkPart:
		l, err := decode[directory.Link](item)
		l.Version = item.Version
		u.Links = append(u.Links, l)
		return err
	default:
		return nil
	}
}

// Connect keeps a connection and, if the user has no link in the directory yet,
// a pending one. Connecting what is connected changes nothing.
func (s *Store) Connect(ctx context.Context, c directory.Connection) error {
	connection, err := encode(connectionKey(c), c)
	if err != nil {
		return err
	}
	connection.IndexPK, connection.IndexSK = join(connectionPart, string(c.Directory)), join(string(c.User), string(c.Path))
	link, err := linkItem(directory.Link{Directory: c.Directory, User: c.User, Status: directory.Pending, State: directory.Absent})
	if err != nil {
		return err
	}
	for _, item := range []Item{link, connection} {
		if _, err := s.table.Put(ctx, item, Absent); err != nil && !fault.Is(err, fault.Changed) {
			return err
		}
	}
	return nil
}

// Disconnect ends a connection; it reports whether there was one.
func (s *Store) Disconnect(ctx context.Context, c directory.Connection) (bool, error) {
	if _, err := s.table.Get(ctx, connectionKey(c)); err != nil {
		if fault.Is(err, fault.NotFound) {
			return false, nil
		}
		return false, err
	}
	return true, s.table.Delete(ctx, connectionKey(c), Any)
}

// Connections lists the connections of a directory.
func (s *Store) Connections(ctx context.Context, id directory.ID, limit int, cursor string) (List[directory.Connection], error) {
	return list[directory.Connection](ctx, s, Query{PK: join(connectionPart, string(id)), Index: true, Limit: limit, Cursor: cursor})
}

// Links lists the links of a directory.
func (s *Store) Links(ctx context.Context, id directory.ID, limit int, cursor string) (List[directory.Link], error) {
	return list[directory.Link](ctx, s, Query{PK: join(linkPart, string(id)), Index: true, Limit: limit, Cursor: cursor})
}

// Owner is the JumpCloud user that an Entra account belongs to.
type Owner struct {
	Organization directory.OrganizationID `json:"organizationId"`
	User         directory.UserID         `json:"userId"`
	Directory    directory.ID             `json:"directoryId"`
}

// ownerKey is where the owner of an account lies.
func ownerKey(tenant directory.TenantID, account directory.EntraID) Key {
	return Key{PK: join(tenantPart, strings.ToLower(string(tenant)), entraPart, string(account)), SK: "owner"}
}

// Claim makes the user the owner of an Entra account. If the account belongs to
// another JumpCloud user already, that owner comes back with a fault of kind
// Conflict: an account has at most one owner per tenant.
func (s *Store) Claim(ctx context.Context, tenant directory.TenantID, account directory.EntraID, claimant Owner) (Owner, error) {
	item, err := encode(ownerKey(tenant, account), claimant)
	if err != nil {
		return Owner{}, err
	}
	_, err = s.table.Put(ctx, item, Absent)
	if !fault.Is(err, fault.Changed) {
		return claimant, err
	}
	owner, _, err := get[Owner](ctx, s, item.Key)
	if err != nil {
		return Owner{}, err
	}
	if owner.Organization == claimant.Organization && owner.User == claimant.User {
		return owner, nil
	}
	return owner, &fault.Error{Op: "store.claim", Kind: fault.Conflict, Subject: string(account), Message: "the account belongs to the JumpCloud user " + string(owner.User) + " of organization " + string(owner.Organization)}
}

// Unclaim gives an account back that the user claimed and did not get.
func (s *Store) Unclaim(ctx context.Context, tenant directory.TenantID, account directory.EntraID, claimant Owner) error {
	key := ownerKey(tenant, account)
	owner, version, err := get[Owner](ctx, s, key)
	if fault.Is(err, fault.NotFound) || (err == nil && owner != claimant) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.table.Delete(ctx, key, IfVersion(version))
}
