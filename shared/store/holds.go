package store

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// HoldStatus is how a hold stands.
type HoldStatus string

// The statuses of a hold. All but the first are final.
const (
	HoldOpen     HoldStatus = "open"     // a person has to approve or reject it
	HoldApproved HoldStatus = "approved" // what is in it is done
	HoldRejected HoldStatus = "rejected" // what is in it is not done
	HoldOver     HoldStatus = "over"     // nothing in it was wanted any more
)

// Hold stops one kind of actions of a directory that take access away, until a person decides.
type Hold struct {
	ID        string        `json:"id"` // a UUID of version 7, so that ids sort by time
	Directory directory.ID  `json:"directoryId"`
	Kind      plan.HoldKind `json:"kind"`
	Status    HoldStatus    `json:"status"`
	Since     time.Time     `json:"since"`
	Message   string        `json:"message"` // why it began, with the numbers
	Cause     plan.Cause    `json:"cause"`   // of the first action in it
	// Count is how many actions are in it; of one that was decided, how many were.
	Count     int       `json:"count"`
	By        string    `json:"by,omitempty"`   // who decided
	Note      string    `json:"note,omitempty"` // and why
	DecidedAt time.Time `json:"decidedAt,omitzero"`
	// ExpiresAt is until when an approval is valid.
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	// Passes is how often the tasks are still to be sent for what is in it; the sweep does
	// what the API did not do.
	Passes  int   `json:"passes,omitempty"`
	Version int64 `json:"-"`
}

// Approves reports whether an approval is valid at a time.
func (h Hold) Approves(now time.Time) bool {
	return h.Status == HoldApproved && now.Before(h.ExpiresAt)
}

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

// Counter counts the people who lost access in a directory within the window of its guard, by
// one kind of actions: in all, or as members of one group.
type Counter struct {
	People plan.Counted `json:"people,omitempty"`
	// Open is the id of the hold of the kind that is open; "" if none is.
	Open string `json:"open,omitempty"`
	// Linked is how many linked users there were at least at a time.
	Linked   int       `json:"linked,omitempty"`
	LinkedAt time.Time `json:"linkedAt,omitzero"`
	Version  int64     `json:"-"`
}

// guardPK is the partition key of the records of a directory's guard.
func guardPK(id directory.ID) string {
	return join(organizationPart, string(id.Organization()), guardPart, string(id))
}

// counterKey is the key of a counter.
func counterKey(id directory.ID, kind plan.HoldKind, group directory.GroupID) Key {
	return Key{PK: guardPK(id), SK: join(counterPart, string(kind), string(group))}
}

// holdPrefix begins the sort keys of holds.
var holdPrefix = join("hold", "")

// holdKey is the key of a hold.
func holdKey(id directory.ID, hold string) Key {
	return Key{PK: guardPK(id), SK: holdPrefix + hold}
}

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

// holdRetention is how long a hold is kept after it was decided.
const holdRetention = actionRetention

// put is the write that stores the hold. One whose tasks are to be sent is unfinished.
func (h Hold) put() (Write, error) {
	item, err := encode(holdKey(h.Directory, h.ID), h)
	if h.Passes > 0 {
		item.setUnfinished(h.Directory, UnfinishedHold, dueAfter)
	}
	if h.Status != HoldOpen {
		item.Expires = h.DecidedAt.Add(holdRetention).Unix()
	}
	return Write{Item: item, If: IfVersion(h.Version)}, err
}

// counterLife is how long a counter is kept that counts nobody in an open hold.
const counterLife = 2 * directory.LongestWindow

// put is the write that stores a counter.
func (c Counter) put(key Key, now time.Time) (Write, error) {
	item, err := encode(key, c)
	if c.Open == "" {
		item.Expires = now.Add(counterLife).Unix()
	}
	return Write{Item: item, If: IfVersion(c.Version)}, err
}

// GuardRecords are what the guard of a directory knows of one kind of actions.
type GuardRecords struct {
	Directory directory.ID
	Kind      plan.HoldKind
	Group     directory.GroupID // whose members are counted too; "": of none
	Count     Counter
	OfGroup   Counter
	Items     map[About]HeldItem
	Holds     map[string]Hold
}

