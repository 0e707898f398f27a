package store

import (
	"context"
	"slices"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// membersPK is the partition key of the members of a group in a directory.
func membersPK(id directory.ID, group directory.GroupID) string {
	return join(organizationPart, string(id.Organization()), memberPart, string(id), string(group))
}

// memberKey is the key of a member.
func memberKey(id directory.ID, group directory.GroupID, user directory.UserID) Key {
	return Key{PK: membersPK(id, group), SK: string(user)}
}

// dirtyKey is the key of the mark on a member.
func dirtyKey(id directory.ID, group directory.GroupID, user directory.UserID) Key {
	return Key{PK: join(organizationPart, string(id.Organization()), dirtyPart, string(id), string(group)), SK: string(user)}
}

// Mark says that a member of a group is dirty: the member must be compared with Entra.
type Mark struct {
	Directory directory.ID      `json:"directoryId"`
	Group     directory.GroupID `json:"groupId"`
	User      directory.UserID  `json:"userId"`
	Version   int64             `json:"-"`
}

// write returns the write that sets the mark, or clears it unless the member was marked
// again.
func (m Mark) write(remove bool) (Write, error) {
	item, err := encode(dirtyKey(m.Directory, m.Group, m.User), m)
	if remove {
		return Write{Item: item, If: IfVersion(m.Version), Delete: true}, err
	}
	item.setUnfinished(m.Directory, DirtyMember, dueAfter)
	return Write{Item: item, If: Any}, err
}

// MarkDirty marks members, so that they are compared with Entra.
func (s *Store) MarkDirty(ctx context.Context, marks ...Mark) error {
	var writes []Write
	for _, m := range marks {
		w, err := m.write(false)
		if err != nil {
			return err
		}
		writes = append(writes, w)
	}
	return s.transactAll(ctx, writes)
}

// ClearMarks clears marks after the members were compared. A member that was marked
// again meanwhile stays marked.
func (s *Store) ClearMarks(ctx context.Context, marks ...Mark) error {
	var writes []Write
	for _, m := range marks {
		w, err := m.write(true)
		if err != nil {
			return err
		}
		writes = append(writes, w)
	}
	return s.transactUnchanged(ctx, writes)
}

// transactUnchanged does writes, and skips those where another writer was faster.
func (s *Store) transactUnchanged(ctx context.Context, writes []Write) error {
	for chunk := range slices.Chunk(writes, MaxTransactItems) {
		err := s.table.Transact(ctx, chunk)
		if !fault.Is(err, fault.Changed) {
			if err != nil {
				return err
			}
			continue
		}
		for _, w := range chunk {
			if err := s.table.Transact(ctx, []Write{w}); err != nil && !fault.Is(err, fault.Changed) {
				return err
			}
		}
	}
	return nil
}

// noticeKey is the key of a pending notice: a group may not have been notified that a
// user joined or left it.
func noticeKey(id directory.ID, group directory.GroupID, user directory.UserID) Key {
	return Key{PK: userPK(id.Organization(), user), SK: join(noticePart, string(id), string(group))}
}

// PendingNotices lists the groups of a directory that a user joined or left and that may
// not have been notified.
func (s *Store) PendingNotices(ctx context.Context, id directory.ID, user directory.UserID) ([]directory.GroupID, error) {
	var groups []directory.GroupID
	q := Query{PK: userPK(id.Organization(), user), SKPrefix: join(noticePart, string(id), "")}
	err := s.each(ctx, q, func(item Item) error {
		t, err := decode[Mark](item)
		groups = append(groups, t.Group)
		return err
	})
	return groups, err
}

// NoticesSent deletes the pending notices of groups that were notified.
func (s *Store) NoticesSent(ctx context.Context, id directory.ID, user directory.UserID, groups ...directory.GroupID) error {
	writes := make([]Write, len(groups))
	for i, group := range groups {
		writes[i] = Write{Item: Item{Key: noticeKey(id, group, user)}, If: Any, Delete: true}
	}
	return s.transactAll(ctx, writes)
}

// Marks lists the marks of a group: the members that must be compared with Entra.
func (s *Store) Marks(ctx context.Context, id directory.ID, group directory.GroupID) ([]Mark, error) {
	var marks []Mark
	err := s.each(ctx, Query{PK: dirtyKey(id, group, "").PK}, func(item Item) error {
		t, err := decode[Mark](item)
		t.Directory, t.Group, t.Version = id, group, item.Version // the same strings for all
		marks = append(marks, t)
		return err
	})
	return marks, err
}

// Members lists members of a group in a directory, one page of them.
func (s *Store) Members(ctx context.Context, id directory.ID, group directory.GroupID, limit int, cursor string) (List[directory.Member], error) {
	return list[directory.Member](ctx, s, Query{PK: membersPK(id, group), Limit: limit, Cursor: cursor})
}

// AllMembers lists all members of a group in a directory.
func (s *Store) AllMembers(ctx context.Context, id directory.ID, group directory.GroupID) ([]directory.Member, error) {
	var members []directory.Member
	err := s.each(ctx, Query{PK: membersPK(id, group)}, func(item Item) error {
		m, err := memberOf(item, id, group)
		members = append(members, m)
		return err
	})
	return members, err
}

// memberOf decodes a member of a group. All members of a group have the same strings for
// what they have in common, because a group may have very many.
func memberOf(item Item, id directory.ID, group directory.GroupID) (directory.Member, error) {
	m, err := decode[directory.Member](item)
	m.Directory, m.Group, m.Version = id, group, item.Version
	return m, err
}

// SomeMembers reads some members of a group; unknown ones are left out.
func (s *Store) SomeMembers(ctx context.Context, id directory.ID, group directory.GroupID, users []directory.UserID) ([]directory.Member, error) {
	var members []directory.Member
	for chunk := range slices.Chunk(users, MaxBatchGet) {
		keys := make([]Key, len(chunk))
		for i, user := range chunk {
			keys[i] = memberKey(id, group, user)
		}
		items, err := s.table.BatchGet(ctx, keys)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			m, err := memberOf(item, id, group)
			if err != nil {
				return nil, err
			}
			members = append(members, m)
		}
	}
	return members, nil
}

