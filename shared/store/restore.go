package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// mostConflicts is how many conflicts of a restoration are named; all are counted. Few, because they
// are in the record of the directory, which every task reads.
const mostConflicts = 20

// Restore puts records of a directory back, as many of them as one transaction holds, and stores
// with them that it did: whoever dies in between, or is slower than another one, has put nothing
// back twice. It returns the directory as it is stored then; Changed if somebody changed it since
// it was read. The claims on accounts and groups are taken again: a link whose account belongs to
// somebody else is put back as one that has let it go, and the restoration names it.
func (s *Store) Restore(ctx context.Context, d directory.Directory, records []Portable) (directory.Directory, error) {
	done := *d.Restoration
	done.FirstConflicts = slices.Clone(done.FirstConflicts)
	r := restoring{dir: d, done: &done, at: map[Key]int{}, owners: map[Key]keptOwner{}, now: time.Now().UTC()}
	records = r.some(records)
	if err := r.readOwners(ctx, s, records); err != nil {
		return d, err
	}
	for _, p := range records {
		done.Lines++
		if err := r.restore(p); err != nil {
			return d, err
		}
	}
	d.Restoration = &done
	item, err := directoryItem(d)
	if err != nil {
		return d, err
	}
	if err := s.table.Transact(ctx, append(r.writes, Write{Item: item, If: IfVersion(d.Version)})); err != nil {
		return d, err
	}
	d.Version++
	return d, nil
}

// restoring makes the writes of one transaction.
type restoring struct {
	dir    directory.Directory
	done   *directory.Restoration
	writes []Write
	at     map[Key]int // where in writes the item of a key is
	owners map[Key]keptOwner
	now    time.Time
}

// keptOwner is an owner as it is stored, or as this transaction changes it.
type keptOwner struct {
	Owner
	version int64
}

// mostWrites is how many writes a line needs at most: a link, its connection, the claim on the
// account, and a check.
const mostWrites = 4

// some are those of some records that fit one transaction with the directory.
func (r *restoring) some(records []Portable) []Portable {
	left := MaxTransactItems - 1
	for i, p := range records {
		needs := mostWrites
		if p.Link == nil && p.GroupLink == nil && p.Waits == nil {
			needs = 1
		}
		if left -= needs; left < 0 {
			return records[:i]
		}
	}
	return records
}

// claim is the account or the group in Entra that a line claims, and for whom; "" if it claims
// none.
func (r *restoring) claim(p Portable) (directory.EntraID, Owner) {
	switch {
	case p.Link != nil:
		return p.Link.Account(), Owner{Organization: r.dir.Organization, User: p.Link.User, Username: p.Username}
	case p.GroupLink != nil && !p.GroupLink.Freed:
		return p.GroupLink.EntraID, Owner{Organization: r.dir.Organization, Group: p.GroupLink.Group}
	default:
		return "", Owner{}
	}
}

// readOwners reads who has the accounts that lines claim.
func (r *restoring) readOwners(ctx context.Context, s *Store, records []Portable) error {
	var keys []Key
	for _, p := range records {
		if account, _ := r.claim(p); account != "" {
			keys = append(keys, ownerKey(r.dir.TenantObject, account))
		}
	}
	slices.SortFunc(keys, func(a, b Key) int { return strings.Compare(a.PK, b.PK) })
	items, err := s.batchGet(ctx, slices.Compact(keys))
	if err != nil {
		return err
	}
	for _, item := range items {
		owner, err := decode[Owner](item)
		if err != nil {
			return err
		}
		r.owners[item.Key] = keptOwner{owner, item.Version}
	}
	return nil
}

// take takes a claim; the fault names who else has it.
func (r *restoring) take(account directory.EntraID, claimant Owner) error {
	key := ownerKey(r.dir.TenantObject, account)
	kept := r.owners[key]
	after, err := claiming(account, claimant, r.dir.ID)(kept.Owner)
	if err != nil {
		return err
	}
	item, err := encode(key, after)
	r.owners[key] = keptOwner{after, kept.version}
	return r.add(Write{Item: item, If: IfVersion(kept.version)}, err)
}

// add adds a write, instead of an earlier one of the same item.
func (r *restoring) add(w Write, err error) error {
	if err != nil {
		return err
	}
	if at, twice := r.at[w.Item.Key]; twice {
		r.writes[at] = w
		return nil
	}
	r.at[w.Item.Key] = len(r.writes)
	r.writes = append(r.writes, w)
	return nil
}

// put adds the write of an item. Nobody else writes it: the directory is not in use.
func (r *restoring) put(item Item, err error) error { return r.add(Write{Item: item, If: Any}, err) }

