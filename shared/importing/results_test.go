package importing_test

import (
	"crypto/sha256"
	"encoding/base64"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/importing"
	"entrasync/shared/store"
)

// A key opens the results of the import that keeps its hash, until its time is over.
func TestOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := func(key string, life time.Duration) store.ImportKey {
			sum := sha256.Sum256([]byte(key))
			return store.ImportKey{Hash: base64.RawURLEncoding.EncodeToString(sum[:]), Until: time.Now().Add(life)}
		}
		two := store.Import{Keys: []store.ImportKey{kept("first", time.Hour), kept("second", 2*time.Hour)}}
		check := func(what string, job store.Import, key string, want bool) {
			t.Helper()
			if got := importing.Opens(job, key); got != want {
				t.Errorf("%s: %t, want %t", what, got, want)
			}
		}
		check("the first key", two, "first", true)
		check("the second key", two, "second", true)
		check("another key", two, "third", false)
		check("no key", two, "", false)
		check("the hash", two, two.Keys[0].Hash, false)
		check("an import without keys", store.Import{}, "first", false)
		check("an import without keys, and no key", store.Import{}, "", false)
		check("an unknown import with an empty hash", store.Import{Keys: []store.ImportKey{{Until: time.Now().Add(time.Hour)}}}, "", false)
		time.Sleep(time.Hour)
		check("the first key when its time is over", two, "first", false)
		check("the second key when the time of the first is over", two, "second", true)
	})
}
