package admin

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/api"
	"entrasync/shared/deactivation"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// deactivations registers the operation that deactivates a directory.
func (a API) deactivations(on huma.API) {
	op := api.Operation("deactivateDirectory", http.MethodDelete, "/v1/directories/{id}", "Deactivate a directory: its settings, connections and links are deleted for good", http.StatusAccepted, http.StatusNotFound, http.StatusConflict)
	op.Description = "Nothing is changed in Entra: accounts and groups stay as they are, and nobody is disabled. From the answer on the directory is not in use: events of JumpCloud, tasks and other jobs " +
		"do not find it. A job of the kind deactivation deletes what is known of it; GET /v1/jobs/{jobId} shows how far it is. Until its end no other directory may take the tenant. " +
		"The audit log stays. What is deleted does not come back: GET /v1/directories/{id}/export keeps a copy. The same request again answers the same job."
	huma.Register(on, op, a.deactivate)
}

// deactivate starts the deactivation of a directory.
func (a API) deactivate(ctx context.Context, in *struct {
	ID    string `path:"id" doc:"The directory"`
	Name  string `query:"name" required:"true" minLength:"1" doc:"The name of the directory, exactly, so that nobody deactivates another one"`
	Clear bool   `query:"clearImmutableId" doc:"Also clear the onPremisesImmutableId of the accounts that have the JumpCloud id there from entrasync: those that it created and, where federated is set, those that it took over. Accounts in a federated domain keep theirs"`
},
) (*api.Answer[begunView], error) {
	dir, err := a.Store.AnyDirectory(ctx, directory.ID(in.ID))
	if err != nil {
		return nil, api.Refuse(err, "path.id", in.ID)
	}
	if in.Name != dir.Name {
		return nil, api.Refuse(fault.New(fault.Invalid, "admin.deactivate directory", fmt.Sprintf("the directory %s has the name %q and not %q: give its name exactly, because what is deleted does not come back", in.ID, dir.Name, in.Name)), "query.name", in.Name)
	}
	job, err := a.Resyncs.Deactivate(ctx, dir.ID, deactivation.Options{ClearImmutableIDs: in.Clear}, api.CallerOf(ctx).Name())
	if err != nil {
		return nil, api.Refuse(err, "path.id", in.ID)
	}
	return &api.Answer[begunView]{Body: begunView{ID: job.ID}}, nil
}
