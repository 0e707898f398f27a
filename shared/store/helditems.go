package store

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// HeldItem is one action that waits in a hold, or waited there when it was decided. A person
// has at most one of a kind for the account, and one for each group.
type HeldItem struct {
	Hold      string        `json:"holdId"`
	Directory directory.ID  `json:"directoryId"`
	Kind      plan.HoldKind `json:"kind"`
	// User is who would lose access; "" if nobody in JumpCloud is known to have the account.
	User    directory.UserID  `json:"userId,omitempty"`
	Account directory.EntraID `json:"entraId,omitempty"`
	Name    string            `json:"name,omitempty"` // for people
	// Group is the one out of which the person would be taken; "" for the account itself.
	Group     directory.GroupID `json:"groupId,omitempty"`
	GroupName string            `json:"groupName,omitempty"`
	Action    plan.Type         `json:"action"`
	Reason    directory.Reason  `json:"reason"`
	Cause     plan.Cause        `json:"cause"`
	Since     time.Time         `json:"since"`
	// Announced says that no attempt has come to the person yet: the item was made when the
	// cause was seen.
	Announced bool  `json:"announced,omitempty"`
	Version   int64 `json:"-"`
}

// Person names who would lose access, as the counters do.
func (i HeldItem) Person() string {
	if i.User == "" {
		return accountPerson + string(i.Account)
	}
	return string(i.User)
}

// accountPerson begins the name of a person of whom only the account is known.
const accountPerson = "account:"

// About is what an item is about: one item replaces another one about the same.
type About struct {
	Person string
	Group  directory.GroupID
}

// About is what the item is about.
func (i HeldItem) About() About { return About{i.Person(), i.Group} }

// key is the key of the item.
func (i HeldItem) key() Key {
	return Key{PK: guardPK(i.Directory), SK: join(heldPart, string(i.Kind), i.Person(), string(i.Group))}
}

// heldPK is the index key of the items of a hold.
func heldPK(hold string) string { return join(guardPart, hold) }

// put is the write that stores the item.
func (i HeldItem) put() (Write, error) {
	item, err := encode(i.key(), i)
	item.IndexPK, item.IndexSK = heldPK(i.Hold), join(i.Person(), string(i.Group))
	return Write{Item: item, If: IfVersion(i.Version)}, err
}

// HeldItems lists what is in a hold, one page of it, by person.
func (s *Store) HeldItems(ctx context.Context, hold string, limit int, cursor string) (List[HeldItem], error) {
	return list[HeldItem](ctx, s, Query{PK: heldPK(hold), Index: true, Limit: limit, Cursor: cursor})
}

// DropHeld deletes items of one directory and kind that nobody asks for any more, or that are
// done. An open hold without any is over.
func (s *Store) DropHeld(ctx context.Context, items ...HeldItem) error {
	byHold := map[string][]HeldItem{}
	for _, item := range items {
		byHold[item.Hold] = append(byHold[item.Hold], item)
	}
	for _, all := range byHold {
		for some := range slices.Chunk(all, MaxHeld) {
			if err := Contended(ctx, func() error { return s.dropHeld(ctx, some) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropHeld deletes some items of one hold, except for those that belong to another hold by now.
func (s *Store) dropHeld(ctx context.Context, about []HeldItem) error {
	var keys []Key
	for _, item := range about {
		if key := item.key(); !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	items, err := s.batchGet(ctx, keys)
	if err != nil {
		return err
	}
	var writes []Write
	var dropped []HeldItem
	for _, item := range items {
		there, err := decode[HeldItem](item)
		if err != nil {
			return err
		}
		if there.Hold == about[0].Hold {
			writes, dropped = append(writes, Write{Item: Item{Key: item.Key}, If: IfVersion(item.Version), Delete: true}), append(dropped, there)
		}
	}
	if len(writes) == 0 {
		return nil
	}
	hold, err := s.Hold(ctx, about[0].Directory, about[0].Hold)
	switch {
	case err != nil && !fault.Is(err, fault.NotFound):
		return err
	case err == nil && hold.Status == HoldOpen:
		more, err := s.without(ctx, hold, dropped)
		if err != nil {
			return err
		}
		writes = append(writes, more...)
	}
	return s.table.Transact(ctx, writes)
}

// without are the writes by which an open hold has some items less.
func (s *Store) without(ctx context.Context, hold Hold, items []HeldItem) ([]Write, error) {
	var ends []Write
	left := Hold{}
	for _, item := range items {
		left.Add(item)
	}
	hold.Accounts -= left.Accounts
	if hold.Count -= left.Count; hold.Count <= 0 {
		var err error
		if ends, err = s.endHold(ctx, &hold, HoldOver, time.Now().UTC()); err != nil {
			return nil, err
		}
	}
	put, err := hold.put()
	return append(ends, put), err
}
