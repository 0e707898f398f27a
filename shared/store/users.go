package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// User is what is known of one JumpCloud user.
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
	for _, c := range u.Connections {
		if c.Directory == id {
			return c.Paths
		}
	}
	return nil
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
func connectionKey(id directory.ID, user directory.UserID) Key {
	return Key{PK: userPK(id.Organization(), user), SK: join(connectionPart, string(id))}
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
		c.Version = item.Version
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

// Connect adds a path by which a user is connected to a directory and, if the
// user has no link there yet, a pending one. Adding a path that is there changes
// nothing.
func (s *Store) Connect(ctx context.Context, id directory.ID, user directory.UserID, path directory.Path, now time.Time) error {
	link, err := linkItem(directory.Link{Directory: id, User: user, Status: directory.Pending, State: directory.Absent})
	if err != nil {
		return err
	}
	if _, err := s.table.Put(ctx, link, Absent); err != nil && !fault.Is(err, fault.Changed) {
		return err
	}
	_, err = s.changePaths(ctx, id, user, func(c directory.Connection) directory.Connection {
		if len(c.Paths) == 0 {
			c.CreatedAt = now
		}
		if !slices.Contains(c.Paths, path) {
			c.Paths = append(c.Paths, path)
		}
		return c
	})
	return err
}

// Disconnect takes a path away; it reports whether it was there.
func (s *Store) Disconnect(ctx context.Context, id directory.ID, user directory.UserID, path directory.Path) (bool, error) {
	return s.changePaths(ctx, id, user, func(c directory.Connection) directory.Connection {
		c.Paths = slices.DeleteFunc(slices.Clone(c.Paths), func(p directory.Path) bool { return p == path })
		return c
	})
}

// changeTries is how often a change of paths is tried against other writers.
const changeTries = 10

// changePaths reads a connection, changes it and writes it, unless another
// writer was faster; then it reads again. It reports whether anything changed.
func (s *Store) changePaths(ctx context.Context, id directory.ID, user directory.UserID, change func(directory.Connection) directory.Connection) (bool, error) {
	key := connectionKey(id, user)
	for try := 1; ; try++ {
		before, version, err := get[directory.Connection](ctx, s, key)
		if fault.Is(err, fault.NotFound) {
			before = directory.Connection{Directory: id, User: user}
		} else if err != nil {
			return false, err
		}
		after := change(before)
		if slices.Equal(before.Paths, after.Paths) {
			return false, nil
		}
		err = s.putConnection(ctx, after, IfVersion(version))
		if !fault.Is(err, fault.Changed) || try == changeTries {
			return err == nil, err
		}
	}
}

// putConnection writes a connection, or removes one that has no path left.
func (s *Store) putConnection(ctx context.Context, c directory.Connection, cond IfVersion) error {
	key := connectionKey(c.Directory, c.User)
	if len(c.Paths) == 0 {
		return s.table.Delete(ctx, key, cond)
	}
	item, err := encode(key, c)
	if err != nil {
		return err
	}
	item.IndexPK, item.IndexSK = join(connectionPart, string(c.Directory)), string(c.User)
	_, err = s.table.Put(ctx, item, cond)
	return err
}

// Look is what is known of a directory and of some users there.
type Look struct {
	Directory directory.Directory
	Users     map[directory.UserID]User // with the link and the connection of this directory only
}

// Look reads a directory with some of its users, in as few requests as the table
// takes; NotFound if there is no such directory.
func (s *Store) Look(ctx context.Context, id directory.ID, users []directory.UserID) (Look, error) {
	keys := []Key{directoryKey(id)}
	of := map[Key]directory.UserID{}
	for _, user := range users {
		for _, key := range []Key{linkKey(id, user), connectionKey(id, user)} {
			of[key] = user
			keys = append(keys, key)
		}
	}
	look := Look{Users: map[directory.UserID]User{}}
	found := false
	for chunk := range slices.Chunk(keys, MaxBatchGet) {
		items, err := s.table.BatchGet(ctx, chunk)
		if err != nil {
			return Look{}, err
		}
		for _, item := range items {
			user, isUser := of[item.Key]
			if !isUser {
				found = true
				if look.Directory, err = decode[directory.Directory](item); err != nil {
					return Look{}, err
				}
				look.Directory.Version = item.Version
				continue
			}
			known := look.Users[user]
			if err := known.add(item); err != nil {
				return Look{}, err
			}
			look.Users[user] = known
		}
	}
	if !found {
		return Look{}, missing(fault.New(fault.NotFound, "store.look", ""), "directory", string(id))
	}
	return look, nil
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
