package resync

import (
	"context"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/store"
)

// blockersPlace is what is known of the accounts that may be in the way of users, because they
// must not be taken over.
type blockersPlace struct {
	// Read says that the accounts, or their changes, were read from the begin, and Whole that
	// these were all accounts. Parts is how many parts of what they showed are stored.
	Read  bool `json:"read,omitempty"`
	Whole bool `json:"whole,omitempty"`
	Parts int  `json:"parts,omitempty"`
}

// beginBlockers forgets what was known of blockers: the accounts are read from the begin.
func (r *run) beginBlockers(ctx context.Context, whole bool) error {
	r.place.Blockers, r.blockers = blockersPlace{Read: true, Whole: whole}, nil
	return r.Store.ForgetShown(ctx, r.job.ID, store.TrackedBlockers)
}

// keepBlockers stores what a page says of accounts that may be in the way: of a list of all
// each of them as it is, and of changes which accounts changed.
func (r *run) keepBlockers(ctx context.Context, page []directory.AccountChange, whole bool) error {
	var hashes []uint64
	for _, shown := range page {
		if why := shown.Account.Untouchable(); whole && why != nil {
			hashes = append(hashes, hashOfBlocker(directory.InTheWay{ID: shown.ID, UPN: shown.Account.UPN}, why.Reason))
		} else if !whole {
			hashes = append(hashes, hashOf(shown.ID))
		}
	}
	if len(hashes) == 0 {
		return nil
	}
	if err := r.Store.PutShown(ctx, r.job.ID, store.TrackedBlockers, r.place.Blockers.Parts, partOf(hashes)); err != nil {
		return err
	}
	r.place.Blockers.Parts++
	return nil
}

// hashOfBlocker is the hash of an account with its name and why it must not be taken over.
func hashOfBlocker(account directory.InTheWay, why directory.Reason) uint64 {
	return hashOf(account.ID + directory.EntraID("\n"+strings.ToLower(string(account.UPN))+"\n"+string(why)))
}

// readBlockers reads what was stored of blockers.
func (r *run) readBlockers(ctx context.Context) (err error) {
	if r.blockers == nil {
		r.blockers, err = readShown(ctx, r.Store, r.job.ID, store.TrackedBlockers)
	}
	return err
}

// unchanged reports whether an account is in the way as it was: it did not change since the
// last resync, or the list of all shows it so.
func (r *run) unchanged(account directory.InTheWay, why directory.Reason) bool {
	p := r.place.Blockers
	return p.Read && !r.blockers.has(hashOf(account.ID)) && (!p.Whole || r.blockers.has(hashOfBlocker(account, why)))
}
