// Package queue is the port to the FIFO queues between the functions, with the
// rules of SQS: message groups are handled in order with one batch in flight
// per group, a message that was received is hidden until it is deleted or its
// visibility timeout ends, every receive is counted, a message received too
// often moves to the dead-letter queue, and a message sent again with the same
// de-duplication id within five minutes is accepted and dropped.
//
// Two adapters implement it, shared/local/boltqueue on one machine and SQS on
// AWS; queuetest holds the suite that both pass.
package queue

import (
	"context"
	"time"
)

// The limits of the port, which are those of SQS (Amazon SQS message quotas). Every
// adapter refuses input over a limit with a fault of kind Invalid.
const (
	MaxBodyBytes  = 1 << 20 // one message, and the sum of one batch
	MaxBatch      = 10      // messages in one send, receive or delete
	MaxIDChars    = 128     // a group id or a de-duplication id, of letters, digits and punctuation of ASCII
	DedupWindow   = 5 * time.Minute
	MaxVisibility = 12 * time.Hour
)

// Message is what a producer sends. The body is UTF-8 text, not empty, without
// control characters other than tab and line ends, and without U+FFFE and
// U+FFFF: the characters that SQS takes (SendMessage, MessageBody).
type Message struct {
	Body    []byte
	GroupID string // messages of one group are handled in order; required
	DedupID string // a second message with this id within DedupWindow is dropped; required
}

// Received is what a consumer gets. Receipt identifies this receive: after the message
// became visible again, an old receipt no longer deletes it.
type Received struct {
	ID           string
	Body         []byte
	GroupID      string
	DedupID      string
	Receipt      string
	ReceiveCount int       // this receive included
	SentAt       time.Time // UTC
	FirstReceive time.Time // UTC
}

// Sender puts messages into a queue.
type Sender interface {
	// Send puts at most MaxBatch messages into the queue. If it returns nil, the queue
	// has all of them. If it returns a fault, the caller sends all again: messages that
	// the queue already has are then dropped by their DedupID.
	Send(ctx context.Context, messages ...Message) error
}

// Receiver takes messages out of a queue.
type Receiver interface {
	// Receive returns up to max messages (1 to MaxBatch); it waits up to wait for the
	// first. No message is not an error. It returns no message of a group that has
	// messages in flight.
	Receive(ctx context.Context, max int, wait time.Duration) ([]Received, error)
	// Delete removes messages. A receipt that is no longer valid is ignored.
	Delete(ctx context.Context, receipts ...string) error
	// Postpone makes a received message visible again after d, 0 to MaxVisibility;
	// until then its group waits. A receipt that is no longer valid is a fault of kind
	// NotFound.
	Postpone(ctx context.Context, receipt string, d time.Duration) error
}

// Queue sends, receives and counts messages.
type Queue interface {
	Sender
	Receiver
	// Depth counts the messages that wait and those in flight.
	Depth(ctx context.Context) (Depth, error)
}

// Depth is the number of messages in a queue. On AWS the numbers are approximate.
type Depth struct {
	Visible  int // waiting to be received
	InFlight int // received, not yet deleted
}
