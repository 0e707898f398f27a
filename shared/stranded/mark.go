package stranded

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// place is a link that a message is about.
type place struct {
	directory directory.ID
	subject   plan.Subject
	account   directory.EntraID
}

// mark parks the links that a message is about, and records an action for each.
func (t Taker) mark(ctx context.Context, m message) error {
	switch {
	case m.password != nil:
		return t.endPassword(ctx, m)
	case !m.marks:
		return nil
	}
	places, err := t.places(ctx, m)
	if err != nil {
		return err
	}
	for _, p := range places {
		marked := false
		err := t.Store.ChangeStanding(ctx, p.directory, p.subject, func(s directory.Standing) directory.Standing {
			if marked = !m.overtaken(s); marked {
				s = m.park(s)
			}
			return s
		})
		if fault.Is(err, fault.NotFound) || err == nil && !marked {
			continue
		}
		if err == nil {
			err = t.Store.RecordActions(ctx, m.failed(p))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// places are the links that a message is about. A task is about one, an event about those
// of its users and groups in all directories of the organization; a change of a user who
// is not connected there any more concerns nobody.
func (t Taker) places(ctx context.Context, m message) (places []place, err error) {
	for _, subject := range m.record.About {
		if subject.Kind == plan.OfUser {
			user, err := t.Store.User(ctx, m.record.Organization, directory.UserID(subject.ID))
			if err != nil {
				return nil, err
			}
			for _, link := range user.Links {
				if m.record.Directory == "" && link.Status == directory.Released && !m.asksMore {
					continue
				}
				places = append(places, place{link.Directory, subject, link.EntraID})
			}
			continue
		}
		group, err := t.Store.Group(ctx, m.record.Organization, directory.GroupID(subject.ID))
		if err != nil {
			return nil, err
		}
		for _, link := range group.Links {
			places = append(places, place{link.Directory, subject, link.EntraID})
		}
	}
	return slices.DeleteFunc(places, func(p place) bool { return m.record.Directory != "" && p.directory != m.record.Directory }), nil
}

// park is a link of which a message was set aside.
func (m message) park(s directory.Standing) directory.Standing {
	s.Status, s.Reason, s.Message, s.NextTryAt = directory.Parked, directory.Stranded, m.sentence(), time.Time{}
	if m.record.At.After(s.StrandedAt) {
		s.StrandedAt = m.record.At
	}
	return s
}

// overtaken reports whether a link shows that a later change of the object was applied: it
// was read after the change of this message.
func (m message) overtaken(s directory.Standing) bool {
	at := m.record.Cause.At
	return !m.asksMore && !at.IsZero() && s.LastEventAt.After(at) && len(s.OpenActions) == 0
}

// sentence is the message of the links.
func (m message) sentence() string {
	r := m.record
	path := "/v1/organizations/" + string(r.Organization)
	if r.Directory != "" {
		path = "/v1/directories/" + string(r.Directory)
	}
	tries := "any of its tries"
	if r.Receives > 0 {
		tries = fmt.Sprintf("%d tries", r.Receives)
	}
	return fmt.Sprintf("entrasync did not finish a change (%s) in %s, and it may not be in Entra: read the log for why, then send it back with POST %s/stranded/%s/retry",
		strings.TrimSpace(r.Cause.Type+" "+r.Cause.ID), tries, path, r.ID)
}

// failed is the action of a place. Without an account it would have been created.
func (m message) failed(p place) plan.Action {
	action := plan.Action{
		ID: actionID(m.record, p), Type: plan.Update, Directory: p.directory, Subject: p.subject, EntraID: p.account, Changes: []directory.Change{},
		Cause: m.record.Cause, Status: plan.Failed, At: m.record.At, CompletedAt: m.record.At,
		Error: &plan.Failure{Kind: string(fault.Internal), Reason: directory.Stranded, Message: m.sentence()},
	}
	switch {
	case p.subject.Kind == plan.OfGroup && p.account == "":
		action.Type = plan.CreateGroup
	case p.subject.Kind == plan.OfGroup:
		action.Type = plan.AddMembers
	case p.account == "":
		action.Type = plan.Provision
	}
	return action
}

// actionID is the id of the action of a place: a UUID of version 7, as all actions have, of
// the time of the record. It is the same if the message is taken again.
func actionID(r store.Stranded, p place) string {
	const bits, timeBytes = 8, 6
	sum := sha256.Sum256([]byte(r.ID + "/" + string(p.directory) + "/" + p.subject.Kind + "/" + p.subject.ID))
	var id uuid.UUID
	copy(id[:], sum[:])
	at := r.At.UnixMilli()
	for i := range timeBytes {
		id[i] = byte(at >> (bits * (timeBytes - 1 - i)))
	}
	id[6] = id[6]&0x0f | 0x70 // version 7
	id[8] = id[8]&0x3f | 0x80 // the variant of RFC 9562
	return id.String()
}

// endPassword closes the action of a password that was not set, or of which nobody knows
// whether it was, and writes to the links that it has to be set again. The links come
// first: a closed action shows that all is done.
func (t Taker) endPassword(ctx context.Context, m message) error {
	action, version, err := t.Store.ActionVersion(ctx, m.record.Organization, m.password.Action)
	if fault.Is(err, fault.NotFound) || err == nil && action.Completed() {
		return nil
	}
	if err != nil {
		return err
	}
	why := directory.Obstacle{Reason: directory.Interrupted, Message: "entrasync stopped before it sent the password to Entra: the account has the old one. Set it again"}
	if action.Status == plan.Started {
		why.Message = "entrasync stopped before Entra's answer was known: the account may have the new password or the old one. Set it again"
	}
	for _, id := range slices.Concat([]directory.ID{m.record.Directory}, m.password.Also) {
		err := t.Store.ChangeLink(ctx, id, directory.UserID(m.record.About[0].ID), func(link directory.Link) directory.Link {
			return link.WithoutPassword(action.EntraID, why)
		})
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	action.Status, action.CompletedAt = plan.Failed, time.Now().UTC()
	action.Error = &plan.Failure{Kind: string(fault.Transient), Reason: why.Reason, Message: why.Message}
	return t.Store.ChangeAction(ctx, action, version)
}
