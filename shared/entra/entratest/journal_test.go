package entratest_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
)

func withJournal(path string) func(*entratest.Config) {
	return func(c *entratest.Config) { c.Journal = path }
}

// directoryOf is everything stored, for comparing.
func directoryOf(g *graph) []any { return []any{g.dir.Users(), g.dir.Groups()} }

var asStored = cmp.Options{cmpopts.IgnoreUnexported(entratest.User{}), cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0)}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	g := start(t, withJournal(path))
	ann, bob, cy := g.create("ann", "mail", "ann@contoso.example", "employeeOrgData", object{"costCenter": "1"}), g.create("bob"), g.create("cy")
	_, link := g.round("/users/delta?$select=jobTitle")
	group := text(g.must(http.StatusCreated, http.MethodPost, "/groups", team("Eng", "uniqueName", "jc.1", "members@odata.bind", references(ann, bob, cy))).body, "id")
	g.must(http.StatusNoContent, http.MethodDelete, "/groups/"+group+"/members/"+bob+"/$ref", nil)
	g.must(http.StatusNoContent, http.MethodPut, "/users/"+ann+"/manager/$ref", reference(bob))
	g.must(http.StatusNoContent, http.MethodPatch, "/users/"+ann, object{"jobTitle": "Chief", "businessPhones": []string{"1"}})
	g.must(http.StatusNoContent, http.MethodDelete, "/users/"+cy, nil)
	g.must(http.StatusNoContent, http.MethodDelete, "/directory/deletedItems/"+cy, nil)
	g.must(http.StatusNoContent, http.MethodDelete, "/users/"+bob, nil)

	want := directoryOf(g)
	for restart := range 3 { // the second start reads what the first compacted
		again := start(t, withJournal(path))
		if diff := cmp.Diff(want, directoryOf(again), asStored); diff != "" {
			t.Fatalf("start %d (-before +after):\n%s", restart+1, diff)
		}
		if u, _ := again.dir.User(ann); !u.HasPassword(password) {
			t.Error("the password is lost after the restart, want it kept")
		}
		again.token = g.token // tokens stay good
		again.must(http.StatusOK, http.MethodGet, "/groups(uniqueName='jc.1')", nil)
		entries, _ := again.round(link) // and so do delta links
		if got := len(entries); got != 3+restart || text(entries, 0, "jobTitle")+text(entries, 1, "jobTitle")+text(entries, 2, "jobTitle") != "Chief" {
			t.Errorf("delta after a restart: %v, want the entries of all changes", entries)
		}
		wantError(t, again.do(http.MethodPost, "/users", person("ann")), http.StatusBadRequest, "Request_BadRequest", "already exists")
		if id := text(again.must(http.StatusCreated, http.MethodPost, "/users", person("cy")).body, "id"); id == cy {
			t.Error("the id of a purged user was used again, want a new one")
		} else if err := again.dir.PurgeUser(id); err != nil {
			t.Fatal(err)
		}
		if err := again.sim.Close(); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), password) {
		t.Error("the journal has a password, want none")
	}
}

func TestTornJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	g := start(t, withJournal(path))
	g.create("ann")
	g.create("bob")
	complete, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	second := strings.Index(string(complete), "\n") + 1
	for _, cut := range []int{len(complete) - 1, len(complete) - 40, second + 1, second} {
		torn := filepath.Join(t.TempDir(), "torn.jsonl")
		if err := os.WriteFile(torn, complete[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		again := start(t, withJournal(torn))
		if users := again.dir.Users(); len(users) != 1 || users[0].UserPrincipalName != "ann@contoso.example" {
			t.Errorf("cut at %d: %v, want ann only", cut, users)
		}
		again.create("bob") // and it goes on
		if err := again.sim.Close(); err != nil {
			t.Fatal(err)
		}
		if after := start(t, withJournal(torn)); len(after.dir.Users()) != 2 {
			t.Errorf("cut at %d: %d users after the repair, want 2", cut, len(after.dir.Users()))
		}
	}
}

func TestBrokenJournal(t *testing.T) {
	for name, content := range map[string]string{"garbage": "{}garbage\n{}\n", "another tenant": `{"tenant":"x","change":{"kind":"user","id":"1","create":true}}` + "\n"} {
		path := filepath.Join(t.TempDir(), "journal.jsonl")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := entratest.New(entratest.Config{Journal: path}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want a fault of kind Invalid", name, err)
		}
		if left, _ := os.ReadFile(path); string(left) != content {
			t.Errorf("%s: the journal was changed, want it unchanged", name)
		}
	}
	g := start(t, withJournal(filepath.Join(t.TempDir(), "journal.jsonl")))
	if err := g.sim.Close(); err != nil {
		t.Fatal(err)
	}
	g.must(http.StatusInternalServerError, http.MethodPost, "/users", person("ann"))
	if len(g.dir.Users()) != 0 {
		t.Error("a change that was not written was made, want no user")
	}
}

func TestConfig(t *testing.T) {
	for name, config := range map[string]entratest.Config{
		"tenant id": {Tenants: []entratest.Tenant{{ID: "contoso"}}}, "app id": {Apps: []entratest.App{{}}},
		"domain twice": {Tenants: []entratest.Tenant{
			{ID: tenantID, Domains: []entratest.Domain{{Name: "a.example"}}}, {ID: clientID, Domains: []entratest.Domain{{Name: "A.example"}}},
		}},
	} {
		if _, err := entratest.New(config); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want a fault of kind Invalid", name, err)
		}
	}
}
