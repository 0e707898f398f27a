package store

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// Doubted is what JumpCloud shows no more.
type Doubted string

// What can be doubted.
const (
	UserExists  Doubted = "user"       // a user
	UserInGroup Doubted = "membership" // a user in a group
	UserSource  Doubted = "source"     // a user with the connection source
	GroupExists Doubted = "group"      // a group
	GroupSource Doubted = "groupsource"
)

// Doubt is an absence in JumpCloud that takes access away and is not believed yet. It
// is forgotten after [plan.AbsenceLife].
type Doubt struct {
	Directory directory.ID      `json:"directoryId"`
	What      Doubted           `json:"what"`
	User      directory.UserID  `json:"userId,omitempty"`
	Group     directory.GroupID `json:"groupId,omitempty"`
	// People is how many would lose access.
	People int `json:"people"`
	// Listed says that a list showed it first, so that asking for the one thing itself
	// is a different read.
	Listed bool `json:"listed,omitempty"`
	plan.Absence
}

// doubtPK holds the doubts of a directory.
func doubtPK(id directory.ID) string {
	return join(organizationPart, string(id.Organization()), doubtPart, string(id))
}

// key is where the doubt lies.
func (d Doubt) key() Key {
	return Key{PK: doubtPK(d.Directory), SK: join(string(d.What), string(d.User), string(d.Group))}
}

// item is the item of the doubt.
func (d Doubt) item() (Item, error) {
	item, err := encode(d.key(), d)
	item.Expires = d.Since.Add(plan.AbsenceLife).Unix()
	return item, err
}

// Doubt reads what is known of a doubt; one that nobody has is as given.
func (s *Store) Doubt(ctx context.Context, about Doubt) (Doubt, error) {
	known, _, err := get[Doubt](ctx, s, about.key())
	if fault.Is(err, fault.NotFound) {
		return about, nil
	}
	return known, err
}

// PutDoubt keeps a doubt.
func (s *Store) PutDoubt(ctx context.Context, d Doubt) error {
	item, err := d.item()
	if err != nil {
		return err
	}
	_, err = s.table.Put(ctx, item, Any)
	return err
}

// AddDoubts keeps doubts; of those that are there already nothing changes.
func (s *Store) AddDoubts(ctx context.Context, doubts ...Doubt) error {
	writes := make([]Write, len(doubts))
	for i, d := range doubts {
		item, err := d.item()
		if err != nil {
			return err
		}
		writes[i] = Write{Item: item, If: Absent}
	}
	return s.transactUnchanged(ctx, writes)
}

// RemoveDoubt forgets a doubt.
func (s *Store) RemoveDoubt(ctx context.Context, d Doubt) error {
	return s.table.Delete(ctx, d.key(), Any)
}

// PeopleInDoubt counts who would lose access in a directory if all doubts were true. It
// stops counting beyond enough.
func (s *Store) PeopleInDoubt(ctx context.Context, id directory.ID, now time.Time, enough int) (int, error) {
	people := 0
	for q := (Query{PK: doubtPK(id), Limit: enough + 1}); ; {
		page, err := list[Doubt](ctx, s, q)
		if err != nil {
			return 0, err
		}
		for _, d := range page.Items {
			if now.Sub(d.Since) < plan.AbsenceLife {
				people += d.People
			}
		}
		if q.Cursor = page.Cursor; q.Cursor == "" || people > enough {
			return people, nil
		}
	}
}
