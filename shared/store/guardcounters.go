package store

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// Counter counts the people who lost access in a directory within the window of its guard, by
// one kind of actions: in all, or as members of one group.
type Counter struct {
	People plan.Counted `json:"people,omitempty"`
	// Members are those of them who were only taken out of groups: whether their accounts may
	// be disabled, too, is a question of its own.
	Members []string `json:"members,omitempty"`
	// Open is the id of the hold of the kind that is open; "" if none is.
	Open string `json:"open,omitempty"`
	// Linked is how many linked users there were at least at a time.
	Linked   int       `json:"linked,omitempty"`
	LinkedAt time.Time `json:"linkedAt,omitzero"`
	Version  int64     `json:"-"`
}

// Within is the counter with those who are still within a window at a time.
func (c Counter) Within(window time.Duration, now time.Time) Counter {
	c.People = c.People.Within(window, now)
	c.Members = slices.DeleteFunc(slices.Clone(c.Members), func(person string) bool { return !c.People.Has(person) })
	return c
}

// Has reports whether a person is counted: as one who lost the access of the account, or as
// one who lost anything.
func (c Counter) Has(person string, account bool) bool {
	return c.People.Has(person) && (!account || !slices.Contains(c.Members, person))
}

// With is the counter with a person who loses the access of the account at a time, or is taken
// out of a group.
func (c Counter) With(now time.Time, person string, account bool) Counter {
	switch known := c.People.Has(person); {
	case account:
		c.Members = slices.DeleteFunc(slices.Clone(c.Members), func(each string) bool { return each == person })
	case !known:
		c.Members = append(slices.Clone(c.Members), person)
	}
	c.People = c.People.With(now, person)
	return c
}

// counterKey is the key of a counter.
func counterKey(id directory.ID, kind plan.HoldKind, group directory.GroupID) Key {
	return Key{PK: guardPK(id), SK: join(counterPart, string(kind), string(group))}
}

// counterLife is how long a counter is kept that counts nobody in an open hold.
const counterLife = 2 * directory.LongestWindow

// put is the write that stores a counter.
func (c Counter) put(key Key, now time.Time) (Write, error) {
	item, err := encode(key, c)
	if c.Open == "" {
		item.Expires = now.Add(counterLife).Unix()
	}
	return Write{Item: item, If: IfVersion(c.Version)}, err
}

// linkedPage is how many links are read at once to count them.
const linkedPage = 500

// Users is how many users are counted if some more people are: without the accounts that nobody
// in JumpCloud is known to have.
func (c Counter) Users(people ...string) int {
	return len(usersIn(c.People.With(time.Time{}, people...)))
}

// usersIn are the users among some people.
func usersIn(people plan.Counted) plan.Counted {
	users := maps.Clone(people)
	maps.DeleteFunc(users, func(person string, _ int64) bool { return strings.HasPrefix(person, accountPerson) })
	return users
}

// LinkedUsers counts the users of a directory who have an account, and those among the counted,
// who had one or are about to. It stops counting when that are enough; 0 says that no number is.
func (s *Store) LinkedUsers(ctx context.Context, id directory.ID, counted plan.Counted, enough int) (int, error) {
	counted = usersIn(counted)
	users := len(counted)
	for q := (Query{PK: join(linkPart, string(id)), Index: true, Limit: linkedPage}); ; {
		page, err := s.table.Query(ctx, q)
		if err != nil {
			return 0, err
		}
		for _, item := range page.Items {
			link, err := decode[directory.Link](item)
			if err != nil {
				leftOut(ctx, item.Key, err)
				continue
			}
			if link.EntraID != "" && !link.Freed && !counted.Has(string(link.User)) {
				users++
			}
		}
		if q.Cursor = page.Cursor; q.Cursor == "" || enough > 0 && users >= enough {
			return users, nil
		}
	}
}
