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

// BeginDeactivation says that a directory is not in use any more, as it was read, and stores
// the job that deletes what is known of it, in one transaction. Whoever reads the directory
// afterwards does not find it; its tenant stays claimed until the end. Those that share the
// tenant decide alone from then on. Changed if the directory was changed since it was read.
func (s *Store) BeginDeactivation(ctx context.Context, d directory.Directory, j Job) (Job, error) {
	shares := d.Shares
	d.Status, d.Reason, d.Message = directory.Deactivating, "", "the directory is being deactivated by the job "+j.ID
	d.Shares, d.Suspended, d.PartlySuspended, d.Probes = nil, nil, nil, directory.Probes{}
	item, err := directoryItem(d)
	if err != nil {
		return j, err
	}
	writes := []Write{{Item: item, If: IfVersion(d.Version)}}
	begins, err := beginJob(j)
	if err != nil {
		return j, err
	}
	writes = append(writes, begins...)
	parting, err := s.parting(ctx, d.ID, shares)
	if err != nil {
		return j, err
	}
	if err := s.table.Transact(ctx, append(writes, parting...)); err != nil {
		return j, err
	}
	j.Version = 1
	return j, nil
}

// parting are the writes by which directories do not share their tenant with one of them any
// more.
func (s *Store) parting(ctx context.Context, id directory.ID, shares []directory.ID) ([]Write, error) {
	others, err := s.withShares(ctx, nil, shares)
	if err != nil {
		return nil, err
	}
	var writes []Write
	for _, other := range others {
		if !slices.Contains(other.Shares, id) {
			continue
		}
		other.Shares = slices.DeleteFunc(slices.Clone(other.Shares), func(each directory.ID) bool { return each == id })
		item, err := directoryItem(other)
		if err != nil {
			return nil, err
		}
		writes = append(writes, Write{Item: item, If: IfVersion(other.Version)})
	}
	return writes, nil
}

// EndDeactivation deletes the record of a directory of which nothing else is left, gives up its
// tenant, and stores that the job has ended, in one transaction; Changed if somebody changed
// one of them since it was read.
func (s *Store) EndDeactivation(ctx context.Context, d directory.Directory, j Job) (Job, error) {
	item, err := jobItem(j)
	if err != nil {
		return j, err
	}
	writes := []Write{
		{Item: item, If: IfVersion(j.Version)},
		{Item: Item{Key: openJobKey(j.Directory, j.Kind)}, If: Any, Delete: true},
		{Item: Item{Key: directoryKey(d.ID)}, If: IfVersion(d.Version), Delete: true},
	}
	parting, err := s.parting(ctx, d.ID, d.Shares)
	if err != nil {
		return j, err
	}
	claims, err := s.unclaiming(ctx, d)
	if err != nil {
		return j, err
	}
	if err := s.table.Transact(ctx, slices.Concat(writes, parting, claims)); err != nil {
		return j, err
	}
	j.Version++
	return j, nil
}

// unclaiming are the writes by which a directory gives up the names of its tenant.
func (s *Store) unclaiming(ctx context.Context, d directory.Directory) ([]Write, error) {
	var writes []Write
	for _, name := range claimed(d) {
		key := tenantClaimKey(name)
		claim, version, err := get[tenantClaim](ctx, s, key)
		if fault.Is(err, fault.NotFound) || err == nil && !slices.Contains(claim.Directories, d.ID) {
			continue
		}
		if err != nil {
			return nil, err
		}
		claim.Directories = slices.DeleteFunc(claim.Directories, func(id directory.ID) bool { return id == d.ID })
		item, err := encode(key, claim)
		if err != nil {
			return nil, err
		}
		writes = append(writes, Write{Item: item, If: IfVersion(version), Delete: len(claim.Directories) == 0})
	}
	return writes, nil
}

// forgottenAtOnce is how many items one piece of a deactivation deletes at most.
const forgottenAtOnce = MaxTransactItems

// ForgetLinks deletes links of users in a directory, with their connections and whose their
// accounts were. The claims on the accounts are given up before.
func (s *Store) ForgetLinks(ctx context.Context, d directory.Directory, links ...directory.Link) error {
	var writes []Write
	seen := map[Key]bool{} // two users may have had one account
	for _, link := range links {
		keys := []Key{linkKey(d.ID, link.User), connectionKey(d.ID, link.User)}
		if link.EntraID != "" {
			keys = append(keys, formerKey(d.TenantObject, link.EntraID, d.ID))
		}
		for _, key := range keys {
			if !seen[key] {
				seen[key] = true
				writes = append(writes, Write{Item: Item{Key: key}, If: Any, Delete: true})
			}
		}
	}
	return s.transactAll(ctx, writes)
}

