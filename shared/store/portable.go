package store

import (
	"context"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// Portable are the records of one line of an export, which are put back together. Those that
// the line does not have are nil.
type Portable struct {
	// Link and Connection are those of a user, and GroupLink and GroupConnection those of a
	// group. A connection may be missing.
	Link *directory.Link `json:"link,omitempty"`
	// Username is how the user was called who claimed the account.
	Username        string                     `json:"username,omitempty"`
	Connection      *directory.Connection      `json:"connection,omitempty"`
	GroupLink       *directory.GroupLink       `json:"groupLink,omitempty"`
	GroupConnection *directory.GroupConnection `json:"groupConnection,omitempty"`
	Member          *directory.Member          `json:"member,omitempty"`
	Within          *Within                    `json:"within,omitempty"`
	Former          *FormerUser                `json:"former,omitempty"`
	Waits           *KnownWait                 `json:"waits,omitempty"`
	// Hold, Held and Counter are those of the guard.
	Hold    *Hold        `json:"hold,omitempty"`
	Held    *HeldItem    `json:"held,omitempty"`
	Counter *KindCounter `json:"counter,omitempty"`
}

// FormerUser is to whom an account belonged in a directory until its claim was given up.
type FormerUser struct {
	Account directory.EntraID `json:"entraId"`
	former
}

// KnownWait is a wait that says for what it is: one of the other fields.
type KnownWait struct {
	User     directory.UserID      `json:"userId"`
	Manager  directory.UserID      `json:"managerId,omitempty"`  // for the account of a manager
	Account  directory.EntraID     `json:"entraId,omitempty"`    // for an account that may become free
	Excluded directory.UserID      `json:"excludedId,omitempty"` // for a name that an excluded user keeps
	Domain   *directory.DomainWait `json:"domain,omitempty"`
}

// The beginnings of the sort keys of counters and of what waits in holds.
const (
	counterPart = "count"
	heldPart    = "item"
)

// ForOne reports whether the wait is for exactly one thing.
func (k KnownWait) ForOne() bool {
	things := 0
	for _, there := range []bool{k.Manager != "", k.Account != "", k.Excluded != "", k.Domain != nil && k.Domain.Domain != ""} {
		if there {
			things++
		}
	}
	return things == 1
}

// KindCounter is a counter of the guard with what it counts.
type KindCounter struct {
	Kind  plan.HoldKind     `json:"kind"`
	Group directory.GroupID `json:"groupId,omitempty"`
	Counter
}

// WithinOf lists which groups the connected groups of a directory contain.
func (s *Store) WithinOf(ctx context.Context, id directory.ID, limit int, cursor string) (List[Portable], error) {
	return s.portable(ctx, Query{PK: join(withinPart, string(id)), Index: true, Limit: limit, Cursor: cursor}, func(item Item) (Portable, error) {
		w, err := decode[Within](item)
		return Portable{Within: &w}, err
	})
}

// FormerUsersOf lists to whom accounts belonged in a directory.
func (s *Store) FormerUsersOf(ctx context.Context, id directory.ID, limit int, cursor string) (List[Portable], error) {
	return s.portable(ctx, Query{PK: join(entraPart, string(id)), Index: true, Limit: limit, Cursor: cursor}, func(item Item) (Portable, error) {
		f, err := decode[former](item)
		return Portable{Former: &FormerUser{Account: directory.EntraID(item.IndexSK), former: f}}, err
	})
}

// WaitsOf lists the waits of the users of a directory.
func (s *Store) WaitsOf(ctx context.Context, id directory.ID, limit int, cursor string) (List[Portable], error) {
	return s.portable(ctx, Query{PK: join(waitPart, string(id)), Index: true, Limit: limit, Cursor: cursor}, func(item Item) (Portable, error) {
		w, err := decode[Wait](item)
		if err != nil {
			return Portable{}, err
		}
		known, is := w.known()
		if !is {
			return Portable{}, DamagedRecord("store.waits of", item.Key, nil)
		}
		return Portable{Waits: &known}, nil
	})
}

// GuardOf lists what the guard of a directory knows: counters, holds and what waits in them.
func (s *Store) GuardOf(ctx context.Context, id directory.ID, limit int, cursor string) (List[Portable], error) {
	return s.portable(ctx, Query{PK: guardPK(id), Limit: limit, Cursor: cursor}, func(item Item) (Portable, error) {
		switch parts := strings.Split(item.SK, "#"); parts[0] {
		case counterPart:
			c, err := decode[Counter](item)
			return Portable{Counter: &KindCounter{Kind: plan.HoldKind(parts[1]), Group: directory.GroupID(parts[2]), Counter: c}}, err
		case heldPart:
			held, err := decode[HeldItem](item)
			return Portable{Held: &held}, err
		default:
			hold, err := decode[Hold](item)
			return Portable{Hold: &hold}, err
		}
	})
}

// portable lists one page of the records of a query. It leaves damaged records out and logs their
// keys.
func (s *Store) portable(ctx context.Context, q Query, read func(Item) (Portable, error)) (List[Portable], error) {
	page, err := s.table.Query(ctx, q)
	if err != nil {
		return List[Portable]{}, err
	}
	for _, key := range page.Damaged {
		leftOut(ctx, key, nil)
	}
	all := List[Portable]{Cursor: page.Cursor}
	for _, item := range page.Items {
		p, err := read(item)
		if err != nil {
			leftOut(ctx, item.Key, err)
			continue
		}
		all.Items = append(all.Items, p)
	}
	return all, nil
}

// known says for what a wait is; is is false if nobody knows.
func (w Wait) known() (k KnownWait, is bool) {
	k.User = w.User
	switch parts := strings.Split(string(w.For), "#"); {
	case len(parts) == 5 && parts[0] == tenantPart && parts[4] == waitPart:
		k.Account = directory.EntraID(parts[3])
	case len(parts) == 5 && parts[2] == waitPart:
		k.Manager = directory.UserID(parts[4])
	case len(parts) == 6 && parts[5] == excludedPart:
		k.Excluded = directory.UserID(parts[4])
	case len(parts) == 7 && parts[4] == domainPart:
		k.Domain = &directory.DomainWait{Reason: directory.Reason(parts[5]), Domain: parts[6]}
	default:
		return k, false
	}
	return k, true
}

// awaited is for what the wait is, in a directory.
func (k KnownWait) awaited(d directory.Directory) (Awaited, error) {
	switch {
	case k.Manager != "":
		return ManagerAccount(d.ID, k.Manager), nil
	case k.Account != "":
		return FreeAccount(d.TenantObject, k.Account), nil
	case k.Excluded != "":
		return ExcludedName(d.ID, k.Excluded), nil
	case k.Domain != nil:
		return DomainOf(d.ID, *k.Domain), nil
	default:
		return "", fault.New(fault.Invalid, "store.restore", "the wait of the user "+string(k.User)+" is for nothing")
	}
}
