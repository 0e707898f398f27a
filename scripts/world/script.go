package world

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// Script is what a script does to people, one step after the other.
type Script string

// The scripts. In JumpCloud each step makes an event of its own.
const (
	LeaveOneGroup   Script = ""                  // removes all members of a group
	LeaveManyGroups Script = "leave many groups" // removes all members of many groups
	DeleteGroups    Script = "delete groups"     // deletes groups
	NewLastNames    Script = "new last names"    // changes the last names
	EndOfUsers      Script = "end users by API"  // ends the connections of users, by requests to the API
	EndOfGroups     Script = "end groups by API" // ends the connections of groups, by requests to the API
)

// perGroup is how many members a group has where a script is about many: the removal of so
// few is still urgent when they leave together.
const perGroup = 20

// steps are those of a script.
type steps struct {
	steps []func()
	// reached reports whether the script had its effect on somebody of a name in Entra.
	reached func(name string) bool
}

// script connects people and returns the steps of the script.
func (r Rush) script(w *World, people []directory.UserID) steps {
	w.t.Helper()
	s := steps{reached: func(name string) bool { return !w.Enabled(name) }}
	ofUsers := func(do func(directory.UserID)) {
		w.Connect(people...)
		for _, id := range people {
			s.steps = append(s.steps, func() { do(id) })
		}
	}
	ofGroups := func(size int, do func(directory.GroupID, []directory.UserID)) {
		for members := range slices.Chunk(people, size) {
			group := w.Group(fmt.Sprintf("Staff %d", len(s.steps)), members...)
			w.ConnectGroups(group)
			s.steps = append(s.steps, func() { do(group, members) })
		}
	}
	leave := func(group directory.GroupID, members []directory.UserID) {
		for i, id := range members {
			if i > 0 {
				time.Sleep(r.Pace)
			}
			w.Must(w.JumpCloud.RemoveMember(string(group), string(id)))
		}
	}
	end := func(kind, id string) {
		if status := w.API(http.MethodDelete, "/v1/directories/"+string(w.Directory.ID)+"/connections/"+kind+"/"+id, ""); status != http.StatusAccepted {
			w.t.Fatalf("a request to end a connection: %d, want %d", status, http.StatusAccepted)
		}
	}
	switch {
	case r.Pace == 0:
		ofGroups(len(people), func(group directory.GroupID, _ []directory.UserID) { w.DisconnectGroup(group) })
	case r.Script == LeaveOneGroup:
		ofGroups(len(people), leave)
	case r.Script == LeaveManyGroups:
		ofGroups(perGroup, leave)
	case r.Script == DeleteGroups:
		ofGroups(perGroup, func(group directory.GroupID, _ []directory.UserID) { w.Must(w.JumpCloud.DeleteGroup(string(group))) })
	case r.Script == EndOfGroups:
		ofGroups(perGroup, func(group directory.GroupID, _ []directory.UserID) { end("groups", string(group)) })
	case r.Script == EndOfUsers:
		ofUsers(func(id directory.UserID) { end("users", string(id)) })
	case r.Script == NewLastNames:
		const changed = "Married"
		ofUsers(func(id directory.UserID) {
			w.Must(w.JumpCloud.UpdateUser(string(id), jumpcloudtest.Fields{"lastname": changed}))
		})
		s.reached = func(name string) bool {
			account, _ := w.Account(name)
			return account.Text("surname") == changed
		}
	}
	return s
}
