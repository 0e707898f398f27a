package stranded

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// message is a dead letter that was read.
type message struct {
	record store.Stranded
	// marks says that the links of those that it is about are to be marked.
	marks bool
	// asksMore says that it asks for more than the read of the object, so that a later
	// change of the object does not stand for it.
	asksMore bool
	// arrives says that those it is about may be new in a directory: they have no link
	// there yet. source is the connection source by which an event says so; none if that
	// is a group.
	arrives  bool
	source   directory.ConnectionSource
	password *reconcile.SealedPassword // nil unless it is the task of a password
	tooLarge bool                      // to be kept in a record
}

// maxBody is how much of a message fits a record, whose body is base64.
const maxBody = store.MaxItemBytes / 2

// readMessage reads a dead letter. It has a record also if it cannot be understood.
func readMessage(lane store.Lane, m queue.Received, now time.Time) message {
	read := message{record: store.Stranded{ID: idOf(lane, m), Lane: lane, Group: m.GroupID, Receives: m.ReceiveCount - 1, SentAt: m.SentAt, At: now, Body: m.Body}}
	var err error
	switch lane {
	case store.Changes:
		err = read.change(m.Body)
	case store.UsersLive, store.UsersBulk:
		err = read.task(m.Body)
	default:
		err = read.groupTask(m.Body)
	}
	if err != nil {
		read.unreadable(m.Body, err)
	}
	if read.tooLarge = len(m.Body) > maxBody; read.tooLarge {
		read.record.Body = nil
	}
	return read
}

// idOf is the id of the record of a message: the time of sending, then a part that is the
// same for the same message.
func idOf(lane store.Lane, m queue.Received) string {
	const ofTime, ofName = 6, 10 // bytes
	sum := sha256.Sum256([]byte(string(lane) + "/" + m.ID))
	return fmt.Sprintf("%0*x%s", 2*ofTime, m.SentAt.UnixMilli(), hex.EncodeToString(sum[:ofName]))
}

// change reads an event.
func (m *message) change(body []byte) error {
	change, err := jumpcloud.ReadChange(body)
	if err != nil {
		return err
	}
	event, concern := change.Event, change.Event.Concern()
	m.record.Organization = change.Organization
	m.record.Cause = plan.Cause{Type: event.Type, ID: event.ID, At: event.Timestamp, Event: true}
	m.asksMore = concern != jumpcloud.UserChanged
	for _, id := range event.Users() {
		m.record.About = append(m.record.About, plan.Subject{Kind: plan.OfUser, ID: string(id)})
	}
	for _, id := range event.Groups() {
		m.record.About = append(m.record.About, plan.Subject{Kind: plan.OfGroup, ID: string(id)})
	}
	if source, is := event.Source(); is {
		m.source = source
	}
	m.arrives = concern == jumpcloud.AssociationChanged && mayArrive(event.Claims())
	m.marks = concern != jumpcloud.Irrelevant && concern != jumpcloud.OwnWrite // the others change nobody
	return nil
}

// task reads a task of a user.
func (m *message) task(body []byte) error {
	t, err := reconcile.ReadTask(body)
	if err != nil {
		return err
	}
	m.of(t.Directory, plan.Subject{Kind: plan.OfUser, ID: string(t.User)}, t.Cause)
	if t.Probe { // it is about nobody, and the sweep sends another one
		m.marks, m.record.About = false, nil
		return nil
	}
	m.asksMore = t.Memberships || t.Source || !t.PasswordAt.IsZero()
	m.arrives = (t.Memberships || t.Source) && mayArrive(t.Claims)
	if t.Password != nil {
		m.password, m.marks = t.Password, false
		m.record.Body, m.record.Password = nil, true
	}
	return nil
}

// groupTask reads a task of a group, or of a connection source, which has no link.
func (m *message) groupTask(body []byte) error {
	t, err := reconcile.ReadGroupTask(body)
	if err != nil {
		return err
	}
	m.of(t.Directory, plan.Subject{Kind: plan.OfGroup, ID: string(t.Group)}, t.Cause)
	m.asksMore = t.AllMembers || t.Source
	m.arrives = t.Source && mayArrive(t.Claims)
	if t.Group == "" {
		m.marks, m.record.About = false, nil
	}
	return nil
}

// hasUser reports whether the message is about a user, and perhaps a group of that user.
func (m *message) hasUser() bool {
	return slices.ContainsFunc(m.record.About, func(s plan.Subject) bool { return s.Kind == plan.OfUser })
}

// mayArrive reports whether somebody may be connected by what events claimed: it is not only
// that somebody left.
func mayArrive(claims []directory.Claim) bool {
	left := false
	for _, c := range claims {
		switch c.Kind {
		case directory.Joined, directory.Associated:
			return true
		case directory.Left, directory.Dissociated:
			left = true
		}
	}
	return !left
}

// of fills in what a task is about.
func (m *message) of(id directory.ID, subject plan.Subject, cause plan.Cause) {
	m.record.Organization, m.record.Directory = id.Organization(), id
	m.record.About, m.record.Cause, m.marks = []plan.Subject{subject}, cause, true
}

// unreadable fills in the record of a message that cannot be read. It belongs to the
// deployment, whatever it says. What may have a sealed password is not stored.
func (m *message) unreadable(body []byte, err error) {
	m.record.Unreadable = err.Error()
	if bytes.Contains(body, []byte("sealed")) {
		m.record.Body, m.record.Password = nil, true
	}
}
