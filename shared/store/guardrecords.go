package store

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

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
