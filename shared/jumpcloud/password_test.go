package jumpcloud_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

const goodPassword = "canary-Passw0rd!"

func TestSetPassword(t *testing.T) {
	sim, client := simulator(t)
	mira := addUser(t, sim, "mira.okafor", nil)
	if err := client.SetPassword(t.Context(), mira, goodPassword); err != nil || !sim.HasPassword(string(mira), goodPassword) {
		t.Errorf("%v, want no error and the password set", err)
	}
	for password, want := range map[string]string{
		"canary1!":           "it must hold an upper-case letter",
		"Ab1!":               "it is too short",
		"canary-mira.okafor": "it must hold an upper-case letter; it must hold a digit; it must not contain the user name",
		"CanaryCanary1":      "it must hold a special character",
	} {
		err := client.SetPassword(t.Context(), mira, password)
		if !fault.Is(err, fault.Invalid) || fault.Of(err).Message != want || strings.Contains(err.Error(), password) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if !sim.HasPassword(string(mira), goodPassword) {
		t.Error("a refused password was set, want the old one")
	}
	for _, id := range []string{"", "..", "64a1b2c3d4e5f60718293fff"} {
		if err := client.SetPassword(t.Context(), directory.UserID(id), goodPassword); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: %v, want a fault of kind NotFound", id, err)
		}
	}
}

func TestPasswordHistory(t *testing.T) {
	sim, client := simulator(t)
	mira := addUser(t, sim, "mira", nil)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://sim/api/organizations/"+jumpcloudtest.DefaultOrganizationID,
		strings.NewReader(`{"settings":{"passwordPolicy":{"enableMaxHistory":true,"maxHistory":5}}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-api-key", apiKey)
	r.Header.Set("Content-Type", "application/json")
	if response, err := jumpcloudtest.Transport(sim).RoundTrip(r); err != nil || response.StatusCode != 200 {
		t.Fatalf("%+v, %v, want 200", response, err)
	}
	if err := client.SetPassword(t.Context(), mira, goodPassword); err != nil {
		t.Fatal(err)
	}
	if err := client.SetPassword(t.Context(), mira, goodPassword); !fault.Is(err, fault.Invalid) || fault.Of(err).Message != "it was used before" {
		t.Errorf("the same again: %v, want Invalid because it was used before", err)
	}
}

// A password is sent once, whatever the answer, and no error repeats an answer with the
// password.
func TestAPasswordIsSentOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		status int // 0: no answer
		body   string
		kind   fault.Kind
		says   string
	}{
		"throttled":           {429, `{"message":"slow"}`, fault.Throttled, "slow down"},
		"an outage":           {500, `{"message":"` + goodPassword + `"}`, fault.Transient, "failed"},
		"a gateway":           {503, `<html>`, fault.Transient, "not available"},
		"no answer":           {0, "", fault.Transient, "did not answer"},
		"a redirect":          {302, "", fault.Transient, "redirect"},
		"a page":              {200, `<html>`, fault.Transient, "nobody knows"},
		"another user":        {200, `{"_id":"64a1b2c3d4e5f60718293fff","username":"x"}`, fault.Transient, "nobody knows"},
		"another key":         {401, `{"message":"` + goodPassword + `"}`, fault.Unauthorized, "API key"},
		"a rule nobody knows": {400, `{"details":[{"fieldViolationsList":[{"field":"password","description":"moon"},{"field":"password","description":"moon"}]}]}`, fault.Invalid, "it breaks the rule password moon"},
		"no rule":             {400, `{"message":"managed elsewhere, not ` + goodPassword + `"}`, fault.Invalid, "managed elsewhere"},
		"nothing to read":     {400, `<html>`, fault.Invalid, "invalid"},
		"a rule that repeats": {422, `{"details":[{"fieldViolationsList":[{"field":"password","description":"` + goodPassword + `"}]}]}`, fault.Invalid, "breaks the rule"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests, got := 0, ""
				client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					requests++
					body, _ := io.ReadAll(r.Body)
					got = r.Method + " " + r.URL.String() + " " + string(body)
					if tc.status == 0 {
						time.Sleep(time.Hour)
					}
					w.WriteHeader(max(tc.status, 200))
					_, _ = io.WriteString(w, tc.body)
				}))
				err := client.SetPassword(t.Context(), "64a1b2c3d4e5f60718293a4b", goodPassword)
				f := fault.Of(err)
				if !fault.Is(err, tc.kind) || !strings.Contains(f.Message, tc.says) || strings.Contains(err.Error()+f.Message, goodPassword) {
					t.Errorf("%v, want the kind and words of the row without the password", err)
				}
				if want := `PUT http://sim/api/systemusers/64a1b2c3d4e5f60718293a4b?fullValidationDetails=password {"password":"` + goodPassword + `"}`; requests != 1 || got != want {
					t.Errorf("%d requests, the last %s, want one PUT of the password", requests, strings.ReplaceAll(got, goodPassword, "…"))
				}
			})
		})
	}
}
