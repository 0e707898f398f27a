package jumpcloudtest_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	. "entrasync/shared/jumpcloud/jumpcloudtest"
)

// stamp is a time in JumpCloud's form.
func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }

// Every call that sets a new password sets its date, and a refused one changes nothing.
func TestPasswordDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil)
		id := b.user("mira", nil)
		path := "/api/systemusers/" + id
		if user := b.want(200, "GET", path, nil).fields(); user["password_date"] != nil || user.Flag("activated") {
			t.Errorf("before the first password: %v, want no date and not activated", user)
		}
		var changed time.Time
		for i, send := range []func(password string) answer{
			func(password string) answer { return b.want(200, "PUT", path, Fields{"password": password}) },
			func(password string) answer {
				return b.want(200, "PUT", path+"?fullValidationDetails=password", Fields{"password": password})
			},
			func(password string) answer {
				return b.want(200, "POST", path+"/password", Fields{"password": password})
			},
		} {
			time.Sleep(time.Hour)
			changed = time.Now()
			send("Correct-Horse-" + string(rune('1'+i)))
			user := b.want(200, "GET", path, nil).fields()
			if user.Text("password_date") != stamp(changed) || !user.Flag("activated") || user.Flag("password_expired") || user["password"] != nil {
				t.Errorf("password %d, set at %s: %v, want it dated, activated and not expired", i, stamp(changed), user)
			}
		}
		time.Sleep(time.Hour)
		before := len(b.Events())
		refused := b.want(400, "PUT", path+"?fullValidationDetails=password", Fields{"password": "weak", "jobTitle": "refused"})
		b.want(400, "POST", path+"/password", Fields{"password": "weak"})
		b.want(200, "PUT", path, Fields{"department": "Ops"})
		user := b.want(200, "GET", path, nil).fields()
		if user.Text("password_date") != stamp(changed) || user.Text("jobTitle") != "" || b.types(before) != "user_update" {
			t.Errorf("after a refused password and another change: %v, events %s, want the same date and one user_update", user, b.types(before))
		}
		if body := refused.fields(); body["code"] != 400.0 || body.Text("message") == "" || len(violations(body)) == 0 {
			t.Errorf("refused with %s, want 400 with the violations", refused.raw)
		}
		if strings.Contains(string(refused.raw), "weak") {
			t.Error("the refusal repeats the password, want it left out")
		}
	})
}

// violations are the rules that a refused password breaks.
func violations(body Fields) []any {
	details, _ := body["details"].([]any)
	if len(details) == 0 {
		return nil
	}
	first, _ := details[0].(map[string]any)
	list, _ := first["fieldViolationsList"].([]any)
	return list
}

func TestLockAndUnlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil)
		id := b.user("mira", nil)
		path := "/api/systemusers/" + id
		for _, step := range []struct {
			name   string
			do     func()
			locked bool
			events string
		}{
			{"locked by an administrator", func() { b.want(200, "PUT", path, Fields{"account_locked": true}) }, true, "user_lockout"},
			{"locked again", func() { b.want(200, "PUT", path, Fields{"account_locked": true}) }, true, ""},
			{"another change", func() { b.want(200, "PUT", path, Fields{"jobTitle": "x"}) }, true, "user_update"},
			{"unlocked", func() { b.want(200, "POST", path+"/unlock", nil) }, false, "user_unlocked"},
			{"locked by failed sign-ins", func() { b.ok(b.LockUser(id)) }, true, "user_lockout"},
			{"unlocked by an update", func() { b.want(200, "PUT", path, Fields{"account_locked": false}) }, false, "user_unlocked"},
		} {
			time.Sleep(time.Minute)
			before, was, at := len(b.Events()), b.want(200, "GET", path, nil).fields(), time.Now()
			step.do()
			user := b.want(200, "GET", path, nil).fields()
			date := ""
			switch {
			case step.locked && was.Flag("account_locked"):
				date = was.Text("account_locked_date")
			case step.locked:
				date = stamp(at)
			}
			if user.Flag("account_locked") != step.locked || user.Text("account_locked_date") != date || b.types(before) != step.events {
				t.Errorf("%s: locked %v since %q, events %q; want %v since %q, %q", step.name, user["account_locked"], user.Text("account_locked_date"), b.types(before), step.locked, date, step.events)
			}
		}
		b.want(404, "POST", "/api/systemusers/64a1b2c3d4e5f60718293a4b/unlock", nil)
	})
}

