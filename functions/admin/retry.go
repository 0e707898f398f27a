package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// retried is the type of the cause of a task that an administrator asks for.
const retried = "retried"

// retrySelection is the body of a request that tries many again.
type retrySelection struct {
	Status directory.LinkStatus `json:"status,omitempty" enum:"pending,synced,parked,held,released" doc:"Only those of this status"`
	Reason reasonFilter         `json:"reason,omitempty" doc:"Only those of this reason, or with a problem of this reason"`
	All    bool                 `json:"all,omitempty" doc:"All of the directory: without a status and a reason this must be said"`
}

// retryView is the answer to such a request.
type retryView struct {
	Sent     int    `json:"sent" doc:"For how many a task is in the queue by now"`
	Complete bool   `json:"complete" doc:"Whether these are all. If not, entrasync sends the others by itself within some minutes: do not repeat the request"`
	Cause    string `json:"causeId" doc:"The id by which the log and the events name this request"`
}

// retryRequest is a request that tries many users or groups of a directory again.
type retryRequest struct {
	ID   string `path:"id" doc:"The directory"`
	Body retrySelection
}

// retries registers the operations that try many users or groups again.
func (a API) retries(on huma.API) {
	const description = "The filters are those of the list. Each is read again like by the request for one of them, in the bulk lane; what entrasync knows of the tenant and of JumpCloud is not believed, but read again. " +
		"The same request while the one before is not complete begins anew."
	for _, kind := range []struct{ id, of, many string }{{"syncUsers", plan.OfUser, "users"}, {"syncGroups", plan.OfGroup, "groups"}} {
		operation := api.Operation(kind.id, http.MethodPost, "/v1/directories/{id}/sync/"+kind.many, "Look at all "+kind.many+" of a status or a reason again", http.StatusAccepted, http.StatusNotFound)
		operation.Description = description
		huma.Register(on, operation, func(ctx context.Context, in *retryRequest) (*api.Answer[retryView], error) {
			return a.retryMany(ctx, in, kind.of)
		})
	}
}

// retryMany sends a task for every link of a directory that has a status and a reason. A
// record says so before the first is sent: what there is no time for, or what a process that
// dies did not send, the sweep sends.
func (a API) retryMany(ctx context.Context, in *retryRequest, kind string) (*api.Answer[retryView], error) {
	dir, err := a.directory(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	const op = "admin.retry many"
	only := store.Selection{Kind: kind, Status: in.Body.Status, Reason: directory.Reason(in.Body.Reason)}
	filtered := only.Status != "" || only.Reason != ""
	switch {
	case filtered && in.Body.All:
		return nil, api.Refuse(fault.New(fault.Invalid, op, "all does not go with a status or a reason: leave one of them out"), "body.all", true)
	case !filtered && !in.Body.All:
		return nil, api.Refuse(fault.New(fault.Invalid, op, `say whom to look at again: a status, a reason, or {"all": true}`), "body", nil)
	}
	cause := bulkRequest(retried)
	err = store.Contended(ctx, func() error {
		before, err := a.Store.Rollout(ctx, dir.ID, only)
		if err != nil {
			return err
		}
		return a.Store.BeginRollout(ctx, before.BeginOnly(dir.ID, only, cause))
	})
	if err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	sent, complete, err := a.rollout().Send(ctx, dir.ID, only, 0)
	if err != nil {
		return nil, api.Refuse(&fault.Error{Op: op, Kind: fault.KindOf(err), Err: err, Message: "the request is kept: entrasync sends the tasks by itself within some minutes"}, "", nil)
	}
	return &api.Answer[retryView]{Body: retryView{Sent: sent, Complete: complete, Cause: cause.ID}}, nil
}
