package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// fingerprintBytes is enough to tell apart the queries of people who do not
// forge cursors; against those who do, a twin looks whether the place lies
// within the query, so that nobody sees more than the query allows.
const fingerprintBytes = 8

// fingerprint stands for everything in a query but limit and cursor.
func (q Query) fingerprint() []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %t %t", q.PK, q.SKPrefix, q.Index, q.Backward))
	return sum[:fingerprintBytes]
}

// CursorAt makes the cursor of the page that ends at a place. What a place is,
// each twin decides: its bytes come back from [Query.Place] as they were.
func (q Query) CursorAt(place []byte) string {
	return base64.RawURLEncoding.EncodeToString(append(q.fingerprint(), place...))
}

// Place is where the page before ended, nil when the query has no cursor. A
// cursor of another query is refused with a fault of kind Invalid, and so is a
// place that the twin says is not within the query.
func (q Query) Place(op string, within func(place []byte) bool) ([]byte, error) {
	if q.Cursor == "" {
		return nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	if err != nil || len(raw) < fingerprintBytes || !bytes.Equal(raw[:fingerprintBytes], q.fingerprint()) || !within(raw[fingerprintBytes:]) {
		return nil, invalid(op, "cursor", "the cursor does not belong to this query; start again without one")
	}
	return raw[fingerprintBytes:], nil
}
