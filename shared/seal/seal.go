// Package seal encrypts a password for a queue or a disk, so that only the function
// that sets the password can open it.
//
// A sealed password is a JSON Web Encryption (RFC 7516) to the public key of an
// [Opener]. Sealing needs no secret. The account, the action and an expiry time are
// encrypted together with the password, and an Opener opens it only for exactly these.
// So a sealed password cannot be used for another account or another action, and it
// expires in a dead-letter queue.
package seal

import (
	"encoding/json"
	"time"

	"github.com/go-jose/go-jose/v4"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// Life is how long a sealed password is valid: longer than a person waits for a password
// to be set.
const Life = time.Hour

// How passwords are sealed (RFC 7518, ECDH-ES with key wrapping, AES-GCM).
const (
	keyAlgorithm      = jose.ECDH_ES_A256KW
	contentEncryption = jose.A256GCM
)

// Purpose is what a password is sealed for. It can be opened for nothing else.
type Purpose struct {
	Directory directory.ID      `json:"directory"`
	User      directory.UserID  `json:"user"`
	Account   directory.EntraID `json:"account"`
	Action    string            `json:"action"` // the id of the action that writes it
}

// claims are the content of a sealed password.
type claims struct {
	Purpose
	Password string `json:"password"`
	Expires  int64  `json:"exp"` // Unix time in seconds, as in a JSON Web Token
}

// Seal encrypts a password for a purpose. public is what [Opener.Public] returned;
// anything else is a fault of kind Invalid. The result is ASCII.
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
