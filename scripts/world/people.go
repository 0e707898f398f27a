package world

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"entrasync/scripts/wiring"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/functiontest"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// Domain is the verified domain of the tenant in which people have their addresses.
const Domain = functiontest.Domain

// request is the cause of a request of an administrator.
func request(kind string) plan.Cause {
	return plan.Cause{Type: kind, ID: uuid.NewString(), At: time.Now().UTC()}
}

// bulkRequest is the cause of a request that concerns many.
func bulkRequest(kind string) plan.Cause {
	cause := request(kind)
	cause.Many = true
	return cause
}

// Connect connects users directly, as the API does.
func (w *World) Connect(ids ...directory.UserID) {
	w.t.Helper()
	for _, id := range ids {
		w.Must(w.Store.Connect(w.t.Context(), w.Directory.ID, id, directory.Direct, time.Now().UTC()))
		task := reconcile.Task{Directory: w.Directory.ID, User: id, Cause: bulkRequest(reconcile.Connected)}
		w.Must(reconcile.Enqueue(w.t.Context(), w.Queues[wiring.UsersBulk], task))
	}
}

// ConnectGroups connects groups, as the API does.
func (w *World) ConnectGroups(ids ...directory.GroupID) {
	w.t.Helper()
	for _, id := range ids {
		_, err := w.Store.ConnectGroup(w.t.Context(), w.Directory.ID, id, directory.Direct, time.Now().UTC())
		w.Must(err)
		task := reconcile.GroupTask{Directory: w.Directory.ID, Group: id, AllMembers: true, Cause: bulkRequest("connected")}
		w.Must(reconcile.Enqueue(w.t.Context(), w.Queues[wiring.GroupsBulk], task, task.Recheck()))
	}
}

// SyncGroup sends a task that reads a group and all its members, as the API does on
// request.
func (w *World) SyncGroup(id directory.GroupID) {
	w.t.Helper()
	w.Must(reconcile.Enqueue(w.t.Context(), w.Queues[wiring.GroupsLive], reconcile.GroupTask{Directory: w.Directory.ID, Group: id, AllMembers: true, Cause: request("retried")}))
}

// SyncSource sends the task that reads the connection source, as the API does.
func (w *World) SyncSource() {
	w.t.Helper()
	w.Must(reconcile.Enqueue(w.t.Context(), w.Queues[wiring.GroupsBulk], reconcile.GroupTask{Directory: w.Directory.ID, Source: true, Cause: bulkRequest("connection_source")}))
}

// Account is the account of the user who was hired under a name; found is false if there is
// none.
func (w *World) Account(name string) (account entratest.User, found bool) {
	return w.Tenant.User(name + "@" + Domain)
}

// Accounts are all accounts, deleted ones too. They are read anew only after a change,
// because a test may ask every few milliseconds for as long as it waits.
func (w *World) Accounts() []entratest.User {
	last := w.Tenant.LastChange()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.accounts == nil || last != w.accountsOf {
		w.accounts, w.accountsOf = w.Tenant.Users(), last
	}
	return w.accounts
}

// Enabled reports whether the user who was hired under a name has an enabled account.
func (w *World) Enabled(name string) bool { return w.Tenant.Enabled(name + "@" + Domain) }

// Members are the first names of the members of the one group of a name in Entra,
// sorted; nil if there is no such group or more than one.
func (w *World) Members(group string) []string {
	found := w.Tenant.GroupsNamed(group)
	if len(found) != 1 {
		return nil
	}
	names := []string{}
	for _, id := range found[0].Members {
		account, _ := w.Tenant.User(id)
		names = append(names, account.Text("givenName"))
	}
	slices.Sort(names)
	return names
}

// Link is the link of a user in the directory.
func (w *World) Link(id directory.UserID) directory.Link {
	w.t.Helper()
	known, err := w.Store.User(w.t.Context(), organization, id)
	w.Must(err)
	link, _ := known.Link(w.Directory.ID)
	return link
}

// GroupLink is the link of a group in the directory.
func (w *World) GroupLink(id directory.GroupID) directory.GroupLink {
	w.t.Helper()
	known, err := w.Store.Group(w.t.Context(), organization, id)
	w.Must(err)
	link, _ := known.Link(w.Directory.ID)
	return link
}

// DisconnectGroup ends the connection of a group, as the API does.
func (w *World) DisconnectGroup(id directory.GroupID) {
	w.t.Helper()
	_, err := w.Store.DisconnectGroup(w.t.Context(), w.Directory.ID, id, "")
	w.Must(err)
	w.Must(reconcile.Enqueue(w.t.Context(), w.Queues[wiring.GroupsLive], reconcile.GroupTask{Directory: w.Directory.ID, Group: id, Cause: request("disconnected")}))
}

// EnqueueUser sends a task for a user, as an event without details does; with memberships,
// as an event about a membership.
func (w *World) EnqueueUser(id directory.UserID, memberships bool) {
	w.t.Helper()
	w.Must(reconcile.Enqueue(w.t.Context(), w.Queues[wiring.UsersLive], reconcile.Task{Directory: w.Directory.ID, User: id, Memberships: memberships, Cause: request("retried")}))
}