// Guard reads the counters of a kind, what waits about some people, and the holds of all that.
func (s *Store) Guard(ctx context.Context, id directory.ID, kind plan.HoldKind, group directory.GroupID, about ...HeldItem) (GuardRecords, error) {
	known := GuardRecords{Directory: id, Kind: kind, Group: group, Items: map[About]HeldItem{}, Holds: map[string]Hold{}}
	keys := []Key{counterKey(id, kind, "")}
	if group != "" {
		keys = append(keys, counterKey(id, kind, group))
	}
	for _, each := range about {
		each.Directory, each.Kind = id, kind
		if key := each.key(); !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	items, err := s.batchGet(ctx, keys)
	if err != nil {
		return known, err
	}
	for _, item := range items {
		switch item.Key {
		case keys[0]:
			known.Count, err = decode[Counter](item)
			known.Count.Version = item.Version
		case counterKey(id, kind, group):
			known.OfGroup, err = decode[Counter](item)
			known.OfGroup.Version = item.Version
		default:
			var each HeldItem
			each, err = decode[HeldItem](item)
			each.Version = item.Version
			known.Items[each.About()] = each
		}
		if err != nil {
			return known, err
		}
	}
	return known, s.readHolds(ctx, &known)
}

// readHolds reads the open hold and those in which something waits.
func (s *Store) readHolds(ctx context.Context, known *GuardRecords) error {
	var keys []Key
	add := func(hold string) {
		if key := holdKey(known.Directory, hold); hold != "" && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	add(known.Count.Open)
	for _, item := range known.Items {
		add(item.Hold)
	}
	items, err := s.batchGet(ctx, keys)
	if err != nil {
		return err
	}
	for _, item := range items {
		h, err := decode[Hold](item)
		if err != nil {
			return err
		}
		h.Version = item.Version
		known.Holds[h.ID] = h
	}
	return nil
}

// MaxHeld is how many people one change of the guard may be about.
const MaxHeld = MaxTransactItems - 3

// GuardChange is what the guard decided about some people.
type GuardChange struct {
	// Known is what was read, with the people who may lose access added to its counters.
	Known GuardRecords
	// Hold is the hold that the items join, which may be new; nil if nothing is held.
	Hold  *Hold
	Items []HeldItem
	// Counts says that the counters changed.
	Counts bool
}

// KeepGuard stores what the guard decided; Changed if another worker was faster.
func (s *Store) KeepGuard(ctx context.Context, c GuardChange, now time.Time) error {
	known := c.Known
	var writes []Write
	add := func(w Write, err error) error {
		writes = append(writes, w)
		return err
	}
	if c.Counts {
		if err := add(known.Count.put(counterKey(known.Directory, known.Kind, ""), now)); err != nil {
			return err
		}
		if known.Group != "" {
			if err := add(known.OfGroup.put(counterKey(known.Directory, known.Kind, known.Group), now)); err != nil {
				return err
			}
		}
	}
	if c.Hold != nil && len(c.Items) > 0 {
		if err := add(c.Hold.put()); err != nil {
			return err
		}
	}
	for _, item := range c.Items {
		if err := add(item.put()); err != nil {
			return err
		}
	}
	return s.table.Transact(ctx, writes)
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
	for _, item := range items {
		there, err := decode[HeldItem](item)
		if err != nil {
			return err
		}
		if there.Hold == about[0].Hold {
			writes = append(writes, Write{Item: Item{Key: item.Key}, If: IfVersion(item.Version), Delete: true})
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
		more, err := s.without(ctx, hold, len(writes))
		if err != nil {
			return err
		}
		writes = append(writes, more...)
	}
	return s.table.Transact(ctx, writes)
}

// without are the writes by which an open hold has some items less.
func (s *Store) without(ctx context.Context, hold Hold, items int) ([]Write, error) {
	var ends []Write
	if hold.Count -= items; hold.Count <= 0 {
		var err error
		if ends, err = s.endHold(ctx, &hold, HoldOver, time.Now().UTC()); err != nil {
			return nil, err
		}
	}
	put, err := hold.put()
	return append(ends, put), err
}

// endHold ends a hold at a time, and returns the write by which the next action of its kind is
// judged anew.
func (s *Store) endHold(ctx context.Context, h *Hold, status HoldStatus, now time.Time) ([]Write, error) {
	h.Status, h.DecidedAt = status, now
	key := counterKey(h.Directory, h.Kind, "")
	counter, version, err := get[Counter](ctx, s, key)
	if fault.Is(err, fault.NotFound) || err == nil && counter.Open != h.ID {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	counter.Open, counter.Version = "", version
	put, err := counter.put(key, now)
	return []Write{put}, err
}

// Hold reads a hold; NotFound if there is none.
func (s *Store) Hold(ctx context.Context, id directory.ID, hold string) (Hold, error) {
	h, version, err := get[Hold](ctx, s, holdKey(id, hold))
	h.Version = version
	return h, missing(err, "hold", hold)
}

// DecideHold approves or rejects an open hold: decide says how. The tasks for what is in it are
// to be sent then. A hold that was decided in the same way before stays as it is; any other
// that is not open is a fault of kind Conflict.
func (s *Store) DecideHold(ctx context.Context, id directory.ID, hold string, status HoldStatus, decide func(*Hold)) (Hold, error) {
	const passes = 2 // the list of what is in a hold may lag behind
	var decided Hold
	err := Contended(ctx, func() error {
		var err error
		if decided, err = s.Hold(ctx, id, hold); err != nil || decided.Status == status {
			return err
		}
		if decided.Status != HoldOpen {
			return &fault.Error{Op: "store.decide hold", Kind: fault.Conflict, Subject: hold, Message: "the hold is not open any more: it is " + string(decided.Status)}
		}
		now := time.Now().UTC()
		decide(&decided)
		decided.Passes = passes
		ends, err := s.endHold(ctx, &decided, status, now)
		if err != nil {
			return err
		}
		put, err := decided.put()
		if err != nil {
			return err
		}
		if err := s.table.Transact(ctx, append(ends, put)); err != nil {
			return err
		}
		decided.Version++
		return nil
	})
	return decided, err
}

// SentHeld notes that the tasks for what is in a hold were sent once more. One that another
// writer changed meanwhile stays as it is.
func (s *Store) SentHeld(ctx context.Context, h Hold) error {
	h.Passes = max(h.Passes-1, 0)
	put, err := h.put()
	if err != nil {
		return err
	}
	return unlessChanged(s.table.Transact(ctx, []Write{put}))
}

// HeldItems lists what is in a hold, one page of it, by person.
func (s *Store) HeldItems(ctx context.Context, hold string, limit int, cursor string) (List[HeldItem], error) {
	return list[HeldItem](ctx, s, Query{PK: heldPK(hold), Index: true, Limit: limit, Cursor: cursor})
}

// Holds lists the holds of a directory, the newest first, one page of them; those of a status
// if it is not "".
func (s *Store) Holds(ctx context.Context, id directory.ID, status HoldStatus, limit int, cursor string) (List[Hold], error) {
	all, err := list[Hold](ctx, s, Query{PK: guardPK(id), SKPrefix: holdPrefix, Backward: true, Limit: limit, Cursor: cursor})
	all.Items = slices.DeleteFunc(all.Items, func(h Hold) bool { return status != "" && h.Status != status })
	return all, err
}

// OpenHolds reads the holds of some directories that are open, of each at most one of a kind.
func (s *Store) OpenHolds(ctx context.Context, ids ...directory.ID) (map[directory.ID][]Hold, error) {
	var keys []Key
	of := map[Key]directory.ID{}
	for _, id := range ids {
		for _, kind := range plan.HoldKinds() {
			key := counterKey(id, kind, "")
			keys, of[key] = append(keys, key), id
		}
	}
	counters, err := s.batchGet(ctx, keys)
	if err != nil {
		return nil, err
	}
	keys = nil
	for _, item := range counters {
		counter, err := decode[Counter](item)
		if err != nil {
			return nil, err
		}
		if counter.Open != "" {
			keys = append(keys, holdKey(of[item.Key], counter.Open))
		}
	}
	items, err := s.batchGet(ctx, keys)
	if err != nil {
		return nil, err
	}
	open := map[directory.ID][]Hold{}
	for _, item := range items {
		h, err := decode[Hold](item)
		if err != nil {
			return nil, err
		}
		open[h.Directory] = append(open[h.Directory], h)
	}
	return open, nil
}

// linkedPage is how many links are read at once to count them.
const linkedPage = 500

// LinkedUsers counts the users of a directory who have an account, and those among the counted
// who had one. It stops counting when that are enough; 0 says that no number is.
func (s *Store) LinkedUsers(ctx context.Context, id directory.ID, counted plan.Counted, enough int) (int, error) {
	users := 0
	for q := (Query{PK: join(linkPart, string(id)), Index: true, Limit: linkedPage}); ; {
		page, err := s.table.Query(ctx, q)
		if err != nil {
			return 0, err
		}
		for _, item := range page.Items {
			link, err := decode[directory.Link](item)
			if err != nil {
				leftOut(ctx, item.Key, err)
				continue
			}
			if link.EntraID != "" && (!link.Freed || counted.Has(string(link.User))) {
				users++
			}
		}
		if q.Cursor = page.Cursor; q.Cursor == "" || enough > 0 && users >= enough {
			return users, nil
		}
	}
}
