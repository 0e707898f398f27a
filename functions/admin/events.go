package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// eventsQuery are the filters of the events.
type eventsQuery struct {
	Organization string `query:"organization" doc:"The JumpCloud organization"`
	Directory    string `query:"directory" doc:"The directory that was written to, also one that has been deactivated"`
	User         string `query:"user" doc:"The JumpCloud user"`
	Type         string `query:"type" enum:"user_create_provision,user_update_provision,user_password_update_provision,user_deprovision,user_drift,group_drift,user_take_over_confirmed" doc:"The type of event"`
	Since        moment `query:"since" doc:"No event older than this; a date is its midnight UTC"`
	Until        moment `query:"until" doc:"No event newer than this; a date is its midnight UTC"`
	api.Paging
}

// moment is a time in a query: a time with its zone, or a date.
type moment struct{ time.Time }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *moment) UnmarshalText(text []byte) (err error) {
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if m.Time, err = time.Parse(form, string(text)); err == nil {
			return nil
		}
	}
	return errors.New("it must be a time such as 2026-03-06T12:00:00Z or 2026-03-06T13:00:00%2B01:00, or a date such as 2026-03-06, which is its midnight UTC")
}

// Schema implements huma.SchemaProvider.
func (moment) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, AnyOf: []*huma.Schema{{Format: "date-time"}, {Format: "date"}}}
}

// events registers the operation on events.
func (a API) events(on huma.API) {
	op := api.Operation("listEvents", http.MethodGet, "/v1/events", "What was done in Microsoft 365 and what failed, as events of Directory Insights", http.StatusOK)
	op.Description = "Newest first, in the order in which the writes began. Without organization and directory the organizations come one after another, and the order holds within each. " +
		"A page may be short, or even empty, and still have a cursor, because a request looks through a bounded number of events. A cursor belongs to its filters."
	huma.Register(on, op, a.listEvents)
}

// listEvents shows completed actions.
func (a API) listEvents(ctx context.Context, in *eventsQuery) (*api.Answer[api.Page[plan.Event]], error) {
	names := directoryNames{store: a.Store, known: map[directory.ID]string{}}
	if err := a.checkScope(ctx, in, names); err != nil {
		return nil, err
	}
	list, err := a.Store.CompletedActions(ctx, store.ActionQuery{
		Organization: directory.OrganizationID(in.Organization), Directory: directory.ID(in.Directory),
		User: directory.UserID(in.User), Type: plan.EventType(in.Type), Since: in.Since.Time, Until: in.Until.Time,
		Limit: in.Limit, Cursor: in.Cursor,
	})
	if err != nil {
		return nil, api.Refuse(err, "query.cursor", in.Cursor)
	}
	shown := api.Page[plan.Event]{Items: make([]plan.Event, 0, len(list.Items)), Cursor: list.Cursor}
	for _, action := range list.Items {
		name, err := names.of(ctx, action.Directory)
		if fault.Is(err, fault.NotFound) {
			names.known[action.Directory] = "" // the directory was removed, its events remain
		} else if err != nil {
			return nil, api.Refuse(err, "", nil)
		}
		shown.Items = append(shown.Items, action.Event(name))
	}
	return &api.Answer[api.Page[plan.Event]]{Body: shown}, nil
}

// checkScope refuses an organization or a directory that does not exist, and a
// directory of another organization: an empty list would wrongly say that nothing
// happened.
func (a API) checkScope(ctx context.Context, in *eventsQuery, names directoryNames) error {
	if in.Organization != "" {
		if err := a.Store.HasOrganization(ctx, directory.OrganizationID(in.Organization)); err != nil {
			return api.Refuse(unprocessable(err), "query.organization", in.Organization)
		}
	}
	if in.Directory == "" {
		return nil
	}
	_, err := names.of(ctx, directory.ID(in.Directory))
	if fault.Is(err, fault.NotFound) {
		err = a.mustHaveBeen(ctx, directory.ID(in.Directory), err)
	}
	if err != nil {
		return api.Refuse(unprocessable(err), "query.directory", in.Directory)
	}
	if actual := directory.ID(in.Directory).Organization(); in.Organization != "" && actual != directory.OrganizationID(in.Organization) {
		return api.Refuse(fault.New(fault.Invalid, "admin.events", "the directory "+in.Directory+" belongs to the organization "+string(actual)), "query.directory", in.Directory)
	}
	return nil
}

// mustHaveBeen returns the fault that says that there is no directory, unless there was one that has been
// deactivated: its events and its jobs remain.
func (a API) mustHaveBeen(ctx context.Context, id directory.ID, gone error) error {
	jobs, err := a.Store.Jobs(ctx, id, 1, "")
	if err != nil {
		return err
	}
	if len(jobs.Items) > 0 {
		return nil
	}
	events, err := a.Store.CompletedActions(ctx, store.ActionQuery{Organization: id.Organization(), Directory: id, Limit: 1})
	if err != nil {
		return err
	}
	if len(events.Items) > 0 || events.Cursor != "" { // it looked through as many as it may
		return nil
	}
	return gone
}

// directoryNames reads the names of directories, each once.
type directoryNames struct {
	store *store.Store
	known map[directory.ID]string
}

// of returns the name of a directory, "" if its record is damaged; NotFound if there is
// no such directory.
func (n directoryNames) of(ctx context.Context, id directory.ID) (string, error) {
	if name, known := n.known[id]; known {
		return name, nil
	}
	dir, err := n.store.ShownDirectory(ctx, id)
	if err != nil {
		return "", err
	}
	n.known[id] = dir.Name
	return dir.Name, nil
}
