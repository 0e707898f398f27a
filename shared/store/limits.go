package store

import (
	"fmt"
	"unicode/utf8"

	"entrasync/shared/fault"
)

// The checks of the port's rules and limits. Every adapter makes them first, so that
// all adapters refuse the same input with the same fault of kind Invalid. Op is the
// operation that the fault names.

// invalid returns the fault about input that is over a limit or breaks a rule of the
// port.
func invalid(op, subject, format string, args ...any) error {
	return &fault.Error{Op: op, Kind: fault.Invalid, Subject: subject, Message: fmt.Sprintf(format, args...)}
}

// Size is the size in bytes that MaxItemBytes, MaxPageBytes and MaxTransactBytes limit.
func (i Item) Size() int {
	return len(i.PK) + len(i.SK) + len(i.IndexPK) + len(i.IndexSK) + len(i.Value)
}

// CheckKey refuses a key with a part that is empty, too long or not UTF-8: DynamoDB
// refuses or changes such keys.
func CheckKey(op string, key Key) error {
	if err := checkText(op, "pk", key.PK); err != nil {
		return err
	}
	return checkText(op, "sk", key.SK)
}

func checkText(op, name, text string) error {
	switch {
	case text == "":
		return invalid(op, name, "a key must not be empty")
	case len(text) > MaxKeyBytes:
		return invalid(op, name, "%d bytes are more than the %d a key may have", len(text), MaxKeyBytes)
	case !utf8.ValidString(text):
		return invalid(op, name, "a key must be UTF-8")
	}
	return nil
}

// CheckKeys refuses keys that BatchGet does not accept.
func CheckKeys(op string, keys []Key) error {
	if len(keys) > MaxBatchGet {
		return invalid(op, "", "%d keys are more than the %d of one batch", len(keys), MaxBatchGet)
	}
	seen := make(map[Key]bool, len(keys))
	for _, key := range keys {
		if err := CheckKey(op, key); err != nil {
			return err
		}
		if seen[key] {
			return invalid(op, key.PK, "a key occurs twice")
		}
		seen[key] = true
	}
	return nil
}

// CheckWrites refuses writes that Transact does not accept. A single Put or Delete is a
// transaction of one.
func CheckWrites(op string, writes []Write) error {
	if len(writes) > MaxTransactItems {
		return invalid(op, "", "%d writes are more than the %d of one transaction", len(writes), MaxTransactItems)
	}
	seen, total := make(map[Key]bool, len(writes)), 0
	for _, w := range writes {
		if err := checkWrite(op, w); err != nil {
			return err
		}
		if seen[w.Item.Key] {
			return invalid(op, w.Item.PK, "a key occurs twice")
		}
		seen[w.Item.Key] = true
		total += w.Item.Size()
	}
	if total > MaxTransactBytes {
		return invalid(op, "", "%d bytes are more than the %d of one transaction", total, MaxTransactBytes)
	}
	return nil
}

func checkWrite(op string, w Write) error {
	switch {
	case w.Delete && w.Check:
		return invalid(op, w.Item.PK, "a write is a put, a delete or a check")
	case w.Check && w.If == Any:
		return invalid(op, w.Item.PK, "a check needs a condition")
	case w.If < Any:
		return invalid(op, "condition", "%d is not a version", w.If)
	case w.Delete || w.Check:
		return CheckKey(op, w.Item.Key)
	}
	return checkItem(op, w.Item)
}

func checkItem(op string, item Item) error {
	if err := CheckKey(op, item.Key); err != nil {
		return err
	}
	if item.IndexPK != "" || item.IndexSK != "" {
		if err := checkText(op, "index pk", item.IndexPK); err != nil {
			return err
		}
		if err := checkText(op, "index sk", item.IndexSK); err != nil {
			return err
		}
	}
	if n := item.Size(); n > MaxItemBytes {
		return invalid(op, item.PK, "%d bytes are more than the %d an item may have", n, MaxItemBytes)
	}
	return nil
}

// CheckQuery refuses a query that Query does not accept. [Query.Place] checks the
// cursor.
func CheckQuery(op string, q Query) error {
	if err := checkText(op, "pk", q.PK); err != nil {
		return err
	}
	if q.SKPrefix != "" {
		if err := checkText(op, "sk prefix", q.SKPrefix); err != nil {
			return err
		}
	}
	if q.Limit < 0 {
		return invalid(op, "limit", "%d items cannot be a page", q.Limit)
	}
	return nil
}
