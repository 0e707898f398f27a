package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"entrasync/shared/fault"
	"entrasync/shared/queue"
)

// Message is the task as a message. The message group is the directory and the
// user, so that two workers never write one account.
func (t Task) Message() (queue.Message, error) {
	return message(t, string(t.Directory)+"/"+string(t.User), t.Occurrence, t.NotBefore)
}

// Message is the task as a message. The message group is the directory and the
// group, so that writes to one group never run side by side within a lane.
func (t GroupTask) Message() (queue.Message, error) {
	occurrence := t.Occurrence
	if occurrence != "" && t.Whole { // one occurrence may ask for both
		occurrence += "/whole"
	}
	return message(t, string(t.Directory)+"/"+string(t.Group), occurrence, t.NotBefore)
}

// recheckAfter is when somebody is read again who was connected: of what happened before
// the connection was made no event reaches them, and the first read may be older than
// it, or wrong (for how long reads lag is not published; a minute is assumed).
const recheckAfter = time.Minute

// Recheck is the task once more, a minute after a connection was made.
func (t Task) Recheck() Task {
	t.NotBefore = time.Now().UTC().Add(recheckAfter)
	return t
}

// Recheck is the task once more, a minute after a connection was made.
func (t GroupTask) Recheck() GroupTask {
	t.NotBefore = time.Now().UTC().Add(recheckAfter)
	return t
}

// message makes the message of a task. A queue drops a message whose id it took
// within the last minutes, even if the first one was received and done with before
// the second was sent. So an id may name an occurrence, which is over when the first
// message is sent; it never names a state, which may come back. A task without an
// occurrence has an id of its own. One that is not to be done yet waits in a message
// group of its own, so that it holds up nothing that comes before its time.
func message(task any, group, occurrence string, notBefore time.Time) (queue.Message, error) {
	body, err := json.Marshal(task)
	if err != nil {
		return queue.Message{}, fault.Wrap(err, fault.Internal, "reconcile.encode task")
	}
	id := uuid.NewString()
	if occurrence != "" {
		sum := sha256.Sum256([]byte(group + "/" + occurrence))
		id = hex.EncodeToString(sum[:])
	}
	if !notBefore.IsZero() {
		group += "/" + uuid.NewString()
	}
	return queue.Message{Body: body, GroupID: group, DedupID: id}, nil
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
