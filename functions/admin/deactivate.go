package admin

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/api"
	"entrasync/shared/deactivation"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// deactivations registers the operations that deactivate directories and organizations.
func (a API) deactivations(on huma.API) {
	op := api.Operation("deactivateDirectory", http.MethodDelete, "/v1/directories/{id}", "Deactivate a directory: its settings, connections and links are deleted for good", http.StatusAccepted, http.StatusNotFound, http.StatusConflict)
	op.Description = "Nothing is changed in Entra: accounts and groups stay as they are, and nobody is disabled. From the answer on the directory is not in use: events of JumpCloud, tasks and other jobs " +
		"do not find it. A job of the kind deactivation deletes what is known of it; GET /v1/jobs/{jobId} shows how far it is. Until its end another directory may take the tenant only with allowSharedDomains. " +
		"The audit log stays: GET /v1/events?directory=… shows it also afterwards. Jobs stay as long as they always do, and the plans among them can be read until they expire. What is deleted does not come back: GET /v1/directories/{id}/export keeps a copy. The same request again answers the same job; with another clearImmutableId it is refused with 409."
	huma.Register(on, orForeseen[directoryGoes](on, op), a.deactivate)
	op = api.Operation("deactivateOrganization", http.MethodDelete, api.OrganizationsPath+"/{id}", "Serve an organization no more: what is known of it is deleted for good, with its secrets", http.StatusAccepted, http.StatusNotFound, http.StatusConflict)
	op.Description = "409 as long as it has directories: deactivate each of them first. The API key or client secret for JumpCloud and the webhook tokens are deleted at once, and a job of the kind deactivation deletes the rest. " +
		"The audit log stays as long as it always does. Nothing is changed in JumpCloud: delete there the notification channel and the rule that POST …/webhook made, and the API key. The same request again answers the same job, until that has ended."
	huma.Register(on, orForeseen[organizationGoes](on, op), a.deactivateOrganization)
}

// deactivateOrganization ends the service of an organization. Its secrets go first: whoever dies then
// leaves an organization that the same request deactivates.
func (a API) deactivateOrganization(ctx context.Context, in *struct {
	OrganizationPath
	Name   string `query:"name" required:"true" minLength:"1" doc:"The name of the organization, exactly, so that nobody deactivates another one"`
	DryRun bool   `query:"dryRun" doc:"true deletes nothing and answers with what would be deleted"`
},
) (*outcome, error) {
	o, err := a.organization(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if in.Name != o.Name {
		return nil, api.Refuse(fault.New(fault.Invalid, "admin.deactivate organization", fmt.Sprintf("the organization %s has the name %q and not %q: give its name exactly, because what is deleted does not come back", in.ID, o.Name, in.Name)), "query.name", in.Name)
	}
	if err := a.mustHaveNoDirectory(ctx, o); err != nil {
		return nil, api.Refuse(err, "path.id", in.ID)
	}
	if in.DryRun {
		return a.foreseeOrganization(ctx, o)
	}
	if err := a.Secrets.Forget(ctx, o.ID); err != nil {
		return nil, api.Refuse(err, "path.id", in.ID)
	}
	job, err := a.Resyncs.DeactivateOrganization(ctx, o.ID, api.CallerOf(ctx).Name())
	if err != nil {
		return nil, api.Refuse(err, "path.id", in.ID)
	}
	return &outcome{Status: http.StatusAccepted, Body: begunView{ID: job.ID}}, nil
}

// mostNamed is how many directories a refusal names.
const mostNamed = 5

// mustHaveNoDirectory refuses an organization that has directories, also one that is just being
// deactivated.
func (a API) mustHaveNoDirectory(ctx context.Context, o directory.Organization) error {
	left, err := a.Store.AnyDirectoriesOf(ctx, o.ID)
	if err != nil || len(left) == 0 {
		return err
	}
	var names []string
	for _, dir := range left[:min(len(left), mostNamed)] {
		names = append(names, fmt.Sprintf("%q (%s, %s)", dir.Name, dir.ID, dir.Status))
	}
	if more := len(left) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return fault.New(fault.Conflict, "admin.deactivate organization", fmt.Sprintf("the organization has %d directories: %s. Deactivate each of them first, and wait for the end of that; an export keeps a copy", len(left), strings.Join(names, ", ")))
}

// served refuses an organization that is being deactivated. field is where the request names it.
func served(o directory.Organization, field string) error {
	if o.Deactivating == "" {
		return nil
	}
	return api.Refuse(fault.New(fault.Conflict, "admin.organization", "the organization "+string(o.ID)+" is being deactivated by the job "+o.Deactivating), field, string(o.ID))
}

// deactivate starts the deactivation of a directory.
func (a API) deactivate(ctx context.Context, in *struct {
	ID     string `path:"id" doc:"The directory"`
	Name   string `query:"name" required:"true" minLength:"1" doc:"The name of the directory, exactly, so that nobody deactivates another one"`
	DryRun bool   `query:"dryRun" doc:"true deletes nothing and answers with what would be deleted, and changed in Entra"`
	Clear  bool   `query:"clearImmutableId" doc:"Also clear the onPremisesImmutableId of the accounts that have the JumpCloud id there from entrasync: those that it created and, where federated is set, those that it took over. Accounts in a federated domain keep theirs"`
},
) (*outcome, error) {
	dir, err := a.Store.AnyDirectory(ctx, directory.ID(in.ID))
	if err != nil {
		return nil, api.Refuse(err, "path.id", in.ID)
	}
	if in.Name != dir.Name {
		return nil, api.Refuse(fault.New(fault.Invalid, "admin.deactivate directory", fmt.Sprintf("the directory %s has the name %q and not %q: give its name exactly, because what is deleted does not come back", in.ID, dir.Name, in.Name)), "query.name", in.Name)
	}
	options := deactivation.Options{ClearImmutableIDs: in.Clear}
	if in.DryRun {
		return a.foreseeDirectory(ctx, dir, options)
	}
	job, err := a.Resyncs.Deactivate(ctx, dir.ID, options, api.CallerOf(ctx).Name())
	if f, field := fault.Of(err), "query.clearImmutableId"; f != nil && f.Subject == field {
		return nil, api.Refuse(err, field, in.Clear)
	}
	if err != nil {
		return nil, api.Refuse(err, "path.id", in.ID)
	}
	return &outcome{Status: http.StatusAccepted, Body: begunView{ID: job.ID}}, nil
}
