package reconcile

import (
	"testing"

	"entrasync/shared/goldentest"
)

// Later versions can read the messages that are in the queues.
func TestTasksKeepTheirFormat(t *testing.T) {
	goldentest.Kept(t, "task", goldentest.Filled[Task]())
	goldentest.Kept(t, "group-task", goldentest.Filled[GroupTask]())
}
