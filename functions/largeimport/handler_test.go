package largeimport_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/importing"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/store"
)

// Accounts become users with the names, the address and the attributes whose import is on,
// in the state that is the organization's default for applications. Nothing changes in Entra.
func TestImportOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.directory = f.Settings(f.directory, func(s *directory.Settings) { s.Import = map[directory.Rule]bool{"user_job_title": true} })
		ann := f.account("Ann.Example", func(u *entratest.User) {
			u.Properties["jobTitle"], u.Properties["department"], u.Properties["mail"] = "Lead", "Sales", "Ann@contoso.example"
		})
		before := f.Tenant.Users()
		job, lines := f.work(f.start(importing.Choice{IDs: []directory.EntraID{ann}, Notify: []string{"admin@contoso.example"}}).ID)
		if job.Status != store.ImportFinished || job.Total != 1 || job.Imported != 1 || job.Failed != 0 || !job.Delivered || job.Mail != "sent" {
			t.Errorf("the import: %+v, want one of one imported, delivered, and a mail", job)
		}
		user := f.people()["Ann.Example"]
		want := store.ImportLine{ID: ann, UPN: "Ann.Example@contoso.example", Email: "ann@contoso.example", Username: "Ann.Example", FirstName: "G-Ann.Example", LastName: "Lee",
			Status: store.LineImported, Recorded: true, User: directory.UserID(user.Text("_id"))}
		if len(lines) != 1 || lines[0] != want || user == nil {
			t.Errorf("the lines: %+v, want %+v", lines, want)
		}
		if got := [...]string{user.Text("email"), user.Text("firstname"), user.Text("jobTitle"), user.Text("department"), user.Text("state"), user.Text("creationSource")}; got != [...]string{"ann@contoso.example", "G-Ann.Example", "Lead", "", "STAGED", "jumpcloud:o365"} {
			t.Errorf("the user has %q, want address, first name, job title, no department, staged and its source", got)
		}
		if after := f.Tenant.Users(); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("the accounts are %+v, want them as before: %+v", after, before)
		}
		if got := f.file(job.ID); !slices.Equal(got, []importing.Line{importing.LineOf(want)}) {
			t.Errorf("the file has %+v, want %+v", got, want)
		}
		if len(f.mails.got) != 1 || !strings.Contains(f.mails.got[0].Text, "https://entrasync.example/v1/imports/"+job.ID+"/results?key=") {
			t.Errorf("the mails: %+v, want one with a link to the results", f.mails.got)
		}
		if len(f.users.sent) != 0 {
			t.Errorf("%d tasks were sent, want none: nobody was to be connected", len(f.users.sent))
		}
	})
}

// Every chosen account has exactly one line, whatever their number is.
func TestSizes(t *testing.T) {
	for _, n := range []int{0, 1, 99, 100, 101, 250} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				for i := range n {
					f.account(fmt.Sprintf("p%04d", i), nil)
				}
				job, lines := f.work(f.start(importing.Choice{ImportChoice: store.ImportChoice{All: true, Search: "p0"}}).ID)
				seen := map[directory.EntraID]bool{}
				for _, line := range lines {
					if seen[line.ID] = true; line.Status != store.LineImported || line.User == "" {
						t.Errorf("a line: %+v, want it imported", line)
					}
				}
				if job.Total != n || job.Imported != n || len(lines) != n || len(seen) != n || len(f.JumpCloud.Users()) != n || len(f.file(job.ID)) != n {
					t.Errorf("%d chosen, %d imported, %d lines of %d accounts, %d in the file, %d users, want %d of each", job.Total, job.Imported, len(lines), len(seen), len(f.file(job.ID)), len(f.JumpCloud.Users()), n)
				}
			})
		})
	}
}

