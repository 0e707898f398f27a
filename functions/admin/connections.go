package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// userPath names a user in a directory.
type userPath struct {
	ID   string `path:"id" doc:"The directory"`
	User string `path:"userId" doc:"The JumpCloud user"`
}

// connections registers the operations on connections.
func (a API) connections(on huma.API) {
	const path = "/v1/directories/{id}/connections"
	huma.Register(on, orPlanned[linkView](on, api.Operation("connectUser", http.MethodPut, path+"/users/{userId}", "Connect a user directly; the account is created or taken over", http.StatusAccepted, http.StatusNotFound, http.StatusConflict, http.StatusBadGateway)), a.userChange("connect user ", API.connectUser))
	huma.Register(on, orPlanned[linkView](on, api.Operation("disconnectUser", http.MethodDelete, path+"/users/{userId}", "End a direct connection; the account is disabled if it was the last one", http.StatusAccepted, http.StatusNotFound, http.StatusConflict, http.StatusBadGateway)), a.userChange("disconnect user ", API.disconnectUser))
	list := api.Operation("listConnections", http.MethodGet, path, "Who is connected", http.StatusOK, http.StatusNotFound)
	list.Description = "Users first, those who are connected through a group among them, and then the connected groups. An item has either userId or groupId."
	huma.Register(on, list, a.listConnections)
}

// userChange is the operation that makes a change of a connection of a user, or plans it.
func (a API) userChange(of string, change func(API, context.Context, *userPath) (*api.Answer[linkView], error)) func(context.Context, *plannedUser) (*outcome, error) {
	return func(ctx context.Context, in *plannedUser) (*outcome, error) {
		path := &userPath{ID: in.ID, User: in.User}
		if !in.DryRun {
			answer, err := change(a, ctx, path)
			return done(answer, err, http.StatusAccepted)
		}
		return a.plan(ctx, directory.ID(in.ID), of+in.User, func(ctx context.Context, planned API) error {
			_, err := change(planned, ctx, path)
			return err
		})
	}
}

// plannedUser is userPath with the wish to plan only.
type plannedUser struct {
	ID     string `path:"id" doc:"The directory"`
	User   string `path:"userId" doc:"The JumpCloud user"`
	DryRun bool   `query:"dryRun" doc:"true writes nothing and answers with what would be done"`
}

// connectionView is one connection, of a user or of a group.
type connectionView struct {
	Directory directory.ID      `json:"directoryId"`
	User      directory.UserID  `json:"userId,omitempty"`
	Group     directory.GroupID `json:"groupId,omitempty"`
	Paths     []directory.Path  `json:"paths" doc:"By what the user or the group is connected: direct, jumpcloud for the connection source, and for a user group:<groupId> for each connected group that holds the user"`
	CreatedAt time.Time         `json:"createdAt"`
}

// groupsCursor is the prefix of cursors in the second part of the list of connections.
// No cursor of the store has a dot.
const groupsCursor = "groups."

