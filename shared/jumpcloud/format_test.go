package jumpcloud_test

import (
	"testing"

	"entrasync/shared/goldentest"
	"entrasync/shared/jumpcloud"
)

// Changes in the queue can be read by later versions.
func TestChangesKeepTheirFormat(t *testing.T) {
	goldentest.Kept(t, "change", goldentest.Filled[jumpcloud.Change]())
}
