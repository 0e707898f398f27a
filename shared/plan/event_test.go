package plan_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// done is a completed action of a type.
func done(kind plan.Type, changes ...directory.Change) plan.Action {
	at := time.Date(2026, 3, 6, 12, 2, 3, 911_999_000, time.FixedZone("", 3600))
	return plan.Action{
		ID: "a1", Type: kind, Directory: "5f0c1e2d3a4b5c6d7e8f9012-one", EntraID: "e1",
		Subject: plan.Subject{Kind: "user", ID: string(self), Name: "ann"}, Changes: changes,
		Cause: plan.Cause{Type: "user_update", ID: "ev1"}, Status: plan.Succeeded, At: at.Add(-time.Second), CompletedAt: at,
	}
}

// failed is a completed action that Entra refused.
func failed(action plan.Action) plan.Action {
	action.Status = plan.Failed
	action.Error = &plan.Failure{Kind: "conflict", Reason: directory.UPNConflict, Message: "give one of the two another e-mail"}
	return action
}

// with is an action with a reason.
func with(reason directory.Reason, action plan.Action) plan.Action {
	action.Reason = reason
	return action
}

// ofGroup is an action that is about a group.
func ofGroup(action plan.Action) plan.Action {
	action.Subject.Kind = plan.OfGroup
	return action
}

