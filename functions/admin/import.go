package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/portable"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

const (
	// largestPart is how large a part of an export may be, as every body.
	largestPart = 1 << 20
	// readTime is how long it may take to read it.
	readTime = 5 * time.Second
)

// restoredView is how far a directory is put back.
type restoredView struct {
	Directory   directory.ID          `json:"directoryId"`
	Status      directory.Status      `json:"status" enum:"active,pending_authorization,importing" doc:"importing until the last line is put back; the directory is not in use before"`
	Restoration directory.Restoration `json:"restoration"`
	Job         string                `json:"jobId,omitempty" doc:"The resync that was started with the last line; missing before, and if the directory cannot be compared yet"`
}

// restorations registers the operation that puts a directory back.
func (a API) restorations(on huma.API) {
	op := api.Operation("importDirectory", http.MethodPost, "/v1/directories/import", "Put a directory back from its export, part by part", http.StatusOK, http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusBadGateway)
	op.Description = "The body is a part of what GET /v1/directories/{id}/export answered: whole lines, of at most 1 MiB. The first part has the line of the type directory, and makes the directory anew, with its id; " +
		"its organization must be served here, and its tenant must be the same. Then come the other parts in their order. With the last line the directory is in use, and a resync looks what is different by then; nothing is written in Entra before. " +
		"A part may be sent again, also at the same time: what is put back already stays as it is. Accounts and groups in Entra that belong to somebody else by now are listed in conflicts: their users are parked, and decided anew by the resync."
	op.MaxBodyBytes, op.BodyReadTimeout = largestPart, readTime
	huma.Register(on, op, a.importDirectory)
}

// partOfExport is the request with a part of an export.
type partOfExport struct {
	Directory string `query:"directory" doc:"The directory to which the part belongs; the first part says it itself"`
	RawBody   []byte `contentType:"application/jsonl"`
}

// importDirectory puts a part of a directory back.
func (a API) importDirectory(ctx context.Context, in *partOfExport) (*api.Answer[restoredView], error) {
	lines, id, err := portable.Read(in.RawBody, directory.ID(in.Directory))
	if err != nil {
		return nil, api.Refuse(err, fault.Of(err).Subject, nil)
	}
	api.Concerns(ctx).Directory = id
	if first := lines[0].Directory; first != nil {
		if err := a.beginRestoration(ctx, *first); err != nil {
			return nil, err
		}
	}
	dir, complete, err := portable.Restore(ctx, a.Store, id, lines)
	if err != nil {
		return nil, refuseRestored(err, in.Directory)
	}
	view := restoredView{Directory: id}
	if complete && dir.Status == directory.Importing {
		var job store.Job
		if dir, job, err = a.endRestoration(ctx, dir); err != nil {
			return nil, err
		}
		view.Job = job.ID
	}
	view.Status, view.Restoration = dir.Status, *dir.Restoration
	return &api.Answer[restoredView]{Body: view}, nil
}

// refuseRestored makes the problem document for a part that was not put back.
func refuseRestored(err error, id string) error {
	if where := fault.Of(err).Subject; strings.HasPrefix(where, "body") {
		return api.Refuse(err, where, nil)
	}
	return api.Refuse(err, "query.directory", id)
}

// beginRestoration makes the directory that the first line names, unless that was done before.
func (a API) beginRestoration(ctx context.Context, first portable.Directory) error {
	refused := func(field, why string) error {
		err := portable.Refuse(field, why)
		return api.Refuse(err, fault.Of(err).Subject, nil)
	}
	o, err := a.Store.Organization(ctx, first.Organization)
	switch {
	case fault.Is(err, fault.NotFound):
		return refused("organizationId", "the organization "+string(first.Organization)+" is not served here: a directory is put back where its organization is")
	case err != nil:
		return api.Refuse(err, "", nil)
	}
	if err := served(o, "body[0].directory.organizationId"); err != nil {
		return err
	}
	if !tenantPattern.MatchString(string(first.Tenant)) {
		return refused("tenantId", "tenantId must be the GUID of a tenant or one of its domains")
	}
	begun, err := a.isBegun(ctx, first)
	if begun || err != nil {
		return err
	}
	dir := directory.Directory{
		ID: first.ID, Organization: first.Organization, Name: first.Name, Tenant: first.Tenant, Settings: first.Settings, CreatedAt: first.CreatedAt,
		Restoration: &directory.Restoration{ExportedAt: first.ExportedAt, By: api.CallerOf(ctx).Name(), BeganAt: time.Now().UTC(), Lines: 1, FirstConflicts: []directory.Unrestored{}},
	}
	dir, refusal := a.describe(ctx, dir, time.Time{})
	if why := movedTenant(first, dir, refusal); why != "" {
		return refused("tenantId", why)
	}
	if dir.TenantObject == "" { // the tenant does not let the application in now
		dir.TenantObject = first.TenantObject
	}
	dir.Status, dir.Reason, dir.Message = directory.Importing, "", ""
	err = store.Contended(ctx, func() error {
		if begun, err := a.isBegun(ctx, first); begun || err != nil {
			return err
		}
		_, err := a.Store.KeepDirectory(ctx, directory.Directory{}, dir, nil)
		return err
	})
	if f := fault.Of(err); f != nil && f.Kind == fault.Conflict && strings.HasPrefix(f.Subject, "body.") {
		return api.Refuse(err, "body[0].directory."+strings.TrimPrefix(f.Subject, "body."), nil)
	}
	return asProblem(err)
}

