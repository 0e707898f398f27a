package store

import "context"

// The limits of the port. They are those of DynamoDB (Amazon's service quotas), so that
// no code depends on what only a table on one machine allows. Every adapter refuses
// input over a limit with a fault of kind Invalid. DynamoDB counts the names of
// attributes too: itemOverhead is reserved for them, the version and the expiry.
const (
	itemOverhead     = 256
	MaxItemBytes     = 400<<10 - itemOverhead                // pk, sk, index keys and value of one item together
	MaxPageBytes     = 1 << 20                               // one page of a query
	MaxTransactItems = 100                                   // writes in one transaction
	MaxTransactBytes = 4<<20 - MaxTransactItems*itemOverhead // the items of one transaction together
	MaxBatchGet      = 100                                   // keys in one batch get
	MaxKeyBytes      = 1024                                  // a pk, an sk or an index key, the smaller of DynamoDB's two limits
)

// Key names one item. Both parts are UTF-8 and not empty; they are compared
// byte by byte.
type Key struct{ PK, SK string }

// Item is one record in the table.
//
// Version counts the writes to the item: 1 after the first. A conditional write
// compares it; it starts again after a delete. Expires is a Unix time in seconds: from
// then on, readers and conditions see the item as absent (0: never). Its space is freed
// some time later. IndexPK and IndexSK are the item's key in the one index; both empty:
// not in the index; one empty: Invalid.
type Item struct {
	Key
	Version          int64
	Value            []byte
	IndexPK, IndexSK string
	Expires          int64
}

// IfVersion is the condition of a write: the version that the stored item must have.
type IfVersion int64

// The two special conditions. Absent is 0, because an item that does not exist has
// version 0.
const (
	Absent IfVersion = 0
	Any    IfVersion = -1
)

// Write is one write of a transaction: a put of Item, a delete of Item.Key when
// Delete is set, or only a check of the condition when Check is set. Both set,
// or a check of Any, is Invalid.
type Write struct {
	Item   Item
	If     IfVersion
	Delete bool
	Check  bool
}

// Query asks for the items under one partition key, in order of the sort key. With
// Index it reads the index: PK and SKPrefix are then compared with IndexPK and IndexSK.
type Query struct {
	PK       string
	SKPrefix string
	Index    bool
	Backward bool   // in descending order
	Limit    int    // items per page; 0: as many as fit MaxPageBytes
	Cursor   string // from the last page; "" starts; the cursor of another query (Limit aside) is Invalid
}

// Page is one page of a query. Cursor is "" on the last page; a page may be empty and
// still have a cursor. Damaged are the keys of damaged items of the page, which Items
// does not have; only a table on one machine has them. A list for a person goes on
// without them, a decision must not.
type Page struct {
	Items   []Item
	Damaged []Key
	Cursor  string
}

// Table is the port to the one table that has all records.
//
// Get, BatchGet and Query of the table itself see every write that was acknowledged
// before. Query of the index may lag behind on AWS: decide nothing from an absence
// there. All errors are faults: NotFound, Changed if a condition is not true, Invalid
// for input over a limit, Throttled, Transient, and Internal with the reason [Damaged]
// for a damaged item, which only a table on one machine has.
type Table interface {
	// Get reads one item; NotFound if there is none.
	Get(ctx context.Context, key Key) (Item, error)
	// BatchGet reads at most MaxBatchGet items. It leaves out items that do not exist;
	// the order is not that of the keys. No key may occur twice.
	BatchGet(ctx context.Context, keys []Key) ([]Item, error)
	// Put writes the item if the condition is true, and returns the new version.
	// Item.Version is ignored.
	Put(ctx context.Context, item Item, cond IfVersion) (int64, error)
	// Delete removes the item if the condition is true. Under Any it also succeeds if
	// the item does not exist.
	Delete(ctx context.Context, key Key, cond IfVersion) error
	// Query reads one page.
	Query(ctx context.Context, q Query) (Page, error)
	// Transact does all the writes or none. Every condition is compared with the state
	// before. No key may occur twice. An empty list of writes is not an error.
	Transact(ctx context.Context, writes []Write) error
}