// The complete envelope, as it goes over the wire.
func TestEvent(t *testing.T) {
	got, err := json.Marshal(done(plan.Update, directory.Change{Attribute: "department", To: directory.Value{"Partner Sales"}}).Event("Example M365"))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"a1","@version":"1","service":"directory","event_type":"user_update_provision","timestamp":"2026-03-06T11:02:03.911Z",` +
		`"organization":"5f0c1e2d3a4b5c6d7e8f9012","resource":{"id":"64a1b2c3d4e5f60718293a4b","type":"user","username":"ann"},` +
		`"application":{"id":"5f0c1e2d3a4b5c6d7e8f9012-one","name":"Example M365"},"changes":[{"field":"department","to":"Partner Sales"}],` +
		`"correlation":{"id":"ev1","type":"user_update"},` +
		`"message_chain":{"response_code":"204","response_message":"No Content","message_details":"OK"},"success":true}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestEventOfEachAction(t *testing.T) {
	password := directory.Change{Attribute: "passwordProfile.password", To: directory.Value{"canary-password"}}
	block := directory.Change{Attribute: directory.AccountEnabled, From: directory.Bool(true), To: directory.Bool(false)}
	open := directory.Change{Attribute: directory.AccountEnabled, To: directory.Bool(true)}
	cleared := directory.Change{Attribute: directory.City, From: directory.Value{"Berlin"}}
	phones := directory.Change{Attribute: directory.BusinessPhones, From: directory.Value{"1", "2"}, To: directory.Value{"3"}}
	for name, tc := range map[string]struct {
		action                plan.Action
		kind                  plan.EventType
		changes, answer, says string
	}{
		"created":          {done(plan.Provision, open), plan.UserCreateProvision, `[{"field":"accountEnabled","to":true}]`, "201 Created OK", ""},
		"taken over":       {done(plan.TakeOver, phones), plan.UserUpdateProvision, `[{"field":"businessPhones","from":["1","2"],"to":"3"}]`, "204 No Content OK", ""},
		"taken over as is": {done(plan.TakeOver), plan.UserUpdateProvision, `[]`, "204 No Content OK", ""},
		"cleared":          {done(plan.Update, cleared), plan.UserUpdateProvision, `[{"field":"city","from":"Berlin","to":null}]`, "204 No Content OK", ""},
		"enabled":          {done(plan.Enable, open), plan.UserUpdateProvision, `[{"field":"accountEnabled","to":true}]`, "204 No Content OK", ""},
		"signed out":       {done(plan.EndSessions), plan.UserUpdateProvision, `[{"field":"signInSessionsValidFromDateTime"}]`, "204 No Content OK", ""},
		"restored":         {done(plan.Restore), plan.UserUpdateProvision, `[{"field":"deletedDateTime","to":null}]`, "200 OK OK", ""},
		"licenses taken":   {done(plan.RemoveLicenses, directory.Change{Attribute: directory.AssignedLicenses, From: directory.Value{"s1"}}), plan.UserUpdateProvision, `[{"field":"assignedLicenses","from":"s1","to":null}]`, "200 OK OK", ""},
		"licenses given":   {done(plan.AssignLicenses, directory.Change{Attribute: directory.AssignedLicenses, To: directory.Value{"s1"}}), plan.UserUpdateProvision, `[{"field":"assignedLicenses","to":"s1"}]`, "200 OK OK", ""},
		"hidden":           {done(plan.HideFromAddressLists, directory.Change{Attribute: directory.ShowInAddressList, To: directory.Bool(false)}), plan.UserUpdateProvision, `[{"field":"showInAddressList","to":false}]`, "204 No Content OK", ""},
		"shown":            {done(plan.ShowInAddressLists, directory.Change{Attribute: directory.ShowInAddressList, From: directory.Bool(false)}), plan.UserUpdateProvision, `[{"field":"showInAddressList","from":false,"to":null}]`, "204 No Content OK", ""},
		"no manager":       {done(plan.ClearManager, directory.Change{Attribute: directory.Manager, From: directory.Value{"e2"}}), plan.UserUpdateProvision, `[{"field":"manager","from":"e2","to":null}]`, "204 No Content OK", ""},
		"deleted":          {with("leaver", done(plan.DeleteAccount)), plan.UserDeprovision, `[{"field":"deletedDateTime"}]`, "204 No Content OK", ""},
		"password":         {done(plan.SetPassword, password), plan.UserPasswordUpdateProvision, `[{"field":"password"}]`, "204 No Content OK", ""},
		"disabled":         {with("suspended", done(plan.Deprovision, block)), plan.UserDeprovision, `[{"field":"accountEnabled","from":true,"to":false}]`, "204 No Content OK", ""},
		"drift":            {done(plan.Drift, cleared), plan.UserDrift, `[{"field":"city","from":"Berlin","to":null}]`, "200 OK OK", ""},
		"drift of a group": {ofGroup(done(plan.Drift, directory.Change{Attribute: directory.Members, From: directory.Value{"e2"}})), plan.GroupDrift, `[{"field":"members","from":"e2","to":null}]`, "200 OK OK", ""},
		"not created":      {failed(done(plan.Provision, open)), plan.UserCreateProvision, `[{"field":"accountEnabled","to":true}]`, "conflict give one of the two another e-mail upn_conflict", "give one of the two another e-mail"},
		"no password":      {failed(done(plan.SetPassword, password)), plan.UserPasswordUpdateProvision, `[{"field":"password"}]`, "conflict give one of the two another e-mail upn_conflict", "give one of the two another e-mail"},
		"not disabled":     {failed(with("deleted", done(plan.Deprovision, block))), plan.UserDeprovision, `[{"field":"accountEnabled","from":true,"to":false}]`, "conflict give one of the two another e-mail upn_conflict", "give one of the two another e-mail"},
	} {
		t.Run(name, func(t *testing.T) {
			event := tc.action.Event("")
			changes, err := json.Marshal(event.Changes)
			if err != nil {
				t.Fatal(err)
			}
			chain := event.MessageChain
			if answer := strings.Join([]string{chain.Code, chain.Message, chain.Details}, " "); answer != tc.answer {
				t.Errorf("got message chain %s, want %s", answer, tc.answer)
			}
			if event.Type != tc.kind || event.Type != tc.action.EventType() || string(changes) != tc.changes {
				t.Errorf("got type %s with changes %s, want %s with %s", event.Type, changes, tc.kind, tc.changes)
			}
			if event.Success != (tc.says == "") || event.ErrorMessage != tc.says || event.Reason != tc.action.Reason {
				t.Errorf("got success %t, error %q, reason %q; want %t, %q, %q", event.Success, event.ErrorMessage, event.Reason, tc.says == "", tc.says, tc.action.Reason)
			}
		})
	}
}

func TestCompleted(t *testing.T) {
	for status, want := range map[plan.Status]bool{plan.Queued: false, plan.Started: false, plan.Succeeded: true, plan.Failed: true} {
		if got := (plan.Action{Status: status}).Completed(); got != want {
			t.Errorf("%s: got completed %t, want %t", status, got, want)
		}
	}
	if kind := (plan.Action{Type: "add_members"}).EventType(); kind != "" {
		t.Errorf("add_members: got event type %q, want none", kind)
	}
}
