package admin

import (
	"context"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/reconcile"
)

// maxCounted is up to how many waiting tasks of a directory are counted for people.
const maxCounted = 1000

// countWaiting is how many users and groups of a directory have tasks that wait, of the first
// maxCounted tasks; nil if there are none to look for. One may have two of them, of which one is
// urgent.
func (a API) countWaiting(ctx context.Context, dir directory.Directory) (*int, error) {
	if !dir.IsProbed() {
		return nil, nil
	}
	page, err := a.Store.WaitingTasks(ctx, dir.ID, maxCounted, "")
	type subject struct{ kind, id string }
	waiting := map[subject]bool{}
	for _, task := range page.Items {
		waiting[subject{task.Kind, task.ID}] = true
	}
	n := len(waiting)
	return &n, err
}

// authorized ends the suspension of a directory whose tenant was just read with our
// credentials. A key that JumpCloud refuses is another matter.
func authorized(dir directory.Directory) directory.Directory {
	if dir.Suspended == nil || dir.Suspended.Reason == directory.JumpCloudRefused {
		return dir
	}
	return dir.Resume(directory.Everything, time.Now().UTC())
}

// unauthorized suspends a directory that waits for its authorization: it is active as soon
// as a probe can read its tenant. One that was active before and may only not read the
// organization goes on with what it may.
func unauthorized(dir directory.Directory) directory.Directory {
	if dir.Status != directory.PendingAuthorization || dir.Suspended != nil || dir.TenantObject != "" && dir.Reason == directory.PermissionMissing {
		return dir
	}
	now := time.Now().UTC()
	return dir.Suspend(directory.Suspension{Reason: dir.Reason, Message: dir.Message, Scope: directory.Everything, Since: now}, now.Add(directory.ProbeEvery))
}

// refusedAgain says in the suspension of a directory why its tenant refuses us now.
func refusedAgain(dir directory.Directory) directory.Directory {
	if dir.Status != directory.PendingAuthorization || dir.Suspended == nil || dir.Suspended.Reason == directory.JumpCloudRefused {
		return dir
	}
	s := *dir.Suspended
	s.Reason, s.Message = dir.Reason, dir.Message
	dir.Suspended = &s
	return dir
}

// probePause is how long after a probe a request for single users and groups sends no other.
const probePause = 5 * time.Second

// probeNow sends a probe of a suspended directory that is due at once, so that whoever
// mended something need not wait for the next one. If it cannot be sent, the next one finds
// that out.
func (a API) probeNow(ctx context.Context, dir directory.Directory) {
	if dir.IsProbed() && time.Since(dir.Probes.LastAt) >= probePause {
		a.sendProbe(ctx, reconcile.Probe(dir.ID, time.Time{}))
	}
}

// sendProbe sends a probe. If that fails, the sweep sends one.
func (a API) sendProbe(ctx context.Context, probe reconcile.Task) {
	if err := reconcile.Enqueue(ctx, a.Lanes.UsersLive, probe); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("directory", string(probe.Directory)).Msg("the probe of a suspended directory could not be sent")
	}
}

// probeKey sends probes if the organization's key was refused, or lacked a right: it has another
// one now. One of the directories that are suspended is probed for all of these, and each that
// is partly suspended for itself.
func (a API) probeKey(ctx context.Context, organization directory.OrganizationID) {
	all, err := a.Store.DirectoriesOf(ctx, organization)
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("organization", string(organization)).Msg("the directories that wait for the key could not be read: the next probe finds it")
		return
	}
	probed := false
	for _, dir := range all {
		lacks := slices.ContainsFunc(dir.PartlySuspended, func(s directory.Suspension) bool { return s.Reason == directory.JumpCloudRefused })
		refused := dir.Suspended != nil && dir.Suspended.Reason == directory.JumpCloudRefused
		if refused && !probed || lacks && dir.Suspended == nil {
			a.sendProbe(ctx, reconcile.Probe(dir.ID, time.Time{}))
			probed = probed || refused
		}
	}
}
