package simulate

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
)

// trouble is a kind of fault that strikes calls.
type trouble string

// The troubles.
const (
	deaths   trouble = "deaths"   // the process dies before or after the call
	lost     trouble = "lost"     // a request is served, and the answer is lost
	hangs    trouble = "hangs"    // a request is never answered, whether it was served or not
	refused  trouble = "refused"  // an outside system answers that it is busy
	refusing trouble = "refusing" // a queue takes no message, or takes it and does not say so
	again    trouble = "again"    // a message that was handled comes again
	slow     trouble = "slow"     // what JumpCloud read is seconds old when it arrives
	late     trouble = "late"     // a request is served seconds later, also if nobody waits for the answer any more
)

// rates are how many of 1,000 calls a trouble strikes, by level less one.
var rates = map[trouble][3]int{
	deaths: {1, 3, 8}, lost: {5, 20, 60}, hangs: {1, 3, 6}, refused: {5, 20, 80}, refusing: {5, 20, 60}, again: {10, 40, 120},
	slow: {50, 200, 500}, late: {20, 80, 200},
}

// weather decides which calls a trouble strikes. It depends on the seed, on what is called
// and on how often that was called before, so that another order of calls to other things
// changes nothing.
type weather struct {
	seed  uint64
	mu    sync.Mutex
	level map[trouble]int
	calls map[string]uint64
	// secrets are the passwords that were sent to Entra.
	secrets []string
}

func newWeather(seed uint64) *weather {
	return &weather{seed: seed, level: map[trouble]int{}, calls: map[string]uint64{}}
}

// set sets the level of a trouble: 0 for none, 3 at most.
func (w *weather) set(t trouble, level int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.level[t] = level
}

// calm ends all trouble.
func (w *weather) calm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.level)
}

// strikes reports whether a trouble strikes a call.
func (w *weather) strikes(t trouble, call string) bool {
	const all = 1000
	w.mu.Lock()
	level := w.level[t]
	w.mu.Unlock()
	return level > 0 && w.number(string(t)+" "+call, all) < rates[t][level-1]
}

// number is a number below most, another one for each call.
func (w *weather) number(call string, most int) int {
	w.mu.Lock()
	w.calls[call]++
	n := w.calls[call]
	w.mu.Unlock()
	hash := fnv.New64a()
	_, _ = fmt.Fprint(hash, call) // a hash takes everything
	_, _ = hash.Write(binary.LittleEndian.AppendUint64(nil, n))
	return rand.New(rand.NewPCG(w.seed, hash.Sum64())).IntN(most) //nolint:gosec // a simulation must repeat itself
}
