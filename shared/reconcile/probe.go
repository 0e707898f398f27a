package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/secret"
	"entrasync/shared/store"
)

// A probe is a task that looks whether a suspension is over. Each one sends the next, which
// is due a minute later, as long as there is something to look for; so there is one chain of
// them for a directory. Of two chains one ends: a probe is dropped if the directory's record
// has a later time for the next one. An administrator's request sends one that is due at
// once. If a chain breaks, the sweep begins another one.

// askedPause is how long after a probe no other one is made on request.
const askedPause = 5 * time.Second

// Probe looks whether the suspensions of a directory are over, and sends the tasks that
// waited for that.
func (s Users) Probe(ctx context.Context, a Attempt) Outcome {
	p := probing{Parts: s.Parts, id: a.Directory, due: a.NotBefore, look: a.Look}
	if err := p.run(ctx); err != nil && !fault.Is(err, fault.NotFound) {
		zerolog.Ctx(ctx).Warn().Err(err).Str("directory", string(a.Directory)).Msg("the probe of a suspended directory failed: it is tried again")
		return Outcome{Retry: true, After: waitBefore(a.Number, fault.Of(err)), Err: err, Afresh: a.Last}
	}
	return Outcome{}
}

// probing is the work on one probe.
type probing struct {
	Parts
	id  directory.ID
	due time.Time // zero: it was requested
	// look asks to look also if the directory is not suspended.
	look bool
}

// run makes the probe and sends what waits.
func (p probing) run(ctx context.Context) error {
	dir, err := p.Store.Directory(ctx, p.id)
	if err != nil {
		return err
	}
	if p.look && !dir.IsSuspended() {
		p.checkBoth(ctx, dir)
	}
	if !dir.IsProbed() || p.isOvertaken(dir) {
		return nil
	}
	if !p.due.IsZero() || time.Since(dir.Probes.LastAt) >= askedPause {
		claimed, err := p.claim(ctx)
		if err != nil || !claimed {
			return err
		}
		if err := p.check(ctx, dir); err != nil {
			return err
		}
		if dir, err = p.Store.Directory(ctx, p.id); err != nil {
			return err
		}
	}
	if !dir.IsResuming() {
		return nil
	}
	sent, all, err := p.sendWaiting(ctx, dir)
	switch {
	case err != nil:
		return err
	case !all && sent > 0:
		return Enqueue(ctx, p.Lanes.UsersLive, Probe(p.id, time.Time{}))
	case all && sent == 0 && time.Since(dir.Probes.ResumedAt) > directory.ResumeTime:
		return p.change(ctx, p.id, func(now directory.Directory) (directory.Directory, bool) {
			same := now.Probes.ResumedAt.Equal(dir.Probes.ResumedAt)
			now.Probes.ResumedAt = time.Time{}
			return now, same
		})
	default:
		return nil
	}
}

// checkBoth checks with both sides whether a directory that is not suspended is to be. If that
// cannot be known now, whoever comes upon the next refusal asks again.
func (p probing) checkBoth(ctx context.Context, dir directory.Directory) {
	for _, reason := range []directory.Reason{directory.JumpCloudRefused, directory.ConsentLost} {
		if reason == directory.ConsentLost && dir.TenantObject == "" {
			return // the tenant has never let the application in, and the directory says so
		}
		if p.recognise(ctx, dir, directory.Everything, &fault.Error{Op: "reconcile.look", Kind: fault.Unauthorized, Reason: reason}) != nil {
			return
		}
	}
}

// isOvertaken reports whether another chain of probes has a later one.
func (p probing) isOvertaken(dir directory.Directory) bool {
	return !p.due.IsZero() && p.due.Before(dir.Probes.NextAt)
}

// claim sends the next probe and notes in the record that this one is made; false if
// another one was made meanwhile.
func (p probing) claim(ctx context.Context) (claimed bool, err error) {
	now := time.Now().UTC()
	next := now.Add(directory.ProbeEvery)
	if err := Enqueue(ctx, p.Lanes.UsersLive, Probe(p.id, next)); err != nil {
		return false, err
	}
	err = p.change(ctx, p.id, func(dir directory.Directory) (directory.Directory, bool) {
		if claimed = !p.isOvertaken(dir); dir.Suspended != nil || len(dir.PartlySuspended) > 0 {
			dir.Probes.LastAt = now
		}
		dir.Probes.NextAt = next
		return dir, claimed
	})
	return claimed, err
}

// change changes a directory as edit says, unless edit returns false.
func (p probing) change(ctx context.Context, id directory.ID, edit func(directory.Directory) (directory.Directory, bool)) error {
	return store.Contended(ctx, func() error {
		dir, err := p.Store.Directory(ctx, id)
		if err != nil {
			return err
		}
		changed, keep := edit(dir)
		if !keep {
			return nil
		}
		_, err = p.Store.PutDirectory(ctx, changed)
		return err
	})
}

