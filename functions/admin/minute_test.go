package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// timeOut is the function's time-out.
const timeOut = 29 * time.Second

// Whichever request to an outside system is never answered, the API answers before the
// function's time-out.
func TestNoRequestThatHangsUsesUpTheInvocation(t *testing.T) {
	firstTenant := entratest.DefaultTenant().ID
	for name, operation := range map[string]func(*gateway) (method, path, body string){
		"an organization": func(*gateway) (string, string, string) {
			return "POST", "/v1/organizations", `{"id":"` + jumpcloudtest.DefaultOrganizationID[:23] + `f","name":"Another","apiKey":"test-key"}`
		},
		"a key of a service account": func(g *gateway) (string, string, string) {
			made, err := g.jumpcloud.AddServiceAccount("entrasync", jumpcloudtest.APIKey, "30 Days")
			g.must(err)
			return "PATCH", "/v1/organizations/" + organization, serviceAccount(made)
		},
		"a secret of a service account": func(g *gateway) (string, string, string) {
			made, err := g.jumpcloud.AddServiceAccount("entrasync", jumpcloudtest.ClientSecret, "30 Days")
			g.must(err)
			return "PATCH", "/v1/organizations/" + organization, serviceAccount(made)
		},
		"a directory": func(*gateway) (string, string, string) {
			return "POST", "/v1/directories", fmt.Sprintf(`{"name":"Contoso","organizationId":%q,"tenantId":%q}`, organization, firstTenant)
		},
		"the webhook": func(g *gateway) (string, string, string) {
			return "POST", "/v1/organizations/" + organization + "/webhook", `{"url":"https://entrasync.example/webhooks/jumpcloud/` + organization + `"}`
		},
		"a connection of a user": func(g *gateway) (string, string, string) {
			return "PUT", "/v1/directories/" + string(g.pending("main", firstTenant, nil)) + "/connections/users/" + string(g.ann), ""
		},
		"a connection of a group": func(g *gateway) (string, string, string) {
			return "PUT", "/v1/directories/" + string(g.pending("main", firstTenant, nil)) + "/connections/groups/" + string(g.Group("Staff", g.ann)), ""
		},
		"a connection source": func(g *gateway) (string, string, string) {
			source, err := g.jumpcloud.CreateDirectory("M365")
			g.must(err)
			return "PATCH", "/v1/directories/" + string(g.pending("main", firstTenant, nil)), `{"settings":{"connectionSource":{"type":"office_365","id":"` + source + `"}}}`
		},
		"a password": func(g *gateway) (string, string, string) {
			g.connected("main", firstTenant, "ann.lee@contoso.example", nil)
			return "PUT", "/v1/organizations/" + organization + "/users/" + string(g.ann) + "/password", `{"password":"` + goodPassword + `"}`
		},
	} {
		t.Run(name, func(t *testing.T) {
			for n, hung := 1, true; hung; n++ {
				synctest.Test(t, func(t *testing.T) {
					g := newGateway(t)
					method, path, body := operation(g)
					g.sleep(name != "a password")
					ctx, cancel := context.WithTimeout(t.Context(), timeOut)
					defer cancel()
					g.hang.Begin(n)
					start := time.Now()
					status, answer := g.callIn(ctx, map[string]string{"authorization": "Bearer " + token}, method, path, body)
					took := time.Since(start)
					g.hang.End()
					defer time.Sleep(time.Minute) // a sign-in ends by itself
					hung = g.hang.First() != ""
					if left := timeOut - took; left < 2*time.Second {
						t.Errorf("request %d, %s, hangs: answered with %s left, want at least 2s", n, g.hang.First(), left)
					}
					if status == http.StatusInternalServerError || !hung && status >= http.StatusInternalServerError {
						t.Errorf("request %d, %q, hangs: %d %v, want that the system does not answer", n, g.hang.First(), status, answer)
					}
				})
			}
		})
	}
}
