package admin_test

import (
	"fmt"
	"testing"
	"time"

	"entrasync/shared/crowd"
	"entrasync/shared/directory"
)

// Of many requests for single users or groups, the first few go to the live lane and the
// others to the bulk lane. Other directories, and users and groups, are counted apart.
func TestManyRequestsGoToTheBulkLane(t *testing.T) {
	const many = crowd.Few + 5
	f := newFixture(t)
	id := f.directory("{}")
	dir, now := directory.ID(id), time.Now().UTC()
	for i := range many {
		if err := f.records.Connect(t.Context(), dir, directory.UserID(object(i)), directory.Direct, now); err != nil {
			t.Fatal(err)
		}
		if _, err := f.records.ConnectGroup(t.Context(), dir, directory.GroupID(object(i)), directory.Direct, now); err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range []string{"users", "groups"} {
		for i := range many {
			path := "/v1/directories/" + id + "/connections/" + kind + "/" + object(i)
			if status, got := f.call("DELETE", path, ""); status != 202 {
				t.Fatalf("DELETE %s: %d %v, want 202", path, status, got)
			}
		}
	}
	live, bulk := f.tasks(f.live), f.tasks(f.bulk)
	if len(live) != crowd.Few || len(bulk) != many-crowd.Few {
		t.Errorf("users: %d tasks in the live lane and %d in the bulk lane, want %d and %d", len(live), len(bulk), crowd.Few, many-crowd.Few)
	}
	for _, task := range bulk {
		if !task.Cause.Many || !task.Cause.Requested {
			t.Errorf("the cause of a task in the bulk lane is %+v, want one that is requested and concerns many", task.Cause)
		}
	}
	groupsLive, groupsBulk := f.groupTasks(f.groupsLive), f.groupTasks(f.groupsBulk)
	if len(groupsLive) != crowd.FewGroups || len(groupsBulk) != many-crowd.FewGroups {
		t.Errorf("groups: %d tasks in the live lane and %d in the bulk lane, want %d and %d", len(groupsLive), len(groupsBulk), crowd.FewGroups, many-crowd.FewGroups)
	}
}

// object is the id of the nth user or group.
func object(n int) string { return fmt.Sprintf("64a1b2c3d4e5f6071829%04x", n) }
