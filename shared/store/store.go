// Package store keeps the records of entrasync (organizations, directories,
// connections, links, owners and actions) in one table.
//
// [Table] is the port to that table; the records are written once, here, on top
// of it. Every key starts with the organization, so that one deployment serves
// many, and all that is known of one user lies under one partition key, so that
// one read answers which directories a user is in. A record that two writers
// may change at once carries the version of its item, and a write with an old
// version is refused with a fault of kind Changed.
package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// Store reads and writes records.
type Store struct{ table Table }

// New makes a store on a table.
func New(table Table) *Store { return &Store{table: table} }

// The names that keys are made of, each for one thing. "#" separates the parts; it
// occurs in none of the ids.
const (
	organizationPart = "O"
	directoryPart    = "D"
	userPart         = "U"
	connectionPart   = "C"
	linkPart         = "L"
	actionPart       = "A"
	tenantPart       = "T"
	entraPart        = "E"
	passwordPart     = "P"
	groupPart        = "G"
	memberPart       = "M"
	dirtyPart        = "X"
	withinPart       = "N"
	noticePart       = "R"
	leasePart        = "B"
	doubtPart        = "Q"
	waitPart         = "W"
)

// join makes a key of parts.
func join(parts ...string) string { return strings.Join(parts, "#") }

// organizationPK holds an organization and its directories.
func organizationPK(id directory.OrganizationID) string { return join(organizationPart, string(id)) }

// userPK holds the connections and links of one user.
func userPK(organization directory.OrganizationID, user directory.UserID) string {
	return join(organizationPart, string(organization), userPart, string(user))
}

// encode makes the item of a record.
func encode(key Key, record any) (Item, error) {
	value, err := json.Marshal(record)
	if err != nil {
		return Item{}, fault.Wrap(err, fault.Internal, "store.encode "+key.SK)
	}
	return Item{Key: key, Value: value}, nil
}

// decode reads the record of an item.
func decode[T any](item Item) (T, error) {
	var record T
	if err := json.Unmarshal(item.Value, &record); err != nil {
		return record, DamagedRecord("store.decode", item.Key, err)
	}
	return record, nil
}

// get reads one record and the version of its item.
func get[T any](ctx context.Context, s *Store, key Key) (T, int64, error) {
	item, err := s.table.Get(ctx, key)
	if err != nil {
		var none T
		return none, 0, err
	}
	record, err := decode[T](item)
	return record, item.Version, err
}

// add keeps a record that is not there yet; Changed if there is one. A table in a cloud
// may keep a record, lose the answer and be asked again: what is there is then this
// very record. No two writers add the same: such records hold a time or an id of their
// own.
func (s *Store) add(ctx context.Context, item Item) error {
	_, err := s.table.Put(ctx, item, Absent)
	if !fault.Is(err, fault.Changed) {
		return err
	}
	if there, readErr := s.table.Get(ctx, item.Key); readErr == nil && bytes.Equal(there.Value, item.Value) {
		return nil
	}
	return err
}

// List is one page of records; Cursor is "" on the last page.
type List[T any] struct {
	Items   []T
	Cursor  string
	LeftOut int // records of the page that cannot be read
}

// list reads one page of records, for people to read: a record that cannot be read
// is left out and said in the log by its key.
func list[T any](ctx context.Context, s *Store, q Query) (List[T], error) {
	page, err := s.table.Query(ctx, q)
	if err != nil {
		return List[T]{}, err
	}
	for _, key := range page.Damaged {
		leftOut(ctx, key, nil)
	}
	records := make([]T, 0, len(page.Items))
	for _, item := range page.Items {
		record, err := decode[T](item)
		if err != nil {
			leftOut(ctx, item.Key, err)
			continue
		}
		records = append(records, record)
	}
	return List[T]{Items: records, Cursor: page.Cursor, LeftOut: len(page.Damaged) + len(page.Items) - len(records)}, nil
}

// missing turns the NotFound of a table into one that names the thing.
func missing(err error, what, id string) error {
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	return &fault.Error{Op: "store", Kind: fault.NotFound, Subject: id, Message: fmt.Sprintf("there is no %s %s", what, id)}
}

// each calls add with every item of a query, for decisions: an item that cannot be
// read is a fault, as what is not seen is taken for absent.
func (s *Store) each(ctx context.Context, q Query, add func(Item) error) error {
	for {
		page, err := s.table.Query(ctx, q)
		if err != nil {
			return err
		}
		for _, key := range page.Damaged {
			return DamagedRecord("store", key, nil)
		}
		for _, item := range page.Items {
			if err := add(item); err != nil {
				return err
			}
		}
		if q.Cursor = page.Cursor; q.Cursor == "" {
			return nil
		}
	}
}
