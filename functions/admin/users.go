package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// linkView is the state of a user in a directory.
type linkView struct {
	User        directory.UserID       `json:"userId"`
	EntraID     directory.EntraID      `json:"entraId,omitempty" doc:"The object id of the account; missing as long as there is none"`
	UPN         directory.UPN          `json:"userPrincipalName,omitempty"`
	Status      directory.LinkStatus   `json:"status" enum:"pending,synced,parked,held,released"`
	State       directory.AccountState `json:"state" enum:"enabled,disabled,absent"`
	Reason      directory.Reason       `json:"reason,omitempty" doc:"One typed word: why the account is disabled, or why the user is parked or waits"`
	Message     string                 `json:"message,omitempty" doc:"The reason as a sentence, with what to do"`
	Hold        string                 `json:"holdId,omitempty" doc:"The hold in which the user waits, with the status held"`
	Problems    []directory.Problem    `json:"problems,omitempty" doc:"The attributes that cannot be written, each with its reason; the others are"`
	Former      *formerAccountView     `json:"formerAccount,omitempty" doc:"Of a user who is parked as former_owner: the account that has the sign-in name, and who had it"`
	Confirmed   *confirmedView         `json:"takeOver,omitempty" doc:"Who confirmed that the user may have the account of a former user; missing once the user has it"`
	Unreadable  []string               `json:"unreadable,omitempty" doc:"What cannot be read of the user because its record is damaged: connection, and then connectedBy says nothing. The log names the record"`
	ConnectedBy []directory.Path       `json:"connectedBy" doc:"The paths by which the user is connected: direct, group:<groupId> for each connected group that holds the user, jumpcloud for the connection source; empty when not connected any more"`
	Origin      directory.Origin       `json:"owner,omitempty" enum:"created,taken_over"`
	Applied     map[string]any         `json:"applied,omitempty" doc:"What was last written to the account, or found right there"`
	Drift       []driftView            `json:"drift,omitempty" doc:"What somebody else changed in Entra, and what is not written again (yet)"`
	Password    *directory.Obstacle    `json:"passwordDiffers,omitempty" doc:"Why the account has not got the password that the gateway set in JumpCloud; missing when it has, or when none was set"`
	Leaving     *leavingView           `json:"leaving,omitempty" doc:"What the setting leavers does with the account since its user left, with dates; missing when the user has not left, or is back"`
	LastEventAt *time.Time             `json:"lastEventAt,omitempty"`
	LastWriteAt *time.Time             `json:"lastWriteAt,omitempty"`
	NextTryAt   *time.Time             `json:"nextTryAt,omitempty"`
}

// viewOf shows a link.
func viewOf(dir directory.Directory, link directory.Link, paths []directory.Path) linkView {
	view := linkView{
		User: link.User, EntraID: link.EntraID, UPN: link.UPN, Status: link.Status, State: link.State,
		Reason: link.Reason, Message: link.Message, Hold: link.Hold, Problems: link.Problems, Origin: link.Origin, ConnectedBy: append([]directory.Path{}, paths...), Password: link.PasswordDiffers,
		LastEventAt: known(link.LastEventAt), LastWriteAt: known(link.LastWriteAt), NextTryAt: known(link.NextTryAt), Drift: viewOfDrift(link.Drift),
		Former: viewOfFormer(link.Former), Confirmed: viewOfConfirmed(link.Confirmed),
		Leaving: viewOfLeaving(link, plan.LeaversOf(dir)),
	}
	for name, value := range link.Applied {
		if view.Applied == nil {
			view.Applied = map[string]any{}
		}
		view.Applied[string(name)] = shownAs(name, value)
	}
	return view
}

// shownAs converts a value to the type that Graph has: accountEnabled is a boolean
// there.
func shownAs(name directory.Attribute, value directory.Value) any {
	if name == directory.AccountEnabled {
		return value.String() == "true"
	}
	return value
}

// known returns a pointer to a time, nil for the zero time.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// users registers the operations on users of a directory.
func (a API) users(on huma.API) {
	const path = "/v1/directories/{id}/users"
	list := api.Operation("listUsers", http.MethodGet, path, "How every user of the directory stands", http.StatusOK, http.StatusNotFound)
	list.Description = filteredList
	huma.Register(on, list, a.listUsers)
	huma.Register(on, api.Operation("getUser", http.MethodGet, path+"/{userId}", "How one user stands and why", http.StatusOK, http.StatusNotFound),
		func(ctx context.Context, in *userPath) (*api.Answer[linkView], error) {
			dir, err := a.directory(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			view, err := a.linkOf(ctx, dir, directory.UserID(in.User))
			if err != nil {
				return nil, api.Refuse(err, "path.userId", in.User)
			}
			return &api.Answer[linkView]{Body: view}, nil
		})
	huma.Register(on, api.Operation("syncUser", http.MethodPost, path+"/{userId}/sync", "Look at a user again now", http.StatusAccepted, http.StatusNotFound),
		func(ctx context.Context, in *userPath) (*api.Answer[linkView], error) {
			dir, err := a.directory(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			user := directory.UserID(in.User)
			if _, err := a.linkOf(ctx, dir, user); err != nil {
				return nil, api.Refuse(err, "path.userId", in.User)
			}
			a.probeNow(ctx, dir)
			return a.enqueueUser(ctx, dir, reconcile.Retry(dir, user, a.oneRequest(retried, dir)))
		})
}

// listUsers lists the users of a directory.
func (a API) listUsers(ctx context.Context, in *listQuery) (*api.Answer[api.Page[linkView]], error) {
	dir, err := a.shownDirectory(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	status, reason := in.Status, directory.Reason(in.Reason)
	list, err := a.Store.LinksThat(ctx, dir.ID, status, reason, in.Limit, in.Cursor)
	if err != nil {
		return nil, api.Refuse(err, "query.cursor", in.Cursor)
	}
	ids := make([]directory.UserID, len(list.Items))
	for i, link := range list.Items {
		ids[i] = link.User
	}
	// The list may return old versions of the links; a read by key does not.
	records, err := a.Store.ShownUsers(ctx, dir.ID, ids)
	if err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	views := make([]linkView, 0, len(ids))
	for _, id := range ids {
		user := records[id]
		if link, found := user.Known.Link(dir.ID); found && link.Stands(status, reason) {
			view := viewOf(dir, link, user.Known.Paths(dir.ID))
			view.Unreadable = withoutConnection(user.DamagedConnection)
			views = append(views, view)
		}
	}
	return &api.Answer[api.Page[linkView]]{Body: api.Page[linkView]{Items: views, Cursor: list.Cursor}}, nil
}

// withoutConnection names the damaged record of a user or a group in a list.
func withoutConnection(damaged bool) []string {
	if damaged {
		return []string{"connection"}
	}
	return nil
}

// linkOf reads the link of a user in a directory; NotFound if the user was never
// connected there.
func (a API) linkOf(ctx context.Context, dir directory.Directory, id directory.UserID) (linkView, error) {
	user, err := a.Store.User(ctx, dir.Organization, id)
	if err != nil {
		return linkView{}, err
	}
	link, found := user.Link(dir.ID)
	if !found {
		return linkView{}, fault.New(fault.NotFound, "admin.user", "the user "+string(id)+" was never connected to this directory")
	}
	return viewOf(dir, link, user.Paths(dir.ID)), nil
}
