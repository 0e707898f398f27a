// Package users is the function that brings users up to date. It takes a batch
// of tasks from the live or the bulk lane and hands the tasks of each directory
// to reconcile together. It is also the one that opens the passwords which the
// gateway sealed, and sets them.
package users

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/lane"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
)

// Handler reads the users queues.
type Handler struct {
	Users     reconcile.Users
	Passwords reconcile.Passwords
	Postponer lane.Postponer
	// MaxReceives is how often a message comes before it is a dead letter. What
	// is worth trying on after the last time is sent again as a new message.
	MaxReceives int
	Again       queue.Sender // the bulk lane
}

// task is one thing to do with the messages that ask for it: a look at a user, or
// a password to set.
type task struct {
	lane.Asked
	attempt reconcile.Attempt
	outcome reconcile.Outcome
}

// share is what a batch holds for one directory.
type share struct {
	directory directory.ID
	looks     []*task   // one for each user
	passwords [][]*task // those of each user in the order of their messages
}

// Handle takes one batch. Several tasks for one user and directory become one
// look; passwords stay apart. A task that must be tried again is postponed and
// reported as failed; a message that is not a task ends in the dead-letter queue.
func (h Handler) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	response := &lane.Response{Postponer: h.Postponer}
	shares, keyWanted := h.sort(ctx, batch, response)
	if keyWanted {
		if err := h.Passwords.PublishKey(ctx); err != nil {
			zerolog.Ctx(ctx).Error().Err(err).Msg("the key to seal passwords with could not be published")
		}
	}
	lane.SideBySide(len(shares), func(i int) { h.work(ctx, shares[i]) })
	for _, s := range shares {
		for _, t := range slices.Concat(append(s.passwords, s.looks)...) {
			switch {
			case t.outcome.Afresh: // after those that wait in the bulk lane
				response.Replace(ctx, reconcile.Enqueue(context.WithoutCancel(ctx), h.Again, t.attempt.Task), t.Messages...)
			case t.outcome.Retry:
				response.Postpone(ctx, t.outcome.After, t.Messages...)
			}
		}
	}
	return response.SQSEventResponse, nil
}

// sort reads the messages of a batch, by directory and in their order. keyWanted
// says that somebody waits for the key that passwords are sealed with.
func (h Handler) sort(ctx context.Context, batch events.SQSEvent, response *lane.Response) (shares []*share, keyWanted bool) {
	ofDirectory := map[directory.ID]*share{}
	looks, passwords := map[string]*task{}, map[string]int{}
	for _, m := range batch.Records {
		t, err := reconcile.ReadTask([]byte(m.Body))
		if err != nil {
			response.Malformed(ctx, m, err)
			continue
		}
		if wait := time.Until(t.NotBefore); wait > 0 {
			response.Postpone(ctx, wait, m)
			continue
		}
		keyWanted = keyWanted || t.Cause.Type == reconcile.PasswordKey
		s := ofDirectory[t.Directory]
		if s == nil {
			s = &share{directory: t.Directory}
			shares, ofDirectory[t.Directory] = append(shares, s), s
		}
		key := string(t.Directory) + "/" + string(t.User)
		asked := looks[key]
		switch {
		case t.Password != nil:
			asked = &task{attempt: reconcile.Attempt{Task: t}}
			n, known := passwords[key]
			if !known {
				n = len(s.passwords)
				passwords[key], s.passwords = n, append(s.passwords, nil)
			}
			s.passwords[n] = append(s.passwords[n], asked)
		case asked == nil:
			asked = &task{attempt: reconcile.Attempt{Task: t}}
			looks[key], s.looks = asked, append(s.looks, asked)
		}
		asked.add(m, t, h.MaxReceives)
	}
	return shares, keyWanted
}

// work does what a batch holds for one directory: passwords first, because
// somebody waits for each of them. Those of one user are set one after the other;
// when one has to come again, those behind it wait, so that the newest is the
// last to be set.
func (h Handler) work(ctx context.Context, s *share) {
	lane.SideBySide(len(s.passwords), func(i int) {
		var before reconcile.Outcome
		for _, t := range s.passwords[i] {
			if !before.Retry {
				before = h.Passwords.Set(ctx, t.attempt)
			}
			t.outcome = before
		}
	})
	if len(s.looks) == 0 {
		return
	}
	for i, outcome := range h.Users.Sync(ctx, s.directory, attempts(s.looks)) {
		s.looks[i].outcome = outcome
	}
}

// add notes one more message that asks for the same look. The latest cause is
// the one that is named.
func (t *task) add(m events.SQSMessage, same reconcile.Task, maxReceives int) {
	t.Add(m)
	t.attempt.Memberships = t.attempt.Memberships || same.Memberships
	t.attempt.Source = t.attempt.Source || same.Source
	t.attempt.Thought = max(t.attempt.Thought, same.Thought)
	if len(t.Messages) > 1 {
		t.attempt.Claims = append(t.attempt.Claims, same.Claims...)
	}
	if same.Cause.At.After(t.attempt.Cause.At) {
		t.attempt.Cause = same.Cause
	}
	if same.PasswordAt.After(t.attempt.PasswordAt) {
		t.attempt.PasswordAt = same.PasswordAt
	}
	t.attempt.Number = t.Number
	t.attempt.Last = t.Number >= maxReceives
}

// attempts are the attempts of tasks.
func attempts(tasks []*task) []reconcile.Attempt {
	list := make([]reconcile.Attempt, len(tasks))
	for i, t := range tasks {
		list[i] = t.attempt
	}
	return list
}
