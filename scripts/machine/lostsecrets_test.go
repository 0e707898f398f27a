package machine_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// When the file with the secrets is lost or damaged, the log names the organizations
// without secrets and the request that gives them new ones; and that request works.
func TestSecretsThatAreLost(t *testing.T) {
	customers := newCustomers(t)
	p, _ := startServing(t, customers, &entrance{customers: customers})
	second := customers[1]
	webhook := func() (int, []byte) {
		return p.send("POST", p.machine.URL()+"/webhooks/jumpcloud/"+second.organization, "Bearer "+second.token, recorded(t, "admin_login"))
	}
	if status, answer := webhook(); status != 202 {
		t.Fatalf("before the loss: %d %s, want 202", status, answer)
	}
	config, path := p.given, filepath.Join(p.folder, "secrets.json")
	p.close()

	for _, damaged := range []string{"", `{"organizations":{"5f0c1e`} {
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		err := p.again(config)
		if err == nil {
			t.Fatal("it starts with secrets that cannot be read, want an error")
		}
		for _, word := range []string{path, "PATCH /v1/organizations/{id}", "move it away"} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("error = %v, want one that says %q", err, word)
			}
		}
	}

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	before := len(p.log.String())
	if err := p.again(config); err != nil {
		t.Fatal(err)
	}
	said := ""
	for line := range strings.Lines(p.log.String()[before:]) {
		if strings.Contains(line, `"organization":"`+second.organization+`"`) && strings.Contains(line, `"level":"warn"`) {
			said += line
		}
	}
	for _, word := range []string{"no API key", "no webhook token", "PATCH /v1/organizations/{id}"} {
		if !strings.Contains(said, word) {
			t.Errorf("the start logs %q, want %q in it", said, word)
		}
	}
	if strings.Contains(p.log.String()[before:], `"organization":"`+customers[0].organization+`"`) {
		t.Errorf("the log is %s, want nothing of the organization of the variables", p.log.String()[before:])
	}
	status, answer := webhook()
	if status != 404 || !strings.Contains(string(answer), "no webhook token") || strings.Contains(string(answer), "no organization of that id is served here") {
		t.Errorf("the webhook answers %d %s, want 404 and no webhook token", status, answer)
	}
	if log := p.log.String()[before:]; !strings.Contains(log, "GET /v1/organizations lists it") {
		t.Errorf("the log of the refusal is %s, want the way to list the organizations", log)
	}

	p.call("PATCH", "/v1/organizations/"+second.organization, map[string]any{"apiKey": second.key, "webhookTokens": []string{second.token}}, 200)
	if status, answer := webhook(); status != 202 {
		t.Errorf("after the PATCH: %d %s, want 202", status, answer)
	}
	p.close()
	before = len(p.log.String())
	if err := p.again(config); err != nil {
		t.Fatal(err)
	}
	if log := p.log.String()[before:]; strings.Contains(log, "no webhook token") {
		t.Errorf("the log is %s, want no missing token", log)
	}
}
