package simulate

import (
	"slices"
	"time"
)

// Shrink makes a day that fails shorter as long as it still fails: it drops steps, many at
// once at first, and then shortens the waits. attempts is how often it may ask.
func Shrink(day Day, attempts int, fails func(Day) bool) Day {
	try := func(shorter Day) bool {
		if attempts--; attempts < 0 || !fails(shorter) {
			return false
		}
		day = shorter
		return true
	}
	for size := len(day.Steps) / 2; size > 0; size /= 2 {
		for from := 0; from+size <= len(day.Steps); {
			steps := slices.Clone(day.Steps)
			rest := from + size
			if rest < len(steps) { // what comes after stays at its time
				for _, s := range steps[from:rest] {
					steps[rest].Wait += s.Wait
				}
			}
			if !try(Day{day.Seed, slices.Delete(steps, from, rest)}) {
				from += size
			}
		}
	}
	for i := range day.Steps {
		for _, part := range []time.Duration{0, 10, 2} { // nothing, a tenth or half of the wait
			steps := slices.Clone(day.Steps)
			if steps[i].Wait == 0 {
				break
			}
			if part > 0 {
				steps[i].Wait /= part
			} else {
				steps[i].Wait = 0
			}
			if try(Day{day.Seed, steps}) {
				break
			}
		}
	}
	return day
}
