package reconcile

import (
	"testing"

	"entrasync/shared/goldentest"
)

// What stands in the queues is understood by the versions that follow.
func TestTasksKeepTheirFormat(t *testing.T) {
	goldentest.Kept(t, "task", goldentest.Filled[Task]())
	goldentest.Kept(t, "group-task", goldentest.Filled[GroupTask]())
}
