package admin_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// suspend suspends a directory since an hour.
func (f *fixture) suspend(id string, reason directory.Reason) {
	f.t.Helper()
	f.suspendPart(id, reason, directory.Everything)
}

// suspendPart suspends a part of a directory since an hour.
func (f *fixture) suspendPart(id string, reason directory.Reason, scope directory.Scope) {
	f.t.Helper()
	dir, err := f.records.Directory(f.t.Context(), directory.ID(id))
	f.must(err)
	now := time.Now().UTC()
	dir = dir.Suspend(directory.Suspension{Reason: reason, Message: "do this", Scope: scope, Since: now.Add(-time.Hour), Rights: "r"}, now.Add(time.Minute))
	dir.Probes.LastAt = now.Add(-time.Minute)
	_, err = f.records.PutDirectory(f.t.Context(), dir)
	f.must(err)
}

// probes are how many tasks of users are probes that are due.
func (f *fixture) probes() (n int) {
	f.t.Helper()
	for _, task := range f.tasks(f.live) {
		if task.Probe {
			n++
		}
	}
	return n
}

// A directory shows that it is suspended, why, and how many wait.
func TestASuspendedDirectoryIsShown(t *testing.T) {
	f := newFixture(t)
	id := f.directory("{}")
	if _, got := f.call("GET", "/v1/directories/"+id, ""); got["suspended"] != nil || got["waiting"] != nil || got["probes"] != nil {
		t.Errorf("%v, want nothing about a suspension", got)
	}
	f.suspend(id, directory.SecretExpired)
	task, err := json.Marshal(reconcile.Task{Directory: directory.ID(id), User: ann})
	f.must(err)
	f.must(f.records.AddWaiting(t.Context(), store.Waiting{Directory: directory.ID(id), Kind: "user", ID: ann, Scope: directory.Everything, Task: task}, nil))
	f.must(f.records.AddWaiting(t.Context(), store.Waiting{Directory: directory.ID(id), Kind: "user", ID: ann, Urgent: true, Scope: directory.Everything, Task: task}, nil))
	_, got := f.call("GET", "/v1/directories/"+id, "")
	suspended, _ := got["suspended"].(map[string]any)
	probes, _ := got["probes"].(map[string]any)
	if got["status"] != "active" || got["reason"] != "secret_expired" || got["message"] != "do this" || got["waiting"] != 1.0 ||
		suspended["reason"] != "secret_expired" || suspended["scope"] != "everything" || suspended["since"] == nil || suspended["rights"] != nil || probes["lastAt"] == nil {
		t.Errorf("%v, want it suspended, with its reason, and one that waits, who is counted once", got)
	}
}

// A new directory whose tenant has not consented is probed from the beginning, and a PATCH
// says what is wrong by then, or ends it.
func TestADirectoryWithoutConsentIsProbed(t *testing.T) {
	f := newFixture(t)
	f.outside.refusal = &fault.Error{Kind: fault.Unauthorized, Reason: directory.NotConsented, Message: "give consent"}
	id := f.directory("{}")
	if n := f.probes(); n != 0 || f.later != 1 {
		t.Errorf("%d probes at once, %d later, want 0, 1", n, f.later)
	}
	f.outside.refusal = &fault.Error{Kind: fault.Unauthorized, Reason: directory.ApplicationDisabled, Message: "enable it"}
	_, got := f.call("PATCH", "/v1/directories/"+id, "{}")
	if suspended, _ := got["suspended"].(map[string]any); suspended["reason"] != "application_disabled" || got["reason"] != "application_disabled" {
		t.Errorf("%v, want the reason of now", got)
	}
	if n := f.probes(); n != 1 {
		t.Errorf("%d probes with the PATCH, want 1", n)
	}
	f.outside.refusal = nil
	if _, got := f.call("PATCH", "/v1/directories/"+id, "{}"); got["suspended"] != nil || got["status"] != "active" || got["reason"] != nil {
		t.Errorf("%v, want it active", got)
	}
}

// A new API key is tried at once where the old one was refused, and only there.
func TestANewKeyIsTriedAtOnce(t *testing.T) {
	for _, tc := range []struct {
		reason directory.Reason
		scope  directory.Scope
		want   int
	}{
		{directory.JumpCloudRefused, directory.Everything, 1}, {directory.SecretExpired, directory.Everything, 0},
		{directory.JumpCloudRefused, directory.OfGroups, 1}, {directory.JumpCloudRefused, directory.OfPart, 1}, {directory.PermissionMissing, directory.OfGroups, 0},
	} {
		f := newFixture(t)
		f.suspendPart(f.directory("{}"), tc.reason, tc.scope)
		if status, got := f.call("PATCH", "/v1/organizations/"+organization, `{"apiKey":"`+goodKey+`"}`); status != 200 {
			t.Fatalf("%d %v, want 200", status, got)
		}
		if n := f.probes(); n != tc.want {
			t.Errorf("%s of %s: %d probes, want %d", tc.reason, tc.scope, n, tc.want)
		}
	}
}

// A new API key is tried for each directory that is partly suspended for the old one, and once
// for all that are suspended.
func TestANewKeyIsTriedForEachThatNeedsIt(t *testing.T) {
	f := newFixture(t)
	scopes := []directory.Scope{directory.Everything, directory.Everything, directory.OfGroups, directory.OfPart}
	for i, scope := range scopes {
		id := directory.NewID(organization, fmt.Sprint("part", i))
		_, err := f.records.PutDirectory(t.Context(), directory.Directory{ID: id, Organization: organization, Status: directory.Active, CreatedAt: time.Now().UTC()})
		f.must(err)
		f.suspendPart(string(id), directory.JumpCloudRefused, scope)
	}
	if status, got := f.call("PATCH", "/v1/organizations/"+organization, `{"apiKey":"`+goodKey+`"}`); status != 200 {
		t.Fatalf("%d %v, want 200", status, got)
	}
	if n := f.probes(); n != 3 {
		t.Errorf("%d probes, want one for the suspended ones and one for each other", n)
	}
}
