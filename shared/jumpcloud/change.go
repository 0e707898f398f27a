package jumpcloud

import (
	"encoding/json"

	"github.com/google/uuid"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/queue"
)

// Change is an event that is sent to fanout, with the organization of the channel or
// feed it came from. That organization counts, not the one that the event names: only
// the former was proved by a secret.
type Change struct {
	Organization directory.OrganizationID `json:"organization"`
	Event        Event                    `json:"event"`
	Via          Via                      `json:"via,omitempty"`
}

// Via is how we heard of an event.
type Via string

// The two ways.
const (
	ByWebhook Via = ""         // JumpCloud called
	ByCatchUp Via = "catch_up" // it was found in the feed, and no webhook had brought it
)

// String names the way.
func (v Via) String() string {
	if v == ByWebhook {
		return "webhook"
	}
	return string(v)
}

// Message is the change as a message. Changes of one object are one message group, and
// the queue drops a copy of the same event. It drops no vague events: if a user is
// suspended, unsuspended and suspended again within minutes, the third event would be
// dropped as a copy of the first, and the user would stay unsuspended.
func (c Change) Message() (queue.Message, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return queue.Message{}, fault.Wrap(err, fault.Internal, "jumpcloud.encode change")
	}
	occurrence := c.Event.Occurrence()
	if occurrence == "" {
		occurrence = uuid.NewString()
	}
	return queue.Message{
		Body:    body,
		GroupID: string(c.Organization) + "/" + c.object(),
		DedupID: string(c.Organization) + "/" + occurrence,
	}, nil
}

// object is the id of the object that the event is about, or else of the event.
func (c Change) object() string {
	if users := c.Event.Users(); len(users) > 0 {
		return string(users[0])
	}
	if groups := c.Event.Groups(); len(groups) > 0 {
		return string(groups[0])
	}
	return c.Event.ID
}

// ReadChange reads the body of a message made by [Change.Message].
func ReadChange(body []byte) (Change, error) {
	var c Change
	if err := json.Unmarshal(body, &c); err != nil || c.Organization == "" {
		return Change{}, &fault.Error{Op: "jumpcloud.read change", Kind: fault.Internal, Message: "the message is not a change", Err: err}
	}
	return c, nil
}