// asProblem is an error as a problem document, unless it is one already.
func asProblem(err error) error {
	if problem := huma.StatusError(nil); err == nil || errors.As(err, &problem) {
		return err
	}
	return api.Refuse(err, "", nil)
}

// isBegun reports whether the directory of an export is being put back from that export, or was. A
// directory that is there otherwise is a problem.
func (a API) isBegun(ctx context.Context, first portable.Directory) (bool, error) {
	dir, err := a.Store.AnyDirectory(ctx, first.ID)
	switch {
	case fault.Is(err, fault.NotFound):
		return false, nil
	case err != nil:
		return false, api.Refuse(err, "", nil)
	case dir.Restoration != nil && dir.Restoration.ExportedAt.Equal(first.ExportedAt) && dir.Status != directory.Deactivating:
		return true, nil
	}
	message := fmt.Sprintf("the directory %q (%s) is there already, with the status %s: deactivate it first, and wait for the end of that", dir.Name, dir.ID, dir.Status)
	return false, api.Refuse(fault.New(fault.Conflict, "admin.import directory", message), "body[0].directory.id", nil)
}

// movedTenant says why a directory cannot be put back with the tenant as it was just read; "" if
// it can. One whose tenant does not let the application in is: it waits for its authorization then.
func movedTenant(first portable.Directory, dir directory.Directory, refusal error) string {
	switch err := mustExist(refusal); {
	case err != nil:
		return fault.Of(err).Message
	case refusal == nil && first.TenantObject != "" && !strings.EqualFold(string(first.TenantObject), string(dir.TenantObject)):
		return fmt.Sprintf("%s is the tenant %s by now, and the export is of the tenant %s", first.Tenant, dir.TenantObject, first.TenantObject)
	}
	return ""
}

// endRestoration takes a directory into use of which all is put back.
func (a API) endRestoration(ctx context.Context, dir directory.Directory) (directory.Directory, store.Job, error) {
	var job store.Job
	err := store.Contended(ctx, func() error {
		before, err := a.Store.AnyDirectory(ctx, dir.ID)
		if dir = before; err != nil || before.Status != directory.Importing {
			return err
		}
		described, refusal := a.describe(ctx, before, time.Time{})
		if described.Status == directory.Importing {
			return &fault.Error{Op: "admin.import directory", Kind: fault.KindOf(refusal), Err: refusal,
				Message: "all is put back, and the tenant cannot be asked just now whether it lets the application in: send the last part again"}
		}
		if !strings.EqualFold(string(before.TenantObject), string(described.TenantObject)) && before.TenantObject != "" {
			return fault.New(fault.Conflict, "admin.import directory", fmt.Sprintf("%s is the tenant %s by now: deactivate the directory", before.Tenant, described.TenantObject))
		}
		restoration, now := *described.Restoration, time.Now().UTC()
		described = unauthorized(described).WithoutDeletions(now)
		restoration.EndedAt = &now
		restoration.Lines++ // the last one
		described.Restoration = &restoration
		dir, job, err = a.Resyncs.BeginUse(ctx, described, api.CallerOf(ctx).Name())
		return err
	})
	if err != nil {
		return dir, job, api.Refuse(err, "", nil)
	}
	if dir.IsSuspended() {
		a.sendProbe(ctx, reconcile.Probe(dir.ID, dir.Probes.NextAt))
	}
	return dir, job, nil
}
