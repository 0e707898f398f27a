package jumpcloudtest_test

import (
	"encoding/json"
	"strings"
	"testing"

	. "entrasync/shared/jumpcloud/jumpcloudtest"
)

func TestUserRules(t *testing.T) {
	b := start(t, nil)
	boss := b.user("boss", Fields{"employeeIdentifier": "E-1"})
	user := func(more Fields) Fields {
		fields := Fields{"username": "new", "email": "new@example.com"}
		for name, value := range more {
			fields[name] = value
		}
		return fields
	}
	for name, body := range map[string]any{
		"no JSON": "{", "no object": "[]", "no email": Fields{"username": "new"}, "no username": Fields{"email": "a@b.c"},
		"number as text": user(Fields{"firstname": 5}), "text as flag": user(Fields{"suspended": "yes"}),
		"unknown state": user(Fields{"state": "GONE"}), "null as text": user(Fields{"manager": nil}),
		"address of numbers": user(Fields{"addresses": []any{Fields{"type": 1}}}),
		"username taken":     user(Fields{"username": "BOSS"}), "email taken": user(Fields{"email": "Boss@Example.com"}),
		"employee id taken": user(Fields{"employeeIdentifier": "e-1"}), "bad username": user(Fields{"username": "a b"}),
		"bad email": user(Fields{"email": "nowhere"}), "unknown manager": user(Fields{"manager": "64a1b2c3d4e5f60718293a4b"}),
		"contradiction": user(Fields{"state": "ACTIVATED", "suspended": true}), "contradiction back": user(Fields{"state": "SUSPENDED", "suspended": false}),
		"unheard of": user(Fields{"unheardOf": 1}), "too long": user(Fields{"jobTitle": strings.Repeat("x", 1025)}), "weak password": user(Fields{"password": "password"}),
	} {
		if got := b.call("POST", "/api/systemusers", body); got.status != 400 {
			t.Errorf("%s: %d %s, want 400", name, got.status, got.raw)
		}
	}
	if len(b.Users()) != 1 {
		t.Fatalf("%d users after refusals, want 1", len(b.Users()))
	}
	made := b.want(200, "POST", "/api/systemusers", user(Fields{"manager": boss})).fields()
	id := made.Text("_id")
	if made.Text("state") != "STAGED" || made.Flag("activated") || made.Text("id") != id || made.Text("organization") != DefaultOrganizationID {
		t.Errorf("made %v, want it staged, with both ids and the organization", made)
	}
	b.want(400, "PUT", "/api/systemusers/"+id, Fields{"state": "STAGED"})
	b.want(400, "PUT", "/api/systemusers/"+id, Fields{"username": "boss"})
	b.want(400, "PUT", "/api/systemusers/"+id, Fields{"manager": id})
	b.want(400, "GET", "/api/systemusers/x", nil)
	b.want(404, "PUT", "/api/systemusers/64a1b2c3d4e5f60718293a4b", Fields{})
	b.want(400, "POST", "/api/systemusers/"+id+"/state/suspend", "{}")
	b.want(409, "DELETE", "/api/systemusers/"+boss, nil)
	before := len(b.Events())
	b.want(200, "DELETE", "/api/systemusers/"+boss+"?cascade_manager=null", nil)
	if report, _ := b.User(id); report.Text("manager") != "" || b.types(before) != "user_update user_delete" {
		t.Errorf("manager %q, events %s, want no manager and both events", report.Text("manager"), b.types(before))
	}
	b.want(404, "GET", "/api/systemusers/"+boss, nil)
	b.want(404, "DELETE", "/api/systemusers/"+boss, nil)
}

func TestNamesBecomeFree(t *testing.T) {
	b := start(t, nil)
	id := b.user("mira", Fields{"employeeIdentifier": "E-1"})
	b.ok(b.UpdateUser(id, Fields{"username": "mira2", "email": "mira2@example.com"}))
	again := b.user("mira", nil)
	b.ok(b.DeleteUser(id))
	b.ok(b.UpdateUser(again, Fields{"username": "mira2", "email": "mira2@example.com", "employeeIdentifier": "E-1"}))
}