// listConnections lists the connections of users and then, if the page has room, those
// of groups.
func (a API) listConnections(ctx context.Context, in *struct {
	ID string `path:"id"`
	api.Paging
}) (*api.Answer[api.Page[connectionView]], error) {
	dir, err := a.shownDirectory(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	shown := api.Page[connectionView]{Items: []connectionView{}}
	cursor, ofGroups := strings.CutPrefix(in.Cursor, groupsCursor)
	if !ofGroups {
		users, err := a.Store.Connections(ctx, dir.ID, in.Limit, cursor)
		if err != nil {
			return nil, api.Refuse(err, "query.cursor", in.Cursor)
		}
		for _, c := range users.Items {
			shown.Items = append(shown.Items, connectionView{Directory: c.Directory, User: c.User, Paths: c.Paths, CreatedAt: c.CreatedAt})
		}
		if shown.Cursor = users.Cursor; shown.Cursor != "" {
			return &api.Answer[api.Page[connectionView]]{Body: shown}, nil
		}
		cursor = ""
	}
	left := in.Limit - len(shown.Items)
	groups, err := a.Store.GroupConnections(ctx, dir.ID, max(left, 1), cursor)
	switch {
	case err != nil:
		return nil, api.Refuse(err, "query.cursor", in.Cursor)
	case left == 0 && (len(groups.Items) > 0 || groups.Cursor != ""):
		shown.Cursor = groupsCursor
		return &api.Answer[api.Page[connectionView]]{Body: shown}, nil
	case groups.Cursor != "":
		shown.Cursor = groupsCursor + groups.Cursor
	}
	for _, c := range groups.Items {
		shown.Items = append(shown.Items, connectionView{Directory: c.Directory, Group: c.Group, Paths: c.Paths, CreatedAt: c.CreatedAt})
	}
	return &api.Answer[api.Page[connectionView]]{Body: shown}, nil
}

// connectUser stores the connection and sends a task for the user. Repeating it is
// harmless and sends another task.
func (a API) connectUser(ctx context.Context, in *userPath) (*api.Answer[linkView], error) {
	dir, err := a.directory(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	user := directory.UserID(in.User)
	if _, err := a.jumpCloudUser(ctx, dir.Organization, user); err != nil {
		return nil, api.Refuse(err, "path.userId", in.User)
	}
	if err := a.Store.Connect(ctx, dir.ID, user, directory.Direct, time.Now().UTC()); err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	return a.enqueueShared(ctx, dir, user, bulkRequest(reconcile.Connected))
}

// jumpCloudUser reads a user from JumpCloud; NotFound if there is none.
func (a API) jumpCloudUser(ctx context.Context, organization directory.OrganizationID, id directory.UserID) (directory.User, error) {
	jc, err := a.Clients.JumpCloud(ctx, organization)
	if err != nil {
		return directory.User{}, err
	}
	return jc.User(ctx, id)
}

// disconnectUser ends the connection and sends a task for the user.
func (a API) disconnectUser(ctx context.Context, in *userPath) (*api.Answer[linkView], error) {
	dir, err := a.directory(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	user := directory.UserID(in.User)
	was := false
	for _, path := range ends(dir) {
		ended, err := a.Store.Disconnect(ctx, dir.ID, user, path, directory.Disconnected)
		if err != nil {
			return nil, api.Refuse(err, "", nil)
		}
		was = was || ended
	}
	if !was {
		if was, err = a.isLeaving(ctx, dir, user); err != nil {
			return nil, api.Refuse(err, "", nil)
		}
	}
	if !was {
		return nil, api.Refuse(fault.New(fault.NotFound, "admin.disconnect", "the user "+in.User+" is not connected directly to this directory"), "path.userId", in.User)
	}
	return a.enqueueShared(ctx, dir, user, a.oneRequest("disconnected", dir))
}

// isLeaving reports whether nothing connects a user to a directory any more, and the
// account is not released yet: an earlier request may have ended the connection and
// failed to send the task.
func (a API) isLeaving(ctx context.Context, dir directory.Directory, id directory.UserID) (bool, error) {
	user, err := a.Store.User(ctx, dir.Organization, id)
	link, found := user.Link(dir.ID)
	return found && len(user.Paths(dir.ID)) == 0 && link.Status != directory.Released, err
}

// ends returns the paths that an administrator can end: the direct one and, if the
// connection source is off, the one that it left.
func ends(dir directory.Directory) []directory.Path {
	if dir.Settings.ConnectionSource.Type == directory.NoSource {
		return []directory.Path{directory.Direct, directory.Source}
	}
	return []directory.Path{directory.Direct}
}

// enqueueShared sends tasks for a user when a connection of the user changed: for the
// directory, and for each directory on the same tenant that also has the user. An
// account stays enabled as long as any of them has the user connected.
func (a API) enqueueShared(ctx context.Context, dir directory.Directory, id directory.UserID, cause plan.Cause) (*api.Answer[linkView], error) {
	task := reconcile.Task{User: id, Cause: cause}
	if len(dir.Shares) == 0 {
		return a.enqueueUser(ctx, dir, task)
	}
	user, err := a.Store.User(ctx, dir.Organization, id)
	if err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	var also []directory.ID
	for _, other := range user.Directories() {
		if slices.Contains(dir.Shares, other) {
			also = append(also, other)
		}
	}
	return a.enqueueUser(ctx, dir, task, also...)
}

// enqueueUser sends a task for one user in a directory, and tasks with the same cause
// for other directories. It answers with the current link in the directory.
func (a API) enqueueUser(ctx context.Context, dir directory.Directory, task reconcile.Task, also ...directory.ID) (*api.Answer[linkView], error) {
	task.Directory = dir.ID
	tasks := []reconcile.Task{task}
	for _, id := range also {
		tasks = append(tasks, reconcile.Task{Directory: id, User: task.User, Cause: task.Cause})
	}
	if err := reconcile.Enqueue(ctx, a.Lanes.Users(task.Cause), tasks...); err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	view, err := a.linkOf(ctx, dir, task.User)
	if err != nil {
		return nil, api.Refuse(err, "path.userId", string(task.User))
	}
	return &api.Answer[linkView]{Body: view}, nil
}
