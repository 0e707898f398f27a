package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// Owner is the JumpCloud user or group that an Entra account or group belongs to, and
// the directories by which it was claimed. The account is free again when no directory
// is left.
type Owner struct {
	Organization directory.OrganizationID `json:"organizationId"`
	User         directory.UserID         `json:"userId"`
	Username     string                   `json:"username,omitempty"` // when the account was claimed
	Group        directory.GroupID        `json:"groupId,omitempty"`  // instead of User, for a group in Entra
	Directories  []directory.ID           `json:"directories"`
	// At is when the owner last claimed the account, to within claimKept.
	At time.Time `json:"at,omitzero"`
}

// claimKept is how old the time of a claim may be when the owner claims again and it stays.
const claimKept = time.Minute

// Name returns the owner's name and id, for people.
func (o Owner) Name() string {
	id := string(o.User)
	if o.Group != "" {
		id = string(o.Group)
	}
	if o.Username == "" {
		return id
	}
	return o.Username + " (" + id + ")"
}

// Is reports whether two owners are the same user or group.
func (o Owner) Is(other Owner) bool {
	return o.Organization == other.Organization && o.User == other.User && o.Group == other.Group
}

// claims is the sentence that says what belongs to the owner.
func (o Owner) claims() string {
	if o.Group != "" {
		return "the group belongs to the JumpCloud group " + o.Name()
	}
	return "the account belongs to the JumpCloud user " + o.Name()
}

// ownerKey is the key of the owner of an account.
func ownerKey(tenant directory.TenantID, account directory.EntraID) Key {
	return Key{PK: accountPK(tenant, account), SK: "owner"}
}

// accountPK is the partition key of an account of a tenant.
func accountPK(tenant directory.TenantID, account directory.EntraID) string {
	return join(tenantPart, strings.ToLower(string(tenant)), entraPart, string(account))
}

// Owner reads the owner of an account; NotFound if it has none.
func (s *Store) Owner(ctx context.Context, tenant directory.TenantID, account directory.EntraID) (Owner, error) {
	owner, _, err := get[Owner](ctx, s, ownerKey(tenant, account))
	return owner, err
}

// Owners reads the owners of accounts; those that have none are left out.
func (s *Store) Owners(ctx context.Context, tenant directory.TenantID, accounts []directory.EntraID) (map[directory.EntraID]Owner, error) {
	owners := make(map[directory.EntraID]Owner, len(accounts))
	distinct := slices.Compact(slices.Sorted(slices.Values(accounts))) // no key may occur twice
	for chunk := range slices.Chunk(distinct, MaxBatchGet) {
		keys, of := make([]Key, len(chunk)), make(map[Key]directory.EntraID, len(chunk))
		for i, account := range chunk {
			keys[i] = ownerKey(tenant, account)
			of[keys[i]] = account
		}
		items, err := s.table.BatchGet(ctx, keys)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			if owners[of[item.Key]], err = decode[Owner](item); err != nil {
				return nil, err
			}
		}
	}
	return owners, nil
}

// Claim makes claimant the owner of an Entra account, by a directory. If the account
// already has another owner, it returns that owner with a fault of kind Conflict: an
// account has at most one owner.
func (s *Store) Claim(ctx context.Context, tenant directory.TenantID, account directory.EntraID, claimant Owner, by directory.ID) (Owner, error) {
	return s.changeOwner(ctx, ownerKey(tenant, account), claiming(account, claimant, by))
}

// ClaimAfter is Claim of an account that may have belonged to somebody else. If the claimant
// must not follow them, it returns them with a fault of kind Conflict and of the reason
// [directory.FormerOwned].
func (s *Store) ClaimAfter(ctx context.Context, succession Succession, tenant directory.TenantID, account directory.EntraID, claimant Owner, by directory.ID) (Owner, *directory.FormerOwner, error) {
	return s.succeed(ctx, succession, tenant, account, claimant, claiming(account, claimant, by))
}

// succeed changes the owner of an account; if that gives it to a user who had no claim, the
// succession is checked. A user who lets the account go meanwhile makes the change begin anew.
func (s *Store) succeed(ctx context.Context, succession Succession, tenant directory.TenantID, account directory.EntraID, claimant Owner, change func(Owner) (Owner, error)) (owner Owner, had *directory.FormerOwner, err error) {
	owner, err = s.changeOwner(ctx, ownerKey(tenant, account), func(before Owner) (Owner, error) {
		after, err := change(before)
		if err == nil && (len(before.Directories) == 0 || !before.Is(claimant)) {
			had, err = s.check(ctx, succession, tenant, account, claimant)
		}
		return after, err
	})
	return owner, had, err
}

// claiming is the change of an owner that claims an account, by a directory.
func claiming(account directory.EntraID, claimant Owner, by directory.ID) func(Owner) (Owner, error) {
	return func(owner Owner) (Owner, error) {
		if len(owner.Directories) == 0 {
			return claimant.claimedBy(by), nil
		}
		if !owner.Is(claimant) {
			return owner, owner.conflict(account)
		}
		now := time.Now().UTC()
		if !slices.Contains(owner.Directories, by) {
			owner.Directories, owner.At = append(slices.Clone(owner.Directories), by), now
		}
		if now.Sub(owner.At) > claimKept {
			owner.At = now
		}
		return owner, nil
	}
}

// ClaimFrom is ClaimAfter in place of an owner who has abandoned the account. It is refused like
// a Claim if the claim changed since that owner was read.
func (s *Store) ClaimFrom(ctx context.Context, abandoned Owner, succession Succession, tenant directory.TenantID, account directory.EntraID, claimant Owner, by directory.ID) (Owner, *directory.FormerOwner, error) {
	return s.succeed(ctx, succession, tenant, account, claimant, func(owner Owner) (Owner, error) {
		if len(owner.Directories) > 0 && !owner.equal(abandoned) {
			return owner, owner.conflict(account)
		}
		return claimant.claimedBy(by), nil
	})
}

