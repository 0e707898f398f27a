package store

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// Waiting is a task that waits for the end of a suspension of its directory. There is one
// for a user or a group, which has what all of its tasks ask for; and another one, which
// is sent first, if an urgent task is among them.
type Waiting struct {
	Directory directory.ID `json:"directoryId"`
	// Kind and ID are the subject of the task; ID "" is the connection source.
	Kind string `json:"kind"` // plan.OfUser or plan.OfGroup
	ID   string `json:"id"`
	// Urgent says that it is sent first, to the live lane.
	Urgent bool `json:"urgent,omitempty"`
	// Scope is the scope of the suspension for whose end it waits.
	Scope directory.Scope `json:"scope"`
	Task  json.RawMessage `json:"task"`

	key     Key
	version int64
}

// waitingPK is the partition key of the tasks of a directory that wait.
func waitingPK(id directory.ID) string {
	return join(organizationPart, string(id.Organization()), waitingPart, string(id))
}

// prefix begins the sort keys of the records of a subject; urgent ones come first.
func (w Waiting) prefix() string {
	rank := "1"
	if w.Urgent {
		rank = "0"
	}
	return join(rank, w.Kind, w.ID, "")
}

// AddWaiting stores a task that waits. Where one of the same subject waits already, merge
// returns what is stored instead of the two.
//
// A record has a key that is never used again: who deletes what was sent deletes no task
// that came later.
func (s *Store) AddWaiting(ctx context.Context, task Waiting, merge func(kept, added Waiting) (Waiting, error)) error {
	return Contended(ctx, func() error {
		page, err := s.table.Query(ctx, Query{PK: waitingPK(task.Directory), SKPrefix: task.prefix(), Limit: 1})
		if err != nil {
			return err
		}
		key, version, stored := Key{PK: waitingPK(task.Directory), SK: task.prefix() + uuid.NewString()}, Absent, task
		for _, item := range page.Items {
			kept, err := decode[Waiting](item)
			if err != nil { // a damaged record keeps no other from being stored
				leftOut(ctx, item.Key, err)
				continue
			}
			if stored, err = merge(kept, task); err != nil {
				return err
			}
			key, version = item.Key, IfVersion(item.Version)
		}
		item, err := encode(key, stored)
		if err != nil {
			return err
		}
		_, err = s.table.Put(ctx, item, version)
		return err
	})
}

// WaitingPage is one page of tasks that wait. Cursor is "" on the last page.
type WaitingPage struct {
	Items  []Waiting
	Cursor string
}

// WaitingTasks lists the tasks of a directory that wait, urgent ones first, one page of
// them. It leaves damaged records out and logs their keys.
func (s *Store) WaitingTasks(ctx context.Context, id directory.ID, limit int, cursor string) (WaitingPage, error) {
	page, err := s.table.Query(ctx, Query{PK: waitingPK(id), Limit: limit, Cursor: cursor})
	if err != nil {
		return WaitingPage{}, err
	}
	for _, key := range page.Damaged {
		leftOut(ctx, key, nil)
	}
	list := WaitingPage{Cursor: page.Cursor}
	for _, item := range page.Items {
		w, err := decode[Waiting](item)
		if err != nil {
			leftOut(ctx, item.Key, err)
			continue
		}
		w.key, w.version = item.Key, item.Version
		list.Items = append(list.Items, w)
	}
	return list, nil
}

// RemoveWaiting deletes tasks that were sent. One to which something was added since it was
// read stays.
func (s *Store) RemoveWaiting(ctx context.Context, sent ...Waiting) error {
	writes := make([]Write, len(sent))
	for i, w := range sent {
		writes[i] = Write{Item: Item{Key: w.key}, If: IfVersion(w.version), Delete: true}
	}
	return s.transactUnchanged(ctx, writes)
}

// IsOfGroup reports whether the task is one of a group or of the connection source.
func (w Waiting) IsOfGroup() bool { return w.Kind == plan.OfGroup }
