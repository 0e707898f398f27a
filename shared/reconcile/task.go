package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"entrasync/shared/fault"
	"entrasync/shared/queue"
)

// Message is the task as a message. The message group is the directory and the
// user, so that two workers never write one account; a task with the same cause
// is the same task, and one with a password is that of its action.
func (t Task) Message() (queue.Message, error) {
	same := []string{t.Cause.Type, t.Cause.ID}
	if t.Afresh > 0 {
		same = append(same, strconv.Itoa(t.Afresh))
	}
	if t.Password != nil {
		same = append(same, t.Password.Action)
	}
	return message(t, string(t.Directory)+"/"+string(t.User), same...)
}

// Message is the task as a message. The message group is the directory and the
// group, so that writes to one group never run side by side within a lane.
func (t GroupTask) Message() (queue.Message, error) {
	return message(t, string(t.Directory)+"/"+string(t.Group), t.Cause.Type, t.Cause.ID, strconv.Itoa(t.Afresh), strconv.FormatBool(t.Whole))
}

// message makes the message of a task; what is the same is one task.
func message(task any, group string, same ...string) (queue.Message, error) {
	body, err := json.Marshal(task)
	if err != nil {
		return queue.Message{}, fault.Wrap(err, fault.Internal, "reconcile.encode task")
	}
	sum := sha256.Sum256([]byte(group + "/" + strings.Join(same, "/")))
	return queue.Message{Body: body, GroupID: group, DedupID: hex.EncodeToString(sum[:])}, nil
}

// ReadTask reads the body of a message that [Task.Message] made.
func ReadTask(body []byte) (Task, error) {
	var t Task
	if err := json.Unmarshal(body, &t); err != nil || t.Directory == "" || t.User == "" {
		return Task{}, &fault.Error{Op: "reconcile.read task", Kind: fault.Internal, Message: "the message is not a task", Err: err}
	}
	return t, nil
}

// ReadGroupTask reads the body of a message that [GroupTask.Message] made.
func ReadGroupTask(body []byte) (GroupTask, error) {
	var t GroupTask
	if err := json.Unmarshal(body, &t); err != nil || t.Directory == "" || (t.Group == "" && !t.Source) {
		return GroupTask{}, &fault.Error{Op: "reconcile.read task", Kind: fault.Internal, Message: "the message is not a task of a group", Err: err}
	}
	return t, nil
}

// parallelSends is how many requests Enqueue has under way: a change of settings
// sends a task for every user of a directory while an administrator waits.
const parallelSends = 8

// Enqueue sends tasks to a queue, as many to a request as it takes and several
// requests at once. When it fails, some of the tasks may have been sent.
func Enqueue[T interface{ Message() (queue.Message, error) }](ctx context.Context, to queue.Sender, tasks ...T) error {
	messages := make([]queue.Message, len(tasks))
	for i, t := range tasks {
		m, err := t.Message()
		if err != nil {
			return err
		}
		messages[i] = m
	}
	group, sending := errgroup.WithContext(ctx)
	group.SetLimit(parallelSends)
	for chunk := range slices.Chunk(messages, queue.MaxBatch) {
		group.Go(func() error { return to.Send(sending, chunk...) })
	}
	return fault.Wrap(group.Wait(), fault.Transient, "reconcile.enqueue")
}
