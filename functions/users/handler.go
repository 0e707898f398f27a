// Package users is the function that brings users up to date. It takes a batch
// of tasks from the live or the bulk lane and hands the tasks of each directory
// to reconcile together. It is also the one that opens the passwords which the
// gateway sealed, and sets them.
package users

import (
	"context"
	"errors"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/reconcile"
	"entrasync/shared/sqsbatch"
)

// Config is what the function is made of.
type Config struct {
	reconcile.Parts
	// PasswordSeed is the secret text of which the key is made that opens sealed passwords.
	PasswordSeed func(context.Context) (string, error)
	Postponer    sqsbatch.Postponer
	// MaxReceives is how often a message comes before it is a dead letter. What
	// is worth trying on after the last time is sent again as a new message.
	MaxReceives int
}

// Handler reads the users queues.
type Handler struct {
	config    Config
	users     reconcile.Users
	passwords reconcile.Passwords
}

// New refuses a configuration of which a part is missing, by its name.
func New(c Config) (Handler, error) {
	users, err := reconcile.NewUsers(c.Parts)
	passwords, passwordErr := reconcile.NewPasswords(c.Parts, c.PasswordSeed)
	return Handler{c, users, passwords}, errors.Join(err, passwordErr, sqsbatch.Check(c.Postponer, c.MaxReceives))
}

// task is one thing to do with the messages that ask for it: a look at a user, or
// a password to set.
type task struct {
	sqsbatch.Duplicates
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
	response := &sqsbatch.Response{Postponer: h.config.Postponer}
	shares, keyWanted := h.sort(ctx, batch, response)
	if keyWanted {
		if err := h.passwords.PublishKey(ctx); err != nil {
			zerolog.Ctx(ctx).Error().Err(err).Msg("the key to seal passwords with could not be published")
		}
	}
	sqsbatch.SideBySide(len(shares), func(i int) { h.work(ctx, shares[i]) })
	for _, s := range shares {
		for _, same := range append(s.passwords, s.looks) {
			for _, t := range same {
				sqsbatch.End(ctx, response, t.Duplicates, t.outcome, t.attempt.Task, h.config.Lanes.UsersBulk)
			}
		}
	}
	return response.SQSEventResponse, nil
}

// sort reads the messages of a batch, by directory and in their order. keyWanted
// says that somebody waits for the key that passwords are sealed with.
func (h Handler) sort(ctx context.Context, batch events.SQSEvent, response *sqsbatch.Response) (shares []*share, keyWanted bool) {
	ofDirectory := map[directory.ID]*share{}
	looks, passwords := map[string]*task{}, map[string]int{}
	sqsbatch.EachDue(ctx, batch, response, reconcile.ReadTask, func(m events.SQSMessage, t reconcile.Task) {
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
		default:
			asked.attempt.Task = asked.attempt.Join(t)
		}
		asked.Add(m)
		asked.attempt.Number, asked.attempt.Last = asked.Receives, asked.Receives >= h.config.MaxReceives
	})
	return shares, keyWanted
}

// work does what a batch holds for one directory: passwords first, because
// somebody waits for each of them. Those of one user are set one after the other;
// when one has to come again, those behind it wait, so that the newest is the
// last to be set.
func (h Handler) work(ctx context.Context, s *share) {
	sqsbatch.SideBySide(len(s.passwords), func(i int) {
		var before reconcile.Outcome
		for _, t := range s.passwords[i] {
			if !before.Retry {
				before = h.passwords.Set(ctx, t.attempt)
			}
			t.outcome = before
		}
	})
	if len(s.looks) == 0 {
		return
	}
	attempts := make([]reconcile.Attempt, len(s.looks))
	for i, t := range s.looks {
		attempts[i] = t.attempt
	}
	for i, outcome := range h.users.Sync(ctx, s.directory, attempts) {
		s.looks[i].outcome = outcome
	}
}
