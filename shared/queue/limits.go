package queue

import (
	"fmt"
	"time"
	"unicode/utf8"

	"entrasync/shared/fault"
)

// The checks of the port's limits. Every adapter makes them first, so that all adapters
// refuse the same input with the same fault of kind Invalid. Op is the operation that
// the fault names.

// invalid returns the fault about input that is over a limit.
func invalid(op, subject, format string, args ...any) error {
	return &fault.Error{Op: op, Kind: fault.Invalid, Subject: subject, Message: fmt.Sprintf(format, args...)}
}

// CheckReceive refuses a number of messages that Receive cannot return.
func CheckReceive(op string, limit int) error {
	if limit < 1 || limit > MaxBatch {
		return invalid(op, "", "%d messages are not between 1 and %d", limit, MaxBatch)
	}
	return nil
}

// CheckReceipts refuses more receipts than Delete takes.
func CheckReceipts(op string, receipts []string) error {
	if len(receipts) > MaxBatch {
		return invalid(op, "", "%d receipts are more than the %d of one batch", len(receipts), MaxBatch)
	}
	return nil
}

// CheckPostpone refuses a time that Postpone does not take.
func CheckPostpone(op string, d time.Duration) error {
	if d < 0 || d > MaxVisibility {
		return invalid(op, "", "%s is not between 0 and %s", d, MaxVisibility)
	}
	return nil
}

// CheckMessages refuses messages that Send does not accept.
func CheckMessages(op string, messages []Message) error {
	if len(messages) > MaxBatch {
		return invalid(op, "", "%d messages are more than the %d of one batch", len(messages), MaxBatch)
	}
	total := 0
	for _, m := range messages {
		if err := checkID(op, "group id", m.GroupID); err != nil {
			return err
		}
		if err := checkID(op, "de-duplication id", m.DedupID); err != nil {
			return err
		}
		if err := checkBody(op, m.Body); err != nil {
			return err
		}
		total += len(m.Body)
	}
	if total > MaxBodyBytes {
		return invalid(op, "body", "%d bytes are more than the %d of one message or batch", total, MaxBodyBytes)
	}
	return nil
}

// checkID allows the letters, digits and punctuation of ASCII: all its characters after
// the space and before the delete.
func checkID(op, name, id string) error {
	if id == "" || len(id) > MaxIDChars {
		return invalid(op, name, "%d characters are not between 1 and %d", len(id), MaxIDChars)
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return invalid(op, name, "character %q is not a letter, digit or punctuation", id[i])
		}
	}
	return nil
}

// checkBody allows #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD |
// #x10000 to #x10FFFF (SQS SendMessage, MessageBody).
func checkBody(op string, body []byte) error {
	if len(body) == 0 {
		return invalid(op, "body", "a message must not be empty")
	}
	for rest := body; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 {
			return invalid(op, "body", "a message must be UTF-8")
		}
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return invalid(op, "body", "character %U is not allowed", r)
		}
		rest = rest[size:]
	}
	return nil
}