// An expired password stays expired until there is a new one.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil)
		id := b.user("mira", nil)
		path := "/api/systemusers/" + id
		b.want(200, "POST", path+"/password", Fields{"password": "Correct-Horse-1"})
		time.Sleep(time.Hour)
		expired := time.Now()
		before := len(b.Events())
		b.want(200, "POST", path+"/expire", nil)
		time.Sleep(time.Hour)
		b.want(200, "POST", path+"/expire", nil)
		b.want(200, "PUT", path, Fields{"jobTitle": "x"})
		user := b.want(200, "GET", path, nil).fields()
		if !user.Flag("password_expired") || user.Text("password_expiration_date") != stamp(expired) || b.types(before) != "user_password_expired user_update" {
			t.Errorf("expired at %s: %v, events %s, want it expired at that time with its event", stamp(expired), user, b.types(before))
		}
		before = len(b.Events())
		b.want(200, "PUT", path, Fields{"password": "Correct-Horse-2"})
		user = b.want(200, "GET", path, nil).fields()
		if user.Flag("password_expired") || user["password_expiration_date"] != nil || !strings.Contains(b.types(before), "user_password_change") {
			t.Errorf("renewed: %v, events %s, want it not expired, with user_password_change", user, b.types(before))
		}
		b.want(404, "POST", "/api/systemusers/64a1b2c3d4e5f60718293a4b/expire", nil)
	})
}

// Without cascade_manager=null, JumpCloud does not delete a manager.
func TestDeletedManager(t *testing.T) {
	b := start(t, nil)
	boss := b.user("boss", nil)
	reports := []string{b.user("ann", Fields{"manager": boss}), b.user("bob", Fields{"manager": boss})}
	other := b.user("cy", Fields{"manager": reports[0]})
	before := len(b.Events())
	b.want(409, "DELETE", "/api/systemusers/"+boss, nil)
	b.want(409, "DELETE", "/api/systemusers/"+boss+"?cascade_manager=true", nil)
	if b.types(before) != "" {
		t.Errorf("a refused change emitted %s, want no events", b.types(before))
	}
	b.want(200, "DELETE", "/api/systemusers/"+boss+"?cascade_manager=null", nil)
	for _, id := range reports {
		if user, _ := b.User(id); user.Text("manager") != "" {
			t.Errorf("%s still has the manager %s, want none", user.Text("username"), user.Text("manager"))
		}
	}
	if user, _ := b.User(other); user.Text("manager") != reports[0] {
		t.Error("another user lost the manager, want it kept")
	}
	if b.types(before) != "user_update user_update user_delete" {
		t.Errorf("events %s, want user_update user_update user_delete", b.types(before))
	}
}

// A staged user is activated by the call or by an update, and never becomes staged
// again.
func TestStates(t *testing.T) {
	b := start(t, nil)
	for name, step := range map[string]struct {
		from   string
		method string
		path   string
		body   any
		status int
		to     string
	}{
		"activate a staged one":          {"STAGED", "POST", "/state/activate", Fields{}, 200, "ACTIVATED"},
		"activate by update":             {"STAGED", "PUT", "", Fields{"state": "ACTIVATED"}, 200, "ACTIVATED"},
		"activate an active one":         {"ACTIVATED", "POST", "/state/activate", Fields{"email": true}, 200, "ACTIVATED"},
		"activate a suspended one":       {"SUSPENDED", "POST", "/state/activate", Fields{}, 409, "SUSPENDED"},
		"a suspended one by update":      {"SUSPENDED", "PUT", "", Fields{"state": "ACTIVATED"}, 200, "ACTIVATED"},
		"suspend a staged one":           {"STAGED", "POST", "/state/suspend", nil, 200, "SUSPENDED"},
		"stage an active one":            {"ACTIVATED", "PUT", "", Fields{"state": "STAGED"}, 400, "ACTIVATED"},
		"another change of a staged one": {"STAGED", "PUT", "", Fields{"jobTitle": "x"}, 200, "STAGED"},
		"a staged one gets a password":   {"STAGED", "POST", "/password", Fields{"password": "Correct-Horse-1"}, 200, "STAGED"},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, nil)
			id := b.user("mira", Fields{"state": step.from})
			b.want(step.status, step.method, "/api/systemusers/"+id+step.path, step.body)
			if user := b.want(200, "GET", "/api/systemusers/"+id, nil).fields(); user.Text("state") != step.to || user.Flag("suspended") != (step.to == "SUSPENDED") {
				t.Errorf("state %s, suspended %v; want %s", user.Text("state"), user["suspended"], step.to)
			}
		})
	}
	b.want(404, "POST", "/api/systemusers/64a1b2c3d4e5f60718293a4b/state/activate", Fields{})
}