func TestEventsOfUserChanges(t *testing.T) {
	const both, update, dedicated = UpdateAndDedicated, UpdateOnly, DedicatedOnly
	for name, c := range map[string]struct {
		how    StateEvents
		before []string // done first
		method string
		path   string
		body   any
		want   string
	}{
		"attributes":            {both, nil, "PUT", "", Fields{"department": "Ops", "jobTitle": "x"}, "user_update"},
		"nothing changed":       {both, nil, "PUT", "", Fields{"username": "mira"}, ""},
		"same addresses":        {both, nil, "PUT", "", Fields{"addresses": []any{Fields{"type": "work"}}}, "user_update"},
		"suspend, both":         {both, nil, "POST", "/state/suspend", nil, "user_update user_suspended"},
		"suspend, update":       {update, nil, "POST", "/state/suspend", nil, "user_update"},
		"suspend, own":          {dedicated, nil, "POST", "/state/suspend", nil, "user_suspended"},
		"suspend by state":      {dedicated, nil, "PUT", "", Fields{"state": "SUSPENDED"}, "user_suspended"},
		"suspend by twin":       {both, nil, "PUT", "", Fields{"suspended": true}, "user_update user_suspended"},
		"suspend with more":     {dedicated, nil, "PUT", "", Fields{"suspended": true, "jobTitle": "x"}, "user_update user_suspended"},
		"suspend twice":         {both, []string{"/state/suspend"}, "POST", "/state/suspend", nil, ""},
		"unsuspend":             {both, []string{"/state/suspend"}, "PUT", "", Fields{"suspended": false}, "user_update user_unsuspended"},
		"expire":                {both, nil, "POST", "/expire", nil, "user_password_expired"},
		"lock":                  {both, nil, "PUT", "", Fields{"account_locked": true}, "user_lockout"},
		"unlock unlocked":       {both, nil, "POST", "/unlock", nil, ""},
		"first password":        {both, nil, "POST", "/password", Fields{"password": "Correct-Horse-1"}, "user_password_set"},
		"remind":                {both, nil, "POST", "/reactivate", Fields{}, "user_activation_email"},
		"password after expiry": {both, []string{"/expire"}, "POST", "/password", Fields{"password": "Correct-Horse-1"}, "user_password_set"},
		"delete":                {both, nil, "DELETE", "", nil, "user_delete"},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, nil)
			b.Set(func(behaviour *Behaviour) { behaviour.StateEvents = c.how })
			id := b.user("mira", Fields{"addresses": []any{Fields{"type": "work"}}})
			for _, step := range c.before {
				b.want(200, "POST", "/api/systemusers/"+id+step, nil)
			}
			before := len(b.Events())
			b.want(200, c.method, "/api/systemusers/"+id+c.path, c.body)
			if got := b.types(before); got != c.want {
				t.Errorf("events %q, want %q", got, c.want)
			}
			for _, event := range b.Events()[before:] {
				resource, _ := event["resource"].(map[string]any)
				if resource["id"] != id || resource["type"] != "user" || resource["email"] != nil || event.Text("organization") != DefaultOrganizationID {
					t.Errorf("event %v, want the user without the address", event)
				}
			}
		})
	}
}

func TestStagedUserIsActivated(t *testing.T) {
	b := start(t, nil)
	id := b.user("mira", Fields{"state": "STAGED"})
	before := len(b.Events())
	b.want(200, "POST", "/api/systemusers/"+id+"/state/activate", Fields{"email": false})
	if user, _ := b.User(id); user.Text("state") != "ACTIVATED" || b.types(before) != "user_update user_activated" {
		t.Errorf("%s, events %s, want ACTIVATED with both events", user.Text("state"), b.types(before))
	}
	b.want(200, "POST", "/api/systemusers/"+id+"/state/suspend", nil)
	b.want(409, "POST", "/api/systemusers/"+id+"/state/activate", nil)
	b.ok(b.ActivateUser(id))
	if user, _ := b.User(id); user.Text("state") != "ACTIVATED" || user.Flag("suspended") {
		t.Errorf("%v, want it activated", user)
	}
}

