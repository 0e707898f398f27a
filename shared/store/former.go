package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// former is the user to whom an account belonged in a directory until its claim was given up:
// the account itself may not say so. It stays when somebody else claims the account: that user
// becomes the former one in turn.
type former struct {
	User     directory.UserID `json:"userId"`
	Username string           `json:"username,omitempty"`
	// Since is when the connection began with which the account was the user's: a comparison
	// claims the account of a leaver for a moment, and the time of the release stays.
	Since time.Time `json:"since,omitzero"`
	At    time.Time `json:"at,omitzero"` // of the release
}

// formerPart begins the sort keys of former users.
const formerPart = "former"

// formerKey is the key of the former user of an account in a directory.
func formerKey(tenant directory.TenantID, account directory.EntraID, by directory.ID) Key {
	return Key{PK: accountPK(tenant, account), SK: join(formerPart, string(by))}
}

// FormerUsers are the users to whom accounts belonged in a directory until their claims were
// given up ([Store.Release]), each once.
func (s *Store) FormerUsers(ctx context.Context, tenant directory.TenantID, by directory.ID, accounts []directory.EntraID) ([]directory.UserID, error) {
	distinct := slices.Compact(slices.Sorted(slices.Values(accounts))) // no key may occur twice
	var users []directory.UserID
	for chunk := range slices.Chunk(distinct, MaxBatchGet) {
		keys := make([]Key, len(chunk))
		for i, account := range chunk {
			keys[i] = formerKey(tenant, account, by)
		}
		items, err := s.table.BatchGet(ctx, keys)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			f, err := decode[former](item)
			if err != nil {
				return nil, err
			}
			users = append(users, f.User)
		}
	}
	slices.Sort(users)
	return slices.Compact(users), nil
}

// FormerOwner is the user to whom an account belonged last, in any directory on the tenant, of
// those who let it go; nil if nobody is known to have had it.
func (s *Store) FormerOwner(ctx context.Context, tenant directory.TenantID, account directory.EntraID) (*directory.FormerOwner, error) {
	var last *directory.FormerOwner
	err := s.each(ctx, Query{PK: accountPK(tenant, account), SKPrefix: join(formerPart, "")}, func(item Item) error {
		f, err := decode[former](item)
		if err != nil {
			return err
		}
		by := directory.ID(strings.TrimPrefix(item.SK, join(formerPart, "")))
		if last == nil || f.At.After(last.Until) {
			last = &directory.FormerOwner{Organization: by.Organization(), User: f.User, Username: f.Username, Until: f.At}
		}
		return nil
	})
	return last, err
}

// Succession decides whether an account that belonged to one user may become another's.
type Succession struct {
	// Any says that it does not matter who had the account.
	Any bool
	// Unrecorded is who had the account according to other evidence, if no record says who: it
	// was let go before there were such records. nil: nobody.
	Unrecorded *directory.FormerOwner
	// May reports whether the claimant may follow somebody else; nil: nobody.
	May func(directory.FormerOwner) bool
}

// check returns the former owner of an account with a fault of kind Conflict if the claimant must not
// follow them.
func (s *Store) check(ctx context.Context, succession Succession, tenant directory.TenantID, account directory.EntraID, claimant Owner) (*directory.FormerOwner, error) {
	if succession.Any {
		return nil, nil
	}
	owner, err := s.FormerOwner(ctx, tenant, account)
	if err != nil {
		return nil, err
	}
	if owner == nil {
		owner = succession.Unrecorded
	}
	if owner == nil || owner.Is(claimant.Organization, claimant.User) || succession.May != nil && succession.May(*owner) {
		return nil, nil
	}
	return owner, &fault.Error{Op: "store.claim", Kind: fault.Conflict, Reason: directory.FormerOwned, Subject: string(account),
		Message: "the account belonged to the JumpCloud user " + string(owner.User)}
}

// release are the writes that store that an account belongs to a user no more, by a directory
// with a link that says so. There are none if that is stored already, or if somebody else got
// the account since it was released.
func (s *Store) release(ctx context.Context, tenant directory.TenantID, account directory.EntraID, claimant Owner, link directory.Link) ([]Write, error) {
	key := formerKey(tenant, account, link.Directory)
	was, _, err := get[former](ctx, s, key)
	recorded := err == nil
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	if recorded && was.User == claimant.User && was.Since.Equal(link.Since) && !was.At.IsZero() {
		return nil, nil
	}
	owner, _, err := get[Owner](ctx, s, ownerKey(tenant, account))
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	now := former{User: claimant.User, Username: claimant.Username, Since: link.Since, At: time.Now().UTC()}
	switch held := owner.Is(claimant) && slices.Contains(owner.Directories, link.Directory); {
	case held:
		if now.Username == "" {
			now.Username = owner.Username
		}
	case !held && recorded, !held && len(owner.Directories) > 0 && !owner.Is(claimant):
		return nil, nil
	case !held: // released before it was recorded who had the account
		now.At = link.LastWriteAt
	}
	item, err := now.item(tenant, account, link.Directory)
	return []Write{{Item: item, If: Any}}, err
}

// item is the item of the former user of an account, in the index under its directory.
func (f former) item(tenant directory.TenantID, account directory.EntraID, by directory.ID) (Item, error) {
	item, err := encode(formerKey(tenant, account, by), f)
	item.IndexPK, item.IndexSK = join(entraPart, string(by)), string(account)
	return item, err
}

// ConfirmTakeOver stores links of one user after an administrator said that the user may have an
// account, with the action that records it, in one transaction; a fault of kind Changed if
// somebody changed one of the links. Whoever dies before the tasks are sent leaves them to the
// sweep.
func (s *Store) ConfirmTakeOver(ctx context.Context, action plan.Action, links ...directory.Link) error {
	var writes []Write
	for _, link := range links {
		own, err := Recording{Link: link}.writes()
		if err != nil {
			return err
		}
		check, err := Check{Directory: link.Directory, User: link.User}.write()
		if err != nil {
			return err
		}
		writes = append(writes, own[0], check)
	}
	item, err := actionItem(action)
	if err != nil {
		return err
	}
	return s.table.Transact(ctx, append(writes, Write{Item: item, If: Any}))
}
