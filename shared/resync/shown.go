package resync

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"slices"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// shown is which objects a complete list showed: a hash of each, sorted. In a tenant with a
// million accounts that are 8 MB. An object that is gone and has the hash of another one is
// overlooked; a task finds that out some other day.
type shown struct{ hashes []uint64 }

// hashOf is the hash of an id.
func hashOf(id directory.EntraID) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(sameID(id))) // never fails
	return h.Sum64()
}

// hashesOf are the hashes of ids.
func hashesOf(ids []directory.EntraID) []uint64 {
	hashes := make([]uint64, len(ids))
	for i, id := range ids {
		hashes[i] = hashOf(id)
	}
	return hashes
}

// partOf is the part with some hashes.
func partOf(hashes []uint64) store.ShownPart {
	bytes := make([]byte, 0, 8*len(hashes))
	for _, hash := range hashes {
		bytes = binary.BigEndian.AppendUint64(bytes, hash)
	}
	return store.ShownPart{Hashes: base64.StdEncoding.EncodeToString(bytes)}
}

// readShown reads all parts.
func readShown(ctx context.Context, records *store.Store, job string, of store.Tracked) (*shown, error) {
	s := &shown{}
	var broken error
	err := records.EachShown(ctx, job, of, func(part store.ShownPart) {
		bytes, err := base64.StdEncoding.DecodeString(part.Hashes)
		if err != nil {
			broken = fault.Wrap(err, fault.Internal, "resync.read shown")
		}
		for ; len(bytes) >= 8; bytes = bytes[8:] {
			s.hashes = append(s.hashes, binary.BigEndian.Uint64(bytes))
		}
	})
	slices.Sort(s.hashes)
	if err == nil {
		err = broken
	}
	return s, err
}

// has reports whether there is a hash.
func (s *shown) has(hash uint64) bool {
	_, found := slices.BinarySearch(s.hashes, hash)
	return found
}