// PutMembers writes members. If another writer changed a member since it was read,
// Wanted stays as the other writer set it, and so does the mark; what was done in Entra
// is still stored. A member that is neither wanted nor applied is deleted.
func (s *Store) PutMembers(ctx context.Context, members ...directory.Member) error {
	for chunk := range slices.Chunk(members, MaxTransactItems) {
		writes := make([]Write, len(chunk))
		for i, m := range chunk {
			var err error
			if writes[i], err = memberWrite(m); err != nil {
				return err
			}
		}
		err := s.table.Transact(ctx, writes)
		if err != nil && !fault.Is(err, fault.Changed) {
			return err
		}
		for _, m := range chunk {
			if err == nil {
				break
			}
			if err := s.putMember(ctx, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// memberWrite returns the write that stores a member, or deletes it.
func memberWrite(m directory.Member) (Write, error) {
	item, err := encode(memberKey(m.Directory, m.Group, m.User), m)
	return Write{Item: item, If: IfVersion(m.Version), Delete: !m.Wanted && m.Applied == ""}, err
}

// putMember writes one member that another writer may have changed meanwhile.
func (s *Store) putMember(ctx context.Context, m directory.Member) error {
	return Contended(ctx, func() error {
		w, err := memberWrite(m)
		if err != nil {
			return err
		}
		lost := s.table.Transact(ctx, []Write{w})
		if !fault.Is(lost, fault.Changed) {
			return lost
		}
		now, version, err := get[directory.Member](ctx, s, w.Item.Key)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if m.Wanted != now.Wanted {
			m.Wanted, m.Problem = now.Wanted, nil
		}
		m.Version = version
		if version == 0 && !m.Wanted && m.Applied == "" {
			return nil
		}
		return lost
	})
}

// ForgetMembers deletes the members and marks of a group that is no longer connected.
// With keepApplied it keeps the members that we added in Entra, so that they are known
// when the group is connected again.
func (s *Store) ForgetMembers(ctx context.Context, id directory.ID, group directory.GroupID, keepApplied bool) error {
	var writes []Write
	for _, pk := range []string{membersPK(id, group), dirtyKey(id, group, "").PK} {
		err := s.each(ctx, Query{PK: pk}, func(item Item) error {
			m, err := decode[directory.Member](item) // a mark decodes as a member that is not applied
			if err != nil || keepApplied && m.Applied != "" {
				return err
			}
			writes = append(writes, Write{Item: Item{Key: item.Key}, If: Any, Delete: true})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return s.transactAll(ctx, writes)
}
