package store

import (
	"context"
	"slices"
	"time"

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

// Membership is a change: a user joins a group or leaves it.
type Membership struct {
	User directory.UserID
	In   bool
	Why  directory.Reason // of leaving
	// Since is when the read began that shows the user in the group. If the user left after
	// that time, the read may be older, and nothing changes. Zero if nothing was read.
	Since time.Time
	// Notify says that the group must be notified: a pending notice is stored until
	// then.
	Notify bool
}

// membershipChunk is how many memberships change in one transaction. Each writes up to
// six items.
const membershipChunk = MaxTransactItems / 6

// SetMemberships changes who is in a group of a directory. For each user it writes the
// path, the member and the mark in one transaction.
func (s *Store) SetMemberships(ctx context.Context, id directory.ID, group directory.GroupID, now time.Time, changes ...Membership) (Memberships, error) {
	var all Memberships
	for chunk := range slices.Chunk(changes, membershipChunk) {
		some, err := s.setMemberships(ctx, id, group, now, chunk)
		all.add(some)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// Memberships are the users whose memberships changed, or could not be changed.
type Memberships struct {
	Changed []directory.UserID
	// Overtaken are those who left after [Membership.Since].
	Overtaken []directory.UserID
}

func (m *Memberships) add(other Memberships) {
	m.Changed, m.Overtaken = append(m.Changed, other.Changed...), append(m.Overtaken, other.Overtaken...)
}

// setMemberships changes the memberships of one transaction. If another writer
// changed some of them meanwhile, each is changed by itself.
func (s *Store) setMemberships(ctx context.Context, id directory.ID, group directory.GroupID, now time.Time, changes []Membership) (Memberships, error) {
	all, err := s.transactMemberships(ctx, id, group, now, changes)
	if !fault.Is(err, fault.Changed) {
		return all, err
	}
	all = Memberships{}
	for i := range changes {
		var one Memberships
		err := Contended(ctx, func() error {
			var err error
			one, err = s.transactMemberships(ctx, id, group, now, changes[i:i+1])
			return err
		})
		if err != nil {
			return all, err
		}
		all.add(one)
	}
	return all, nil
}

// transactMemberships changes memberships in one transaction; Changed if another
// writer was faster at one of them.
func (s *Store) transactMemberships(ctx context.Context, id directory.ID, group directory.GroupID, now time.Time, changes []Membership) (Memberships, error) {
	writes, all, err := s.membershipWrites(ctx, id, group, now, changes)
	if err != nil || len(writes) == 0 {
		return all, err
	}
	return all, s.table.Transact(ctx, writes)
}

// membershipWrites returns the writes that change memberships, and the users.
func (s *Store) membershipWrites(ctx context.Context, id directory.ID, group directory.GroupID, now time.Time, changes []Membership) ([]Write, Memberships, error) {
	var keys []Key
	for _, c := range changes {
		keys = append(keys, connectionKey(id, c.User), linkKey(id, c.User), memberKey(id, group, c.User))
	}
	items, err := s.batchGet(ctx, keys)
	if err != nil {
		return nil, Memberships{}, err
	}
	known := map[Key]Item{}
	for _, item := range items {
		known[item.Key] = item
	}
	var writes []Write
	var all Memberships
	for _, c := range changes {
		own, overtaken, err := c.writes(known, id, group, now)
		switch {
		case err != nil:
			return nil, Memberships{}, err
		case overtaken:
			all.Overtaken = append(all.Overtaken, c.User)
		case len(own) > 0:
			writes, all.Changed = append(writes, own...), append(all.Changed, c.User)
		}
	}
	return writes, all, nil
}

// writes returns the writes of one change, none if nothing changes or if the user left
// after the read of the change began.
func (c Membership) writes(known map[Key]Item, id directory.ID, group directory.GroupID, now time.Time) (writes []Write, overtaken bool, err error) {
	connection, connected := known[connectionKey(id, c.User)]
	member, is := known[memberKey(id, group, c.User)]
	before := directory.Connection{Directory: id, User: c.User, CreatedAt: now}
	m := directory.Member{Directory: id, Group: group, User: c.User}
	if connected {
		if before, err = decode[directory.Connection](connection); err != nil {
			return nil, false, err
		}
	}
	if is {
		if m, err = decode[directory.Member](member); err != nil {
			return nil, false, err
		}
	}
	if slices.Contains(before.Paths, group.Path()) == c.In && m.Wanted == c.In {
		return nil, false, nil
	}
	if c.In && !c.Since.IsZero() && before.LeftAfter(group.Path(), c.Since) {
		return nil, true, nil
	}
	m.Wanted, m.Problem = c.In, nil
	after := before.With(group.Path(), c.In, c.Why, now)
	writes = make([]Write, 0, MaxTransactItems/membershipChunk)
	item, err := connectionItem(after)
	if err != nil {
		return nil, false, err
	}
	writes = append(writes, Write{Item: item, If: IfVersion(connection.Version)})
	if item, err = encode(memberKey(id, group, c.User), m); err != nil {
		return nil, false, err
	}
	writes = append(writes, Write{Item: item, If: IfVersion(member.Version)})
	mark, err := Mark{Directory: id, Group: group, User: c.User}.write(false)
	if err != nil {
		return nil, false, err
	}
	writes = append(writes, mark)
	if c.Notify {
		if item, err = encode(noticeKey(id, group, c.User), Mark{Directory: id, Group: group, User: c.User}); err != nil {
			return nil, false, err
		}
		item.setUnfinished(id, PendingNotice, dueAfter)
		writes = append(writes, Write{Item: item, If: Any})
	}
	if beginsOrEnds(before.Paths, after.Paths) {
		check, err := Check{Directory: id, User: c.User}.write()
		if err != nil {
			return nil, false, err
		}
		writes = append(writes, check)
	}
	if _, linked := known[linkKey(id, c.User)]; !linked {
		if item, err = linkItem(directory.NewLink(id, c.User)); err != nil {
			return nil, false, err
		}
		writes = append(writes, Write{Item: item, If: Absent})
	}
	return writes, false, nil
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
