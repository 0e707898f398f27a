package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"

	"entrasync/shared/fault"
	"entrasync/shared/queue"
)

// Message is the task as a message. The message group is the directory and the
// user, so that two workers never write one account; a task with the same cause
// is the same task, and one with a password is that of its action.
func (t Task) Message() (queue.Message, error) {
	body, err := json.Marshal(t)
	if err != nil {
		return queue.Message{}, fault.Wrap(err, fault.Internal, "reconcile.encode task")
	}
	group := string(t.Directory) + "/" + string(t.User)
	same := group + "/" + t.Cause.Type + "/" + t.Cause.ID
	if t.Afresh > 0 {
		same += "/" + strconv.Itoa(t.Afresh)
	}
	if t.Password != nil {
		same += "/" + t.Password.Action
	}
	sum := sha256.Sum256([]byte(same))
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

// parallelSends is how many requests Enqueue has under way: a change of settings
// sends a task for every user of a directory while an administrator waits.
const parallelSends = 8

// Enqueue sends tasks to a queue, as many to a request as it takes and several
// requests at once. When it fails, some of the tasks may have been sent.
func Enqueue(ctx context.Context, to queue.Sender, tasks ...Task) error {
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