// check looks whether each suspension of a directory is over.
func (p probing) check(ctx context.Context, dir directory.Directory) error {
	looking, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	switch {
	case dir.Suspended == nil:
		var failed []error
		for _, s := range dir.PartlySuspended {
			failed = append(failed, p.checkPart(ctx, looking, dir, s))
		}
		return errors.Join(failed...)
	case dir.Suspended.Reason == directory.JumpCloudRefused:
		return p.checkKey(ctx, looking, dir)
	default:
		return p.checkTenant(ctx, looking, dir)
	}
}

// partlyFor is after which time those who wait for a permission try again although the
// application's permissions are the same: it may have been misjudged.
const partlyFor = 30 * time.Minute

// checkPart looks whether a missing permission is there.
func (p probing) checkPart(ctx, looking context.Context, dir directory.Directory, s directory.Suspension) error {
	if s.Reason == directory.JumpCloudRefused {
		return p.checkRight(ctx, looking, dir, s)
	}
	tenant, rights, err := p.probeEntra(looking, dir.SignInTenant(), s.Scope)
	same := s.Scope == directory.OfPart && rights == s.Rights && time.Since(s.Since) < partlyFor
	if err != nil || same {
		p.isStill(ctx, dir, s)
		return nil
	}
	return p.endWith(ctx, dir.ID, s, func(now directory.Directory) directory.Directory { return now.Allowed(tenant) })
}

// checkRight looks whether JumpCloud's key has the right that it lacked. If what was refused
// can never be read again, those who wait find out by themselves.
func (p probing) checkRight(ctx, looking context.Context, dir directory.Directory, s directory.Suspension) error {
	client, err := p.Clients.JumpCloud(secret.Fresh(looking), dir.Organization)
	if err == nil {
		err = client.ProbeRead(looking, s.Rights)
	}
	if err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Invalid) {
		p.isStill(ctx, dir, s)
		return nil
	}
	return p.end(ctx, dir.ID, s)
}

// checkKey looks whether JumpCloud accepts the key of the organization again: once
// for all of its directories.
func (p probing) checkKey(ctx, looking context.Context, dir directory.Directory) error {
	all, err := p.Store.DirectoriesOf(ctx, dir.Organization)
	if err != nil {
		return err
	}
	var refused []directory.Directory
	for _, other := range all {
		if other.Suspended != nil && other.Suspended.Reason == directory.JumpCloudRefused {
			refused = append(refused, other)
		}
	}
	if len(refused) == 0 || !p.due.IsZero() && refused[0].ID != dir.ID {
		return nil // the probe of the first one looks
	}
	if err := p.probeJumpCloud(looking, dir.Organization); err != nil {
		for _, other := range refused {
			p.isStill(ctx, other, *other.Suspended)
		}
		return nil
	}
	var failed []error
	for _, other := range refused {
		if other.ID != dir.ID {
			failed = append(failed, Enqueue(ctx, p.Lanes.UsersLive, Probe(other.ID, time.Time{})))
		}
		failed = append(failed, p.end(ctx, other.ID, *other.Suspended))
	}
	return errors.Join(failed...)
}

// checkTenant looks whether the tenant lets the application in again, or at last. Then a
// directory that was never active becomes so.
func (p probing) checkTenant(ctx, looking context.Context, dir directory.Directory) error {
	tenant, _, err := p.probeEntra(looking, dir.SignInTenant(), directory.Everything)
	f := fault.Of(err)
	switch {
	case err == nil:
		return p.activate(ctx, dir, tenant)
	case dir.TenantObject != "" && permissionMissing(f): // it is let in, and may not read the organization
		return p.endWith(ctx, dir.ID, *dir.Suspended, func(now directory.Directory) directory.Directory {
			if now.Status == directory.PendingAuthorization {
				now.Reason, now.Message = f.Reason, f.Message
			}
			return now.Allowed(tenant)
		})
	case f.Kind == fault.Unauthorized && reasonOf(f) != dir.Suspended.Reason:
		return p.change(ctx, dir.ID, func(now directory.Directory) (directory.Directory, bool) {
			if !now.Suspended.Is(*dir.Suspended) {
				return now, false
			}
			s := *now.Suspended
			s.Reason, s.Message = reasonOf(f), sentenceOf(f)
			now.Suspended = &s
			return now.Refused(s.Reason, time.Now().UTC()), true
		})
	default:
		p.isStill(ctx, dir, *dir.Suspended)
		return nil
	}
}

// isStill counts that a directory is suspended still.
func (p probing) isStill(ctx context.Context, dir directory.Directory, s directory.Suspension) {
	p.Metrics.Count(SuspendedMetric, 1, "reason", string(s.Reason))
	zerolog.Ctx(ctx).Warn().Str("directory", string(dir.ID)).Str("reason", string(s.Reason)).Str("scope", string(s.Scope)).Time("since", s.Since).Msg("the directory is suspended still")
}

// end ends a suspension, unless another one took its place.
func (p probing) end(ctx context.Context, id directory.ID, s directory.Suspension) error {
	return p.endWith(ctx, id, s, func(dir directory.Directory) directory.Directory { return dir })
}