// claimedBy is the owner who claims now by a directory.
func (o Owner) claimedBy(id directory.ID) Owner {
	o.Directories, o.At = []directory.ID{id}, time.Now().UTC()
	return o
}

// conflict is the fault that the account belongs to the owner.
func (o Owner) conflict(account directory.EntraID) error {
	return &fault.Error{Op: "store.claim", Kind: fault.Conflict, Subject: string(account), Message: o.claims() + " of organization " + string(o.Organization)}
}

// equal reports whether nothing changed between two reads of an owner.
func (o Owner) equal(other Owner) bool {
	return o.Is(other) && o.At.Equal(other.At) && slices.Equal(o.Directories, other.Directories)
}

// Unclaim ends the claim of an account by a directory; free says that the account has
// no owner any more.
func (s *Store) Unclaim(ctx context.Context, tenant directory.TenantID, account directory.EntraID, claimant Owner, by directory.ID) (free bool, err error) {
	after, err := s.changeOwner(ctx, ownerKey(tenant, account), func(owner Owner) (Owner, error) { return owner.without(claimant, by), nil })
	return len(after.Directories) == 0, err
}

// without is the owner after the claimant ended the claim by a directory.
func (o Owner) without(claimant Owner, by directory.ID) Owner {
	if o.Is(claimant) {
		o.Directories = slices.DeleteFunc(slices.Clone(o.Directories), func(id directory.ID) bool { return id == by })
	}
	return o
}

// Release is Unclaim for an account whose link says that it is freed. It does nothing if the
// link does not say so any more: another worker has connected the user again. Link and claim
// are compared in one transaction, as [Store.ClaimAgain] writes them, so neither worker takes
// the claim from the other. It keeps who was the owner: see [Store.FormerOwner].
func (s *Store) Release(ctx context.Context, tenant directory.TenantID, account directory.EntraID, claimant Owner, by directory.ID) (free bool, err error) {
	err = Contended(ctx, func() error {
		link, version, err := get[directory.Link](ctx, s, linkKey(by, claimant.User))
		if fault.Is(err, fault.NotFound) || err == nil && (!link.Freed || link.EntraID != account) {
			return nil
		}
		if err != nil {
			return err
		}
		kept, err := s.release(ctx, tenant, account, claimant, link)
		if err != nil {
			return err
		}
		freed := Write{Item: Item{Key: linkKey(by, claimant.User)}, If: IfVersion(version), Check: true}
		after, err := s.writeOwner(ctx, ownerKey(tenant, account), func(owner Owner) (Owner, error) { return owner.without(claimant, by), nil }, append(kept, freed)...)
		free = err == nil && len(after.Directories) == 0
		return err
	})
	return free, err
}

// ClaimAgain is Claim for an account that a link names and that was freed: it stores the link,
// which does not say so any more, in the same transaction. It returns a fault of kind Changed
// if the link was changed since it was read. Somebody else may have had the account meanwhile.
func (s *Store) ClaimAgain(ctx context.Context, succession Succession, tenant directory.TenantID, claimant Owner, link directory.Link) (Owner, error) {
	var after Owner
	var changed error
	err := Contended(ctx, func() error {
		writes, err := Recording{Link: link}.writes()
		if err != nil {
			return err
		}
		claim := claiming(link.EntraID, claimant, link.Directory)
		after, err = s.writeOwner(ctx, ownerKey(tenant, link.EntraID), func(before Owner) (Owner, error) {
			owner, err := claim(before)
			if err == nil && len(before.Directories) == 0 {
				_, err = s.check(ctx, succession, tenant, link.EntraID, claimant)
			}
			return owner, err
		}, writes...)
		if !fault.Is(err, fault.Changed) {
			return err
		}
		if item, readErr := s.table.Get(ctx, linkKey(link.Directory, link.User)); readErr == nil && item.Version != link.Version {
			changed = err
			return nil
		}
		return err
	})
	if err == nil {
		err = changed
	}
	return after, err
}

// changeOwner reads an owner, changes it and writes it. An owner without a directory is
// deleted.
func (s *Store) changeOwner(ctx context.Context, key Key, change func(Owner) (Owner, error)) (after Owner, err error) {
	err = Contended(ctx, func() error {
		after, err = s.writeOwner(ctx, key, change)
		return err
	})
	return after, err
}

// writeOwner is one try of changeOwner, in one transaction with other writes; a fault of kind
// Changed if another writer was faster.
func (s *Store) writeOwner(ctx context.Context, key Key, change func(Owner) (Owner, error), with ...Write) (Owner, error) {
	before, version, err := get[Owner](ctx, s, key)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return Owner{}, err
	}
	after, err := change(before)
	if err != nil {
		return after, err
	}
	write := Write{Item: Item{Key: key}, If: IfVersion(version)}
	switch {
	case before.equal(after) && len(with) == 0:
		return after, nil
	case before.equal(after):
		write.Check = true
	case len(after.Directories) == 0:
		write.Delete = true
	default:
		if write.Item, err = encode(key, after); err != nil {
			return after, err
		}
	}
	switch {
	case len(with) > 0:
		return after, s.table.Transact(ctx, append([]Write{write}, with...))
	case write.Delete:
		return after, s.table.Delete(ctx, key, write.If)
	default:
		_, err = s.table.Put(ctx, write.Item, write.If)
		return after, err
	}
}
