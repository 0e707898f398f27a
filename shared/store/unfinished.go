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

// Unfinished is a record that says that something is still to be done: whoever does it
// deletes or completes the record. All of a directory are in the index under one key, in
// order of the time when they are due, so that one query finds those that nobody works
// on. A record that is finished is not there, so the query is cheap.
type Unfinished struct {
	Kind UnfinishedKind
	// Due is when it should have been done by then.
	Due    time.Time
	User   directory.UserID  // of a notice, a check or a mark
	Group  directory.GroupID // of a mark, a notice or a check
	Action plan.Action       // of kind OpenAction
	Only   Selection         // of kind UnfinishedRollout
	Watch  DomainWatch       // of kind AwaitedDomain
	Hold   Hold              // of kind UnfinishedHold

	key     Key
	version int64
}

// UnfinishedKind is what kind of record is unfinished.
type UnfinishedKind string

// The kinds of unfinished records.
const (
	DirtyMember   UnfinishedKind = "mark"
	PendingNotice UnfinishedKind = "notice"
	OpenAction    UnfinishedKind = "action"
	DueCheck      UnfinishedKind = "check"
	// UnfinishedRollout has neither a user nor a group.
	UnfinishedRollout UnfinishedKind = "rollout"
	// AwaitedDomain is a watch. It has neither a user nor a group.
	AwaitedDomain UnfinishedKind = "domain"
	// UnfinishedHold has neither a user nor a group.
	UnfinishedHold UnfinishedKind = "hold"
	// DueLeaver is the next step for a user who left. It is due at its time and no later.
	DueLeaver UnfinishedKind = "leaver"
)

// How long after a record was written it is due: longer than the work on it takes, with a
// second attempt. Tasks that one cause sends to many wait longer for their turn. A password
// that is queued may wait for as long as Entra cannot be reached.
const (
	dueAfter       = 5 * time.Minute
	checkAfter     = 10 * time.Minute
	queuedDueAfter = 24 * time.Hour
)

// dueFormat is a time as text that sorts by time.
const dueFormat = "20060102T150405.000"

// unfinishedPK is the index key of the unfinished records of a directory.
func unfinishedPK(id directory.ID) string { return join(unfinishedPart, string(id)) }

// setUnfinished puts the item of an unfinished record into the index.
func (i *Item) setUnfinished(id directory.ID, kind UnfinishedKind, after time.Duration) {
	i.IndexPK = unfinishedPK(id)
	i.IndexSK = join(time.Now().UTC().Add(after).Format(dueFormat), string(kind))
}

// Check says that something about a user or a group was begun that must be done by the
// time when the check is due: it was connected, or may be, its last connection ended, users are to be
// notified, or the result of an action is not known. It is written together with the beginning. Whoever
// does the work does not know of it: the sweep deletes it once the link shows that nothing
// is left to do.
type Check struct {
	Directory directory.ID      `json:"directoryId"`
	User      directory.UserID  `json:"userId,omitempty"`
	Group     directory.GroupID `json:"groupId,omitempty"`
}

// write is the write that stores the check. It replaces an earlier one.
func (c Check) write() (Write, error) {
	item, err := encode(sweepKey(c.Directory, checkPart, c.User, c.Group), c)
	item.setUnfinished(c.Directory, DueCheck, checkAfter)
	return Write{Item: item, If: Any}, err
}

// sweepKey is the key of a record of the sweep about a user or a group of a directory.
func sweepKey(id directory.ID, part string, user directory.UserID, group directory.GroupID) Key {
	return Key{PK: join(organizationPart, string(id.Organization()), sweepPart, string(id)), SK: join(part, string(user), string(group))}
}

// The kinds of records in the partition of the sweep of a directory.
const (
	checkPart   = "check"
	sentPart    = "sent"
	placePart   = "place"
	rolloutPart = "rollout"
	domainPart  = "domain"
	leaverPart  = "leaver"
)

// UnfinishedPage is one page of unfinished records. Cursor is "" on the last one.
type UnfinishedPage struct {
	Items  []Unfinished
	Cursor string
}

// Unfinished lists the unfinished records of a directory that are due, the oldest first,
// one page of them. It leaves damaged records out and logs their keys.
func (s *Store) Unfinished(ctx context.Context, id directory.ID, limit int, cursor string) (UnfinishedPage, error) {
	page, err := s.table.Query(ctx, Query{PK: unfinishedPK(id), Index: true, Limit: limit, Cursor: cursor})
	if err != nil {
		return UnfinishedPage{}, err
	}
	for _, key := range page.Damaged {
		leftOut(ctx, key, nil)
	}
	now := time.Now().UTC()
	due := UnfinishedPage{Cursor: page.Cursor}
	for _, item := range page.Items {
		u, err := readUnfinished(item)
		if err != nil {
			leftOut(ctx, item.Key, err)
			continue
		}
		if u.Due.After(now) {
			due.Cursor = ""
			break
		}
		due.Items = append(due.Items, u)
	}
	return due, nil
}

