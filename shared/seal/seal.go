// Package seal closes a password so that it can travel through a queue and lie
// on a disk, and only the one who is to use it can open it.
//
// A sealed password is a JSON Web Encryption (RFC 7516) to the public key of an
// [Opener]. Whoever seals needs nothing secret. The password travels together
// with the account and the action that it is for, and with the time until which
// it is good; an Opener gives it out for exactly those, so that a sealed password
// can neither be moved to another account nor be used twice for another action,
// nor lie in wait in a dead-letter queue.
package seal

import (
	"encoding/json"
	"time"

	"github.com/go-jose/go-jose/v4"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// Life is how long a sealed password is good: longer than any queue makes
// somebody wait who is still there.
const Life = time.Hour

// How passwords are sealed (RFC 7518, ECDH-ES with key wrapping, AES-GCM).
const (
	keyAlgorithm      = jose.ECDH_ES_A256KW
	contentEncryption = jose.A256GCM
)

// Purpose is what a password is sealed for. It can be opened for that alone.
type Purpose struct {
	Directory directory.ID      `json:"directory"`
	User      directory.UserID  `json:"user"`
	Account   directory.EntraID `json:"account"`
	Action    string            `json:"action"` // the id of the action that writes it
}

// claims are what lies in a sealed password.
type claims struct {
	Purpose
	Password string `json:"password"`
	Expires  int64  `json:"exp"` // Unix time in seconds, as in a JSON Web Token
}

// Seal closes a password for a purpose. public is what [Opener.Public] gave; one
// that is no such key is a fault of kind Invalid. The result is ASCII.
func Seal(public []byte, password string, purpose Purpose) (string, error) {
	const op = "seal.seal"
	var key jose.JSONWebKey
	if err := key.UnmarshalJSON(public); err != nil || !key.IsPublic() {
		return "", fault.New(fault.Invalid, op, "the key to seal passwords with is not a public key")
	}
	encrypter, err := jose.NewEncrypter(contentEncryption, jose.Recipient{Algorithm: keyAlgorithm, Key: key.Key, KeyID: key.KeyID}, nil)
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, op)
	}
	content, err := json.Marshal(claims{purpose, password, time.Now().Add(Life).Unix()}) //nolint:gosec // it is encrypted two lines below
	if err != nil {
		return "", fault.New(fault.Internal, op, "the password cannot be written as JSON")
	}
	sealed, err := encrypter.Encrypt(content)
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, op)
	}
	compact, err := sealed.CompactSerialize()
	return compact, fault.Wrap(err, fault.Internal, op)
}
