package store

import (
	"context"
	"fmt"
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
	Count int `json:"count"`
	// Accounts is how many of them disable an account; the others take somebody out of a group.
	// Whoever is to lose both is in the hold twice.
	Accounts int `json:"accounts,omitempty"`
	// Joined is how many actions have joined it since it began: whoever approves it names the
	// number that was read.
	Joined int `json:"joined"`
	// Announced is of how many actions it was announced that they wait, or are about to, and
	// Limit with how many more it is announced again. ToAnnounce says that this is still to be
	// done, and GrownAt when it was last due because the hold had grown.
	Announced  int       `json:"announced"`
	Limit      int       `json:"limit"`
	ToAnnounce bool      `json:"toAnnounce,omitempty"`
	GrownAt    time.Time `json:"grownAt,omitzero"`
	By         string    `json:"by,omitempty"`   // who decided
	Note       string    `json:"note,omitempty"` // and why
	DecidedAt  time.Time `json:"decidedAt,omitzero"`
	// ExpiresAt is until when an approval is valid.
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	// Passes is how often the tasks are still to be sent for what is in it; the sweep does
	// what the API did not do.
	Passes  int   `json:"passes,omitempty"`
	Version int64 `json:"-"`
}

// Sentence says why the hold began, with the numbers, and how many wait in it by now if it has
// grown much since.
func (h Hold) Sentence() string {
	if h.GrownAt.IsZero() {
		return h.Message
	}
	return fmt.Sprintf("%s; it has grown since, and by now %d wait in it", h.Message, h.Count)
}

// Join notes that some actions were added to the hold at a time; more are about to join. If the
// hold is new, or has grown by more than its limit since it was announced, it is to be announced.
func (h *Hold) Join(actions, more int, now time.Time) {
	h.Joined += actions
	if h.Announced > 0 && h.Joined-h.Announced <= h.Limit {
		return
	}
	if h.Announced > 0 {
		h.GrownAt = now
	}
	h.Announced, h.ToAnnounce = h.Joined+more, true
}

// Approves reports whether an approval is valid at a time.
func (h Hold) Approves(now time.Time) bool {
	return h.Status == HoldApproved && now.Before(h.ExpiresAt)
}

// Add adds an item to the numbers of the hold.
func (h *Hold) Add(item HeldItem) {
	h.Count++
	if item.Group == "" {
		h.Accounts++
	}
}

// guardPK is the partition key of the records of a directory's guard.
func guardPK(id directory.ID) string {
	return join(organizationPart, string(id.Organization()), guardPart, string(id))
}

// holdPrefix begins the sort keys of holds.
var holdPrefix = join("hold", "")

// holdKey is the key of a hold.
func holdKey(id directory.ID, hold string) Key {
	return Key{PK: guardPK(id), SK: holdPrefix + hold}
}

// holdRetention is how long a hold is kept after it was approved or is over. One that was
// rejected is kept for good: it says no for as long as the cause of anything in it lasts.
const holdRetention = actionRetention

// put is the write that stores the hold. One whose tasks are to be sent is unfinished, and so is
// one that is to be announced.
func (h Hold) put() (Write, error) {
	item, err := encode(holdKey(h.Directory, h.ID), h)
	if h.Passes > 0 || h.ToAnnounce {
		item.setUnfinished(h.Directory, UnfinishedHold, dueAfter)
	}
	if h.Status == HoldApproved || h.Status == HoldOver {
		item.Expires = h.DecidedAt.Add(holdRetention).Unix()
	}
	return Write{Item: item, If: IfVersion(h.Version)}, err
}

// Hold reads a hold; NotFound if there is none.
func (s *Store) Hold(ctx context.Context, id directory.ID, hold string) (Hold, error) {
	h, version, err := get[Hold](ctx, s, holdKey(id, hold))
	h.Version = version
	return h, missing(err, "hold", hold)
}

// DecideHold approves or rejects an open hold: decide says how. The tasks for what is in it are
// to be sent then. A hold that was decided in the same way before stays as it is; any other
// that is not open is a fault of kind Conflict, and so is one that more actions have joined than
// whoever decides had seen, if that is given.
func (s *Store) DecideHold(ctx context.Context, id directory.ID, hold string, status HoldStatus, decide func(*Hold), seen ...int) (Hold, error) {
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
		if len(seen) > 0 && seen[0] != decided.Joined {
			return &fault.Error{Op: "store.decide hold", Kind: fault.Conflict, Subject: hold, Message: fmt.Sprintf(
				"the hold is not as it was read: %d actions have joined it by now (joined), not %d, and %d wait. Look at its items again, and decide with \"joined\": %d",
				decided.Joined, seen[0], decided.Count, decided.Joined)}
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

// AnnouncedHold notes that a hold was announced.
func (s *Store) AnnouncedHold(ctx context.Context, id directory.ID, hold string) (Hold, error) {
	var h Hold
	err := Contended(ctx, func() error {
		var err error
		if h, err = s.Hold(ctx, id, hold); err != nil || !h.ToAnnounce {
			return err
		}
		h.ToAnnounce = false
		put, err := h.put()
		if err != nil {
			return err
		}
		if err := s.table.Transact(ctx, []Write{put}); err != nil {
			return err
		}
		h.Version++
		return nil
	})
	return h, err
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

// endHold ends a hold at a time, and returns the write by which the next action of its kind is
// judged anew.
func (s *Store) endHold(ctx context.Context, h *Hold, status HoldStatus, now time.Time) ([]Write, error) {
	h.Status, h.DecidedAt, h.ToAnnounce = status, now, false
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
