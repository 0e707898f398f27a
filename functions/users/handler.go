// Package users is the function that brings users up to date. It takes a batch of tasks
// from the live or the bulk lane and passes the tasks of each directory to reconcile
// together. It also opens the passwords that the gateway sealed, and sets them.
package users

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/sqsbatch"
)

// Config is the configuration of the function.
type Config struct {
	reconcile.Parts
	// PasswordSeed reads the secret text from which the key that opens sealed passwords
	// is made.
	PasswordSeed func(context.Context) (string, error)
	Postponer    sqsbatch.Postponer
	// MaxReceives is how often a message is received before it is a dead letter. A task
	// that should be tried again is sent as a new message some receives before.
	MaxReceives int
}

// Handler reads the users queues.
type Handler struct {
	config    Config
	users     reconcile.Users
	passwords reconcile.Passwords
}

// New makes the handler. If a part of the configuration is missing, it returns a fault
// that names the part.
func New(c Config) (Handler, error) {
	users, err := reconcile.NewUsers(c.Parts)
	passwords, passwordErr := reconcile.NewPasswords(c.Parts, c.PasswordSeed)
	return Handler{c, users, passwords}, errors.Join(err, passwordErr, sqsbatch.Check(c.Postponer, c.MaxReceives))
}

// task is one task with its messages: it brings a user up to date or sets a password.
type task struct {
	sqsbatch.Duplicates
	attempt reconcile.Attempt
	outcome reconcile.Outcome
}

// share is the tasks of a batch for one directory.
type share struct {
	directory directory.ID
	syncs     []*task   // one for each user
	probe     *task     // looks whether the directory is suspended still; nil: none
	passwords [][]*task // those of each user in the order of their messages
}

// Handle takes one batch. Several tasks for one user and directory become one;
// passwords stay separate. A task that must be tried again is postponed and reported as
// failed; a message that is not a task ends in the dead-letter queue.
func (h Handler) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	ctx, stop := deadline.ForWork(ctx, deadline.Reserve)
	defer stop()
	response := &sqsbatch.Response{Postponer: h.config.Postponer}
	shares, also := h.sort(ctx, batch, response)
	if also.key {
		if err := h.passwords.PublishKey(ctx); err != nil {
			zerolog.Ctx(ctx).Error().Err(err).Msg("the key to seal passwords with could not be published")
		}
	}
	sqsbatch.SideBySide(len(shares)+len(also.domains), func(i int) {
		if i < len(shares) {
			h.work(ctx, shares[i])
		} else {
			h.users.CheckDomains(ctx, also.domains[i-len(shares)])
		}
	})
	for _, s := range shares {
		if s.probe != nil {
			sqsbatch.End(ctx, response, s.probe.Duplicates, s.probe.outcome, s.probe.attempt.Task, h.config.Lanes.UsersBulk)
		}
		for _, same := range append(s.passwords, s.syncs) {
			for _, t := range same {
				sqsbatch.End(ctx, response, t.Duplicates, t.outcome, t.attempt.Task, h.laneAfresh(t))
			}
		}
	}
	return response.SQSEventResponse, nil
}

// laneAfresh is the lane for a task that is sent as a new message: the bulk lane, so that it
// delays nobody whose change is new. But a password that waits for a suspended directory is
// not to wait after that for all the tasks of which the bulk lane is full then.
func (h Handler) laneAfresh(t *task) queue.Sender {
	if t.attempt.Password != nil && t.outcome.Err != nil && directory.Suspends(fault.Of(t.outcome.Err).Reason) {
		return h.config.Lanes.UsersLive
	}
	return h.config.Lanes.UsersBulk
}

// errands are what messages ask for besides, or instead of, the user that they name.
type errands struct {
	key     bool           // to publish the key that seals passwords
	domains []directory.ID // to check the domains for which users of the directories wait
}

// sort reads the messages of a batch and groups them by directory, in their order.
func (h Handler) sort(ctx context.Context, batch events.SQSEvent, response *sqsbatch.Response) (shares []*share, also errands) {
	ofDirectory := map[directory.ID]*share{}
	syncs, passwords := map[string]*task{}, map[string]int{}
	sqsbatch.EachDue(ctx, batch, response, reconcile.ReadTask, func(m events.SQSMessage, t reconcile.Task) {
		also.key = also.key || t.Cause.Type == reconcile.PasswordKey
		if t.Cause.Type == reconcile.DomainsCause { // who waits gets another task when the domain is free
			if !slices.Contains(also.domains, t.Directory) {
				also.domains = append(also.domains, t.Directory)
			}
			return
		}
		s := ofDirectory[t.Directory]
		if s == nil {
			s = &share{directory: t.Directory}
			shares, ofDirectory[t.Directory] = append(shares, s), s
		}
		key := string(t.Directory) + "/" + string(t.User)
		current := syncs[key]
		switch {
		case t.Probe:
			if s.probe == nil || t.NotBefore.IsZero() { // a request is not overtaken
				current = &task{attempt: reconcile.Attempt{Task: t}}
				if s.probe != nil {
					current.Duplicates, current.attempt.Look = s.probe.Duplicates, t.Look || s.probe.attempt.Look
				}
				s.probe = current
			}
			current = s.probe
		case t.Password != nil:
			current = &task{attempt: reconcile.Attempt{Task: t}}
			n, known := passwords[key]
			if !known {
				n = len(s.passwords)
				passwords[key], s.passwords = n, append(s.passwords, nil)
			}
			s.passwords[n] = append(s.passwords[n], current)
		case current == nil:
			current = &task{attempt: reconcile.Attempt{Task: t}}
			syncs[key], s.syncs = current, append(s.syncs, current)
		default:
			current.attempt.Task = current.attempt.Join(t)
		}
		current.Add(m)
		current.attempt.Number, current.attempt.Last = current.Receives, current.Last(h.config.MaxReceives)
	})
	return shares, also
}

// work does the tasks for one directory. Passwords wait for nobody, because a person waits
// for each of them, and nobody waits for them but the same user.
func (h Handler) work(ctx context.Context, s *share) {
	same := map[directory.UserID]bool{}
	for _, passwords := range s.passwords {
		same[passwords[0].attempt.User] = true
	}
	var others, after []*task
	for _, t := range s.syncs {
		if same[t.attempt.User] {
			after = append(after, t)
		} else {
			others = append(others, t)
		}
	}
	sqsbatch.SideBySide(len(s.passwords)+2, func(i int) {
		switch {
		case i < len(s.passwords):
			h.setPasswords(ctx, s.passwords[i])
		case i == len(s.passwords):
			h.sync(ctx, s.directory, others)
		case s.probe != nil:
			s.probe.outcome = h.users.Probe(ctx, s.probe.attempt)
		}
	})
	h.sync(ctx, s.directory, after)
}

// setPasswords sets the passwords of one user, one after the other. If one must be tried
// again, the later ones wait, so that the newest password is set last.
func (h Handler) setPasswords(ctx context.Context, passwords []*task) {
	var before reconcile.Outcome
	for _, t := range passwords {
		if !before.Retry {
			before = h.passwords.Set(ctx, t.attempt)
		}
		t.outcome = before
	}
}

// sync brings users of one directory up to date.
func (h Handler) sync(ctx context.Context, id directory.ID, tasks []*task) {
	if len(tasks) == 0 {
		return
	}
	attempts := make([]reconcile.Attempt, len(tasks))
	for i, t := range tasks {
		attempts[i] = t.attempt
	}
	for i, outcome := range h.users.Sync(ctx, id, attempts) {
		tasks[i].outcome = outcome
	}
}
