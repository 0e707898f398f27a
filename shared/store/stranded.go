package store

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// strandedRetention is how long it is kept that a message was set aside: as long as SQS
// keeps dead letters.
const strandedRetention = 14 * 24 * time.Hour

// Lane names a queue of the functions.
type Lane string

// The lanes. The template names the queues of AWS after them.
const (
	Changes    Lane = "changes"
	UsersLive  Lane = "users-live"
	UsersBulk  Lane = "users-bulk"
	GroupsLive Lane = "groups-live"
	GroupsBulk Lane = "groups-bulk"
)

// Stranded is a message that was received too often and was taken out of the dead letters.
// It belongs to a directory; without one to an organization, as events do; and without
// both to the deployment, as what cannot be read.
type Stranded struct {
	ID           string                   `json:"id"` // sorts by the time of sending, and is the same for the same message
	Organization directory.OrganizationID `json:"organizationId,omitempty"`
	Directory    directory.ID             `json:"directoryId,omitempty"`
	Lane         Lane                     `json:"queue"`
	// About are the users and groups that the message is about.
	About []plan.Subject `json:"about,omitempty"`
	Cause plan.Cause     `json:"cause,omitzero"`
	// Body is the message, and Group its message group. There is no body if the message
	// must not be stored, because it has a sealed password, or cannot be, because it is
	// too large.
	Body     []byte    `json:"body,omitempty"`
	Group    string    `json:"group,omitempty"`
	Receives int       `json:"receives"`
	SentAt   time.Time `json:"sentAt"`
	At       time.Time `json:"at"` // when it was taken out of the dead letters
	// Password says that the message was the task of a password.
	Password bool `json:"password,omitempty"`
	// Unreadable is why the message cannot be read; "" if it can.
	Unreadable string `json:"unreadable,omitempty"`
}

// strandedPK is the partition key of the stranded messages of a directory; without one of
// those of an organization that belong to no directory; without both of the others.
func strandedPK(organization directory.OrganizationID, id directory.ID) string {
	switch {
	case id != "":
		return join(organizationPart, string(id.Organization()), strandedPart, string(id))
	case organization != "":
		return join(organizationPart, string(organization), strandedPart)
	default:
		return strandedPart
	}
}

// key is the key of a stranded message.
func (s Stranded) key() Key {
	return Key{PK: strandedPK(s.Organization, s.Directory), SK: s.ID}
}

// AddStranded stores a stranded message, and returns the stored one: if the message was
// stored before, that is the earlier record, which stays as it is.
func (s *Store) AddStranded(ctx context.Context, m Stranded) (Stranded, error) {
	item, err := encode(m.key(), m)
	if err != nil {
		return Stranded{}, err
	}
	item.IndexPK, item.IndexSK = strandedPart, m.ID
	item.Expires = m.At.Add(strandedRetention).Unix()
	_, err = s.table.Put(ctx, item, Absent)
	if !fault.Is(err, fault.Changed) {
		return m, err
	}
	return s.StrandedMessage(ctx, m.Organization, m.Directory, m.ID)
}

// StrandedFilter says which stranded messages a list has; an empty field matches all.
type StrandedFilter struct {
	Organization directory.OrganizationID
	Directory    directory.ID
	Lane         Lane
}

// matches reports whether the list has a message.
func (f StrandedFilter) matches(m Stranded) bool {
	return (f.Organization == "" || m.Organization == f.Organization) && (f.Directory == "" || m.Directory == f.Directory) && (f.Lane == "" || m.Lane == f.Lane)
}

// StrandedMessages lists stranded messages, the last ones first. limit is at least 1. (The
// version before put no message into the index: until these expire, only the lists of their
// directories have them.)
func (s *Store) StrandedMessages(ctx context.Context, f StrandedFilter, limit int, cursor string) (List[Stranded], error) {
	q := Query{PK: strandedPart, Index: true, Backward: true, Limit: limit, Cursor: cursor}
	if f.Directory != "" {
		q.PK, q.Index = strandedPK(f.Organization, f.Directory), false
	}
	return sift(ctx, s, q, join(string(f.Organization), string(f.Directory), string(f.Lane)), f.matches)
}

// FindStranded finds a stranded message by its id alone; NotFound if there is none.
func (s *Store) FindStranded(ctx context.Context, id string) (Stranded, error) {
	found, err := list[Stranded](ctx, s, Query{PK: strandedPart, Index: true, SKPrefix: id, Limit: 1})
	if err != nil {
		return Stranded{}, err
	}
	if len(found.Items) == 0 || found.Items[0].ID != id {
		return Stranded{}, missing(fault.New(fault.NotFound, "store.find", ""), "stranded message", id)
	}
	m := found.Items[0]
	return s.StrandedMessage(ctx, m.Organization, m.Directory, id) // the index may lag
}

// StrandedMessage reads one stranded message of a directory, of an organization without a
// directory, or of neither; NotFound if there is none.
func (s *Store) StrandedMessage(ctx context.Context, organization directory.OrganizationID, id directory.ID, message string) (Stranded, error) {
	m, _, err := get[Stranded](ctx, s, Key{PK: strandedPK(organization, id), SK: message})
	return m, missing(err, "stranded message", message)
}

// RemoveStranded deletes a stranded message that was sent back.
func (s *Store) RemoveStranded(ctx context.Context, m Stranded) error {
	return s.table.Delete(ctx, m.key(), Any)
}

// AddExpected stores the link of a user or a group that has none, as change makes it, with
// the check that it comes to something: a connection, or its end. If there is a link by now
// it changes that one.
func (s *Store) AddExpected(ctx context.Context, id directory.ID, subject plan.Subject, change func(directory.Standing) directory.Standing) error {
	check := Check{Directory: id}
	var item Item
	var err error
	if subject.Kind == plan.OfUser {
		check.User = directory.UserID(subject.ID)
		link := directory.NewLink(id, check.User)
		link.Standing = change(link.Standing)
		item, err = linkItem(link)
	} else {
		check.Group = directory.GroupID(subject.ID)
		link := directory.NewGroupLink(id, check.Group)
		link.Standing = change(link.Standing)
		item, err = groupLinkItem(link)
	}
	if err != nil {
		return err
	}
	due, err := check.write()
	if err != nil {
		return err
	}
	err = s.table.Transact(ctx, []Write{{Item: item, If: Absent}, due})
	if fault.Is(err, fault.Changed) {
		return s.ChangeStanding(ctx, id, subject, change)
	}
	return err
}

// RemoveExpected deletes the link of a user or a group that came to nothing; Changed if it
// was changed since it was read.
func (s *Store) RemoveExpected(ctx context.Context, id directory.ID, subject plan.Subject, version int64) error {
	key := groupLinkKey(id, directory.GroupID(subject.ID))
	if subject.Kind == plan.OfUser {
		key = linkKey(id, directory.UserID(subject.ID))
	}
	return s.table.Delete(ctx, key, IfVersion(version))
}

// ChangeStanding reads the link of a user or a group, changes the part that all links have
// in common, and writes it as [Store.ChangeLink] does; NotFound if there is no such link.
func (s *Store) ChangeStanding(ctx context.Context, id directory.ID, subject plan.Subject, change func(directory.Standing) directory.Standing) error {
	if subject.Kind == plan.OfUser {
		return s.ChangeLink(ctx, id, directory.UserID(subject.ID), func(link directory.Link) directory.Link {
			link.Standing = change(link.Standing)
			return link
		})
	}
	return s.changeGroupLink(ctx, id, directory.GroupID(subject.ID), func(link directory.GroupLink) directory.GroupLink {
		link.Standing = change(link.Standing)
		return link
	})
}
