// Package store keeps the records of entrasync (organizations, directories,
// connections, links, owners and actions) in one table.
//
// [Table] is the port to that table; this package maps records to its items. Most keys
// start with the organization, so that one deployment serves many. All records of one
// user are under one partition key, so that one query returns all directories of the
// user. A record that two writers may change at once has the version of its item, and a
// write with an old version is refused with a fault of kind Changed.
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

// The parts of keys, one for each kind of record. "#" separates the parts; no id
// contains it.
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
	unfinishedPart   = "F"
	sweepPart        = "S"
	listPart         = "I"
	strandedPart     = "Z"
	importedPart     = "Y"
	importPart       = "J"
	jobPart          = "JB"
	changesPart      = "JC"
	catchUpPart      = "H"
	seenPart         = "V"
	credentialPart   = "K"
	excludedPart     = "EX"
	waitingPart      = "SU"
	healthPart       = "HL"
	guardPart        = "GD"

	authorizationPart = "AU"
)

// join makes a key of parts.
func join(parts ...string) string { return strings.Join(parts, "#") }

// organizationPK is the partition key of an organization and its directories.
func organizationPK(id directory.OrganizationID) string { return join(organizationPart, string(id)) }

// userPK is the partition key of the connections and links of one user.
func userPK(organization directory.OrganizationID, user directory.UserID) string {
	return join(organizationPart, string(organization), userPart, string(user))
}

// encode returns the item of a record.
func encode(key Key, record any) (Item, error) {
	value, err := json.Marshal(record)
	if err != nil {
		return Item{}, fault.Wrap(err, fault.Internal, "store.encode "+key.SK)
	}
	return Item{Key: key, Value: value}, nil
}

// decode returns the record of an item.
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

// add writes a record that does not exist yet; Changed if it exists. In a cloud a write
// may succeed, its answer get lost and the client repeat it: then add finds its own
// record, which is no fault. Two writers never add equal records, because each record
// has a time or an id of its own.
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
	LeftOut int // damaged records of the page
}

// list reads one page of records for people. It leaves damaged records out and logs
// their keys.
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

// missing turns the NotFound of a table into one that names what is missing.
func missing(err error, what, id string) error {
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	return &fault.Error{Op: "store", Kind: fault.NotFound, Subject: id, Message: fmt.Sprintf("there is no %s %s", what, id)}
}

// each calls add with every item of a query, for decisions. A damaged item is a fault,
// because a decision would treat a skipped item as absent.
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
