package entratest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/entra/entratest"
)

// withManager is the read of one user with its manager, as the Go SDK spells it in an
// item of a batch.
func withManager(key string) string {
	return "/users/" + key + "?%24expand=manager%28%24select%3Did%29&%24select=id,accountEnabled"
}

func TestLookUpWithManager(t *testing.T) {
	g := start(t)
	ann, bob := g.create("ann"), g.create("bob")
	g.must(http.StatusNoContent, http.MethodPut, "/users/"+ann+"/manager/$ref", reference(bob))
	want := object{"@odata.type": "#microsoft.graph.user", "id": bob}
	for _, path := range []string{
		withManager(ann), withManager("ann%40contoso.example"), "/users/" + ann + "?$select=id,accountEnabled&$expand=manager($select=id)",
	} {
		alone := g.must(http.StatusOK, http.MethodGet, path, nil)
		inBatch := g.batch(http.StatusOK, item("1", "GET", path, nil))
		for name, body := range map[string]any{"alone": alone.body, "in a batch": inBatch["1"]["body"]} {
			if diff := cmp.Diff(want, at(body, "manager")); diff != "" || text(body, "id") != ann || at(body, "accountEnabled") != true {
				t.Errorf("%s, %s (-want +got):\n%s%v", path, name, diff, body)
			}
		}
		if units := alone.header.Get("x-ms-resource-unit"); units != "1" {
			t.Errorf("%s costs %s units, want 1", path, units)
		}
	}
	none := g.must(http.StatusOK, http.MethodGet, withManager(bob), nil)
	if _, there := none.body["manager"]; there {
		t.Errorf("a user without a manager has one: %v, want no manager", none.body)
	}
	g.must(http.StatusNoContent, http.MethodDelete, "/users/"+bob, nil)
	gone := g.must(http.StatusOK, http.MethodGet, withManager(ann), nil)
	if _, there := gone.body["manager"]; there {
		t.Errorf("a deleted manager is shown: %v, want no manager", gone.body)
	}
	wantError(t, g.do(http.MethodGet, "/users/"+ann+"?$expand=manager($select=shoeSize)", nil), http.StatusBadRequest, "BadRequest", "shoeSize")
	wantError(t, g.do(http.MethodGet, "/users/"+ann+"?$expand=directReports", nil), http.StatusNotImplemented, "NotImplemented", "$expand=directReports")
}

// Setting and clearing managers, several in one batch.
func TestManagersInBatch(t *testing.T) {
	g := start(t)
	ann, bob, cy := g.create("ann"), g.create("bob"), g.create("cy")
	unknown := "00000000-0000-4000-8000-000000000009"
	path := func(id string) string { return "/users/" + id + "/manager/$ref" }
	answers := g.batch(http.StatusOK,
		item("1", "PUT", path(ann), reference(cy)), item("2", "PUT", path(bob), object{"@odata.id": "http://graph.test/v1.0/directoryObjects/" + cy}),
		item("3", "PUT", path(cy), reference(unknown)), item("4", "DELETE", path(cy), nil), item("5", "PUT", path(unknown), reference(cy)))
	if got := statuses(answers); got != "204 204 404 404 404" {
		t.Fatalf("statuses %s: %v, want 204 204 404 404 404", got, answers)
	}
	for _, id := range []string{"3", "4", "5"} {
		if text(answers[id], "body", "error", "code") != "Request_ResourceNotFound" {
			t.Errorf("item %s: %v, want Request_ResourceNotFound", id, answers[id])
		}
	}
	answers = g.batch(http.StatusOK, item("1", "DELETE", path(ann), nil), item("2", "PUT", path(bob), reference(ann))) // replaced without a DELETE
	if got := statuses(answers); got != "204 204" {
		t.Fatalf("statuses %s: %v, want 204 204", got, answers)
	}
	for id, want := range map[string]string{ann: "", bob: ann, cy: ""} {
		if u, _ := g.dir.User(id); u.Manager != want {
			t.Errorf("the manager of %s is %q, want %q", u.DisplayName, u.Manager, want)
		}
	}
	if writes := g.sim.Counters().WriteUnits; writes != 3+7 {
		t.Errorf("%d write units, want 3 creates and 7 writes of managers", writes)
	}
}

func TestWhoseManagerCanBeWritten(t *testing.T) {
	for _, row := range []struct {
		name          string
		user          entratest.User
		status        int
		code, message string
	}{
		{"administrator: the manager is not sensitive", entratest.User{DirectoryRoles: []string{"Global Administrator"}}, 204, "", ""},
		{"synchronised", entratest.User{Properties: object{"onPremisesSyncEnabled": true}}, 400, "Request_BadRequest", "on-premises mastered"},
		{"restricted management", entratest.User{Properties: object{"isManagementRestricted": true}}, 403, "Authorization_RequestDenied", "Insufficient privileges"},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := start(t)
			boss := g.create("boss")
			row.user.UserPrincipalName = "ann@contoso.example"
			user := g.seed(row.user)
			r := g.do(http.MethodPut, "/users/"+user.ID+"/manager/$ref", reference(boss))
			if row.status == http.StatusNoContent {
				if r.status != row.status {
					t.Errorf("%d: %v, want the status of the row", r.status, r.body)
				}
				return
			}
			wantError(t, r, row.status, row.code, row.message)
		})
	}
}

// Some replicas do not find a manager who was just created, neither as the target of
// the reference nor in an answer.
func TestLaggingManager(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := start(t, func(c *entratest.Config) {
			c.Behaviour.Lag = entratest.Lag{Min: 10 * time.Second, Max: 10 * time.Second}
		})
		ann := g.seed(entratest.User{UserPrincipalName: "ann@contoso.example"}).ID
		boss := g.create("boss")
		put := "/users/" + ann + "/manager/$ref"
		wantError(t, g.do(http.MethodPut, put, reference(boss)), http.StatusNotFound, "Request_ResourceNotFound", boss)
		time.Sleep(10 * time.Second)
		g.must(http.StatusNoContent, http.MethodPut, put, reference(boss))
		r := g.must(http.StatusOK, http.MethodGet, withManager(ann), nil)
		if text(r.body, "manager", "id") != boss {
			t.Errorf("manager: %v, want the boss", r.body)
		}
	})
}
