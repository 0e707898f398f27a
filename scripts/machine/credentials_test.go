package machine_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"entrasync/scripts/machine"
	"entrasync/scripts/simulated/onemachine"
)

// A service account stands instead of a key, as a whole.
func TestVariablesOfAServiceAccount(t *testing.T) {
	account := func(id, secret, key string) map[string]string {
		return map[string]string{"JUMPCLOUD_CLIENT_ID": id, "JUMPCLOUD_CLIENT_SECRET": secret, "JUMPCLOUD_API_KEY": key}
	}
	withoutJumpCloud := account("id", "canary-secret", "")
	withoutJumpCloud["JUMPCLOUD_API_URL"], withoutJumpCloud["JUMPCLOUD_ORG_ID"] = "", ""
	same := account("id", "canary-secret", "")
	same["ENTRA_CLIENT_SECRET"] = "canary-secret"
	for _, tc := range []struct {
		name   string
		change map[string]string
		want   string // in the error; "" for none
	}{
		{"a service account", account("id", "canary-secret", ""), ""},
		{"no secret", account("id", "", ""), "JUMPCLOUD_CLIENT_SECRET is missing"},
		{"no id", account("", "canary-secret", ""), "JUMPCLOUD_CLIENT_ID is missing"},
		{"a key too", account("id", "canary-secret", "canary-key"), "JUMPCLOUD_API_KEY is set, and so is"},
		{"a simulator", withoutJumpCloud, "JUMPCLOUD_API_URL is missing"},
		{"one secret for both", same, "ENTRA_CLIENT_SECRET holds the same as JUMPCLOUD_CLIENT_SECRET"},
		{"a sign-in by plain http", map[string]string{"JUMPCLOUD_TOKEN_URL": "http://evil.example"}, "JUMPCLOUD_TOKEN_URL is"},
		{"ends", map[string]string{"JUMPCLOUD_CREDENTIAL_EXPIRES_AT": "2027-03-01", "ENTRA_CREDENTIAL_EXPIRES_AT": "2027-03-01T12:00:00+01:00"}, ""},
		{"an end that is none", map[string]string{"JUMPCLOUD_CREDENTIAL_EXPIRES_AT": "in a year"}, `JUMPCLOUD_CREDENTIAL_EXPIRES_AT is "in a year"`},
		{"another one", map[string]string{"ENTRA_CREDENTIAL_EXPIRES_AT": "1.3.2027"}, `ENTRA_CREDENTIAL_EXPIRES_AT is "1.3.2027"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := configWith(tc.change)
			if (err == nil) != (tc.want == "") || err != nil && (!strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "such as") || strings.Contains(err.Error(), "canary")) {
				t.Errorf("error = %v, want %q with an example and no secret", err, tc.want)
			}
		})
	}
}

// read is what an address answers.
func read(t *testing.T, address string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// The start shows when the credentials end, and so do the metrics and the API.
func TestTheEndsOfCredentialsAreShown(t *testing.T) {
	folder, soon := t.TempDir(), time.Now().UTC().Add(5*24*time.Hour+time.Hour)
	run := func(variables map[string]string, do func(*onemachine.Machine, string)) {
		t.Helper()
		c, err := machine.ConfigFrom(func(name string) string {
			if name == "ENTRASYNC_ADDR" {
				return "127.0.0.1:0"
			}
			if name == "ENTRASYNC_DATA" {
				return folder
			}
			return variables[name]
		})
		if err != nil {
			t.Fatal(err)
		}
		m, err := onemachine.Start(t.Context(), c, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		var described bytes.Buffer
		m.Describe(&described)
		do(m, described.String())
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
	}
	run(map[string]string{"JUMPCLOUD_CREDENTIAL_EXPIRES_AT": soon.Format(time.RFC3339), "ENTRA_CREDENTIAL_EXPIRES_AT": "2020-01-01"}, func(m *onemachine.Machine, described string) {
		for _, want := range []string{"set; ends on " + soon.Format(time.DateOnly) + " (5 days left)", "set; ended on 2020-01-01"} {
			if !strings.Contains(described, want) {
				t.Errorf("got\n%s, want %q", described, want)
			}
		}
		metrics := read(t, m.URL()+"/metrics")
		for _, want := range []string{
			`entrasync_credential_days_left{organization="` + string(m.Config.Organization) + `",what="jumpcloud_api_key"} 5`,
			`entrasync_credential_days_left{organization="",what="entra_client_secret"} 0`,
		} {
			if !strings.Contains(metrics, want) {
				t.Errorf("got\n%s, want the line %s", metrics, want)
			}
		}
	})
	// Without the variable the end that is known stays.
	run(nil, func(_ *onemachine.Machine, described string) {
		if want := "ends on " + soon.Format(time.DateOnly); !strings.Contains(described, want) || strings.Contains(described, "ended on") {
			t.Errorf("at the next start: got\n%s, want %q and nothing of Entra", described, want)
		}
	})
}