// readUnfinished reads the item of an unfinished record.
func readUnfinished(item Item) (u Unfinished, err error) {
	at, kind, _ := strings.Cut(item.IndexSK, "#")
	u = Unfinished{Kind: UnfinishedKind(kind), key: item.Key, version: item.Version}
	if u.Due, err = time.Parse(dueFormat, at); err != nil {
		return u, DamagedRecord("store.unfinished", item.Key, err)
	}
	if u.Kind == OpenAction {
		u.Action, err = decode[plan.Action](item)
		return u, err
	}
	if u.Kind == UnfinishedRollout {
		r, err := decode[Rollout](item)
		u.Only = r.Only
		return u, err
	}
	if u.Kind == AwaitedDomain {
		u.Watch, err = decode[DomainWatch](item)
		u.Watch.Version = item.Version
		return u, err
	}
	if u.Kind == UnfinishedHold {
		u.Hold, err = decode[Hold](item)
		u.Hold.Version = item.Version
		return u, err
	}
	m, err := decode[Mark](item) // a check has the same fields
	u.User, u.Group = m.User, m.Group
	return u, err
}

// Finish deletes marks and checks with which nothing is left to do. One that was written
// again since it was read stays.
func (s *Store) Finish(ctx context.Context, done ...Unfinished) error {
	writes := make([]Write, len(done))
	for i, u := range done {
		writes[i] = Write{Item: Item{Key: u.key}, If: IfVersion(u.version), Delete: true}
	}
	return s.transactUnchanged(ctx, writes)
}

// Sent says that the sweep sent a task for a user or a group, so that it does not send
// one at every run while the task waits.
type Sent struct {
	Directory directory.ID      `json:"directoryId"`
	User      directory.UserID  `json:"userId,omitempty"`
	Group     directory.GroupID `json:"groupId,omitempty"`
	At        time.Time         `json:"at"`    // of the last task
	Times     int               `json:"times"` // how many tasks were sent
}

// sentLife is how long it is kept that a task was sent.
const sentLife = 24 * time.Hour

// LastSent reads when the sweep last sent tasks for users and groups; the times of those
// for which it sent none are zero. About is in the order of the answers.
func (s *Store) LastSent(ctx context.Context, about []Sent) ([]Sent, error) {
	keys := make([]Key, len(about))
	for i, each := range about {
		keys[i] = sweepKey(each.Directory, sentPart, each.User, each.Group)
	}
	items, err := s.batchGet(ctx, keys)
	if err != nil {
		return nil, err
	}
	known := slices.Clone(about)
	for _, item := range items {
		record, err := decode[Sent](item)
		if err != nil {
			return nil, err
		}
		known[slices.Index(keys, item.Key)] = record
	}
	return known, nil
}

// PutSent stores that tasks were sent.
func (s *Store) PutSent(ctx context.Context, sent ...Sent) error {
	writes := make([]Write, len(sent))
	for i, each := range sent {
		item, err := encode(sweepKey(each.Directory, sentPart, each.User, each.Group), each)
		if err != nil {
			return err
		}
		item.Expires = each.At.Add(sentLife).Unix()
		writes[i] = Write{Item: item, If: Any}
	}
	return s.transactAll(ctx, writes)
}

// sweepPlace is where a run of the sweep ended that did not read all.
type sweepPlace struct {
	Cursor string `json:"cursor"`
}

// SweepPlace is the cursor with which the sweep of a directory goes on; "" is the start.
func (s *Store) SweepPlace(ctx context.Context, id directory.ID) (string, error) {
	place, _, err := get[sweepPlace](ctx, s, sweepKey(id, placePart, "", ""))
	if fault.Is(err, fault.NotFound) {
		return "", nil
	}
	return place.Cursor, err
}

// PutSweepPlace stores the cursor with which the sweep of a directory goes on.
func (s *Store) PutSweepPlace(ctx context.Context, id directory.ID, cursor string) error {
	key := sweepKey(id, placePart, "", "")
	if cursor == "" {
		return s.table.Delete(ctx, key, Any)
	}
	item, err := encode(key, sweepPlace{cursor})
	if err != nil {
		return err
	}
	_, err = s.table.Put(ctx, item, Any)
	return err
}

// AllDirectories lists all directories that are in use. It leaves damaged records out and logs their keys;
// a record may be some seconds old.
func (s *Store) AllDirectories(ctx context.Context) ([]directory.Directory, error) {
	var all []directory.Directory
	for cursor := ""; ; {
		page, err := s.Directories(ctx, 0, cursor)
		if err != nil {
			return nil, err
		}
		all = append(all, slices.DeleteFunc(page.Items, func(d directory.Directory) bool { return !d.Status.InUse() })...)
		if cursor = page.Cursor; cursor == "" {
			return all, nil
		}
	}
}

// DirectoryIDs lists the ids of all directories, as AllDirectories.
func (s *Store) DirectoryIDs(ctx context.Context) ([]directory.ID, error) {
	all, err := s.AllDirectories(ctx)
	var ids []directory.ID
	for _, d := range all {
		ids = append(ids, d.ID)
	}
	return ids, err
}
