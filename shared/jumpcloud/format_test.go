package jumpcloud_test

import (
	"testing"

	"entrasync/shared/goldentest"
	"entrasync/shared/jumpcloud"
)

// What stands in the queue of changes is understood by the versions that follow.
func TestChangesKeepTheirFormat(t *testing.T) {
	goldentest.Kept(t, "change", goldentest.Filled[jumpcloud.Change]())
}