// endWith is end with another change of the directory.
func (p probing) endWith(ctx context.Context, id directory.ID, s directory.Suspension, edit func(directory.Directory) directory.Directory) error {
	ended := false
	err := p.change(ctx, id, func(dir directory.Directory) (directory.Directory, bool) {
		now := dir.Of(s.Scope)
		if ended = now.Is(s); !ended {
			return dir, false
		}
		return edit(dir.Resume(s.Scope, time.Now().UTC())), true
	})
	if err == nil && ended {
		p.ended(ctx, id, s)
	}
	return err
}

// ended reports that a suspension ended.
func (p probing) ended(ctx context.Context, id directory.ID, s directory.Suspension) {
	p.Metrics.Count("directory_resumed", 1, "reason", string(s.Reason))
	zerolog.Ctx(ctx).Info().Str("directory", string(id)).Str("reason", string(s.Reason)).Time("since", s.Since).Msg("the directory is no longer suspended: its tasks are sent")
}

// activate ends the suspension of a directory whose tenant lets the application in, and
// keeps what the tenant says of itself. A directory that would write to the accounts of
// another one stays suspended, and says so.
func (p probing) activate(ctx context.Context, seen directory.Directory, tenant directory.Tenant) error {
	ended := false
	err := store.Contended(ctx, func() error {
		dir, err := p.Store.Directory(ctx, seen.ID)
		if err != nil {
			return err
		}
		if ended = dir.Suspended.Is(*seen.Suspended); !ended {
			return nil
		}
		_, err = p.Store.KeepDirectory(ctx, dir, dir.Described(tenant).Resume(directory.Everything, time.Now().UTC()), nil)
		if !fault.Is(err, fault.Conflict) {
			return err
		}
		if dir.TenantObject != "" {
			dir = dir.Resume(directory.Everything, time.Now().UTC()) // what was known of its tenant stays
		} else {
			s := *dir.Suspended
			s.Message, ended = fault.Of(err).Message, false
			dir.Suspended = &s
		}
		_, err = p.Store.PutDirectory(ctx, dir)
		return err
	})
	if err == nil && ended {
		p.ended(ctx, seen.ID, *seen.Suspended)
	}
	return err
}

// How much of what waits one probe sends.
const (
	waitingPages    = 50
	waitingPageSize = 100
)

// sendWaiting sends the tasks that waited, urgent ones first. If there are more than one
// probe sends, all is false.
func (p probing) sendWaiting(ctx context.Context, dir directory.Directory) (sent int, all bool, err error) {
	cursor := ""
	for range waitingPages {
		if !deadline.Allows(ctx, sweepLimit) {
			break
		}
		page, err := p.Store.WaitingTasks(ctx, dir.ID, waitingPageSize, cursor)
		if err != nil {
			return sent, false, err
		}
		n, err := p.send(ctx, dir, page.Items)
		if err != nil {
			return sent, false, err
		}
		sent += n
		if cursor = page.Cursor; cursor == "" {
			all = true
			break
		}
	}
	if sent > 0 {
		zerolog.Ctx(ctx).Info().Str("directory", string(dir.ID)).Int("tasks", sent).Msg("tasks that waited were sent")
	}
	return sent, all, nil
}

// send sends some of the tasks that waited, except those that wait for something else, and
// then deletes their records.
func (p probing) send(ctx context.Context, dir directory.Directory, waiting []store.Waiting) (int, error) {
	var done []store.Waiting
	var users, urgentUsers []Task
	var groups, urgentGroups []GroupTask
	for _, w := range waiting {
		if !dir.Sends(w.Scope, w.IsOfGroup()) {
			continue
		}
		done = append(done, w)
		var user Task
		var group GroupTask
		var err error
		switch {
		case w.IsOfGroup():
			if err = json.Unmarshal(w.Task, &group); err == nil && w.Urgent {
				urgentGroups = append(urgentGroups, group)
			} else if group.Cause.Many = true; err == nil {
				groups = append(groups, group)
			}
		default:
			if err = json.Unmarshal(w.Task, &user); err == nil && w.Urgent {
				urgentUsers = append(urgentUsers, user)
			} else if user.Cause.Many = true; err == nil {
				users = append(users, user)
			}
		}
		if err != nil {
			zerolog.Ctx(ctx).Error().Err(err).Str("directory", string(dir.ID)).Str(w.Kind, w.ID).Msg("a task that waited cannot be read")
		}
	}
	err := errors.Join(Enqueue(ctx, p.Lanes.UsersLive, urgentUsers...), Enqueue(ctx, p.Lanes.GroupsLive, urgentGroups...),
		Enqueue(ctx, p.Lanes.UsersBulk, users...), Enqueue(ctx, p.Lanes.GroupsBulk, groups...))
	if err != nil {
		return 0, err
	}
	return len(done), p.Store.RemoveWaiting(ctx, done...)
}
