package store_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// both joins two tasks as texts.
func both(kept, added store.Waiting) (store.Waiting, error) {
	kept.Task = json.RawMessage(strings.TrimSuffix(string(kept.Task), `"`) + strings.TrimPrefix(string(added.Task), `"`))
	return kept, nil
}

// waitingFor is the task of a user that waits.
func waitingFor(user, task string) store.Waiting {
	return store.Waiting{Directory: directory.NewID("org", "main"), Kind: plan.OfUser, ID: user, Scope: directory.Everything, Task: json.RawMessage(`"` + task + `"`)}
}

// waits lists the tasks that wait.
func waits(t *testing.T, s *store.Store) []store.Waiting {
	t.Helper()
	var all []store.Waiting
	for cursor := ""; ; {
		page, err := s.WaitingTasks(t.Context(), directory.NewID("org", "main"), 2, cursor)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Items...)
		if cursor = page.Cursor; cursor == "" {
			return all
		}
	}
}

func TestTasksOfOneUserWaitTogetherAndUrgentOnesFirst(t *testing.T) {
	s := open(t)
	urgent := waitingFor("zoe", "u")
	urgent.Urgent = true
	for _, w := range []store.Waiting{waitingFor("ann", "a"), waitingFor("zoe", "z"), waitingFor("ann", "b"), urgent} {
		if err := s.AddWaiting(t.Context(), w, both); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, w := range waits(t, s) {
		got = append(got, w.ID+string(w.Task))
	}
	if want := `zoe"u" ann"ab" zoe"z"`; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}

// Who sent a task deletes nothing that was added meanwhile, whoever else sends and deletes
// what waits.
func TestATaskThatIsAddedWhileOthersAreSentStays(t *testing.T) {
	s := open(t)
	add := func(task string) {
		t.Helper()
		if err := s.AddWaiting(t.Context(), waitingFor("ann", task), both); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(sent []store.Waiting) {
		t.Helper()
		if err := s.RemoveWaiting(t.Context(), sent...); err != nil {
			t.Fatal(err)
		}
	}
	add("a")
	one, other := waits(t, s), waits(t, s)
	remove(one)
	add("b")
	remove(other)
	if left := waits(t, s); len(left) != 1 || string(left[0].Task) != `"b"` {
		t.Errorf("after another one deleted: %v, want b", left)
	}
	read := waits(t, s)
	add("c")
	remove(read)
	if left := waits(t, s); len(left) != 1 || string(left[0].Task) != `"bc"` {
		t.Errorf("after it was joined: %v, want bc", left)
	}
}

func TestManyWorkersAddTasksOfOneUser(t *testing.T) {
	s := open(t)
	var workers sync.WaitGroup
	for i := range 8 {
		workers.Go(func() {
			if err := s.AddWaiting(t.Context(), waitingFor("ann", fmt.Sprint(i)), both); err != nil {
				t.Error(err)
			}
		})
	}
	workers.Wait()
	var all string
	for _, w := range waits(t, s) {
		all += string(w.Task)
	}
	for i := range 8 {
		if strings.Count(all, fmt.Sprint(i)) != 1 {
			t.Errorf("%s, want each of 0 to 7 once", all)
		}
	}
}
