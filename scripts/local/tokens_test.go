package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// shown is what the program printed behind the name of a variable, the first word
// and the rest.
func (p *process) shown(variable string) (value, rest string) {
	p.t.Helper()
	for _, line := range p.printed {
		if name, after, found := strings.Cut(strings.TrimSpace(line), " "); found && name == variable {
			value, rest, _ = strings.Cut(strings.TrimSpace(after), " ")
			return value, rest
		}
	}
	p.t.Fatalf("%s was not printed, want it in %q", variable, p.printed)
	return "", ""
}

// status sends a request with a bearer token and gives the status of the answer.
func status(t *testing.T, method, url, bearer, body string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

const loginEvent = `{"id":"6650a1b2c3d4e5f607180003","@version":"1","service":"directory","event_type":"admin_login_attempt","timestamp":"2026-03-02T09:14:07.498Z"}`

// A token that was made up stays valid, however often the program is killed; a variable
// wins, and the program prints that.
func TestMadeUpTokensSurviveARestart(t *testing.T) {
	folder := t.TempDir()
	start := func(variables map[string]string) *process {
		t.Helper()
		all := map[string]string{"ENTRASYNC_DATA": folder}
		for name, value := range variables {
			all[name] = value
		}
		return startWith(t, all)
	}
	first := start(nil)
	webhook, webhookNote := first.shown("ENTRASYNC_WEBHOOK_TOKEN")
	admin, adminNote := first.shown("ENTRASYNC_ADMIN_TOKEN")
	for _, note := range []string{webhookNote, adminNote} {
		if !strings.Contains(note, "made up at this start") || !strings.Contains(note, "secrets.json") {
			t.Errorf("the note at the first start is %q, want made up at this start, and the file", note)
		}
	}
	first.kill()
	logs := first.log.String()

	second := start(nil)
	for variable, want := range map[string]string{"ENTRASYNC_WEBHOOK_TOKEN": webhook, "ENTRASYNC_ADMIN_TOKEN": admin} {
		if got, note := second.shown(variable); got != want || !strings.Contains(note, "made up at an earlier start") {
			t.Errorf("%s at the second start is the first one: %t, noted as %q; want the first one, made up at an earlier start", variable, got == want, note)
		}
	}
	if got := status(t, "POST", second.webhook, webhook, loginEvent); got != 202 {
		t.Errorf("the webhook with the token of the first start: %d, want 202", got)
	}
	if got := status(t, "GET", second.api+"/organizations", admin, ""); got != 200 {
		t.Errorf("the API with the token of the first start: %d, want 200", got)
	}
	second.kill()
	logs += second.log.String()

	third := start(map[string]string{"ENTRASYNC_WEBHOOK_TOKEN": "canary-given"})
	if value, note := third.shown("ENTRASYNC_WEBHOOK_TOKEN"); strings.Contains(value+note, "canary") || !strings.Contains(value+note, "set") || !strings.Contains(note, "is not used") {
		t.Errorf("the note about a variable is %s %s, want set, and that the kept one is not used", value, note)
	}
	for presented, want := range map[string]int{"canary-given": 202, webhook: 401} {
		if got := status(t, "POST", third.webhook, presented, loginEvent); got != want {
			t.Errorf("a token that is given: %d, want %d", got, want)
		}
	}
	third.kill()
	logs += third.log.String()

	fourth := start(nil)
	if got, _ := fourth.shown("ENTRASYNC_WEBHOOK_TOKEN"); got != webhook {
		t.Error("without the variable the token is another one, want the kept one")
	}
	fourth.kill()
	for _, secret := range []string{webhook, admin, "canary-given"} {
		if strings.Contains(logs+fourth.log.String(), secret) {
			t.Error("a token is in the log, want none")
		}
	}
	if info, err := os.Stat(filepath.Join(folder, "secrets.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("secrets.json is %v (%v), want mode 0600", info, err)
	}
}

// Without the file a new token is made up, which JumpCloud does not have. The log says so,
// and logs the refusals because of it.
func TestALostTokenIsSaid(t *testing.T) {
	folder := t.TempDir()
	first := startWith(t, map[string]string{"ENTRASYNC_DATA": folder})
	webhook, _ := first.shown("ENTRASYNC_WEBHOOK_TOKEN")
	first.kill()
	if err := os.Remove(filepath.Join(folder, "secrets.json")); err != nil {
		t.Fatal(err)
	}
	second := startWith(t, map[string]string{"ENTRASYNC_DATA": folder, "ENTRASYNC_ADMIN_TOKEN": token})
	for range 5 {
		if got := status(t, "POST", second.webhook, webhook, loginEvent); got != 401 {
			t.Errorf("the webhook with the lost token: %d, want 401", got)
		}
	}
	var refused []string
	for _, m := range second.metrics()["entrasync_webhook_refused_total"].GetMetric() {
		refused = append(refused, fmt.Sprint(m.GetLabel()[0].GetValue(), " ", m.GetCounter().GetValue()))
	}
	second.kill()
	var said []string
	for _, line := range mustBeJSON(t, second.log.String()) {
		if line["level"] == "warn" {
			said = append(said, fmt.Sprint(line["cause"], line["message"]))
		}
	}
	all := strings.Join(said, "\n")
	if !strings.Contains(all, "a new webhook token was made up") || strings.Count(all, "wrong_secret") != 1 || !slices.Equal(refused, []string{"wrong_secret 5"}) {
		t.Errorf("warnings %s, refusals %v; want the new token, and 5 refusals logged once", all, refused)
	}
}

// Tokens that no variable holds are replaced through the API as the API's README says,
// and stay replaced; those of a variable are refused by its name, and so is the key.
func TestTokensAreReplacedThroughTheAPI(t *testing.T) {
	folder := t.TempDir()
	start := func(variables map[string]string) *process {
		t.Helper()
		all := map[string]string{"ENTRASYNC_DATA": folder, "ENTRASYNC_ADMIN_TOKEN": token}
		for name, value := range variables {
			all[name] = value
		}
		return startWith(t, all)
	}
	const next = "canary-next-webhook-token"
	p := start(nil)
	former, _ := p.shown("ENTRASYNC_WEBHOOK_TOKEN")
	organization := func() string { return p.api + "/organizations/" + p.webhook[strings.LastIndex(p.webhook, "/")+1:] }
	accepted := func(what string, want map[string]int) {
		t.Helper()
		for presented, code := range want {
			if got := status(t, "POST", p.webhook, presented, loginEvent); got != code {
				t.Errorf("%s: %d, want %d", what, got, code)
			}
		}
	}
	p.must("PATCH", organization(), `{"webhookTokens":["`+next+`","`+former+`"]}`, nil)
	accepted("while both are valid", map[string]int{next: 202, former: 202})
	p.must("POST", organization()+"/webhook", `{"rotateToken":true}`, nil)
	p.must("PATCH", organization(), `{"webhookTokens":["`+next+`"]}`, nil)
	accepted("replaced", map[string]int{next: 202, former: 401})
	p.kill()
	logs := p.log.String()

	p = start(nil)
	accepted("after a restart", map[string]int{next: 202, former: 401})
	if value, note := p.shown("ENTRASYNC_WEBHOOK_TOKEN"); strings.Contains(value+note, next) || !strings.Contains(value+" "+note, "replaced through the API, kept in secrets.json") {
		t.Errorf("the note about replaced tokens is %s %s, want replaced through the API, and no token", value, note)
	}
	p.kill()
	logs += p.log.String()

	p = start(map[string]string{"ENTRASYNC_WEBHOOK_TOKEN": "canary-given-token"})
	var refused struct {
		Detail string
		Errors []struct{ Location string }
	}
	for body, want := range map[string][2]string{
		`{"webhookTokens":["` + next + `"]}`: {"body.webhookTokens", "the webhook tokens of this organization come from the variable ENTRASYNC_WEBHOOK_TOKEN: change them there"},
		`{"apiKey":"simulated-api-key"}`:     {"body.apiKey", "the API key of this organization comes from the simulator"},
	} {
		code, err := p.call("PATCH", organization(), body, &refused)
		if said := fmt.Sprint(refused); err != nil || code != 409 || !strings.Contains(said, want[0]) || !strings.Contains(said, want[1]) {
			t.Errorf("%d %+v %v, want %s", code, refused, err, want)
		}
	}
	accepted("given", map[string]int{"canary-given-token": 202, next: 401})
	p.kill()
	logs += p.log.String()

	p = start(map[string]string{"JUMPCLOUD_API_KEY": "simulated-api-key"})
	if code, err := p.call("PATCH", organization(), `{"apiKey":"simulated-api-key"}`, &refused); err != nil || code != 409 || !strings.Contains(fmt.Sprint(refused), "comes from the variable JUMPCLOUD_API_KEY: change it there") {
		t.Errorf("%d %+v (%v), want 409 and the variable JUMPCLOUD_API_KEY", code, refused, err)
	}
	accepted("without the variable", map[string]int{next: 202})
	p.kill()
	if logs += p.log.String(); strings.Contains(logs, "canary") || strings.Contains(logs, former) {
		t.Error("a token is in the log, want none")
	}
}
