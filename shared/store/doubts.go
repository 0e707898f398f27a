package store

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// Doubted is a kind of record that JumpCloud no longer shows.
type Doubted string

// The kinds of records that can be in doubt.
const (
	UserExists  Doubted = "user"       // a user
	UserInGroup Doubted = "membership" // a user in a group
	UserSource  Doubted = "source"     // a user with the connection source
	GroupExists Doubted = "group"      // a group
	GroupSource Doubted = "groupsource"
	UserExclude Doubted = "exclusion" // a user in the group whose members are excluded
	// These are no absences: a cause that concerns others as well, such as settings that
	// changed, says that the user is to be suspended, or to be removed.
	UserSuspension Doubted = "suspension"
	UserRemoval    Doubted = "removal"
)

// Doubt is an absence in JumpCloud that would remove access and is not confirmed yet.
// It expires after [plan.AbsenceLife].
type Doubt struct {
	Directory directory.ID      `json:"directoryId"`
	What      Doubted           `json:"what"`
	User      directory.UserID  `json:"userId,omitempty"`
	Group     directory.GroupID `json:"groupId,omitempty"`
	// People is how many users would lose access.
	People int `json:"people"`
	// Listed says that the absence was first seen in a list, so that a read of the
	// single object is a different read.
	Listed bool `json:"listed,omitempty"`
	plan.Absence
}

// doubtPK is the partition key of the doubts of a directory.
func doubtPK(id directory.ID) string {
	return join(organizationPart, string(id.Organization()), doubtPart, string(id))
}

// key is the key of the doubt.
func (d Doubt) key() Key {
	return Key{PK: doubtPK(d.Directory), SK: join(string(d.What), string(d.User), string(d.Group))}
}

// item is the item of the doubt.
func (d Doubt) item() (Item, error) {
	item, err := encode(d.key(), d)
	item.Expires = d.Since.Add(plan.AbsenceLife).Unix()
	return item, err
}

// Doubt reads a doubt; if there is none, it returns about.
func (s *Store) Doubt(ctx context.Context, about Doubt) (Doubt, error) {
	known, _, err := get[Doubt](ctx, s, about.key())
	if fault.Is(err, fault.NotFound) {
		return about, nil
	}
	return known, err
}

// PutDoubt stores a doubt.
func (s *Store) PutDoubt(ctx context.Context, d Doubt) error {
	item, err := d.item()
	if err != nil {
		return err
	}
	_, err = s.table.Put(ctx, item, Any)
	return err
}

// AddDoubts stores doubts; those that exist already stay unchanged.
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

// RemoveDoubt deletes a doubt.
func (s *Store) RemoveDoubt(ctx context.Context, d Doubt) error {
	return s.table.Delete(ctx, d.key(), Any)
}

// People are who would lose access: users who are named, each once, and how many others, as far as
// they are known.
type People struct {
	Users  []directory.UserID
	Others int
}

// Number is how many people they are.
func (p People) Number() int { return len(p.Users) + p.Others }

// PeopleInDoubt are the people who would lose access in a directory if all doubts were true.
// They need not be all if there are more than enough.
func (s *Store) PeopleInDoubt(ctx context.Context, id directory.ID, now time.Time, enough int) (People, error) {
	return s.doubted(ctx, id, now, enough, func(d Doubt) bool { return d.What != UserSuspension && d.What != UserRemoval })
}

// PeopleLikelyGone are the people who are likely to lose access together with somebody: by
// doubts that a second read confirmed, or by a cause that concerns many; or who are to be
// suspended by such a cause.
func (s *Store) PeopleLikelyGone(ctx context.Context, id directory.ID, kind plan.HoldKind, now time.Time, enough int) (People, error) {
	return s.doubted(ctx, id, now, enough, func(d Doubt) bool {
		if kind == plan.Suspensions {
			return d.What == UserSuspension
		}
		return d.What == UserRemoval || d.What != UserSuspension && !d.Second.IsZero()
	})
}

// doubted are the people who would lose access by some doubts. One person may have several.
func (s *Store) doubted(ctx context.Context, id directory.ID, now time.Time, enough int, counts func(Doubt) bool) (People, error) {
	var people People
	known := map[directory.UserID]bool{}
	for q := (Query{PK: doubtPK(id), Limit: enough + 1}); ; {
		page, err := list[Doubt](ctx, s, q)
		if err != nil {
			return people, err
		}
		for _, d := range page.Items {
			switch {
			case now.Sub(d.Since) >= plan.AbsenceLife || !counts(d):
			case d.User == "":
				people.Others += d.People
			case !known[d.User]:
				known[d.User], people.Users = true, append(people.Users, d.User)
			}
		}
		if q.Cursor = page.Cursor; q.Cursor == "" || people.Number() > enough {
			return people, nil
		}
	}
}
