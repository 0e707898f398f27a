package store

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// actionRetention is how long actions are kept for the audit log: our choice,
// four times as long as JumpCloud keeps its events.
const actionRetention = 360 * 24 * time.Hour

// actionItem is the item of an action: in the partition of its organization, ordered by
// time, and in the index under its directory, where it is unfinished until it is
// completed.
func actionItem(a plan.Action) (Item, error) {
	organization := a.Directory.Organization()
	item, err := encode(Key{PK: join(organizationPart, string(organization), actionPart), SK: a.ID}, a)
	switch a.Status {
	case plan.Started:
		item.setUnfinished(a.Directory, OpenAction, dueAfter)
	case plan.Queued:
		item.setUnfinished(a.Directory, OpenAction, queuedDueAfter)
	default:
		item.IndexPK, item.IndexSK = join(actionPart, string(a.Directory)), a.ID
	}
	item.Expires = a.At.Add(actionRetention).Unix()
	return item, err
}

// Recording is the state of a link with the actions that led to it.
type Recording struct {
	Link    directory.Link
	Group   *directory.GroupLink // instead of Link, for a group
	Actions []plan.Action
}

// writes are the writes of a recording.
func (r Recording) writes() ([]Write, error) {
	item, err := linkItem(r.Link)
	version := r.Link.Version
	if r.Group != nil {
		item, err = groupLinkItem(*r.Group)
		version = r.Group.Version
	}
	if err != nil {
		return nil, err
	}
	writes := []Write{{Item: item, If: IfVersion(version)}}
	for _, a := range r.Actions {
		item, err := actionItem(a)
		if err != nil {
			return nil, err
		}
		writes = append(writes, Write{Item: item, If: Any})
	}
	if r.Group == nil && r.Link.Leaving != nil {
		next, err := nextStep(r.Link)
		if err != nil {
			return nil, err
		}
		writes = append(writes, next)
	}
	if !r.leavesOpen() {
		return writes, nil
	}
	check, err := Check{Directory: r.Link.Directory, User: r.Link.User}.write()
	if r.Group != nil {
		check, err = Check{Directory: r.Group.Directory, Group: r.Group.Group}.write()
	}
	return append(writes, check), err
}

// leavesOpen reports whether the link says that something is left to do which no action
// says: users are to be notified, or it names an action of an earlier recording. A link
// that is parked, held or released may name one for as long as it stays so: the next change
// compares what the action wrote.
func (r Recording) leavesOpen() bool {
	standing, notify := r.Link.Standing, false
	if r.Group != nil {
		standing, notify = r.Group.Standing, r.Group.NotifyPending
	}
	open := standing.OpenActions
	if standing.Status == directory.Parked || standing.Status == directory.Held || standing.Status == directory.Released {
		open = nil
	}
	begun := func(id string) bool {
		return slices.ContainsFunc(r.Actions, func(a plan.Action) bool { return a.ID == id && a.Status == plan.Started })
	}
	return notify || slices.ContainsFunc(open, func(id string) bool { return !begun(id) })
}

// Record writes recordings, each of a different link. Each is written completely or not
// at all. If another writer changed the link, its fault is of kind Changed. Recordings
// share transactions as far as the table allows; if one makes a transaction fail, the
// others are written without it. The faults are in the order of the recordings, nil for
// a recording that was written: the version of its link is then one higher.
func (s *Store) Record(ctx context.Context, recordings ...Recording) []error {
	faults := make([]error, len(recordings))
	var together []int // indexes of the recordings in writes
	var writes []Write
	flush := func() {
		s.transactEach(ctx, recordings, together, writes, faults)
		together, writes = nil, nil
	}
	for i, r := range recordings {
		own, err := r.writes()
		if err != nil {
			faults[i] = err
			continue
		}
		if len(writes)+len(own) > MaxTransactItems {
			flush()
		}
		together, writes = append(together, i), append(writes, own...)
	}
	flush()
	return faults
}

// RecordActions writes actions without a link, for links that another writer changed. The
// links may still name actions that are completed here, so each is to be checked.
func (s *Store) RecordActions(ctx context.Context, actions ...plan.Action) error {
	var writes, checks []Write
	for _, a := range actions {
		item, err := actionItem(a)
		if err != nil {
			return err
		}
		writes = append(writes, Write{Item: item, If: Any})
		if a.Subject.Kind != "user" || !a.Completed() || a.Type == plan.SetPassword {
			continue
		}
		check, err := Check{Directory: a.Directory, User: directory.UserID(a.Subject.ID)}.write()
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(checks, func(w Write) bool { return w.Item.Key == check.Item.Key }) {
			checks = append(checks, check)
		}
	}
	if err := s.transactAll(ctx, checks); err != nil {
		return err
	}
	return s.table.Transact(ctx, writes)
}

// transactEach writes some recordings in one transaction or, if it is refused because
// of one of them, each in its own.
func (s *Store) transactEach(ctx context.Context, recordings []Recording, together []int, writes []Write, faults []error) {
	if len(together) == 0 {
		return
	}
	err := s.table.Transact(ctx, writes)
	spoilt := fault.Is(err, fault.Changed) || fault.Is(err, fault.Invalid)
	if len(together) == 1 || !spoilt {
		for _, i := range together {
			faults[i] = err
		}
		return
	}
	for _, i := range together {
		own, err := recordings[i].writes()
		if err == nil {
			err = s.table.Transact(ctx, own)
		}
		faults[i] = err
	}
}

// Actions lists the actions of a directory, completed or not, newest first. It reads those
// of the whole organization, so a page may be short, or empty, and still have a cursor.
func (s *Store) Actions(ctx context.Context, id directory.ID, limit int, cursor string) (List[plan.Action], error) {
	all, err := list[plan.Action](ctx, s, Query{PK: join(organizationPart, string(id.Organization()), actionPart), Backward: true, Limit: limit, Cursor: cursor})
	all.Items = slices.DeleteFunc(all.Items, func(a plan.Action) bool { return a.Directory != id })
	return all, err
}

// Action reads one action; NotFound if there is none.
func (s *Store) Action(ctx context.Context, organization directory.OrganizationID, id string) (plan.Action, error) {
	a, _, err := get[plan.Action](ctx, s, Key{PK: join(organizationPart, string(organization), actionPart), SK: id})
	return a, missing(err, "action", id)
}
