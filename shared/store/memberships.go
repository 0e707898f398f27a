package store

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// Membership is a change: a user joins a group or leaves it.
type Membership struct {
	User directory.UserID
	In   bool
	Why  directory.Reason // of leaving
	// Since is a time at which JumpCloud certainly had the user in the group, if the user
	// did not leave later. If the user did, nothing changes. Zero if nothing was read.
	Since time.Time
	// Left is when the user left, if that is known; it is kept also if the user was not in
	// the group. Zero: now.
	Left time.Time
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
		case len(own) == 1: // only when the user left, who was not in it
			writes = append(writes, own...)
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
	before := directory.Connection{Directory: id, User: c.User}
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
		writes, err := c.departure(before, group, connection.Version)
		return writes, false, err
	}
	if c.In && !c.Since.IsZero() && before.LeftAfter(group.Path(), c.Since) {
		return nil, true, nil
	}
	m.Wanted, m.Problem = c.In, nil
	after := before.With(group.Path(), c.In, c.Why, c.at(now))
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

// at is when the user joined or left, as far as it is known.
func (c Membership) at(now time.Time) time.Time {
	if c.In || c.Left.IsZero() {
		return now
	}
	return c.Left
}

// departure returns the write of when a user left who was not in the group, or is not in
// it any more; none if that is known.
func (c Membership) departure(before directory.Connection, group directory.GroupID, version int64) ([]Write, error) {
	if c.In || !c.Left.After(before.Left[group.Path()]) {
		return nil, nil
	}
	item, err := connectionItem(before.Departed(group.Path(), c.Left))
	return []Write{{Item: item, If: IfVersion(version)}}, err
}
