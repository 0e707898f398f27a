package admin

import (
	"context"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/api"
	"entrasync/shared/deactivation"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/planning"
	"entrasync/shared/secret"
)

// directoryGoes is what the deactivation of a directory would do.
type directoryGoes struct {
	Directory directory.ID     `json:"directoryId"`
	Name      string           `json:"name"`
	Users     int              `json:"users" doc:"How many users have a link that would be deleted"`
	Groups    int              `json:"groups" doc:"How many groups have one"`
	Complete  bool             `json:"complete" doc:"Whether all were counted; false: there are more, and they take longer to count than a request may"`
	Named     []plannedSubject `json:"named" doc:"The first 100 users, then the first 100 groups"`
	// ImmutableIDs is only with clearImmutableId.
	ImmutableIDs *idsGo `json:"immutableIds,omitempty" doc:"What would change in Entra; missing without clearImmutableId: nothing would"`
}

// idsGo are the immutable ids that would be cleared.
type idsGo struct {
	Count   int         `json:"count" doc:"How many accounts would lose theirs"`
	Exact   bool        `json:"exact" doc:"Whether Entra was asked; false for more than 100 users: count is how many at most"`
	Kept    int         `json:"kept" doc:"How many would keep theirs, such as those in a federated domain; 0 unless exact"`
	Why     string      `json:"why,omitempty" doc:"Why the last of these would"`
	Actions []planEntry `json:"actions" doc:"What would be written; empty unless exact"`
}

// organizationGoes is what the deactivation of an organization would delete.
type organizationGoes struct {
	Organization directory.OrganizationID `json:"organizationId"`
	Name         string                   `json:"name"`
	Secrets      []string                 `json:"secrets" enum:"credential,webhook_tokens" doc:"The secrets that would be deleted"`
	Imported     int                      `json:"importedUsers" doc:"How many users are known to be imported from an account, counted up to 1,000"`
	Stranded     int                      `json:"deadLetters" doc:"How many messages of the organization were set aside and belong to no directory, counted up to 1,000"`
}

// orForeseen describes the two answers of an operation that deletes: the job, and what would go.
func orForeseen[T any](on huma.API, op huma.Operation) huma.Operation {
	schemas := on.OpenAPI().Components.Schemas
	for status, of := range map[int]reflect.Type{http.StatusAccepted: reflect.TypeFor[begunView](), http.StatusOK: reflect.TypeFor[T]()} {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Description: http.StatusText(status), Content: map[string]*huma.MediaType{"application/json": {Schema: schemas.Schema(of, true, "")}}}
	}
	op.Description += " With dryRun=true nothing is deleted, and the answer (200) says what would be; what the request would be refused for, it is refused for then too."
	return op
}

// foreseeDirectory answers with what a deactivation would do.
func (a API) foreseeDirectory(ctx context.Context, dir directory.Directory, o deactivation.Options) (*outcome, error) {
	within, cancel := context.WithTimeout(planning.Context(ctx), planTime)
	defer cancel()
	begun := planning.New(a.Store.Table(), a.Clients)
	seen, err := deactivation.Parts{Store: begun.Store, Clients: begun.Clients()}.Foresee(within, dir.ID, o)
	if err != nil {
		return nil, api.Refuse(refusedPlan(err), "", nil)
	}
	view := directoryGoes{Directory: dir.ID, Name: dir.Name, Users: seen.Users, Groups: seen.Groups, Complete: seen.Complete, Named: []plannedSubject{}}
	for _, subjects := range [][]plan.Subject{seen.Named, seen.NamedGroups} {
		for _, s := range subjects {
			view.Named = append(view.Named, plannedSubject{s.Kind, s.ID, s.Name})
		}
	}
	if o.ClearImmutableIDs {
		ids := idsGo{Count: seen.MayClear, Exact: seen.Exact, Kept: seen.Kept, Why: seen.Why, Actions: []planEntry{}}
		if seen.Exact {
			ids.Count = len(seen.Clears)
		}
		for _, action := range seen.Clears {
			action.Status = plan.Planned
			ids.Actions = append(ids.Actions, entryOf(action))
		}
		view.ImmutableIDs = &ids
	}
	return &outcome{Status: http.StatusOK, Body: view}, nil
}

// foreseeOrganization answers with what a deactivation would delete.
func (a API) foreseeOrganization(ctx context.Context, o directory.Organization) (*outcome, error) {
	view := organizationGoes{Organization: o.ID, Name: o.Name, Secrets: []string{}}
	_, credential := a.Secrets.JumpCloud(secret.Fresh(ctx), o.ID)
	_, tokens := a.Secrets.WebhookTokens(secret.Fresh(ctx), o.ID)
	for _, each := range []struct {
		name string
		err  error
	}{{"credential", credential}, {"webhook_tokens", tokens}} {
		switch {
		case each.err == nil:
			view.Secrets = append(view.Secrets, each.name)
		case !fault.Is(each.err, fault.NotFound):
			return nil, api.Refuse(each.err, "", nil)
		}
	}
	var err error
	if view.Imported, err = a.Store.CountImported(ctx, o.ID, maxCounted); err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	if view.Stranded, err = a.Store.CountStranded(ctx, o.ID, maxCounted); err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	return &outcome{Status: http.StatusOK, Body: view}, nil
}
