package boltfile

import (
	"context"
	"time"

	"go.etcd.io/bbolt"
)

// ownBucket is the bucket of this package, and what is in it.
const (
	ownBucket   = "boltfile"
	identityKey = "identity"
	probeKey    = "probe"
)

// Identity is what [File.SetIdentity] gave the file, "" if it never did. Files that
// belong together have the same.
func (f *File) Identity(ctx context.Context) (identity string, err error) {
	err = f.View(ctx, func(tx *bbolt.Tx) error {
		identity = IdentityIn(tx)
		return nil
	})
	return identity, err
}

// IdentityIn is the identity of the file that a transaction reads, "" if it has none.
func IdentityIn(tx *bbolt.Tx) string {
	own := tx.Bucket([]byte(ownBucket))
	if own == nil { // a file of before there were identities
		return ""
	}
	return string(own.Get([]byte(identityKey)))
}

// SetIdentity gives the file an identity.
func (f *File) SetIdentity(ctx context.Context, identity string) error {
	return f.put(ctx, identityKey, identity)
}

// Probe writes something of no meaning, to find out whether the file can be
// written.
func (f *File) Probe(ctx context.Context) error {
	return f.put(ctx, probeKey, time.Now().UTC().Format(time.RFC3339Nano))
}

func (f *File) put(ctx context.Context, key, value string) error {
	return f.Update(ctx, func(tx *bbolt.Tx) error { return tx.Bucket([]byte(ownBucket)).Put([]byte(key), []byte(value)) }, nil)
}
