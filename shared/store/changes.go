package store

import (
	"context"
	"fmt"
	"time"

	"entrasync/shared/directory"
)

// Tracked is what Entra's changes are about.
type Tracked string

// What is tracked.
const (
	TrackedAccounts Tracked = "accounts"
	TrackedGroups   Tracked = "groups"
	// TrackedBlockers are the accounts that may be in the way of users.
	TrackedBlockers Tracked = "blockers"
)

// ChangesLink is from where on Entra is asked for the changes of a directory's tenant.
type ChangesLink struct {
	Directory directory.ID       `json:"directoryId"`
	Of        Tracked            `json:"of"`
	Tenant    directory.TenantID `json:"tenant"`
	Link      string             `json:"link"` // kept to the letter
	At        time.Time          `json:"at"`   // Entra gave it
	// Attributes is a fingerprint of the attributes that the changes show: the changes of
	// another attribute are not among them.
	Attributes string `json:"attributes,omitempty"`
}

// changesKey is the key of a link.
func changesKey(id directory.ID, of Tracked) Key {
	return Key{PK: organizationPK(id.Organization()), SK: join(changesPart, string(of), string(id))}
}

// ChangesLink reads from where on Entra is asked for changes; NotFound if nobody asked yet.
func (s *Store) ChangesLink(ctx context.Context, id directory.ID, of Tracked) (ChangesLink, error) {
	link, _, err := get[ChangesLink](ctx, s, changesKey(id, of))
	return link, err
}

// PutChangesLink stores from where on Entra is asked next.
func (s *Store) PutChangesLink(ctx context.Context, l ChangesLink) error {
	item, err := encode(changesKey(l.Directory, l.Of), l)
	if err != nil {
		return err
	}
	_, err = s.table.Put(ctx, item, Any)
	return err
}

// ForgetChangesLink deletes a link that Entra does not know any more.
func (s *Store) ForgetChangesLink(ctx context.Context, id directory.ID, of Tracked) error {
	return s.table.Delete(ctx, changesKey(id, of), Any)
}

// ShownPart is a part of the accounts or groups that a complete list of a job showed: a hash
// of eight bytes of each, in base64, because a tenant may have very many.
type ShownPart struct {
	Hashes string `json:"hashes"`
}

// shownPK is the partition key of the parts of a list.
func shownPK(job string, of Tracked) string { return join(jobPart, job, "shown", string(of)) }

// PutShown stores a part of what a list showed. A part of the same number is replaced: it is
// the same page of the list.
func (s *Store) PutShown(ctx context.Context, job string, of Tracked, number int, part ShownPart) error {
	item, err := encode(Key{PK: shownPK(job, of), SK: fmt.Sprintf("%06d", number)}, part)
	if err != nil {
		return err
	}
	item.Expires = time.Now().Add(jobFindingRetention).Unix()
	_, err = s.table.Put(ctx, item, Any)
	return err
}

// EachShown calls do with every part of what a list showed, in their order.
func (s *Store) EachShown(ctx context.Context, job string, of Tracked, do func(ShownPart)) error {
	return s.each(ctx, Query{PK: shownPK(job, of)}, func(item Item) error {
		part, err := decode[ShownPart](item)
		do(part)
		return err
	})
}

// ForgetShown deletes the parts after they were used.
func (s *Store) ForgetShown(ctx context.Context, job string, of Tracked) error {
	var writes []Write
	err := s.each(ctx, Query{PK: shownPK(job, of)}, func(item Item) error {
		writes = append(writes, Write{Item: Item{Key: item.Key}, If: Any, Delete: true})
		return nil
	})
	if err != nil {
		return err
	}
	return s.transactAll(ctx, writes)
}
