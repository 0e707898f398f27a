package boltfile

import (
	"context"
	"errors"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
)

// ownBucket is the bucket of this package, and the keys in it.
const (
	ownBucket     = "boltfile"
	identityKey   = "identity"
	generationKey = "generation"
	probeKey      = "probe"
)

// Identity is the identity that [File.SetIdentity] stored, "" if there is none. Files that
// belong together have the same identity.
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
	if own == nil { // a file of a version without identities
		return ""
	}
	return string(own.Get([]byte(identityKey)))
}

// SetIdentity gives the file an identity.
func (f *File) SetIdentity(ctx context.Context, identity string) error {
	return f.put(ctx, identityKey, identity)
}

// Generation is the last generation that [File.SetGeneration] stored, 0 if there is none.
func (f *File) Generation(ctx context.Context) (generation uint64, err error) {
	err = f.View(ctx, func(tx *bbolt.Tx) error {
		generation = GenerationIn(tx)
		return nil
	})
	return generation, err
}

// GenerationIn is the generation of the file that a transaction reads, 0 if it has
// none.
func GenerationIn(tx *bbolt.Tx) uint64 {
	own := tx.Bucket([]byte(ownBucket))
	if own == nil {
		return 0
	}
	generation, err := strconv.ParseUint(string(own.Get([]byte(generationKey))), 10, 64)
	if err != nil {
		return 0
	}
	return generation
}

// SetGeneration gives the file a generation.
func (f *File) SetGeneration(ctx context.Context, generation uint64) error {
	return f.put(ctx, generationKey, strconv.FormatUint(generation, 10))
}

// IdentityOf is the identity of a file that is not open. Unlike [Read] it does not check
// the complete file. A file that cannot be read is an error.
func IdentityOf(path string) (identity string, err error) {
	db, err := bbolt.Open(path, ownerOnly, &bbolt.Options{ReadOnly: true, Timeout: lockPatience})
	if err != nil {
		return "", refused(path, err)
	}
	f := &File{db: db, path: path}
	identity, err = f.Identity(context.Background())
	return identity, errors.Join(err, f.Close())
}

// Probe writes a value that nothing reads, to find out whether the file can be written.
func (f *File) Probe(ctx context.Context) error {
	return f.put(ctx, probeKey, time.Now().UTC().Format(time.RFC3339Nano))
}

func (f *File) put(ctx context.Context, key, value string) error {
	return f.Update(ctx, func(tx *bbolt.Tx) error { return tx.Bucket([]byte(ownBucket)).Put([]byte(key), []byte(value)) }, nil)
}
