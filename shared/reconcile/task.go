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

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
)

// Task names a user to bring up to date in a directory, never how.
type Task struct {
	Directory directory.ID     `json:"directory"`
	User      directory.UserID `json:"user"`
	Cause     plan.Cause       `json:"cause"`
	// Occurrence names what asks for the task, such as an event of JumpCloud: the
	// queue drops the task if it was asked for by the same occurrence just now. ""
	// asks in any case.
	Occurrence string `json:"-"`
	// PasswordAt is when the user got a new password, if that is why we look.
	PasswordAt time.Time `json:"passwordAt,omitzero"`
	// Memberships asks to read which groups hold the user, Source whether the
	// connection source does.
	Memberships bool `json:"memberships,omitempty"`
	Source      bool `json:"source,omitempty"`
	// Claims are what the events said that made us look.
	Claims []directory.Claim `json:"claims,omitempty"`
	// NotBefore is when to look; zero: at once.
	NotBefore time.Time `json:"notBefore,omitzero"`
	// Thought counts the second thoughts about an absence that was believed; 0 for
	// any other task.
	Thought int `json:"thought,omitempty"`
	// Password, if set, asks to set a password instead of to look.
	Password *SealedPassword `json:"password,omitempty"`
}

// Due is when to look; zero: at once.
func (t Task) Due() time.Time { return t.NotBefore }

// Join is the task with what another one for the same user asks. The latest cause is
// the one that is named.
func (t Task) Join(other Task) Task {
	t.Memberships, t.Source = t.Memberships || other.Memberships, t.Source || other.Source
	t.Thought, t.Claims = max(t.Thought, other.Thought), slices.Concat(t.Claims, other.Claims)
	if other.Cause.At.After(t.Cause.At) {
		t.Cause = other.Cause
	}
	if other.PasswordAt.After(t.PasswordAt) {
		t.PasswordAt = other.PasswordAt
	}
	return t
}

// SealedPassword is a password on its way to one account.
type SealedPassword struct {
	Action string `json:"action"` // the id of the action that was recorded for it
	Sealed string `json:"sealed"` // see package seal
	// Also are the other directories of the user whose links name the same
	// account.
	Also []directory.ID `json:"also,omitempty"`
}

// GroupTask names a group to bring up to date in a directory, never how.
type GroupTask struct {
	Directory directory.ID      `json:"directory"`
	Group     directory.GroupID `json:"group"` // "": the connection source of the directory
	Cause     plan.Cause        `json:"cause"`
	// AllMembers asks to read all members from JumpCloud; else only those that were
	// marked dirty since are compared.
	AllMembers bool `json:"whole,omitempty"`
	// Source asks whether the connection source holds the group.
	Source bool `json:"source,omitempty"`
	// Claims, NotBefore and Thought are as those of a [Task].
	Claims    []directory.Claim `json:"claims,omitempty"`
	NotBefore time.Time         `json:"notBefore,omitzero"`
	Thought   int               `json:"thought,omitempty"`
	// Occurrence names what asks for the task, as that of a [Task].
	Occurrence string `json:"-"`
}

// Due is when to look; zero: at once.
func (t GroupTask) Due() time.Time { return t.NotBefore }

// Join is the task with what another one for the same group asks. The latest cause is
// the one that is named.
func (t GroupTask) Join(other GroupTask) GroupTask {
	t.AllMembers, t.Source = t.AllMembers || other.AllMembers, t.Source || other.Source
	t.Thought, t.Claims = max(t.Thought, other.Thought), slices.Concat(t.Claims, other.Claims)
	if other.Cause.At.After(t.Cause.At) {
		t.Cause = other.Cause
	}
	return t
}

// Attempt is a task of a user that is being tried.
type Attempt struct {
	Task
	Number int  // 1 for the first try
	Last   bool // no further try follows by itself: what cannot be done now is parked
}

// attempted is what the engine knows of the attempt.
func (a Attempt) attempted(n noun) attempted {
	return attempted{noun: n, directory: a.Directory, id: string(a.User), cause: a.Cause, claims: a.Claims, thought: a.Thought, number: a.Number, last: a.Last}
}

// GroupAttempt is a task of a group that is being tried.
type GroupAttempt struct {
	GroupTask
	Number int
	Last   bool
}

// attempted is what the engine knows of the attempt.
func (a GroupAttempt) attempted(n noun) attempted {
	return attempted{noun: n, directory: a.Directory, id: string(a.Group), cause: a.Cause, claims: a.Claims, thought: a.Thought, number: a.Number, last: a.Last}
}

// Outcome is what became of an attempt. An attempt that is not to be repeated
// is over: the user is in sync, released, or parked with a reason.
type Outcome struct {
	Retry bool
	After time.Duration // how long to wait before the next try
	Err   error         // why it must be tried again
	// Afresh says that no try is left and that giving up would be wrong, because
	// the trouble is not the user's: the task is to be sent again as a new one.
	Afresh bool
}

// Message is the task as a message. The message group is the directory and the
// user, so that two workers never write one account.
func (t Task) Message() (queue.Message, error) {
	return message(t, string(t.Directory)+"/"+string(t.User), t.Occurrence, t.NotBefore)
}

// Message is the task as a message. The message group is the directory and the
// group, so that writes to one group never run side by side within a lane.
func (t GroupTask) Message() (queue.Message, error) {
	occurrence := t.Occurrence
	if occurrence != "" && t.AllMembers { // one occurrence may ask for both
		occurrence += "/whole"
	}
	return message(t, string(t.Directory)+"/"+string(t.Group), occurrence, t.NotBefore)
}

// Connected is the type of the cause of a task for whom an administrator has just
// connected.
const Connected = "connected"

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
