package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// Exclusion is what we know of the group whose members are excluded from a directory
// (directory.Exclude.Group). It is stored with the group, so that events about the group
// find it, together with the setting that names the group.
type Exclusion struct {
	Directory directory.ID      `json:"directoryId"`
	Group     directory.GroupID `json:"groupId"`
	// ListedAt is when the list of the members began to be read that was stored last; zero
	// as long as none was since the setting was stored: who is excluded is not known then.
	ListedAt time.Time `json:"listedAt,omitzero"`
	// GoneAt is when JumpCloud no longer had the group. Its last known members stay
	// excluded. Zero while it is there.
	GoneAt  time.Time `json:"goneAt,omitzero"`
	Version int64     `json:"-"`
}

// Known reports whether it is known who is excluded by group.
func (e Exclusion) Known() bool { return e.Group == "" || !e.ListedAt.IsZero() }

// exclusionKey is the key of an exclusion.
func exclusionKey(id directory.ID, group directory.GroupID) Key {
	return Key{PK: groupPK(id.Organization(), group), SK: join(excludedPart, string(id))}
}

// excludedMember says that a user is in the group whose members are excluded.
type excludedMember struct {
	Directory directory.ID      `json:"directoryId"`
	Group     directory.GroupID `json:"groupId"`
	User      directory.UserID  `json:"userId"`
	// Kept are the connected groups that the user left meanwhile and was not taken out of in
	// Entra.
	Kept []directory.GroupID `json:"kept,omitempty"`
}

// item is the item of an excluded member, in the index under its directory.
func (m excludedMember) item() (Item, error) {
	item, err := encode(excludedKey(m.Directory, m.Group, m.User), m)
	item.IndexPK, item.IndexSK = join(excludedPart, string(m.Directory)), join(string(m.Group), string(m.User))
	return item, err
}

// excludedPK is the partition key of the excluded members.
func excludedPK(id directory.ID, group directory.GroupID) string {
	return join(organizationPart, string(id.Organization()), excludedPart, string(id), string(group))
}

// excludedKey is the key of an excluded member.
func excludedKey(id directory.ID, group directory.GroupID, user directory.UserID) Key {
	return Key{PK: excludedPK(id, group), SK: string(user)}
}

// excludedWrites are the writes with which a directory excludes the members of another
// group than before. What was known of the members is not: they are read again. Members of
// the former group stay recorded and mean nothing, until a list says whether they still are.
func excludedWrites(id directory.ID, before, after directory.GroupID) ([]Write, error) {
	var writes []Write
	if before == after {
		return nil, nil
	}
	if before != "" {
		writes = append(writes, Write{Item: Item{Key: exclusionKey(id, before)}, If: Any, Delete: true})
	}
	if after != "" {
		item, err := encode(exclusionKey(id, after), Exclusion{Directory: id, Group: after})
		if err != nil {
			return nil, err
		}
		writes = append(writes, Write{Item: item, If: Any})
	}
	return writes, nil
}

// Exclusion reads what is known of the group whose members are excluded from a directory.
func (s *Store) Exclusion(ctx context.Context, id directory.ID, group directory.GroupID) (Exclusion, error) {
	e, version, err := get[Exclusion](ctx, s, exclusionKey(id, group))
	if fault.Is(err, fault.NotFound) {
		return Exclusion{Directory: id, Group: group}, nil
	}
	e.Version = version
	return e, err
}

// PutExclusion stores an exclusion; Changed if it was changed since it was read, as when the
// setting was stored again.
func (s *Store) PutExclusion(ctx context.Context, e Exclusion) error {
	item, err := encode(exclusionKey(e.Directory, e.Group), e)
	if err == nil {
		_, err = s.table.Put(ctx, item, IfVersion(e.Version))
	}
	return err
}

// ExcludedMembers lists the users who are excluded because they are in a group.
func (s *Store) ExcludedMembers(ctx context.Context, id directory.ID, group directory.GroupID) ([]directory.UserID, error) {
	var users []directory.UserID
	err := s.each(ctx, Query{PK: excludedPK(id, group)}, func(item Item) error {
		users = append(users, directory.UserID(item.SK))
		return nil
	})
	return users, err
}

// PutExcluded notes that users are in the group whose members are excluded.
func (s *Store) PutExcluded(ctx context.Context, id directory.ID, group directory.GroupID, users ...directory.UserID) error {
	writes := make([]Write, len(users))
	for i, user := range users {
		item, err := excludedMember{Directory: id, Group: group, User: user}.item()
		if err != nil {
			return err
		}
		writes[i] = Write{Item: item, If: Absent}
	}
	return s.transactUnchanged(ctx, writes)
}

