package world_test

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain collects garbage less often. The heap of a world is small, so that by default
// it is collected many times a second, which costs a tenth of all time.
func TestMain(m *testing.M) {
	const percent = 400
	debug.SetGCPercent(percent)
	os.Exit(m.Run())
}
