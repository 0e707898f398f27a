package jumpcloud

import (
	"encoding/json"

	"github.com/google/uuid"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/queue"
)

// Change is an event on its way to fanout, with the organization whose channel
// or feed it came from. That organization counts, not the one that the event
// names: only the former was proven by a secret.
type Change struct {
	Organization directory.OrganizationID `json:"organization"`
	Event        Event                    `json:"event"`
}

// Message is the change as a message. Changes of one object are one message
// group; a copy of the same event is dropped by the queue. Of vague events none is
// dropped: who is suspended, unsuspended and suspended again within minutes would
// stay as they were after the second.
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

// object is the id of what the event is about, or of the event itself.
func (c Change) object() string {
	if users := c.Event.Users(); len(users) > 0 {
		return string(users[0])
	}
	if groups := c.Event.Groups(); len(groups) > 0 {
		return string(groups[0])
	}
	return c.Event.ID
}

// ReadChange reads the body of a message that [Change.Message] made.
func ReadChange(body []byte) (Change, error) {
	var c Change
	if err := json.Unmarshal(body, &c); err != nil || c.Organization == "" {
		return Change{}, &fault.Error{Op: "jumpcloud.read change", Kind: fault.Internal, Message: "the message is not a change", Err: err}
	}
	return c, nil
}
