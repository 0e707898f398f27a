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
	// Occurrence names what the task was sent for, such as an event of JumpCloud: the
	// queue drops a second task for the same occurrence within some minutes. A task
	// with "" is never dropped.
	Occurrence string `json:"-"`
	// PasswordAt is when the user got a new password, if the task was sent for that.
	PasswordAt time.Time `json:"passwordAt,omitzero"`
	// Memberships asks to read which groups have the user as member, Source whether
	// the connection source has the user.
	Memberships bool `json:"memberships,omitempty"`
	Source      bool `json:"source,omitempty"`
	// Compare asks to read the account in Entra, and to compare it with what was written.
	Compare bool `json:"compare,omitempty"`
	// Claims are what the events behind the task said.
	Claims []directory.Claim `json:"claims,omitempty"`
	// NotBefore is when to process the task; zero: at once.
	NotBefore time.Time `json:"notBefore,omitzero"`
	// Thought counts the rechecks of an absence that was believed; 0 for any other
	// task.
	Thought int `json:"thought,omitempty"`
	// Probe asks to look whether a suspended directory works again; there is no User then.
	Probe bool `json:"probe,omitempty"`
	// Look asks a probe to look also if the directory is not suspended, because somebody was
	// refused there.
	Look bool `json:"look,omitempty"`
	// Held asks to look whether something of the user waits in a hold that nobody asks for any
	// more.
	Held bool `json:"held,omitempty"`
	// Password, if set, asks to set a password instead of bringing the user up to date.
	Password *SealedPassword `json:"password,omitempty"`
}

// Due is when to process the task; zero: at once.
func (t Task) Due() time.Time { return t.NotBefore }

// Join adds what another task for the same user asks for. The joined task has the
// latest cause.
func (t Task) Join(other Task) Task {
	t.Memberships, t.Source, t.Compare = t.Memberships || other.Memberships, t.Source || other.Source, t.Compare || other.Compare
	t.Held = t.Held || other.Held
	t.Thought, t.Claims = max(t.Thought, other.Thought), slices.Concat(t.Claims, other.Claims)
	t.Cause = t.Cause.Join(other.Cause)
	if other.PasswordAt.After(t.PasswordAt) {
		t.PasswordAt = other.PasswordAt
	}
	return t
}

// SealedPassword is a password on its way to one account.
type SealedPassword struct {
	Action string `json:"action"` // the id of the action that was recorded for it
	Sealed string `json:"sealed"` // see package seal
	// Also are the other directories in which the user's link names the same account.
	Also []directory.ID `json:"also,omitempty"`
}

// GroupTask names a group to bring up to date in a directory, never how.
type GroupTask struct {
	Directory directory.ID      `json:"directory"`
	Group     directory.GroupID `json:"group"` // "": the connection source of the directory
	Cause     plan.Cause        `json:"cause"`
	// AllMembers asks to read all members from JumpCloud; otherwise only the members
	// that were marked dirty are compared.
	AllMembers bool `json:"whole,omitempty"`
	// Source asks to read whether the connection source has the group.
	Source bool `json:"source,omitempty"`
	// Compare asks to read the group in Entra with its members, and to compare it with what
	// was written.
	Compare bool `json:"compare,omitempty"`
	// Claims, NotBefore and Thought are as those of a [Task].
	Claims    []directory.Claim `json:"claims,omitempty"`
	NotBefore time.Time         `json:"notBefore,omitzero"`
	Thought   int               `json:"thought,omitempty"`
	// Held is as that of a [Task].
	Held bool `json:"held,omitempty"`
	// Occurrence names what the task was sent for, as that of a [Task].
	Occurrence string `json:"-"`
}

// Due is when to process the task; zero: at once.
func (t GroupTask) Due() time.Time { return t.NotBefore }

// Join adds what another task for the same group asks for. The joined task has the
// latest cause.
func (t GroupTask) Join(other GroupTask) GroupTask {
	t.AllMembers, t.Source, t.Compare = t.AllMembers || other.AllMembers, t.Source || other.Source, t.Compare || other.Compare
	t.Held = t.Held || other.Held
	t.Thought, t.Claims = max(t.Thought, other.Thought), slices.Concat(t.Claims, other.Claims)
	t.Cause = t.Cause.Join(other.Cause)
	return t
}

// Attempt is a task of a user that is being tried.
type Attempt struct {
	Task
	Number int  // 1 for the first try
	Last   bool // no retry follows by itself: what cannot be done now is parked
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

// Outcome is how an attempt ended. Without Retry the task is done: the user or group is
// in sync, released, or parked with a reason.
type Outcome struct {
	Retry bool
	After time.Duration // how long to wait before the next try
	Err   error         // why it must be tried again
	// Afresh says that no try is left and that giving up would be wrong, because the
	// fault does not lie with the user: the task is to be sent again as a new one.
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

// Connected is the type of the cause of a task for a user or group that an administrator
// has just connected.
const Connected = "connected"

// recheckAfter is how long after a connection was made the user or group is read again:
// entrasync gets no events about it from before the connection, and the first read may
// lag or be wrong (for how long reads lag is not published; a minute is assumed).
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

// message makes the message of a task. A queue drops a message if it took another one
// with the same id within the last minutes, even if that one was processed before the
// second was sent. So an id names an occurrence, which is over when the first message is
// sent; it never names a state, which may come back. A task without an occurrence has an
// id of its own. A task that is not due yet waits in a message group of its own, so that
// it delays no other task.
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
	if err := json.Unmarshal(body, &t); err != nil || t.Directory == "" || t.User == "" && !t.Probe {
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

// parallelSends is how many requests Enqueue sends at once: a change of settings sends a
// task for every user of a directory while an administrator waits.
const parallelSends = 8

// Enqueue sends tasks to a queue, as many per request as the queue takes, and several
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
