package reconcile

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// An object whose read panicked is not worked on: nothing was read of it, and it would
// look as if it were gone. The others are, and the caller learns of the panic.
func TestWhatPanicsIsNotWorkedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var worked []string
		defer func() {
			if cause := recover(); cause != "broken" {
				t.Errorf("the caller gets %v, want the panic", cause)
			}
			slices.Sort(worked)
			if want := []string{"ann", "cid"}; !slices.Equal(worked, want) {
				t.Errorf("worked on %v, want %v", worked, want)
			}
		}()
		inWaves([]string{"ann", "bob", "cid"}, func(name string) {
			if name == "bob" {
				panic("broken")
			}
		}, func(names []string) {
			mu.Lock()
			defer mu.Unlock()
			worked = append(worked, names...)
		})
	})
}
