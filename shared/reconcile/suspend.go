package reconcile

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/plan"
	"entrasync/shared/secret"
	"entrasync/shared/store"
)

// A trouble of a whole directory, such as a lost consent or a key that JumpCloud refuses,
// is one trouble: who comes upon it first looks once more whether it is so, with fresh
// credentials, and suspends the directory. From then on its tasks wait (waiting.go), and
// one probe a minute looks whether it is over (probe.go).

// ProbeCause is the type of the cause of a probe.
const ProbeCause = "probe"

// probeLimit is the time limit for the requests of one probe.
const probeLimit = 15 * time.Second

// recognition is what a batch found out about refusals: it looks once for each reason.
type recognition struct {
	turn  chan struct{} // has an element while nobody looks
	found map[directory.Reason]*directory.Suspension
}

func newRecognition() *recognition {
	r := &recognition{turn: make(chan struct{}, 1), found: map[directory.Reason]*directory.Suspension{}}
	r.turn <- struct{}{}
	return r
}

// suspension returns the suspension of the directory that a fault is part of; nil if the
// fault is not one of everybody there.
func (e *engine[T]) suspension(ctx context.Context, scope directory.Scope, f *fault.Error) *directory.Suspension {
	reason := reasonOf(f)
	switch lost := (disowned{}); {
	case errors.As(f, &lost):
		f = &fault.Error{Op: f.Op, Kind: fault.Unauthorized, Reason: directory.JumpCloudRefused, Err: f}
	case f.Kind != fault.Unauthorized || !directory.Suspends(reason):
		return nil
	}
	<-e.trouble.turn
	defer func() { e.trouble.turn <- struct{}{} }()
	known, looked := e.trouble.found[reason]
	if !looked {
		known = e.recognise(ctx, e.dir, scope, f)
		e.trouble.found[reason] = known
	}
	return known
}

// recognise looks whether a refusal concerns everybody in a directory, and suspends it.
func (p Parts) recognise(ctx context.Context, dir directory.Directory, scope directory.Scope, f *fault.Error) *directory.Suspension {
	now, err := p.Store.Directory(ctx, dir.ID)
	if err != nil {
		return nil
	}
	if s := now.Stopped(scope); s != nil {
		return s
	}
	if s := lacksRight(now, f); s != nil {
		return s
	}
	looking, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	s, tenant := p.confirm(looking, now, scope, f)
	if s == nil {
		return nil
	}
	keeping, stop := deadline.ForRecords(ctx, recordLimit)
	defer stop()
	kept, err := p.suspend(keeping, dir.ID, *s, tenant)
	if err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Str("directory", string(dir.ID)).Str("reason", string(s.Reason)).Msg("the directory could not be suspended")
		return nil
	}
	if s.Reason == directory.JumpCloudRefused && s.Scope == directory.Everything {
		p.suspendSiblings(keeping, dir, *s)
	}
	return &kept
}

// confirm looks once more whether a refusal concerns everybody, with fresh credentials. It
// returns nil if it does not, or if that cannot be known now. What the tenant allows is in
// tenant, if it was asked.
func (p Parts) confirm(ctx context.Context, dir directory.Directory, scope directory.Scope, f *fault.Error) (s *directory.Suspension, tenant directory.Tenant) {
	s = &directory.Suspension{Reason: reasonOf(f), Message: sentenceOf(f), Scope: directory.Everything, Since: time.Now().UTC()}
	switch {
	case s.Reason == directory.JumpCloudRefused:
		refused := p.probeJumpCloud(ctx, dir.Organization)
		if refused == nil {
			return p.confirmRight(ctx, dir, scope, f, *s), tenant
		}
		if !isRefusal(refused) {
			return nil, tenant
		}
		s.Message = sentenceOf(fault.Of(jumpCloudTrouble(refused)))
		return s, tenant
	case dir.TenantObject == "":
		return s, tenant
	}
	look := directory.Everything
	if s.Reason == directory.PermissionMissing {
		look = scope
	}
	tenant, rights, err := p.probeEntra(ctx, dir.SignInTenant(), look)
	missing := fault.Is(err, fault.Unauthorized) && permissionMissing(fault.Of(err))
	switch {
	case fault.Is(err, fault.Unauthorized) && !missing:
		s.Reason, s.Message = reasonOf(fault.Of(err)), sentenceOf(fault.Of(err))
		if !directory.Suspends(s.Reason) {
			return nil, tenant
		}
	case s.Reason != directory.PermissionMissing:
		return nil, tenant // the credentials work
	case missing:
		s.Scope, s.Message, s.Rights = scope, sentenceOf(fault.Of(err)), rights
	case err == nil:
		s.Scope, s.Rights = directory.OfPart, rights
	default:
		return nil, tenant
	}
	return s, tenant
}

