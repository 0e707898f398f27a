package store

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// memberListKey is the key of the place in a list of members, or of a part of its users.
func memberListKey(id directory.ID, group directory.GroupID, part string) Key {
	return Key{PK: join(organizationPart, string(id.Organization()), listPart, string(id), string(group)), SK: part}
}

const (
	// listPlace is the sort key of the place.
	listPlace = "place"
	// listedUsers is how many users one item has: it may have at most 400 kB (DynamoDB
	// quotas).
	listedUsers = 8000
	// listLife is how long a place is kept. A group that is read on deletes it before.
	listLife = 24 * time.Hour
)

// MemberList is a list of members that was not read to its end, or whose differences were
// not all applied, and for which cause it was begun.
type MemberList struct {
	directory.MemberList
	Cause time.Time `json:"cause"`
	// Parts are the items that have the users.
	Parts []string `json:"parts,omitempty"`
}

// listedPart is a part of the users of a list.
type listedPart struct {
	Users []directory.UserID `json:"users"`
}

// KeepMemberList keeps a list of members. saved is how many of its users the parts have
// already. Another worker's list of the same group is replaced; each has parts of its own.
func (s *Store) KeepMemberList(ctx context.Context, id directory.ID, group directory.GroupID, list MemberList, saved int) error {
	in := memberListKey(id, group, "").PK
	for chunk := range slices.Chunk(list.Users[saved:], listedUsers) {
		part := uuid.NewString()
		if err := s.keepListed(ctx, Key{PK: in, SK: part}, listedPart{chunk}); err != nil {
			return err
		}
		list.Parts = append(slices.Clone(list.Parts), part)
	}
	return s.keepListed(ctx, Key{PK: in, SK: listPlace}, list)
}

// keepListed keeps the place in a list, or a part of it.
func (s *Store) keepListed(ctx context.Context, key Key, record any) error {
	item, err := encode(key, record)
	if err != nil {
		return err
	}
	item.Expires = time.Now().Add(listLife).Unix()
	_, err = s.table.Put(ctx, item, Any)
	return err
}

// MemberList reads the list that was kept; found is false if there is none, or if a part
// of it is gone.
func (s *Store) MemberList(ctx context.Context, id directory.ID, group directory.GroupID) (list MemberList, found bool, err error) {
	list, _, err = get[MemberList](ctx, s, memberListKey(id, group, listPlace))
	for _, name := range list.Parts {
		var part listedPart
		if part, _, err = get[listedPart](ctx, s, memberListKey(id, group, name)); err != nil {
			break
		}
		list.Users = append(list.Users, part.Users...)
	}
	if fault.Is(err, fault.NotFound) {
		return MemberList{}, false, nil
	}
	return list, err == nil, err
}

// ForgetMemberList deletes the list that was kept, with all parts.
func (s *Store) ForgetMemberList(ctx context.Context, id directory.ID, group directory.GroupID) error {
	return s.forgetListed(ctx, memberListKey(id, group, "").PK)
}

// forgetListed deletes a list that was kept under a partition key.
func (s *Store) forgetListed(ctx context.Context, pk string) error {
	var writes []Write
	err := s.each(ctx, Query{PK: pk}, func(item Item) error {
		writes = append(writes, Write{Item: Item{Key: item.Key}, If: Any, Delete: true})
		return nil
	})
	if err != nil {
		return err
	}
	return s.transactAll(ctx, writes)
}
