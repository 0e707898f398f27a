package admin_test

import (
	"testing"

	"entrasync/shared/directory"
)

// A connection is ended while the queue is down: the same request again sends the task,
// until the account is released. Then there is nothing left to end.
func TestADisconnectIsRepeatedUntilItIsDone(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	users, groups := "/v1/directories/"+id+"/connections/users/"+ann, "/v1/directories/"+id+"/connections/groups/"+engineering
	down := f.api
	down.Lanes.UsersLive, down.Lanes.GroupsLive = downQueue{}, downQueue{}
	for _, path := range []string{users, groups} {
		if status, got := f.call("PUT", path, ""); status != 202 {
			t.Fatalf("PUT %s: %d %v, want 202", path, status, got)
		}
		f.serve(down)
		if status, got := f.call("DELETE", path, ""); status != 503 {
			t.Fatalf("while the queue is down: DELETE %s: %d %v, want 503", path, status, got)
		}
		f.serve(f.api)
		if status, got := f.call("DELETE", path, ""); status != 202 {
			t.Errorf("DELETE %s again: %d %v, want 202", path, status, got)
		}
	}
	if tasks, groupTasks := f.tasks(f.live), f.groupTasks(f.groupsLive); len(tasks) != 1 || tasks[0].User != ann || len(groupTasks) != 1 || groupTasks[0].Group != engineering {
		t.Errorf("tasks %+v and %+v, want one for %s and one for %s", tasks, groupTasks, ann, engineering)
	}
	f.link(id, ann, func(l *directory.Link) { l.Status = directory.Released })
	f.groupLink(id, engineering, func(l *directory.GroupLink) { l.Status = directory.Released })
	for _, path := range []string{users, groups} {
		if status, got := f.call("DELETE", path, ""); status != 404 {
			t.Errorf("DELETE %s of what is released: %d %v, want 404", path, status, got)
		}
	}
}
