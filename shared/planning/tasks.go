package planning

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// Tasks are the tasks that are left, one for each user and group of each directory.
type Tasks struct {
	mu   sync.Mutex
	left map[string]undone // by name
	seen map[string]bool   // all that ever were among them
	tier int               // of those that were taken out last
}

// undone is a task that is left, of a user or of a group, and how often it was tried. All of a
// tier are worked on before those of the next one.
type undone struct {
	User   *reconcile.Task      `json:"user,omitempty"`
	Group  *reconcile.GroupTask `json:"group,omitempty"`
	Number int                  `json:"number,omitempty"`
	Tier   int                  `json:"tier,omitempty"`
}

// directory is where the task is to be done.
func (u undone) directory() directory.ID {
	if u.User != nil {
		return u.User.Directory
	}
	return u.Group.Directory
}

// name names the object of the task. Those of users come before those of groups.
func (u undone) name() string {
	if u.User != nil {
		return strings.Join([]string{"1", string(u.User.Directory), string(u.User.User)}, "#")
	}
	return strings.Join([]string{"2", string(u.Group.Directory), string(u.Group.Group)}, "#")
}

// join is one task for what two ask for. It was tried as often as the newer one.
func (u undone) join(other undone) undone {
	joined := undone{Number: min(u.Number, other.Number), Tier: min(u.Tier, other.Tier)}
	if u.User != nil {
		task := u.User.Merge(*other.User)
		joined.User = &task
	} else {
		task := u.Group.Merge(*other.Group)
		joined.Group = &task
	}
	return joined
}

// add adds a task.
func (t *Tasks) add(task undone) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left == nil {
		t.left, t.seen = map[string]undone{}, map[string]bool{}
	}
	name := task.name()
	if before, is := t.left[name]; is {
		task = before.join(task)
	}
	t.left[name], t.seen[name] = task, true
}

// next takes out the tasks to work on next: of one directory, and of users or of groups.
func (t *Tasks) next() (dir directory.ID, users []reconcile.Attempt, groups []reconcile.GroupAttempt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	order := func(a, b undone) int {
		if a.Tier != b.Tier {
			return a.Tier - b.Tier
		}
		return strings.Compare(a.name(), b.name())
	}
	all := make([]undone, 0, len(t.left))
	for _, task := range t.left {
		all = append(all, task)
	}
	slices.SortFunc(all, order)
	for i, task := range all {
		first := all[0]
		if task.Tier != first.Tier || (task.User == nil) != (first.User == nil) || task.directory() != first.directory() ||
			i == usersAtOnce || task.User == nil && i == groupsAtOnce {
			break
		}
		dir, t.tier = task.directory(), first.Tier
		delete(t.left, task.name())
		if task.User != nil {
			users = append(users, reconcile.Attempt{Task: *task.User, Number: task.Number + 1})
		} else {
			groups = append(groups, reconcile.GroupAttempt{GroupTask: *task.Group, Number: task.Number + 1})
		}
	}
	return dir, users, groups
}

// nextTier is the tier after the one that is worked on.
func (t *Tasks) nextTier() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tier + 1
}

// The first tiers: the lists of groups are read before anything else, so that it is known early
// how many users there are.
const (
	lists = iota
	afterLists
)

// tierOf is the tier of a task that is sent now and due at some time: the first one for its kind if
// that is now. A plan waits for nobody: what is due later is so when all of the present tier was
// worked on.
func (t *Tasks) tierOf(due *time.Time, first int) int {
	if due.IsZero() {
		return first
	}
	*due = time.Now().UTC()
	return t.nextTier()
}

// Seen is how many users and groups had a task so far.
func (t *Tasks) Seen() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.seen)
}

// Left is how many tasks are left.
func (t *Tasks) Left() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.left)
}

// Take takes all tasks out, to be stored.
func (t *Tasks) Take() ([]store.PlanTask, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []store.PlanTask
	for name, task := range t.left {
		text, err := json.Marshal(task)
		if err != nil {
			return nil, fault.Wrap(err, fault.Internal, "planning.encode task")
		}
		all = append(all, store.PlanTask{Tier: task.Tier, Name: name, Text: text})
	}
	t.left = nil
	return all, nil
}

// Put puts tasks in that Take took out. Two of one object become one.
func (t *Tasks) Put(tasks ...store.PlanTask) error {
	for _, stored := range tasks {
		var task undone
		if err := json.Unmarshal(stored.Text, &task); err != nil || task.User == nil && task.Group == nil {
			return &fault.Error{Op: "planning.read task", Kind: fault.Internal, Message: "the record is not a task of a plan", Err: err}
		}
		t.add(task)
	}
	return nil
}

// newID is the id of an entry, which sorts by time.
func newID() string { return uuid.Must(uuid.NewV7()).String() }