// maxKept is how many such groups are noted, so that one transaction can mark the user dirty
// in all of them. In others the user is found when all their members are compared.
const maxKept = MaxTransactItems - 1

// NoteKept notes that users who left a connected group stay in it in Entra, because they are
// in the group whose members are excluded; those who are not in that group are left out.
func (s *Store) NoteKept(ctx context.Context, id directory.ID, group, left directory.GroupID, users ...directory.UserID) error {
	for _, user := range users {
		err := Contended(ctx, func() error {
			m, version, err := get[excludedMember](ctx, s, excludedKey(id, group, user))
			if err != nil || slices.Contains(m.Kept, left) || len(m.Kept) == maxKept {
				return err
			}
			m.Kept = append(m.Kept, left)
			item, err := m.item()
			if err == nil {
				_, err = s.table.Put(ctx, item, IfVersion(version))
			}
			return err
		})
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	return nil
}

// RemoveExcluded notes that a user is not in the group any more. It returns the groups that
// the user left meanwhile and was not taken out of in Entra, and marks the user dirty there.
func (s *Store) RemoveExcluded(ctx context.Context, id directory.ID, group directory.GroupID, user directory.UserID) (kept []directory.GroupID, err error) {
	err = Contended(ctx, func() error {
		m, version, err := get[excludedMember](ctx, s, excludedKey(id, group, user))
		if err != nil {
			return err
		}
		writes := []Write{{Item: Item{Key: excludedKey(id, group, user)}, If: IfVersion(version), Delete: true}}
		for _, each := range m.Kept {
			mark, err := Mark{Directory: id, Group: each, User: user}.write(false)
			if err != nil {
				return err
			}
			writes = append(writes, mark)
		}
		kept = m.Kept
		return s.table.Transact(ctx, writes)
	})
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	return kept, err
}

// Excluded is who is excluded from a directory, as it is stored now.
type Excluded struct {
	directory.Exclude
	Exclusion Exclusion
	Members   map[directory.UserID]bool // those of the asked users who are in the group
}

// ReadExcluded reads who of some users is excluded from a directory. group is the one that
// the directory is expected to name: then one request is enough.
func (s *Store) ReadExcluded(ctx context.Context, id directory.ID, group directory.GroupID, users []directory.UserID) (Excluded, error) {
	for {
		keys := append([]Key{directoryKey(id)}, excludedKeys(id, group, users)...)
		items, err := s.batchGet(ctx, keys)
		if err != nil {
			return Excluded{}, err
		}
		found := Excluded{Exclusion: Exclusion{Directory: id, Group: group}, Members: map[directory.UserID]bool{}}
		missingDirectory := true
		for _, item := range items {
			if item.Key == keys[0] {
				dir, err := decode[directory.Directory](item)
				if err != nil {
					return Excluded{}, err
				}
				if !dir.Status.InUse() {
					return Excluded{}, notInUse(dir)
				}
				missingDirectory, found.Exclude = false, dir.Settings.Exclude
			} else if err := found.add(item); err != nil {
				return Excluded{}, err
			}
		}
		if missingDirectory {
			return Excluded{}, missing(fault.New(fault.NotFound, "store.read excluded", ""), "directory", string(id))
		}
		if found.Group == group {
			return found, nil
		}
		group = found.Group
	}
}

// excludedKeys are the keys of what is known of a group whose members are excluded, and of
// whether some users are among them; none without a group.
func excludedKeys(id directory.ID, group directory.GroupID, users []directory.UserID) []Key {
	if group == "" {
		return nil
	}
	keys := []Key{exclusionKey(id, group)}
	for _, user := range users {
		keys = append(keys, excludedKey(id, group, user))
	}
	return keys
}

// isExcluded reports whether an item is of those of excludedKeys.
func isExcluded(item Item) bool {
	return strings.HasPrefix(item.SK, join(excludedPart, "")) || excludedPartOf(item.PK)
}

// excludedPartOf reports whether a partition holds excluded members.
func excludedPartOf(pk string) bool {
	parts := strings.Split(pk, "#")
	return len(parts) > 2 && parts[2] == excludedPart
}

// add adds an item of those of excludedKeys.
func (e *Excluded) add(item Item) error {
	if excludedPartOf(item.PK) {
		e.Members[directory.UserID(item.SK)] = true
		return nil
	}
	known, err := decode[Exclusion](item)
	known.Version = item.Version
	e.Exclusion = known
	return err
}

// Why says which rule excludes a user; nil if none does. names are the sign-in names that
// the user's account has or may have.
func (e Excluded) Why(user directory.UserID, names ...directory.UPN) *directory.Obstacle {
	return e.Exclude.Why(user, e.Members[user], names...)
}