// What cannot be imported has its line and a reason, and takes nothing from the others.
func TestLinesThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.PortalUsernames = true })
		var ids []directory.EntraID
		var want []string
		add := func(id directory.EntraID, says string) { ids, want = append(ids, id), append(want, says) }
		account := func(alias, says string, edit func(*entratest.User)) { add(f.account(alias, edit), says) }
		account("ann", "imported", nil)
		account("guest", "failed It is a guest", func(u *entratest.User) { u.Properties["userType"] = "Guest" })
		account("agent", "failed It is the account of a program", func(u *entratest.User) { u.Agent = true })
		account("room", "failed Its sign-in is blocked", nil)
		_, err := f.Tenant.UpdateUser("room@contoso.example", map[string]any{"accountEnabled": false})
		f.Must(err)
		account("old", "imported", func(u *entratest.User) { u.Properties["userType"] = nil })
		account("twin1", "imported", func(u *entratest.User) { u.Properties["mailNickname"] = "twin" })
		account("twin2", "failed The account twin1@contoso.example has the username TWIN too", func(u *entratest.User) { u.Properties["mailNickname"] = "TWIN" })
		account("noalias", "imported", func(u *entratest.User) { delete(u.Properties, "mailNickname") })
		account("o'neil", "imported", func(u *entratest.User) { u.Properties["surname"] = `O'Neil, "Jr"` })
		account("rtl", "imported", func(u *entratest.User) { u.Properties["givenName"] = "\u202eדוד" })
		account("7", "failed Neither its alias", func(u *entratest.User) { u.Properties["mailNickname"] = "007" })
		deleted := f.account("gone", nil)
		_, err = f.Tenant.DeleteUser(string(deleted))
		f.Must(err)
		add(deleted, "failed The tenant of main has no account")
		add("00000000-0000-4000-8000-000000000009", "failed The tenant of main has no account")
		add("no-id", "failed The tenant of main has no account")
		f.HireAs("somebody", "bob@contoso.example")
		account("bob", "failed JumpCloud has the e-mail address bob@contoso.example already, of somebody", nil)
		f.HireAs("cat", "cat@elsewhere.example")
		account("CAT", "failed JumpCloud has the username CAT already, of cat", nil)
		dan := f.HireAs("dan", "dan@elsewhere.example")
		account("daniel", "failed JumpCloud has this person already: dan", func(u *entratest.User) { u.Properties["onPremisesImmutableId"] = string(dan) })
		eva := f.account("eva", nil)
		_, err = f.Store.Claim(t.Context(), f.directory.TenantObject, eva, store.Owner{Organization: f.directory.Organization, User: "x", Username: "eva.old"}, f.directory.ID)
		f.Must(err)
		add(eva, "failed JumpCloud has this person already: the account belongs to eva.old")
		people := len(f.JumpCloud.Users())

		job, lines := f.work(f.start(importing.Choice{IDs: append(slices.Clone(ids), ids[0], ids[1])}).ID)
		imported := 0
		for i, line := range lines {
			if strings.HasPrefix(want[i], "imported") {
				imported++
			}
			if line.ID != ids[i] || !strings.HasPrefix(said(line), want[i]) {
				t.Errorf("line %d of %s says %q, want %q", i, ids[i], said(line), want[i])
			}
		}
		if len(lines) != len(ids) || job.Imported != imported || job.Failed != len(ids)-imported || len(f.JumpCloud.Users()) != people+imported {
			t.Errorf("%d lines, %d imported, %d failed, %d new users, want %d, %d, %d, %d", len(lines), job.Imported, job.Failed, len(f.JumpCloud.Users())-people, len(ids), imported, len(ids)-imported, imported)
		}
	})
}

// A CSV names accounts by their UPN.
func TestUPNs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ann := f.account("ann", nil)
		upns, err := importing.ReadUPNs([]byte("\uFEFFname;UPN\r\nAnn;ANN@contoso.example\r\n;nobody@contoso.example\r\nAnn;ann@contoso.example\r\n"))
		f.Must(err)
		_, lines := f.work(f.start(importing.Choice{UPNs: upns}).ID)
		if len(lines) != 2 || lines[0].ID != ann || lines[0].Status != store.LineImported || !strings.HasPrefix(said(lines[1]), "failed The tenant of main has no account nobody@contoso.example") {
			t.Errorf("lines: %+v, want ann imported and nobody failed", lines)
		}
	})
}
