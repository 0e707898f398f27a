package boltqueue

import (
	"fmt"
	"regexp"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/queue"
)

// Config is the configuration of a queue. The ranges are those of the attributes of an
// SQS queue (CreateQueue).
type Config struct {
	Name        string        // 1 to 80 letters, digits, hyphens, underscores and dots
	Visibility  time.Duration // how long a received message is hidden, up to queue.MaxVisibility; 0: 30 s
	MaxReceives int           // a message that was received this often is moved to DeadLetter instead of being received again; 1 to 1000
	DeadLetter  string        // name of another queue in the same file; "" for none, and then MaxReceives is 0
	Delay       time.Duration // how long a new message waits before it can be received, up to 15 min
	Retention   time.Duration // after which a message is dropped, 1 min to 14 days; 0: 14 days
}

// The ranges that are not limits of the port.
const (
	defaultVisibility = 30 * time.Second
	maxReceives       = 1000
	maxDelay          = 15 * time.Minute
	minRetention      = time.Minute
	maxRetention      = 14 * 24 * time.Hour
)

var queueName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,80}$`)

func (c Config) withDefaults() Config {
	if c.Visibility == 0 {
		c.Visibility = defaultVisibility
	}
	if c.Retention == 0 {
		c.Retention = maxRetention
	}
	return c
}

func (c Config) check(op string) error {
	switch {
	case !queueName.MatchString(c.Name):
		return invalid(op, "name", "%q is not 1 to 80 letters, digits, hyphens, underscores and dots", c.Name)
	case c.Visibility < 0 || c.Visibility > queue.MaxVisibility:
		return invalid(op, "visibility", "%s is not between 0 and %s", c.Visibility, queue.MaxVisibility)
	case c.Delay < 0 || c.Delay > maxDelay:
		return invalid(op, "delay", "%s is not between 0 and %s", c.Delay, maxDelay)
	case c.Retention < minRetention || c.Retention > maxRetention:
		return invalid(op, "retention", "%s is not between %s and %s", c.Retention, minRetention, maxRetention)
	case c.DeadLetter == c.Name:
		return invalid(op, "dead letter", "a queue cannot be its own dead-letter queue")
	case c.DeadLetter == "" && c.MaxReceives != 0:
		return invalid(op, "max receives", "%d receives without a dead-letter queue", c.MaxReceives)
	case c.DeadLetter != "" && (c.MaxReceives < 1 || c.MaxReceives > maxReceives):
		return invalid(op, "max receives", "%d is not between 1 and %d", c.MaxReceives, maxReceives)
	}
	return nil
}

// invalid makes the fault of an argument that is over a limit or against a rule.
func invalid(op, subject, format string, args ...any) error {
	return &fault.Error{Op: op, Kind: fault.Invalid, Subject: subject, Message: fmt.Sprintf(format, args...)}
}
