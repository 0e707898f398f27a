package seal

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"time"

	"github.com/go-jose/go-jose/v4"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// Opener opens what was sealed with its public key.
type Opener struct {
	key    *ecdsa.PrivateKey
	id     string // RFC 7638 thumbprint of the public key
	public []byte
}

// The key is derived from a secret text, so that any generator of random texts can make
// the secret. minSeed is the shortest text in characters: 22 letters and digits have 128
// bits.
const (
	minSeed   = 22
	keyInfo   = "entrasync: P-256 key that opens sealed passwords"
	wideBytes = 48 // 128 bits more than a key has, so that all keys are equally likely (NIST SP 800-56A, 5.6.1.2.1)
)

// NewOpener makes an opener from a secret text; the same text always makes the same
// opener. A text that is too short to be secret is a fault of kind Invalid.
func NewOpener(seed string) (*Opener, error) {
	const op = "seal.open key"
	if len(seed) < minSeed {
		return nil, fault.New(fault.Invalid, op, "the secret that sealed passwords are opened with is too short: it must be random and have at least 22 letters and digits")
	}
	wide, err := hkdf.Key(sha256.New, []byte(seed), nil, keyInfo, wideBytes)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, op)
	}
	curve := elliptic.P256()
	one := big.NewInt(1)
	scalar := new(big.Int).SetBytes(wide)
	scalar.Mod(scalar, new(big.Int).Sub(curve.Params().N, one)).Add(scalar, one)
	key, err := ecdsa.ParseRawPrivateKey(curve, scalar.FillBytes(make([]byte, curve.Params().BitSize/8)))
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, op)
	}
	public := jose.JSONWebKey{Key: &key.PublicKey, Use: "enc", Algorithm: string(keyAlgorithm)}
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, op)
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	encoded, err := public.MarshalJSON()
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, op)
	}
	return &Opener{key: key, id: public.KeyID, public: encoded}, nil
}

// Public is the key to seal with, a JSON Web Key (RFC 7517). It is no secret.
func (o *Opener) Public() []byte { return o.public }

// Open returns the password that was sealed for a purpose. A sealed password that is for
// another key or another purpose, was changed on the way, or is too old, is a fault of
// kind Invalid with the reason [directory.PasswordUnopened]. [Opener.Fits] reports
// whether the key is another one. No fault contains anything of what was sealed.
func (o *Opener) Open(sealed string, purpose Purpose) (string, error) {
	message, err := parse(sealed)
	if err != nil || message.Header.KeyID != o.id {
		return "", unopened("the password was sealed for another key")
	}
	content, err := message.Decrypt(o.key)
	if err != nil {
		return "", unopened("the sealed password was changed on the way")
	}
	var inside claims
	if json.Unmarshal(content, &inside) != nil || inside.Purpose != purpose {
		return "", unopened("the password was sealed for another account or action")
	}
	if time.Now().Unix() >= inside.Expires {
		return "", unopened("the password waited for too long")
	}
	return inside.Password, nil
}

// Fits reports whether a password was sealed for this key.
func (o *Opener) Fits(sealed string) bool {
	message, err := parse(sealed)
	return err == nil && message.Header.KeyID == o.id
}

// parse reads a sealed password and accepts no algorithm but ours.
func parse(sealed string) (*jose.JSONWebEncryption, error) {
	return jose.ParseEncryptedCompact(sealed, []jose.KeyAlgorithm{keyAlgorithm}, []jose.ContentEncryption{contentEncryption})
}

// unopened makes the fault of a password that cannot be opened.
func unopened(why string) error {
	return &fault.Error{Op: "seal.open", Kind: fault.Invalid, Reason: directory.PasswordUnopened, Message: why + ": set it again"}
}
