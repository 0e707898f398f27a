package reconcile

import (
	"slices"
	"sync"
	"testing"
)

// An object whose read panicked is not worked on: nothing is known of it, and a user of whom
// nothing is known would seem to be deleted. The others are, and the panic goes on.
func TestAnObjectWhoseReadPanickedIsNotWorkedOn(t *testing.T) {
	var mu sync.Mutex
	var worked []int
	defer func() {
		if cause := recover(); cause != "a defect" {
			t.Errorf("got the panic %v, want that of the read", cause)
		}
		slices.Sort(worked)
		if want := []int{1, 3}; !slices.Equal(worked, want) {
			t.Errorf("worked on %v, want %v", worked, want)
		}
	}()
	inWaves([]int{1, 2, 3}, func(n int) {
		if n == 2 {
			panic("a defect")
		}
	}, func(wave []int) {
		mu.Lock()
		defer mu.Unlock()
		worked = append(worked, wave...)
	})
}
