package jumpcloud

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// identify gives an event an id that every copy of it has:
//   - JumpCloud's id of the event;
//   - else, since a workflow's trigger payload has none, a hash of timestamp,
//     type, objects and changes;
//   - else the id of the alert that carried it;
//   - else a hash of the complete event.
//
// The last two are vague: JumpCloud may collect several events in one open alert, and
// an event that happens twice has the same body both times.
func identify(o object, event Event, alert string) (id string, vague bool) {
	if id := o.text("id"); id != "" {
		return safeID(id), false
	}
	if event.Type != "" && o.text("timestamp") != "" {
		return hashOf([]byte(o.text("timestamp")), []byte(event.Type), canonical(o["resource"]),
			canonical(o["association"]), canonical(o["changes"])), false
	}
	if alert != "" {
		return safeID(alert), true
	}
	body, _ := json.Marshal(o) // sorts the fields; raw values cannot fail
	return hashOf(canonical(body)), true
}

// safeID returns an id that a queue accepts as a de-duplication id, and hashes any
// other.
func safeID(id string) string {
	if key(id) == "" {
		return hashOf([]byte(id))
	}
	return id
}

// canonical writes JSON with sorted fields and without spaces, so that two copies with
// different encodings have the same hash.
func canonical(raw json.RawMessage) []byte {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return nil
	}
	text, _ := json.Marshal(value)
	return text
}

// hashOf hashes the parts with their lengths, so that different lists of parts never
// give the same input.
func hashOf(parts ...[]byte) string {
	hash := sha256.New()
	for _, part := range parts {
		var size [8]byte
		for i := range size {
			size[i] = byte(len(part) >> (8 * i))
		}
		hash.Write(size[:])
		hash.Write(part)
	}
	return "h-" + hex.EncodeToString(hash.Sum(nil)[:16])
}