// ForgetGroup deletes a piece of what a directory has of a group: its members first and, if this
// is for good, in the end its link and its connection. Until then the link says that there may
// be members. over says that nothing is left to delete. The claim on the group in Entra is given
// up before.
func (s *Store) ForgetGroup(ctx context.Context, id directory.ID, group directory.GroupID, forGood bool) (over bool, err error) {
	for _, pk := range []string{
		membersPK(id, group), dirtyKey(id, group, "").PK, excludedPK(id, group),
		memberListKey(id, group, "").PK, accountListKey(id, group, "").PK,
	} {
		if left, err := s.forgetSome(ctx, Query{PK: pk}); err != nil || left {
			return false, err
		}
	}
	if !forGood {
		return true, nil
	}
	var writes []Write
	for _, key := range []Key{groupLinkKey(id, group), groupConnectionKey(id, group), leaseKey(id, group), exclusionKey(id, group)} {
		writes = append(writes, Write{Item: Item{Key: key}, If: Any, Delete: true})
	}
	return true, s.table.Transact(ctx, writes)
}

// ForgetRest deletes a piece of what else is known of a directory; over says that nothing is
// left but its own record, its jobs and the audit log, and unless this is for good the links and
// connections of its groups.
func (s *Store) ForgetRest(ctx context.Context, d directory.Directory, forGood bool) (over bool, err error) {
	id := string(d.ID)
	var ofGroups []string
	if forGood {
		ofGroups = []string{join(groupPart, linkPart, id), join(groupPart, connectionPart, id)}
	}
	for _, pk := range append(ofGroups,
		unfinishedPK(d.ID), join(linkPart, id), join(connectionPart, id), endedPK(d.ID),
		join(withinPart, id), join(waitPart, id), join(excludedPart, id), join(entraPart, id),
	) {
		if left, err := s.forgetSome(ctx, Query{PK: pk, Index: true}); err != nil || left {
			return false, err
		}
	}
	for _, pk := range []string{
		sweepKey(d.ID, "", "", "").PK, doubtPK(d.ID), strandedPK(d.Organization, d.ID), waitingPK(d.ID), memberListKey(d.ID, "", "").PK, guardPK(d.ID),
		excludedPK(d.ID, d.Settings.Exclude.Group), memberListKey(d.ID, d.Settings.Exclude.Group, "").PK,
	} {
		if left, err := s.forgetSome(ctx, Query{PK: pk}); err != nil || left {
			return false, err
		}
	}
	keys := []Key{countsKey(d.ID), lastJobKey(d.ID, Resync), lastJobKey(d.ID, Plan)}
	for _, of := range []Tracked{TrackedAccounts, TrackedGroups, TrackedBlockers} {
		keys = append(keys, changesKey(d.ID, of))
	}
	if group := d.Settings.Exclude.Group; group != "" {
		keys = append(keys, exclusionKey(d.ID, group))
	}
	var writes []Write
	for _, key := range keys {
		writes = append(writes, Write{Item: Item{Key: key}, If: Any, Delete: true})
	}
	return true, s.table.Transact(ctx, writes)
}

// forgetSome deletes some items of a query; left says that there may be more. Actions stay for
// the audit log: those that are open are ended.
func (s *Store) forgetSome(ctx context.Context, q Query) (left bool, err error) {
	q.Limit = forgottenAtOnce
	page, err := s.table.Query(ctx, q)
	if err != nil {
		return false, err
	}
	writes := make([]Write, 0, len(page.Items)+len(page.Damaged))
	for _, item := range page.Items {
		write := Write{Item: Item{Key: item.Key}, If: Any, Delete: true}
		if q.Index && strings.HasPrefix(q.PK, join(unfinishedPart, "")) && strings.HasSuffix(item.IndexSK, string(OpenAction)) {
			if write, err = interrupting(item); err != nil {
				return false, err
			}
		}
		writes = append(writes, write)
	}
	for _, key := range page.Damaged {
		leftOut(ctx, key, nil)
		writes = append(writes, Write{Item: Item{Key: key}, If: Any, Delete: true})
	}
	return len(writes) > 0 || page.Cursor != "", s.transactUnchanged(ctx, writes)
}

// interrupting is the write that ends an open action.
func interrupting(item Item) (Write, error) {
	a, err := decode[plan.Action](item)
	if err != nil {
		return Write{Item: Item{Key: item.Key}, If: Any, Delete: true}, nil
	}
	a.Status, a.CompletedAt = plan.Failed, time.Now().UTC()
	a.Error = &plan.Failure{Kind: string(fault.NotFound), Reason: directory.Interrupted, Message: "the directory was deactivated before the result was known"}
	ended, err := actionItem(a)
	return Write{Item: ended, If: IfVersion(item.Version)}, err
}
