package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// fingerprintBytes is enough to distinguish queries unless somebody forges a cursor.
// Against forged cursors an adapter checks that the place is within the query, so that
// nobody sees more than the query allows.
const fingerprintBytes = 8

// fingerprint is a hash of a query without limit and cursor.
func (q Query) fingerprint() []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %t %t", q.PK, q.SKPrefix, q.Index, q.Backward))
	return sum[:fingerprintBytes]
}

// CursorAt returns the cursor of a page that ends at a place. Each adapter chooses the
// format of a place: [Query.Place] returns its bytes unchanged.
func (q Query) CursorAt(place []byte) string {
	return base64.RawURLEncoding.EncodeToString(append(q.fingerprint(), place...))
}

// Place returns the place where the last page ended, nil if the query has no cursor. A
// cursor of another query is refused with a fault of kind Invalid, and so is a place
// that is not within the query.
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