// confirmRight looks once more whether the key, which works, lacks the right for what was
// refused. Without the right to read groups no group can be read; what else is missing
// concerns those who came upon it.
func (p Parts) confirmRight(ctx context.Context, dir directory.Directory, scope directory.Scope, f *fault.Error, s directory.Suspension) *directory.Suspension {
	var refused *jumpcloud.Refused
	if !errors.As(f, &refused) {
		return nil
	}
	client, err := p.Clients.JumpCloud(secret.Fresh(ctx), dir.Organization)
	if err != nil {
		return nil
	}
	s.Scope, s.Rights = directory.OfPart, refused.Read
	if scope == directory.OfGroups {
		if err = client.ProbeRead(ctx, jumpcloud.AnyGroup); isRefusal(err) {
			s.Scope, s.Rights = scope, jumpcloud.AnyGroup
		}
	}
	if s.Scope == directory.OfPart {
		err = client.ProbeRead(ctx, refused.Read)
	}
	if !isRefusal(err) {
		return nil
	}
	s.Message = sentenceOf(fault.Of(err))
	return &s
}

// lacksRight is the suspension for a right that JumpCloud's key is known to lack and that a
// refusal is part of; nil if there is none.
func lacksRight(dir directory.Directory, f *fault.Error) *directory.Suspension {
	var refused *jumpcloud.Refused
	s := dir.Of(directory.OfPart)
	if s == nil || s.Reason != directory.JumpCloudRefused || !errors.As(f, &refused) || jumpcloud.ScopeOf(s.Rights) != jumpcloud.ScopeOf(refused.Read) {
		return nil
	}
	return s
}

// probeJumpCloud returns why JumpCloud refuses the organization's key; nil if it does not.
func (p Parts) probeJumpCloud(ctx context.Context, organization directory.OrganizationID) error {
	client, err := p.Clients.JumpCloud(secret.Fresh(ctx), organization)
	if err != nil {
		return err
	}
	return client.ProbeKey(ctx)
}

// probeEntra looks whether a tenant lets the application in, and do what a scope needs.
func (p Parts) probeEntra(ctx context.Context, id directory.TenantID, scope directory.Scope) (tenant directory.Tenant, rights string, err error) {
	client, err := p.Clients.Entra(ctx, id)
	if err != nil {
		return tenant, "", err
	}
	return client.Probe(secret.Fresh(ctx), scope)
}

// isRefusal reports whether an error of JumpCloud says that it refuses the key.
func isRefusal(err error) bool {
	return fault.Is(err, fault.Unauthorized) || fault.Is(err, fault.Forbidden)
}

// suspendSiblings suspends the other directories of an organization whose key is refused.
// One that is missed suspends itself.
func (p Parts) suspendSiblings(ctx context.Context, dir directory.Directory, s directory.Suspension) {
	all, err := p.Store.DirectoriesOf(ctx, dir.Organization)
	for _, other := range all {
		if other.ID != dir.ID && err == nil {
			_, err = p.suspend(ctx, other.ID, s, directory.Tenant{})
		}
	}
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("organization", string(dir.Organization)).Msg("not all directories of the organization could be suspended yet")
	}
}

// suspend stores a suspension, unless the directory has one, and returns the one that
// counts. The first probe is sent before, so that none is missing if the process dies. With it
// it stores what the tenant allows the application, if that is known.
func (p Parts) suspend(ctx context.Context, id directory.ID, s directory.Suspension, tenant directory.Tenant) (kept directory.Suspension, err error) {
	next := time.Now().UTC().Add(directory.ProbeEvery)
	if err := Enqueue(ctx, p.Lanes.UsersLive, Probe(id, next)); err != nil {
		return s, err
	}
	began := false
	err = store.Contended(ctx, func() error {
		dir, err := p.Store.Directory(ctx, id)
		if err != nil {
			return err
		}
		if before := dir.Stopped(s.Scope); before != nil {
			kept, began = *before, false
			return nil
		}
		kept, began = s, true
		_, err = p.Store.PutDirectory(ctx, dir.Allowed(tenant).Refused(s.Reason, s.Since).Suspend(s, next))
		return err
	})
	if began && err == nil {
		p.Metrics.Count(SuspendedMetric, 1, "reason", string(s.Reason))
		zerolog.Ctx(ctx).Error().Str("directory", string(id)).Str("reason", string(s.Reason)).Str("scope", string(s.Scope)).Str("why", s.Message).
			Msg("the directory is suspended: its tasks wait")
	}
	return kept, err
}

// SuspendedMetric counts, for each directory, that it was suspended, and each probe that
// finds it suspended still.
const SuspendedMetric = "directory_suspended"

// Look is the task that looks whether everybody in a directory is refused, and suspends it
// then. It is for those who come upon a refusal and have no task: while nothing changes there
// is none.
func Look(id directory.ID) Task {
	look := Probe(id, time.Time{})
	look.Look = true
	return look
}

// Probe is the task that checks whether a directory is suspended still, when it is due at a
// time; at the zero time, at once.
func Probe(id directory.ID, at time.Time) Task {
	return Task{Directory: id, Probe: true, NotBefore: at, Cause: plan.Cause{Type: ProbeCause, At: time.Now().UTC()}}
}
