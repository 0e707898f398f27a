package repeated_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/repeated"
)

// The first event of a sort is logged at once, the others once a minute with their number
// and the text of the last one. After a minute without events this begins anew.
func TestWhatIsRepeatedIsSummedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log repeated.Log[string]
		var mu sync.Mutex
		var said []string
		note := func(sort string, times int) {
			for i := range times {
				log.Note(sort, func(count int) {
					mu.Lock()
					defer mu.Unlock()
					said = append(said, fmt.Sprintf("%s %d: %d", sort, i, count))
				})
			}
		}
		expect := func(want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			slices.Sort(said)
			if diff := cmp.Diff(want, said); diff != "" {
				t.Error(diff)
			}
			said = nil
		}
		note("a", 1000)
		note("b", 1)
		expect("a 0: 1", "b 0: 1")
		time.Sleep(time.Minute)
		expect("a 999: 999")
		note("a", 5)
		note("b", 1)
		expect("b 0: 1")
		time.Sleep(time.Minute)
		expect("a 4: 5")
		time.Sleep(time.Hour)
		expect()
		note("a", 1)
		expect("a 0: 1")
	})
}