func TestRecordedSuspensionIsImitated(t *testing.T) {
	b := start(t, nil)
	id := b.user("mira", nil)
	before := len(b.Events())
	b.ok(b.SuspendUser(id))
	changes, _ := json.Marshal(b.Events()[before]["changes"])
	if string(changes) != `[{"field":"state","from":"ACTIVATED","to":"SUSPENDED"},{"field":"suspended","from":false,"to":true}]` {
		t.Errorf("changes %s, want the change of both fields", changes)
	}
	b.ok(b.UpdateUser(id, Fields{"addresses": []any{Fields{"type": "work", "country": "DE"}}}))
	b.ok(b.UpdateUser(id, Fields{"addresses": []any{Fields{"type": "work", "country": "DE"}}}))
	events := b.Events()
	last := events[len(events)-1]["changes"].([]any)[0].(map[string]any)
	from, to := last["from"].([]any)[0].(map[string]any), last["to"].([]any)[0].(map[string]any)
	if from["_id"] == to["_id"] || from["id"] != from["_id"] || from["country"] != to["country"] {
		t.Errorf("addresses from %v to %v, want a new id and the same country", from, to)
	}
}

func TestPasswords(t *testing.T) {
	b := start(t, nil)
	id := b.user("mira", nil)
	path := "/api/systemusers/" + id
	refused := b.want(400, "PUT", path+"?fullValidationDetails=password", Fields{"password": "mira"})
	for _, code := range []string{"minLength", "uppercase", "number", "specialCharacter", "usernameSubstring"} {
		if !strings.Contains(string(refused.raw), `{"description":"`+code+`","field":"password"}`) {
			t.Errorf("%s is not in %s, want it", code, refused.raw)
		}
	}
	if got := b.want(400, "PUT", path, Fields{"password": "mira"}).fields(); got["details"] != nil {
		t.Errorf("details without being asked for: %v, want none", got)
	}
	b.want(200, "PUT", "/api/organizations/"+DefaultOrganizationID, Fields{"settings": Fields{"passwordPolicy": Fields{
		"enableMaxHistory": true, "maxHistory": 2, "enablePasswordExpirationInDays": true, "passwordExpirationInDays": 30}}})
	for _, step := range []struct {
		password string
		status   int
	}{{"Correct-Horse-1", 200}, {"Correct-Horse-1", 400}, {"Correct-Horse-2", 200}, {"Correct-Horse-1", 400}, {"Correct-Horse-3", 200}, {"Correct-Horse-1", 200}} {
		b.want(step.status, "POST", path+"/password", Fields{"password": step.password})
	}
	b.ok(b.ExpirePassword(id))
	before := len(b.Events())
	b.want(200, "POST", path+"/password", Fields{"password": "Correct-Horse-9"})
	user, _ := b.User(id)
	if user.Flag("password_expired") || user.Text("password_expiration_date") == "" || !user.Flag("activated") || b.types(before) != "user_password_change" {
		t.Errorf("%v, events %s, want it renewed with user_password_change", user, b.types(before))
	}
	event := b.Events()[before]
	if changes, _ := json.Marshal(event["changes"]); string(changes) != `[{"field":"password"}]` {
		t.Errorf("changes %s, want only the field", changes)
	}
	b.want(400, "POST", path+"/password", Fields{"password": ""})
	if user["password"] != nil {
		t.Error("the password is returned, want it left out")
	}
}

func TestOrganizationSettings(t *testing.T) {
	b := start(t, nil)
	path := "/api/organizations/" + DefaultOrganizationID
	if got := b.want(200, "GET", "/api/organizations", nil).results(); len(got) != 1 || got[0].Text("displayName") != "Example" || got[0]["settings"] != nil {
		t.Errorf("%v, want one without settings", got)
	}
	b.want(400, "PUT", path, Fields{"settings": Fields{"newSystemUserStateDefaults": Fields{"manualEntry": "GONE"}}})
	before := len(b.Events())
	b.want(200, "PUT", path, Fields{"settings": Fields{"newSystemUserStateDefaults": Fields{"manualEntry": "ACTIVATED"}}})
	changes, _ := json.Marshal(b.Events()[before]["changes"])
	if b.types(before) != "organization_update" || !strings.Contains(string(changes), `"field":"settings.newSystemUserStateDefaults"`) ||
		!strings.Contains(string(changes), `"from":{"applicationImport":"STAGED","csvImport":"STAGED","manualEntry":"STAGED"}`) {
		t.Errorf("%s: %s, want organization_update with the changed setting", b.types(before), changes)
	}
	made := b.want(200, "POST", "/api/systemusers", Fields{"username": "a", "email": "a@example.com"}).fields()
	if made.Text("state") != "ACTIVATED" {
		t.Errorf("state %v, want ACTIVATED", made["state"])
	}
}
