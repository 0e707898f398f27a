// Package localtest is what tests need that work with files of this machine.
package localtest

import "os"

// T is a test, of testing or of rapid.
type T interface {
	Helper()
	Fatal(args ...any)
	Error(args ...any)
	Cleanup(func())
}

// Folder is an empty folder that ends with the test. It is in memory where the machine has
// a folder there, so that a test whose subject is not the disk does not wait for one at each
// commit: that is most of the time of such tests.
func Folder(t T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "entrasync-test-")
	if err != nil {
		folder, err = os.MkdirTemp("", "entrasync-test-")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	return folder
}
