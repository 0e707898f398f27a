package store

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// accountListKey is the key of the place in a list of a group's members in Entra, or of a
// part of its accounts.
func accountListKey(id directory.ID, group directory.GroupID, part string) Key {
	return Key{PK: join(organizationPart, string(id.Organization()), listPart, string(id), string(group), entraPart), SK: part}
}

// AccountList is a list of a group's members in Entra that was not used yet, and for which
// cause it was begun.
type AccountList struct {
	directory.AccountList
	Cause time.Time `json:"cause"`
	// Parts are the items that have the accounts.
	Parts []string `json:"parts,omitempty"`
}

// accountsPart is a part of the accounts of a list.
type accountsPart struct {
	Accounts []directory.EntraID `json:"accounts"`
}

// KeepAccountList keeps a list of members in Entra, as [Store.KeepMemberList] does.
func (s *Store) KeepAccountList(ctx context.Context, id directory.ID, group directory.GroupID, list AccountList, saved int) error {
	in := accountListKey(id, group, "").PK
	for chunk := range slices.Chunk(list.Accounts[saved:], listedUsers) {
		part := uuid.NewString()
		if err := s.keepListed(ctx, Key{PK: in, SK: part}, accountsPart{chunk}); err != nil {
			return err
		}
		list.Parts = append(slices.Clone(list.Parts), part)
	}
	return s.keepListed(ctx, Key{PK: in, SK: listPlace}, list)
}

// AccountList reads the list that was kept; found is false if there is none, or if a part
// of it is gone.
func (s *Store) AccountList(ctx context.Context, id directory.ID, group directory.GroupID) (list AccountList, found bool, err error) {
	list, _, err = get[AccountList](ctx, s, accountListKey(id, group, listPlace))
	for _, name := range list.Parts {
		var part accountsPart
		if part, _, err = get[accountsPart](ctx, s, accountListKey(id, group, name)); err != nil {
			break
		}
		list.Accounts = append(list.Accounts, part.Accounts...)
	}
	if fault.Is(err, fault.NotFound) {
		return AccountList{}, false, nil
	}
	return list, err == nil, err
}

// ForgetAccountList deletes the list that was kept, with all parts.
func (s *Store) ForgetAccountList(ctx context.Context, id directory.ID, group directory.GroupID) error {
	return s.forgetListed(ctx, accountListKey(id, group, "").PK)
}
