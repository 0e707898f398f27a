package store

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// leaseKept is how long the record of a lease stays after the lease expired.
const leaseKept = time.Minute

// Lease says that a worker works on a group of a directory: no other worker writes to
// the group before the lease ends or expires.
type Lease struct {
	Directory directory.ID      `json:"directoryId"`
	Group     directory.GroupID `json:"groupId"`
	Holder    string            `json:"holder"` // a random name, new with every attempt
	Until     time.Time         `json:"until"`
	Version   int64             `json:"-"`
}

// Held reports whether the lease is valid at a time.
func (l Lease) Held(now time.Time) bool { return l.Until.After(now) }

// leaseKey is the key of the lease of a group.
func leaseKey(id directory.ID, group directory.GroupID) Key {
	return Key{PK: groupPK(id.Organization(), group), SK: join(leasePart, string(id))}
}

// TakeLease takes a lease that no other worker has, or extends the caller's own. If
// another worker has it, or was faster, it returns a fault of kind Changed.
func (s *Store) TakeLease(ctx context.Context, l Lease, now time.Time) (Lease, error) {
	key := leaseKey(l.Directory, l.Group)
	before, version, err := get[Lease](ctx, s, key)
	switch {
	case fault.Is(err, fault.NotFound):
	case err != nil:
		return Lease{}, err
	case before.Holder != l.Holder && before.Held(now):
		return Lease{}, &fault.Error{Op: "store.take lease", Kind: fault.Changed, Subject: string(l.Group), Message: "somebody else works on the group"}
	}
	item, err := encode(key, l)
	if err != nil {
		return Lease{}, err
	}
	item.Expires = l.Until.Add(leaseKept).Unix()
	if l.Version, err = s.table.Put(ctx, item, IfVersion(version)); err != nil {
		return Lease{}, err
	}
	return l, nil
}

// EndLease ends a lease; a lease that another worker took meanwhile stays.
func (s *Store) EndLease(ctx context.Context, l Lease) error {
	err := s.table.Delete(ctx, leaseKey(l.Directory, l.Group), IfVersion(l.Version))
	if fault.Is(err, fault.Changed) {
		return nil
	}
	return err
}
