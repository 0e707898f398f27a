package jumpcloudtest

import (
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"time"
)

// idMaker makes ids in JumpCloud's form, 24 hex digits: the time in seconds, a random
// part, and a counter. So ids sort by the time of their creation.
type idMaker struct {
	own   [5]byte
	count uint32
}

func newIDMaker(seed uint64) idMaker {
	random := rand.New(rand.NewPCG(seed, 2))
	var m idMaker
	for i := range m.own {
		m.own[i] = byte(random.Uint32())
	}
	return m
}

// next makes an id that has not been made before.
func (m *idMaker) next(now time.Time) string {
	m.count++
	at := uint32(now.Unix())
	raw := append([]byte{byte(at >> 24), byte(at >> 16), byte(at >> 8), byte(at)}, m.own[:]...)
	return hex.EncodeToString(append(raw, byte(m.count>>16), byte(m.count>>8), byte(m.count)))
}

// saw keeps next from making an id that the journal already has.
func (m *idMaker) saw(id string) {
	raw, err := hex.DecodeString(id)
	if err != nil || len(raw) != 12 {
		return
	}
	m.count = max(m.count, uint32(raw[9])<<16|uint32(raw[10])<<8|uint32(raw[11]))
}

// isObjectID reports whether id has the form of JumpCloud's ids.
func isObjectID(id string) bool {
	return len(id) == 24 && strings.Trim(id, "0123456789abcdefABCDEF") == ""
}
