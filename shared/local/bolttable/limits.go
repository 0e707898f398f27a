package bolttable

import (
	"fmt"
	"unicode/utf8"

	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// invalid is the refusal of what is over a limit or against a rule of the port.
func invalid(op, subject, format string, args ...any) error {
	return &fault.Error{Op: op, Kind: fault.Invalid, Subject: subject, Message: fmt.Sprintf(format, args...)}
}

// checkText refuses what DynamoDB refuses or would change in a key.
func checkText(op, name, text string) error {
	switch {
	case text == "":
		return invalid(op, name, "a key must not be empty")
	case len(text) > store.MaxKeyBytes:
		return invalid(op, name, "%d bytes are more than the %d a key may have", len(text), store.MaxKeyBytes)
	case !utf8.ValidString(text):
		return invalid(op, name, "a key must be UTF-8")
	}
	return nil
}

func checkKey(op string, key store.Key) error {
	if err := checkText(op, "pk", key.PK); err != nil {
		return err
	}
	return checkText(op, "sk", key.SK)
}

func checkCondition(op string, cond store.IfVersion) error {
	if cond < store.Any {
		return invalid(op, "condition", "%d is not a version", cond)
	}
	return nil
}

// size is what counts against MaxItemBytes and MaxPageBytes.
func size(item store.Item) int {
	return len(item.PK) + len(item.SK) + len(item.IndexPK) + len(item.IndexSK) + len(item.Value)
}

func checkItem(op string, item store.Item) error {
	if err := checkKey(op, item.Key); err != nil {
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
	if n := size(item); n > store.MaxItemBytes {
		return invalid(op, item.PK, "%d bytes are more than the %d an item may have", n, store.MaxItemBytes)
	}
	return nil
}

func checkKeys(op string, keys []store.Key) error {
	if len(keys) > store.MaxBatchGet {
		return invalid(op, "", "%d keys are more than the %d of one batch", len(keys), store.MaxBatchGet)
	}
	seen := make(map[store.Key]bool, len(keys))
	for _, key := range keys {
		if err := checkKey(op, key); err != nil {
			return err
		}
		if seen[key] {
			return invalid(op, key.PK, "a key occurs twice")
		}
		seen[key] = true
	}
	return nil
}

func checkWrites(op string, writes []store.Write) error {
	if len(writes) > store.MaxTransactItems {
		return invalid(op, "", "%d writes are more than the %d of one transaction", len(writes), store.MaxTransactItems)
	}
	seen, total := make(map[store.Key]bool, len(writes)), 0
	for _, w := range writes {
		if err := checkWrite(op, w); err != nil {
			return err
		}
		if seen[w.Item.Key] {
			return invalid(op, w.Item.PK, "a key occurs twice")
		}
		seen[w.Item.Key] = true
		total += size(w.Item)
	}
	if total > store.MaxTransactBytes {
		return invalid(op, "", "%d bytes are more than the %d of one transaction", total, store.MaxTransactBytes)
	}
	return nil
}

func checkWrite(op string, w store.Write) error {
	switch {
	case w.Delete && w.Check:
		return invalid(op, w.Item.PK, "a write is a put, a delete or a check")
	case w.Check && w.If == store.Any:
		return invalid(op, w.Item.PK, "a check needs a condition")
	}
	if err := checkCondition(op, w.If); err != nil {
		return err
	}
	if w.Delete || w.Check {
		return checkKey(op, w.Item.Key)
	}
	return checkItem(op, w.Item)
}

func checkQuery(op string, q store.Query) error {
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
