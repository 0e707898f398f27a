package reconcile

import (
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
)

// Lanes are the queues of tasks. The live lanes are for what somebody just did and
// sees, the bulk lanes for what concerns many.
type Lanes struct {
	UsersLive, UsersBulk, GroupsLive, GroupsBulk queue.Sender
}

// Check returns a fault that names the first lane that is missing.
func (l Lanes) Check() error {
	return fault.Missing("reconcile.new",
		fault.Part{Name: "Lanes.UsersLive", There: l.UsersLive != nil}, fault.Part{Name: "Lanes.UsersBulk", There: l.UsersBulk != nil},
		fault.Part{Name: "Lanes.GroupsLive", There: l.GroupsLive != nil}, fault.Part{Name: "Lanes.GroupsBulk", There: l.GroupsBulk != nil})
}

// Users is the lane for the tasks of users that a cause makes: the bulk lane if it
// concerns many, so that they delay no other task.
func (l Lanes) Users(cause plan.Cause) queue.Sender {
	if cause.Many {
		return l.UsersBulk
	}
	return l.UsersLive
}

// Groups is the lane for the tasks of groups that a cause makes.
func (l Lanes) Groups(cause plan.Cause) queue.Sender {
	if cause.Many {
		return l.GroupsBulk
	}
	return l.GroupsLive
}
