package entratest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// random makes all random values. Ids and lag of objects depend only on the seed and
// the object, so that they do not depend on the order in which parallel requests
// arrive.
type random struct {
	seed int64
	mu   sync.Mutex
	rng  *rand.Rand
}

func newRandom(seed int64) *random {
	return &random{seed: seed, rng: rand.New(rand.NewPCG(uint64(seed), 0x5eed))}
}

func (r *random) hash(parts ...string) [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%d\x00%s", r.seed, strings.Join(parts, "\x00")))
}

// uuid is the next GUID of the sequence, for request ids.
func (r *random) uuid() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], r.rng.Uint64())
	binary.LittleEndian.PutUint64(b[8:], r.rng.Uint64())
	return guid(b)
}

// objectID is an id for a new object that no object of the tenant ever had.
func (r *random) objectID(t *tenant, kind, name string) string {
	for n := 0; ; n++ {
		hash := r.hash("id", t.ID, kind, strings.ToLower(name), fmt.Sprint(n))
		id := guid([16]byte(hash[:16]))
		if t.objects[id] == nil {
			return id
		}
	}
}

// lag is how long the object cannot be read.
func (r *random) lag(l Lag, id string) time.Duration {
	if l.Max <= l.Min {
		return l.Min
	}
	hash := r.hash("lag", id)
	return l.Min + time.Duration(binary.LittleEndian.Uint64(hash[:8])%uint64(l.Max-l.Min+1))
}

// shuffle puts n elements into a random order.
func (r *random) shuffle(n int, swap func(i, k int)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rng.Shuffle(n, swap)
}

// guid makes the bytes a version 4 GUID.
func guid(b [16]byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return uuid.UUID(b).String()
}
