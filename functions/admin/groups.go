package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/reconcile"
)

// Groups reads the user groups of one organization in JumpCloud.
type Groups interface {
	// Group reads one group; NotFound if there is none.
	Group(ctx context.Context, id directory.GroupID) (directory.Group, error)
}

// groupPath names a group in a directory.
type groupPath struct {
	ID    string `path:"id" doc:"The directory"`
	Group string `path:"groupId" doc:"The JumpCloud user group"`
}

// groups registers the operations on groups of a directory.
func (a API) groups(on huma.API) {
	const connections = "/v1/directories/{id}/connections/groups/{groupId}"
	huma.Register(on, orPlanned[groupView](on, api.Operation("connectGroup", http.MethodPut, connections, "Connect a group: its members are connected, and it becomes a security group", http.StatusAccepted, http.StatusNotFound, http.StatusConflict, http.StatusBadGateway)), a.groupChange("connect group ", API.connectGroup))
	huma.Register(on, orPlanned[groupView](on, api.Operation("disconnectGroup", http.MethodDelete, connections, "End the connection of a group; its members lose that path", http.StatusAccepted, http.StatusNotFound, http.StatusConflict, http.StatusBadGateway)), a.groupChange("disconnect group ", API.disconnectGroup))
	const path = "/v1/directories/{id}/groups"
	list := api.Operation("listGroups", http.MethodGet, path, "How every group of the directory stands", http.StatusOK, http.StatusNotFound)
	list.Description = filteredList
	huma.Register(on, list, a.listGroups)
	huma.Register(on, api.Operation("getGroup", http.MethodGet, path+"/{groupId}", "How one group stands, which of its members wait, and why", http.StatusOK, http.StatusNotFound),
		func(ctx context.Context, in *groupPath) (*api.Answer[groupView], error) {
			dir, err := a.directory(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return a.showGroup(ctx, dir, in.Group)
		})
	huma.Register(on, api.Operation("syncGroup", http.MethodPost, path+"/{groupId}/sync", "Read a group and all its members again now", http.StatusAccepted, http.StatusNotFound),
		func(ctx context.Context, in *groupPath) (*api.Answer[groupView], error) {
			dir, err := a.directory(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			if shown, err := a.showGroup(ctx, dir, in.Group); err != nil {
				return shown, err
			}
			a.probeNow(ctx, dir)
			return a.enqueueGroup(ctx, dir, reconcile.RetryGroup(dir, directory.GroupID(in.Group), a.oneGroupRequest(retried, dir)))
		})
}

// groupChange is userChange for a group.
func (a API) groupChange(of string, change func(API, context.Context, *groupPath) (*api.Answer[groupView], error)) func(context.Context, *plannedGroup) (*outcome, error) {
	return func(ctx context.Context, in *plannedGroup) (*outcome, error) {
		path := &groupPath{ID: in.ID, Group: in.Group}
		if !in.DryRun {
			answer, err := change(a, ctx, path)
			return done(answer, err, http.StatusAccepted)
		}
		return a.plan(ctx, directory.ID(in.ID), of+in.Group, func(ctx context.Context, planned API) error {
			_, err := change(planned, ctx, path)
			return err
		})
	}
}

// plannedGroup is groupPath with the wish to plan only.
type plannedGroup struct {
	ID     string `path:"id" doc:"The directory"`
	Group  string `path:"groupId" doc:"The JumpCloud user group"`
	DryRun bool   `query:"dryRun" doc:"true writes nothing and answers with what would be done"`
}

// connectGroup stores the connection and sends tasks for the group and all its members.
// Repeating it is harmless and sends the tasks again.
func (a API) connectGroup(ctx context.Context, in *groupPath) (*api.Answer[groupView], error) {
	dir, err := a.directory(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	id := directory.GroupID(in.Group)
	jumpCloud, err := a.Clients.Of(ctx, dir.Organization)
	if err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	if _, err := jumpCloud.Group(ctx, id); err != nil {
		if fault.Is(err, fault.NotFound) {
			err = fault.New(fault.NotFound, "admin.read group", "JumpCloud has no user group "+in.Group)
		}
		return nil, api.Refuse(err, "path.groupId", in.Group)
	}
	if _, err := a.Store.ConnectGroup(ctx, dir.ID, id, directory.Direct, time.Now().UTC()); err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	task := reconcile.GroupTask{Directory: dir.ID, Group: id, Cause: bulkRequest("connected"), AllMembers: true}
	if err := reconcile.Enqueue(ctx, a.Lanes.GroupsBulk, task.Recheck()); err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	return a.enqueueGroup(ctx, dir, task)
}

// disconnectGroup ends the connection and sends a task for the group.
func (a API) disconnectGroup(ctx context.Context, in *groupPath) (*api.Answer[groupView], error) {
	dir, err := a.directory(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	id := directory.GroupID(in.Group)
	was := false
	for _, path := range ends(dir) {
		ended, err := a.Store.DisconnectGroup(ctx, dir.ID, id, path)
		if err != nil {
			return nil, api.Refuse(err, "", nil)
		}
		was = was || ended
	}
	if !was {
		if was, err = a.isLeavingGroup(ctx, dir, id); err != nil {
			return nil, api.Refuse(err, "", nil)
		}
	}
	if !was {
		return nil, api.Refuse(fault.New(fault.NotFound, "admin.disconnect", "the group "+in.Group+" is not connected to this directory by an administrator"), "path.groupId", in.Group)
	}
	return a.enqueueGroup(ctx, dir, reconcile.GroupTask{Group: id, Cause: a.oneGroupRequest("disconnected", dir)})
}

// isLeavingGroup is isLeaving for a group.
func (a API) isLeavingGroup(ctx context.Context, dir directory.Directory, id directory.GroupID) (bool, error) {
	group, err := a.Store.Group(ctx, dir.Organization, id)
	link, found := group.Link(dir.ID)
	return found && !group.Connected(dir.ID) && link.Status != directory.Released, err
}

// enqueueGroup sends a task for a group in a directory and answers with the group's
// current state.
func (a API) enqueueGroup(ctx context.Context, dir directory.Directory, task reconcile.GroupTask) (*api.Answer[groupView], error) {
	task.Directory = dir.ID
	if err := reconcile.Enqueue(ctx, a.Lanes.Groups(task.Cause), task); err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	return a.showGroup(ctx, dir, string(task.Group))
}

// showGroup answers with the state of a group.
func (a API) showGroup(ctx context.Context, dir directory.Directory, group string) (*api.Answer[groupView], error) {
	view, err := a.groupOf(ctx, dir, directory.GroupID(group))
	if err != nil {
		return nil, api.Refuse(err, "path.groupId", group)
	}
	return &api.Answer[groupView]{Body: view}, nil
}

// listGroups lists the groups of a directory, with the number of members in sync.
func (a API) listGroups(ctx context.Context, in *listQuery) (*api.Answer[api.Page[groupView]], error) {
	dir, err := a.shownDirectory(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	status, reason := in.Status, directory.Reason(in.Reason)
	list, err := a.Store.GroupLinksThat(ctx, dir.ID, status, reason, in.Limit, in.Cursor)
	if err != nil {
		return nil, api.Refuse(err, "query.cursor", in.Cursor)
	}
	ids := make([]directory.GroupID, len(list.Items))
	for i, link := range list.Items {
		ids[i] = link.Group
	}
	// The list may return old versions of the links; a read by key does not.
	records, err := a.Store.ShownGroups(ctx, dir.ID, ids)
	if err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	views := make([]groupView, 0, len(ids))
	for _, id := range ids {
		group := records[id].Known
		link, found := group.Link(dir.ID)
		if !found || !link.Stands(status, reason) {
			continue
		}
		var members *membersView
		if dir.Settings.ManageGroups && group.Connected(dir.ID) {
			all, damaged, err := a.membersOf(ctx, link)
			if err != nil {
				return nil, api.Refuse(err, "", nil)
			}
			members = countOf(all, damaged)
		}
		view := viewOfGroup(link, pathsOf(group, dir.ID), members)
		view.Unreadable = withoutConnection(records[id].DamagedConnection)
		views = append(views, view)
	}
	return &api.Answer[api.Page[groupView]]{Body: api.Page[groupView]{Items: views, Cursor: list.Cursor}}, nil
}
