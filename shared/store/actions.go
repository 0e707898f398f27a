package store

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// actionRetention is how long actions are kept for the audit log: our choice,
// four times as long as JumpCloud keeps its events.
const actionRetention = 360 * 24 * time.Hour

// actionItem is the item of an action: under its organization in order of time,
// and listed under its directory.
func actionItem(a plan.Action) (Item, error) {
	organization := a.Directory.Organization()
	item, err := encode(Key{PK: join(organizationPart, string(organization), actionPart), SK: a.ID}, a)
	item.IndexPK, item.IndexSK = join(actionPart, string(a.Directory)), a.ID
	item.Expires = a.At.Add(actionRetention).Unix()
	return item, err
}

// Record keeps the state of a link together with the actions that brought it
// there, all or nothing, provided nobody else changed the link; otherwise the
// fault is of kind Changed. It returns the link with its new version.
func (s *Store) Record(ctx context.Context, link directory.Link, actions ...plan.Action) (directory.Link, error) {
	item, err := linkItem(link)
	if err != nil {
		return link, err
	}
	writes := []Write{{Item: item, If: IfVersion(link.Version)}}
	for _, a := range actions {
		item, err := actionItem(a)
		if err != nil {
			return link, err
		}
		writes = append(writes, Write{Item: item, If: Any})
	}
	if err := s.table.Transact(ctx, writes); err != nil {
		return link, err
	}
	link.Version++
	return link, nil
}

// Actions lists the actions of a directory, newest first.
func (s *Store) Actions(ctx context.Context, id directory.ID, limit int, cursor string) (List[plan.Action], error) {
	return list[plan.Action](ctx, s, Query{PK: join(actionPart, string(id)), Index: true, Backward: true, Limit: limit, Cursor: cursor})
}

// Action reads one action; NotFound if there is none.
func (s *Store) Action(ctx context.Context, organization directory.OrganizationID, id string) (plan.Action, error) {
	a, _, err := get[plan.Action](ctx, s, Key{PK: join(organizationPart, string(organization), actionPart), SK: id})
	return a, missing(err, "action", id)
}
