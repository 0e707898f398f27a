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
	isNew     bool // there is no link yet
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
	newcomers, err := t.newcomers(ctx, m)
	if err != nil {
		return err
	}
	for _, p := range append(places, newcomers...) {
		marked := false
		err := t.Store.ChangeStanding(ctx, p.directory, p.subject, func(s directory.Standing) directory.Standing {
			if marked = !m.overtaken(s); marked {
				s = m.park(s)
			}
			return s
		})
		if p.isNew && fault.Is(err, fault.NotFound) {
			marked, err = true, t.Store.AddExpected(ctx, p.directory, p.subject, m.park)
		}
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
// of its users and groups in all directories of the organization, and of the groups around
// its groups, whose members may have changed; a change of a user who is not connected there
// any more concerns nobody.
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
				places = append(places, place{directory: link.Directory, subject: subject, account: link.EntraID})
			}
			continue
		}
		group, err := t.Store.Group(ctx, m.record.Organization, directory.GroupID(subject.ID))
		if err != nil {
			return nil, err
		}
		for _, link := range group.Links {
			places = append(places, place{directory: link.Directory, subject: subject, account: link.EntraID})
		}
		around, err := t.around(ctx, m, group)
		if err != nil {
			return nil, err
		}
		places = append(places, around...)
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

// around are the places of the groups that contain a group of an event: they may have other
// members by now. A user of the event reads that for every group.
func (t Taker) around(ctx context.Context, m message, group store.Group) (places []place, err error) {
	if m.record.Directory != "" || m.hasUser() {
		return nil, nil
	}
	for _, w := range group.Within {
		outer, err := t.Store.Group(ctx, m.record.Organization, w.Outer)
		if err != nil {
			return nil, err
		}
		link, _ := outer.Link(w.Directory)
		places = append(places, place{directory: w.Directory, subject: plan.Subject{Kind: plan.OfGroup, ID: string(w.Outer)}, account: link.EntraID})
	}
	return places, nil
}

// newcomers are the places where somebody has no link yet whom the message says that a
// directory is to have. A task names the directory. An event names a group, which connects
// its users to the directories that it is connected to, or the connection source of
// directories. What JumpCloud says by then is not known, so such a link goes away again: the
// sweep sends a task, which connects the newcomer, or removes the link of somebody who is not
// connected and never was (package reconcile). If that attempt dies too, the next one does
// it, such as one that is asked for.
func (t Taker) newcomers(ctx context.Context, m message) (places []place, err error) {
	if !m.arrives {
		return nil, nil
	}
	directories, err := t.destinations(ctx, m)
	if err != nil {
		return nil, err
	}
	for _, subject := range m.record.About {
		if subject.Kind == plan.OfGroup && m.hasUser() { // by which the user comes
			continue
		}
		for _, id := range directories {
			linked, err := t.linked(ctx, id, subject)
			if err != nil {
				return nil, err
			}
			if !linked {
				places = append(places, place{directory: id, subject: subject, isNew: true})
			}
		}
	}
	return places, nil
}

// destinations are the directories to which a message may connect somebody, each once.
func (t Taker) destinations(ctx context.Context, m message) (ids []directory.ID, err error) {
	switch {
	case m.record.Directory != "":
		_, err := t.Store.Directory(ctx, m.record.Directory)
		if fault.Is(err, fault.NotFound) {
			return nil, nil
		}
		return []directory.ID{m.record.Directory}, err
	case m.source != directory.ConnectionSource{}:
		directories, err := t.Store.DirectoriesOf(ctx, m.record.Organization)
		for _, d := range directories {
			if d.Settings.ConnectionSource == m.source {
				ids = append(ids, d.ID)
			}
		}
		return ids, err
	case !m.hasUser(): // a group in a group is not connected by that
		return nil, nil
	}
	for _, subject := range m.record.About {
		if subject.Kind != plan.OfGroup {
			continue
		}
		group, err := t.Store.Group(ctx, m.record.Organization, directory.GroupID(subject.ID))
		if err != nil {
			return nil, err
		}
		for _, c := range group.Connections {
			ids = append(ids, c.Directory)
		}
		for _, w := range group.Within {
			ids = append(ids, w.Directory)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// linked reports whether a user or a group has a link in a directory.
func (t Taker) linked(ctx context.Context, id directory.ID, subject plan.Subject) (linked bool, err error) {
	if subject.Kind == plan.OfUser {
		user, err := t.Store.User(ctx, id.Organization(), directory.UserID(subject.ID))
		_, linked = user.Link(id)
		return linked, err
	}
	group, err := t.Store.Group(ctx, id.Organization(), directory.GroupID(subject.ID))
	_, linked = group.Link(id)
	return linked, err
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
	tries := "any of its tries"
	if r.Receives > 0 {
		tries = fmt.Sprintf("%d tries", r.Receives)
	}
	return fmt.Sprintf("entrasync did not finish a change (%s) in %s, and it may not be in Entra: read the log for why, then send it back with POST /v1/dead-letters/redrive {\"ids\": [%q]}",
		strings.TrimSpace(r.Cause.Type+" "+r.Cause.ID), tries, r.ID)
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
