package machine_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"entrasync/scripts/machine"
	"entrasync/shared/entra/entratest"
)

// browse sends a request as a browser does, without a token, and follows no redirect.
func (p *product) browse(method, address string, form url.Values) (status int, page string, back *url.URL) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	browser := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := browser.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	back, _ = response.Location()
	return response.StatusCode, string(body), back
}

// An administrator of the tenant opens the address that the API gives, accepts on the page
// of Entra, and comes back to a page of ours.
func TestADirectoryIsAuthorizedInTheBrowser(t *testing.T) {
	p := start(t)
	if err := p.machine.Entra.SetApp(p.machine.Config.ClientID, func(a *entratest.App) { a.Tenants = []string{"none"} }); err != nil {
		t.Fatal(err)
	}
	invitation := p.call("POST", "/v1/directories/"+p.directory+"/authorize", nil, 200)
	consent, _ := invitation["consentUrl"].(string)
	status, page, _ := p.browse("GET", consent, nil)
	if status != 200 || !strings.Contains(page, "User.ReadWrite.All") {
		t.Fatalf("the page of Entra: %d %s, want 200 with the permissions", status, page)
	}
	status, page, back := p.browse("POST", consent, url.Values{"decision": {entratest.ConsentAccept}})
	if status != 302 || back == nil || !strings.HasPrefix(back.String(), p.machine.URL()+"/v1/authorize/callback?") {
		t.Fatalf("%d %v %s, want a redirect to the callback", status, back, page)
	}
	for i, want := range []int{200, 410} {
		if status, page, _ := p.browse("GET", back.String(), nil); status != want || !strings.Contains(page, "<h1>") {
			t.Errorf("opened %d times: %d %s, want %d and a page", i+1, status, page, want)
		}
	}
	got := p.call("GET", "/v1/directories/"+p.directory, nil, 200)
	if authorization, _ := got["authorization"].(map[string]any); got["status"] != "active" || authorization == nil || len(authorization["missing"].([]any)) > 0 {
		t.Errorf("%v, want it active with all that it needs", got)
	}
}

// Behind a proxy browsers come back to the public address.
func TestThePublicAddress(t *testing.T) {
	for given, want := range map[string]string{"": "http://127.0.0.1:8080", "https://entrasync.example.com": "https://entrasync.example.com", "https://entrasync.example.com/": "https://entrasync.example.com"} {
		c, err := configWith(map[string]string{"ENTRASYNC_PUBLIC_URL": given})
		if err != nil {
			t.Fatal(err)
		}
		if got := (&machine.Machine{Config: c}).PublicURL(); got != want {
			t.Errorf("%q: %s, want %s", given, got, want)
		}
	}
}