// restore adds the writes of one line.
func (r *restoring) restore(p Portable) error {
	switch {
	case p.Link != nil:
		return r.user(p)
	case p.GroupLink != nil:
		return r.group(p)
	case p.Member != nil:
		w, err := memberWrite(*p.Member)
		w.If = Any
		return r.add(w, err)
	case p.Within != nil:
		return r.put(p.Within.item())
	case p.Former != nil:
		return r.put(p.Former.item(r.dir.TenantObject, p.Former.Account, r.dir.ID))
	case p.Waits != nil:
		return r.wait(*p.Waits)
	case p.Hold != nil:
		return r.guard(p.Hold.put())
	case p.Held != nil:
		return r.guard(p.Held.put())
	case p.Counter != nil:
		return r.guard(p.Counter.put(counterKey(r.dir.ID, p.Counter.Kind, p.Counter.Group), r.now))
	default:
		return nil
	}
}

// guard adds a write of a record of the guard.
func (r *restoring) guard(w Write, err error) error {
	w.If = Any
	return r.add(w, err)
}

// user adds the records of a user.
func (r *restoring) user(p Portable) error {
	link := *p.Link
	if account, claimant := r.claim(p); account != "" {
		switch err := r.take(account, claimant); {
		case fault.Is(err, fault.Conflict):
			r.conflict(directory.Unrestored{User: link.User, EntraID: account, Message: fault.Of(err).Message})
			if link.Freed = true; link.Status != directory.Released {
				link.Status, link.Reason, link.Message = directory.Parked, directory.UPNConflict, fault.Of(err).Message
			}
		case err != nil:
			return err
		}
	}
	if p.Connection != nil {
		if err := r.put(connectionItem(*p.Connection)); err != nil {
			return err
		}
	}
	if err := r.check(link.Standing, Check{Directory: r.dir.ID, User: link.User}); err != nil {
		return err
	}
	return r.put(linkItem(link))
}

// group adds the records of a group.
func (r *restoring) group(p Portable) error {
	link := *p.GroupLink
	link.PresentAt = time.Time{} // no list of its members is kept
	if account, claimant := r.claim(p); account != "" {
		switch err := r.take(account, claimant); {
		case fault.Is(err, fault.Conflict):
			r.conflict(directory.Unrestored{Group: link.Group, EntraID: account, Message: fault.Of(err).Message})
			if link.Freed = true; link.Status != directory.Released {
				link.Status, link.Reason, link.Message = directory.Pending, "", fault.Of(err).Message
			}
		case err != nil:
			return err
		}
	}
	if p.GroupConnection != nil {
		if err := r.put(groupConnectionItem(*p.GroupConnection)); err != nil {
			return err
		}
	}
	if err := r.check(link.Standing, Check{Directory: r.dir.ID, Group: link.Group}); err != nil {
		return err
	}
	return r.put(groupLinkItem(link))
}

// check adds a check if something is left to do about a link: the task that was to do it is gone.
func (r *restoring) check(s directory.Standing, c Check) error {
	if s.Status != directory.Pending && len(s.OpenActions) == 0 {
		return nil
	}
	return r.add(c.write())
}

// wait adds a wait, and what looks whether the wait for a domain is over.
func (r *restoring) wait(k KnownWait) error {
	awaited, err := k.awaited(r.dir)
	if err != nil {
		return err
	}
	if k.Domain != nil {
		if err := r.put(DomainWatch{Directory: r.dir.ID, Awaits: *k.Domain}.item()); err != nil {
			return err
		}
	}
	return r.put(Wait{For: awaited, Directory: r.dir.ID, User: k.User}.item())
}

// conflict notes an account or a group that somebody else has.
func (r *restoring) conflict(c directory.Unrestored) {
	c.Line = r.done.Lines
	if r.done.Conflicts++; len(r.done.FirstConflicts) < mostConflicts {
		r.done.FirstConflicts = append(r.done.FirstConflicts, c)
	}
}

// EndRestoration stores a directory that was put back and is in use from then on, with the job
// that compares it (nil: none), in one transaction; Changed if somebody changed it since it was
// read. Who is excluded by a group is read anew.
func (s *Store) EndRestoration(ctx context.Context, d directory.Directory, j *Job) (directory.Directory, error) {
	item, err := directoryItem(d)
	if err != nil {
		return d, err
	}
	writes, err := excludedWrites(d.ID, "", d.Settings.Exclude.Group)
	if err != nil {
		return d, err
	}
	writes = append(writes, Write{Item: item, If: IfVersion(d.Version)})
	if j != nil {
		begins, err := beginJob(*j)
		if err != nil {
			return d, err
		}
		writes = append(writes, begins...)
	}
	if err := s.table.Transact(ctx, writes); err != nil {
		return d, err
	}
	d.Version++
	return d, nil
}
